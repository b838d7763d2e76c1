"""`rotator history`: every step of every run, from the ledger alone."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotator.cli import options
from rotator.cli.exits import BadUsage
from rotator.triage import advised, classed, trouble_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rotator.cli.opening import House
    from rotator.ledger.facts import Line

_MOST_LINES = 100_000


def history(
    names: options.Names = None,
    run: Annotated[str, typer.Option(metavar="ID", help="One run, or what its id begins with.")] = (
        ""
    ),
    limit: Annotated[
        int,
        typer.Option(
            parser=options.whole("lines", 1, _MOST_LINES),
            metavar="LINES",
            help="The newest so many.",
        ),
    ] = 50,
    as_json: options.Json = False,
) -> None:
    """Show what was done, the newest last: every step of every run, those that failed too."""
    from rotator.cli import out
    from rotator.cli.opening import House

    house = House.open()
    lines = _lines(house, names, run, limit)
    if run and not lines:
        raise BadUsage(f"there is no run {run}", remedy="see `rotator history`")
    if as_json:
        out.say_json([_step(line) for line in lines])
    elif lines:
        heads = ("AT", "CREDENTIAL", "RUN", "STEP", "WHY", "OUTCOME", "CLASS", "TOOK", "WHAT",
                 "CAUSE")  # fmt: skip
        out.table(heads, [_shown(line) for line in lines])
    else:
        out.say(_nothing_yet(house, names))


def _nothing_yet(house: "House", names: "Sequence[str] | None") -> str:
    """When there will be something."""
    from rotator.cli import out
    from rotator.cli.names import matching

    rows = {row.credential: row for row in house.rows()}
    chosen = matching(names, rows, house.book) if names and rows else rows
    due = min((at for name in chosen if (at := rows[name].due_at)), default=None)
    if due is None:
        return "nothing yet: no worker has met a credential (start one: `rotator worker`)"
    when = out.both(due, house.clock.now())
    alive = house.worker_is_alive()
    return f"nothing yet; the first rotation is due at {when}" + (
        "" if alive else ", once a worker runs: `rotator worker`"
    )


def _lines(house: "House", names: "Sequence[str] | None", run: str, limit: int) -> "list[Line]":
    from rotator.cli.names import matching

    known = house.book.credentials.keys() | {row.credential for row in house.rows()}
    chosen = matching(names, known, house.book) if names else [""]
    if not house.has_ledger:
        return []
    most = _MOST_LINES if run else limit
    with house.ledger() as ledger:
        found = [line for name in chosen for line in ledger.history(name, limit=most)]
    return _newest_last((line for line in found if line.stepped.run.startswith(run)), limit)


def _newest_last(found: "Iterable[Line]", limit: int) -> "list[Line]":
    return sorted(found, key=lambda line: (line.stepped.at, line.stepped.seq))[-limit:]


def _shown(line: "Line") -> tuple[str, ...]:
    from rotator.cli import out

    step = line.stepped
    took = f"{step.duration.total_seconds():.1f}s"
    run = out.short(step.run)
    trouble = trouble_of(step.outcome)
    what = advised(step.text, trouble) if trouble else step.text
    return (out.instant(step.at), line.credential, run, step.step, step.reason, step.outcome,
            trouble.name if trouble else "", took, what, step.cause)  # fmt: skip


def _step(line: "Line") -> dict[str, Any]:
    step = line.stepped
    return {
        "credential": line.credential,
        "at": step.at,
        "run": step.run,
        "seq": step.seq,
        "step": step.step,
        "reason": step.reason,
        "outcome": step.outcome,
        "text": step.text,
        **classed(trouble_of(step.outcome)),
        "duration_ms": round(step.duration.total_seconds() * 1000),
        "cause": step.cause,
    }
