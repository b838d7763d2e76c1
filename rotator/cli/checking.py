"""`rotator check`: everything that can be wrong before a token dies of it. Changes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli import options
from rotator.cli.checks.findings import FAIL, Finding
from rotator.cli.exits import Exit
from rotator.errors import LedgerError

if TYPE_CHECKING:
    from rotator.cli.opening import House
    from rotator.jobs.job import Credential
    from rotator.ledger.facts import Row

_OFFLINE = "Ask neither providers nor AWS; secrets of Secrets Manager are not read."


def check(
    names: options.Names = None,
    offline: Annotated[bool, typer.Option("--offline", help=_OFFLINE)] = False,
    iam: Annotated[
        bool, typer.Option("--iam", help="Print the IAM policy that the worker needs, to compare.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Show what is well, too, and what to know of each job.")
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Check job files, seeds, schedules, providers and AWS rights; change nothing.

    One line a job (ok, warn, fail or off), and under it what is to be mended, with how. Providers
    are connected to and sent nothing. In AWS each secret is described and read, and the last
    version of one for each prefix is put again, which changes nothing there.
    """
    from rotator.cli import out
    from rotator.cli.checks import aws, shown
    from rotator.cli.opening import House

    house = House.open()
    found = list(_findings(house, names, offline=offline))
    if as_json:
        policy = aws.policy(house)
        out.say_json({"findings": [asdict(each) for each in found], "iam": policy})
    else:
        shown.show(found, every=every)
        if iam or any(aws.is_denial(each) for each in found):
            shown.show_policy(aws.policy(house))
        shown.show_summary(found, every=every)
    return Exit.WRONG if any(each.level == FAIL for each in found) else Exit.DONE


def _findings(house: "House", names: "list[str] | None", *, offline: bool) -> Iterator[Finding]:
    from rotator.cli.checks import aws, folders, hosts, jobs, key, readers, schedule, seeds

    broken = _broken(house, names or [])
    chosen = _chosen(house, names, broken)
    barred = list(folders.barred(house))
    rows: dict[str, Row] = {}
    try:
        # Where this user may not look, the ledger is not opened, and all else is told all the same.
        rows = {} if barred else {row.credential: row for row in house.rows()}
    except LedgerError as error:  # a damaged one, likewise
        barred.append(folders.unreadable(house, error))
    yield from barred
    if not names and not barred:
        yield from jobs.state(house)
        yield from key.sealing_key(house, offline=offline)
    meant = {each.job for each in chosen}.union(*broken.values())
    yield from jobs.files(house, meant if names else None)
    for credential in chosen:
        yield from schedule.schedule(credential, rows.get(credential.qualified), house.clock)
        yield from schedule.gaps(credential)
    yield from jobs.limits(house, chosen)
    with house.store() as store:
        asked = None if offline else store
        for each in chosen:
            yield from readers.readers(each, rows.get(each.qualified), house.clock, asked)
        yield from seeds.seeds(house, chosen, store, rows, offline=offline)
        if not offline:
            yield from hosts.reached(house, chosen)
            yield from aws.rights(store, chosen)


def _broken(house: "House", names: "list[str]") -> dict[str, list[str]]:
    """What names mean in files with mistakes: to tell those is what one asks for."""
    from rotator.cli.names import fits

    meant = {
        name: [job for job in house.book.broken if fits(job, name.partition("/")[0])]
        for name in names
    }
    return {name: jobs for name, jobs in meant.items() if jobs}


def _chosen(
    house: "House", names: "list[str] | None", broken: "Mapping[str, object]"
) -> "list[Credential]":
    """Of sound files. Raises UnknownName for a name that means nothing there, nor in another."""
    from rotator.cli.names import fits

    every = house.book.credentials
    if not names or house.book.unread:
        return list(every.values())
    there = [
        name for name in names if name not in broken or any(fits(each, name) for each in every)
    ]
    return house.chosen(there)
