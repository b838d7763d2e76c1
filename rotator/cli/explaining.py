"""`rotator explain`: what one look sees, and what follows from it. No lease, nothing changed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rotator.cli import options

if TYPE_CHECKING:
    from rotator.ledger.base import Ledger


def explain(name: options.Name, as_json: options.Json = False) -> None:
    """Show what is seen of one credential, the line of the plan that fits, and the next look.

    Tokens appear as the beginnings of their fingerprints. Reads the ledger, both secrets and the
    seeds; asks no provider, takes no lease, changes nothing.
    """
    from rotator.cli import out
    from rotator.cli.explained import explained
    from rotator.cli.opening import House
    from rotator.errors import StoreError

    house = House.open()
    credential = house.one(name)
    with house.ledger() as ledger, house.tools(ledger) as tools:
        try:
            found = explained(tools, credential)
        except StoreError:
            _show_from_ledger(ledger, credential.qualified)
            raise
    if as_json:
        out.say_json(found)
    else:
        _show(found)


def _show_from_ledger(ledger: "Ledger", name: str) -> None:
    """What is known without the store, which is what somebody needs while it is down."""
    from rotator.cli import out

    for row in ledger.rows([name]):
        due = f", next look {row.due_at:%F %TZ}" if row.due_at else ""
        out.say(f"{name}: {row.state}, as the ledger has it{due}")
    backs = ledger.back_offs(name)
    out.say(*(f"  {b.what} until {b.until:%F %TZ}, {b.failures} times: {b.text}" for b in backs))


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


def _show(found: Mapping[str, Any]) -> None:
    from rotator.cli import out

    out.say(f"{found['credential']}: {found['state']}, {found['provider']} at {found['host']}")
    for key, title in _TITLES.items():
        if rows := found[key]:
            out.say("", f"{title}:")
            out.table([head.replace("_", " ") for head in rows[0]], _cells(rows))
    if found["missing_seeds"]:
        out.say("", "Seeds that are missing:", *(f"  {text}" for text in found["missing_seeds"]))
    _show_next(found)


def _show_next(found: Mapping[str, Any]) -> None:
    from rotator.cli import out

    following = found["next"]
    on = f" {following['subject']}" if following["subject"] else ""
    out.say("", f"The line that fits: {following['line']}")
    out.say(f"Next step: {following['step'].upper()}{on}, because {following['reason']}")
    if following["until"]:
        out.say(f"Next look: {out.both(following['until'], found['at'])}, or when asked")
    else:
        out.say(f"Next look: {out.both(following['due_at'], found['at'])}")
    if found["text"]:
        out.say(f"For a person: {found['text']}")


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
