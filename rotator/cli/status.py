"""`rotator status`: from the ledger alone, without any network."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotator.cli import options
from rotator.cli.exits import Exit
from rotator.model import State
from rotator.triage import BY_REASON, advised, classed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rotator.cli.opening import House
    from rotator.jobs.job import JobBook
    from rotator.ledger.facts import Holder, Row
    from rotator.rotation.standing import Standing
    from rotator.triage import Trouble


def status(
    names: options.Names = None,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="0 all well, 1 late or backing off, 2 expired or worse."),
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Show every credential: state, both deadlines, margin, next look.

    MARGIN is how long consumers stay healthy if everything stopped now.
    """
    from rotator.cli import out
    from rotator.cli.adoption import by_credential
    from rotator.cli.opening import House
    from rotator.rotation.standing import gravest

    house = House.open()
    now = house.clock.now()
    alive = house.worker_is_alive()
    found = _standings(house, names, now, alive=alive)
    holders = by_credential(house.holders())
    if as_json:
        out.say_json(_whole(house, found, holders, alive=alive))
    else:
        _no_files(house)
        _table(found, now, house.book, alive=alive)
        _behind(found, holders)
        _worker(house, found, alive=alive)
        _others(house)
    return _code(gravest(each.at_rest for each in found)) if exit_code else Exit.DONE


def _standings(
    house: "House", names: "Sequence[str] | None", now: "datetime", *, alive: bool
) -> "list[Standing]":
    from rotator.cli.names import matching
    from rotator.rotation.standing import standing

    rows = {row.credential: row for row in house.rows()}
    credentials = house.book.credentials
    known = rows.keys() | credentials.keys()
    chosen = matching(names, known, house.book) if names else sorted(known)
    return [
        standing(name, rows.get(name), credentials.get(name), now, at_work=alive) for name in chosen
    ]


def _table(found: "Sequence[Standing]", now: "datetime", book: "JobBook", *, alive: bool) -> None:
    from rotator.cli import out

    heads = ("CREDENTIAL", "STATE", "ACCESS TOKEN DIES", "REFRESH TOKEN DIES", "MARGIN",
             "NEXT LOOK", "WHAT")  # fmt: skip
    if found:
        out.table(heads, [_line(each, now, book, alive=alive) for each in found])


def _behind(found: "Sequence[Standing]", holders: "Mapping[str, Sequence[Holder]]") -> None:
    """Who has not taken the published token yet, of those that report."""
    from rotator.cli import out
    from rotator.cli.adoption import behind

    for each in found:
        for said in behind(holders.get(each.credential, ()), _published(each)):
            out.say(f"{each.credential}: {said}")


def _published(each: "Standing") -> int:
    """The generation that consumers can read, 0 where there is none."""
    from rotator.model import Shelf

    record = each.row.records.get(Shelf.TOKEN) if each.row else None
    return record.generation if record else 0


def _line(each: "Standing", now: "datetime", book: "JobBook", *, alive: bool) -> tuple[str, ...]:
    from rotator.cli import out

    row = each.row
    margin = "-" if each.margin is None else out.rough(each.margin)
    if row is None:
        unmet = "the worker has yet to read its job file" if alive else "no worker has met it yet"
        return (each.credential, each.state, "-", "-", "-", "-", unmet)
    return (
        each.credential,
        each.state,
        out.deadline(row.access_expires_at, now),
        out.deadline(row.refresh_expires_at, now),
        margin,
        out.relative(due_at, now) if (due_at := _next_look(row)) else "-",
        _what(each, book),
    )


def _next_look(row: "Row") -> "datetime | None":
    """None where nobody will look: it is paused, or no job file gives it."""
    return None if row.paused_at else row.due_at


def _what(each: "Standing", book: "JobBook") -> str:
    """The class of the trouble, why it is so, and what comes next."""
    trouble, said = _trouble(each), _said(each, book)
    if trouble is None:
        return said
    told = f"{trouble.name}: {said}"
    return told if each.state is State.NEEDS_A_PERSON else advised(told, trouble)


def _said(each: "Standing", book: "JobBook") -> str:
    """One sentence: who paused it, what to do, or why it is so."""
    from rotator.cli.names import to_do_about, why_absent

    row = each.row
    if row is None:
        return ""
    if not each.has_job:
        if book.unread:
            return book.unread.text
        if absent := why_absent(each.credential.partition("/")[0], book):
            return absent
        return f"no job file gives it any more: {to_do_about(each.credential, book)}"
    if row.paused_at is not None:
        return f"by {row.paused_by} since {row.paused_at:%F %TZ}: {row.paused_why}"
    return row.text or ("" if each.state is not row.state else row.reason)


def _trouble(each: "Standing") -> "Trouble | None":
    row = each.row
    told = row is not None and each.has_job and row.paused_at is None
    return BY_REASON.get(row.reason) if row and told else None


def _no_files(house: "House") -> None:
    """The cause first, where it is one for all credentials."""
    from rotator.cli import out

    if house.unread:
        out.say(house.unread)
    elif not house.book.jobs and not house.book.mistakes:
        out.say(f"no job files in {house.settings.jobs_dir}: `rotator init` writes one")


def _worker(house: "House", found: "Sequence[Standing]", *, alive: bool) -> None:
    """Why nothing is renewed, or not all of it."""
    from rotator.cli import out
    from rotator.cli.opening import READ_ANEW

    if not alive:
        out.say("no worker is alive, so nothing is renewed: `rotator worker`")
    elif not all(each.row for each in found):
        pid = house.lock().holder() or "unknown"
        out.say(f"to let the worker (pid {pid}) know of all, {READ_ANEW}")


def _others(house: "House") -> None:
    """Jobs that are off, and files that are broken, after the table."""
    from rotator.cli import out

    for job in house.book.jobs:
        if job.off:
            out.say(f"{job.name}: off until {job.off} is set")
    if house.book.mistakes and not house.book.unread:
        files = len({mistake.file for mistake in house.book.mistakes})
        out.say(f"{out.counted(files, 'job file')} with mistakes: `rotator check`")
    if house.book.strays:
        strays = out.counted(len(house.book.strays), "file")
        out.say(f"{strays} not read, for want of its name or its place: `rotator check`")


def _whole(
    house: "House",
    found: "Sequence[Standing]",
    holders: "Mapping[str, Sequence[Holder]]",
    *,
    alive: bool,
) -> dict[str, Any]:
    from rotator.cli.adoption import plain

    return {
        "credentials": [
            {**_plain(each, house.book), "consumers": plain(holders.get(each.credential, ()))}
            for each in found
        ],
        "off": {job.name: job.off for job in house.book.jobs if job.off},
        "mistakes": len(house.book.mistakes),
        "worker": alive,
    }


def _plain(each: "Standing", book: "JobBook") -> dict[str, Any]:
    from rotator.cli import out

    row = each.row
    return {
        "credential": each.credential,
        "state": each.state,
        "reason": row.reason if row else None,
        "text": _said(each, book),
        **classed(_trouble(each)),
        "access_expires_at": row.access_expires_at if row else None,
        "access_renew_at": row.access_renew_at if row else None,
        "refresh_expires_at": row.refresh_expires_at if row else None,
        "refresh_renew_at": row.refresh_renew_at if row else None,
        "margin_seconds": out.seconds(each.margin),
        "due_at": _next_look(row) if row else None,
        "generation": _published(each),
        "job_file": each.has_job,
    }


def _code(state: str) -> int:
    if state in (State.NEEDS_A_PERSON, State.EXPIRED):
        return 2
    return 1 if state in (State.LATE, State.BACKING_OFF) else 0
