"""`rotator check`: everything that can be wrong before a token dies of it. Changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli import options
from rotator.cli.exits import Exit
from rotator.errors import LedgerError

if TYPE_CHECKING:
    from rotator.cli.opening import House
    from rotator.jobs.job import Credential
    from rotator.ledger.facts import Row

OK, OFF, NOTE, WARN, FAIL = "ok", "off", "note", "warn", "fail"
LEVELS = (OK, OFF, NOTE, WARN, FAIL)
"""The gravest last."""
MACHINE, AWS = "this machine", "AWS"
_REACH = "see the address in the job file, DNS, the proxy and the firewall"
_OFFLINE = "Ask neither providers nor AWS; secrets of Secrets Manager are not read."


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: str
    part: str
    """Under which it is shown: a job, a file that is broken, this machine or AWS."""
    about: str
    """A credential, a host, a folder, a line of a file."""
    what: str
    text: str
    remedy: str = ""


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
    from rotator.cli import check_aws, check_shown, out
    from rotator.cli.opening import House

    house = House.open()
    found = list(_findings(house, names, offline=offline))
    if as_json:
        policy = check_aws.policy(house)
        out.say_json({"findings": [asdict(each) for each in found], "iam": policy})
    else:
        check_shown.show(found, every=every)
        if iam or any(check_aws.is_denial(each) for each in found):
            check_shown.show_policy(check_aws.policy(house))
        check_shown.show_summary(found, every=every)
    return Exit.WRONG if any(each.level == FAIL for each in found) else Exit.DONE


def _findings(house: "House", names: "list[str] | None", *, offline: bool) -> Iterator[Finding]:
    from rotator.cli import (
        check_aws,
        check_folders,
        check_jobs,
        check_key,
        check_readers,
        check_schedule,
        check_seeds,
    )

    chosen = house.chosen(names) if names else list(house.book.credentials.values())
    barred = list(check_folders.barred(house))
    rows: dict[str, Row] = {}
    try:
        # Where this user may not look, the ledger is not opened, and all else is told all the same.
        rows = {} if barred else {row.credential: row for row in house.rows()}
    except LedgerError as error:  # a damaged one, likewise
        barred.append(check_folders.unreadable(house, error))
    yield from barred
    if not names and not barred:
        yield from check_jobs.state(house)
        yield from check_key.sealing_key(house, offline=offline)
    yield from check_jobs.files(house, {each.job for each in chosen} if names else None)
    for credential in chosen:
        yield from check_schedule.schedule(credential, rows.get(credential.qualified), house.clock)
        yield from check_schedule.gaps(credential)
    yield from check_jobs.limits(house, chosen)
    with house.store() as store:
        asked = None if offline else store
        for each in chosen:
            yield from check_readers.readers(each, rows.get(each.qualified), house.clock, asked)
        yield from check_seeds.seeds(house, chosen, store, rows, offline=offline)
        if not offline:
            yield from _reached(house, chosen)
            yield from check_aws.rights(store, chosen)


def _reached(house: "House", chosen: "Sequence[Credential]") -> Iterator[Finding]:
    """Each host once, for every job that wants it."""
    from rotator.cli.reach import reach
    from rotator.engine import assembly

    hosts: dict[str, dict[str, None]] = {}
    for each in chosen:
        hosts.setdefault(each.provider.host, {})[each.job] = None
    for host, jobs in sorted(hosts.items()):
        problem = reach(
            host,
            house.clock,
            house.settings.request_timeout,
            assembly.trust_of(house.settings),
            house.settings.allowed_addresses,
        )
        for job in jobs:
            yield Finding(
                level=FAIL if problem else OK,
                part=job,
                about=host,
                what="provider",
                text=f"{host}: {problem or 'can be connected to'}",
                remedy=_REACH if problem else "",
            )
