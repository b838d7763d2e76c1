"""`rotator explain`: what one look sees, and what follows from it. No lease, nothing changed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from rotator.cli import options
from rotator.model import Reason

if TYPE_CHECKING:
    from rotator.cli.opening import House
    from rotator.ledger.base import Ledger
    from rotator.rotation.tools import Tools


def explain(name: options.Name, as_json: options.Json = False) -> None:
    """Show what is seen of one credential, the line of the plan that fits, and the next look.

    Tokens appear as the beginnings of their fingerprints: where two are the same, so are the
    tokens; no other ledger, and nothing outside of it, has the same ones. Reads the ledger, both
    secrets and the seeds; asks no provider, takes no lease, changes nothing. Where no worker has
    met the credential yet, it shows what the first look would find.
    """
    from rotator.cli import out
    from rotator.cli.explained import explained
    from rotator.cli.opening import House
    from rotator.errors import StoreError

    house = House.open()
    credential = house.one(name)
    met = any(row.credential == credential.qualified for row in house.rows())
    with _looking(house, met=met) as tools:
        try:
            found = {**explained(tools, credential), "met": met}
        except StoreError:
            if met and not as_json:
                _show_from_ledger(tools.ledger, credential.qualified)
            raise
    if as_json:
        out.say_json(found)
    else:
        _show(found, at_work=house.worker_is_alive())


@contextmanager
def _looking(house: "House", *, met: bool) -> "Iterator[Tools]":
    """With the ledger that is there, or with one as it would be."""
    with ExitStack() as opened:
        if met:
            ledger = opened.enter_context(house.ledger())
            yield opened.enter_context(house.tools(ledger))
        else:
            yield opened.enter_context(house.imagined())


def _show_from_ledger(ledger: "Ledger", name: str) -> None:
    """What is known without the store, which is what somebody needs while it is down."""
    from rotator.cli import out

    for row in ledger.rows([name]):
        due = f", next look {row.due_at:%F %TZ}" if row.due_at else ""
        out.say(f"{name}: {row.state}, as the ledger has it{due}")
    backs = ledger.back_offs(name)
    out.say(
        *(
            f"  {b.what} until {b.until:%F %TZ}, failed {out.counted(b.failures, 'time')}: {b.text}"
            for b in backs
        )
    )


_WHAT_FINGERPRINTS_TELL = (
    "Equal fingerprints above are one token. They are this ledger's own: compare them with nothing"
    " else."
)
_NOT_BARRED = (
    "The seed that would be presented now is not barred: it is another than the one that was"
    " refused, or its time has come. explain reads the seeds of this shell's environment, a worker"
    " those of its own."
)
_TITLES = {
    "secrets": "The two secrets",
    "answers": "Sealed answers",
    "requests": "Requests without an answer",
    "marks": "Marks",
    "back_offs": "Backing off",
    "asked": "Asked for by people",
    "tokens": "Newest tokens",
    "wants": "Wanted now",
}


def _show(found: Mapping[str, Any], *, at_work: bool) -> None:
    """`at_work`: a worker is alive, and so would have to read the job file first."""
    from rotator.cli import out

    out.say(f"{found['credential']}: {found['state']}, {found['provider']} at {found['host']}")
    if not found["met"]:
        out.say("No worker has met it yet: this is what the first look would find.")
    for key, title in _TITLES.items():
        if rows := found[key]:
            out.say("", f"{title}:")
            out.table([head.replace("_", " ") for head in rows[0]], _cells(rows))
    if _names_tokens(found):
        out.say("", _WHAT_FINGERPRINTS_TELL)
    if _presents_a_seed_after_a_refusal(found):
        out.say("", _NOT_BARRED)
    if found["missing_seeds"]:
        out.say("", "Seeds that are missing:", *(f"  {text}" for text in found["missing_seeds"]))
    _show_step(found)
    out.say(_next_look(found) if found["met"] else _first_look(found["credential"], at_work))
    if found["class"]:
        out.say(f"Class: {found['class']}. Next: {found['action']}")
    if found["text"]:
        out.say(f"For a person: {found['text']}")


def _names_tokens(found: Mapping[str, Any]) -> bool:
    """Whether any fingerprint is shown."""
    presented = [each for want in found["wants"] for each in want["presents"]]
    rows = [*found["secrets"], *found["marks"], *presented]
    return bool(found["requests"]) or any(each["fingerprint"] for each in rows)


def _presents_a_seed_after_a_refusal(found: Mapping[str, Any]) -> bool:
    """Whether a refusal is shown without its next try, and yet a seed would be presented."""
    refused = any(each["kind"] == "refused" and not each["again_at"] for each in found["marks"])
    presented = [each for want in found["wants"] for each in want["presents"]]
    return refused and any(each["from"] == "seed" for each in presented)


def _show_step(found: Mapping[str, Any]) -> None:
    from rotator.cli import out

    following = found["next"]
    on = f" {following['subject']}" if following["subject"] else ""
    out.say("", _line(following["step"], following["line"], following["reason"]))
    out.say(f"Next step: {following['step'].upper()}{on}, because {following['reason']}")


def _line(step: str, line: str, reason: str) -> str:
    if step != "wait":
        return f"The line that fits: {line}"
    return f"{'Nothing is due: n' if reason == Reason.FRESH else 'N'}o line of the plan fits."


def _first_look(name: str, at_work: bool) -> str:
    from rotator.cli.opening import READ_ANEW

    if at_work:
        return f"The worker that runs looks at it once it knows the job file: {READ_ANEW}"
    return f"It is due as soon as a worker starts: `rotator worker`, or `rotator rotate {name}`"


def _next_look(found: Mapping[str, Any]) -> str:
    from rotator.cli import out

    if found["state"] == "paused":
        return "Next look: none while it is paused"
    if until := found["next"]["until"]:
        return f"Next look: {out.both(until, found['at'])}, or when asked"
    return f"Next look: {out.both(found['next']['due_at'], found['at'])}"


def _cells(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for row in rows:
        yield [_cell(value) for value in row.values()]


def _cell(value: Any) -> str:
    """One cell: dates to the second, ids cut short, lists joined."""
    from datetime import datetime

    from rotator.cli import out

    if isinstance(value, datetime):
        return out.instant(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cell(each)}" for key, each in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_cell(each) for each in value) or "-"
    text = str(value)
    is_id = len(text) == 36 and text.count("-") == 4
    return "-" if value is None else out.short(text) if is_id else text
