"""`rotator check`: everything that can be wrong before a token dies of it. Changes nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli import options
from rotator.cli.exits import Exit

if TYPE_CHECKING:
    from rotator.cli.opening import House
    from rotator.jobs.job import Credential

OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"
_OFFLINE = "Ask neither providers nor AWS; secrets of Secrets Manager are not read."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: str
    about: str
    """A credential, a job, a host, a file."""
    what: str
    text: str


def check(
    names: options.Names = None,
    offline: Annotated[bool, typer.Option("--offline", help=_OFFLINE)] = False,
    iam: Annotated[
        bool, typer.Option("--iam", help="Print the IAM policy that the worker needs, to compare.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show what is well, too.")] = False,
    as_json: options.Json = False,
) -> int:
    """Check job files, seeds, schedules, providers and AWS rights; change nothing.

    Providers are connected to and sent nothing. In AWS each secret is described and read, and the
    last version of one for each prefix is put again, which changes nothing there.
    """
    from rotator.cli.opening import House

    house = House.open()
    found = list(_findings(house, names, offline=offline))
    failing = any(each.level == ERROR for each in found)
    _report(house, found, iam=iam, every=every, as_json=as_json)
    return Exit.WRONG if failing else Exit.DONE


def _findings(house: "House", names: "list[str] | None", *, offline: bool) -> Iterator[Finding]:
    from rotator.cli import check_aws, check_jobs, check_key, check_readers, check_schedule

    chosen = house.chosen(names) if names else list(house.book.credentials.values())
    rows = {row.credential: row for row in house.rows()}
    if not names:
        yield from check_jobs.files(house)
        yield from check_jobs.state(house)
        yield from check_key.sealing_key(house, offline=offline)
    for credential in chosen:
        yield from check_schedule.schedule(credential, rows.get(credential.qualified), house.clock)
        yield from check_schedule.gaps(credential)
        yield from check_readers.readers(credential, rows.get(credential.qualified), house.clock)
    yield from check_jobs.limits(house, chosen)
    with house.store() as store:
        yield from check_jobs.seeds(house, chosen, store, rows, offline=offline)
        if not offline:
            yield from _reached(house, chosen)
            yield from check_aws.rights(store, chosen)


def _reached(house: "House", chosen: "Iterable[Credential]") -> Iterator[Finding]:
    from rotator.cli.reach import reach
    from rotator.engine import assembly

    for host in sorted({each.provider.host for each in chosen}):
        problem = reach(
            host,
            house.clock,
            house.settings.request_timeout,
            assembly.trust_of(house.settings),
            house.settings.allowed_addresses,
        )
        if problem:
            yield Finding(ERROR, host, "provider", problem)
        else:
            yield Finding(OK, host, "provider", "reachable")


def _report(house: "House", found: list[Finding], *, iam: bool, every: bool, as_json: bool) -> None:
    from rotator.cli import check_aws, out

    of_aws = {"AWS", "sealing key"} if house.settings.seal_kms_key else {"AWS"}
    aws_failed = any(each.what in of_aws and each.level == ERROR for each in found)
    if as_json:
        policy = check_aws.policy(house)
        out.say_json({"findings": [asdict(each) for each in found], "iam": policy})
        return
    shown = [each for each in found if every or each.level != OK]
    if shown:
        out.table(("", "ABOUT", "WHAT", ""), _rows(shown))
    if iam or aws_failed:
        import json

        out.say("", "The IAM policy that the worker needs:")
        out.say(json.dumps(check_aws.policy(house), indent=2))
    out.say(_summary(found))


def _rows(found: Iterable[Finding]) -> Iterator[tuple[str, ...]]:
    """What is the same for several credentials, in one line."""
    about: dict[tuple[str, str, str], list[str]] = {}
    for each in found:
        about.setdefault((each.level, each.what, each.text), []).append(each.about)
    for (level, what, text), names in about.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield level, ", ".join(dict.fromkeys(names[:3])) + more, what, text


def _summary(found: list[Finding]) -> str:
    counts = [(level, sum(each.level == level for each in found)) for level in (ERROR, WARNING)]
    told = ", ".join(f"{count} {level}{'s' * (count > 1)}" for level, count in counts if count)
    return f"{told or 'all well'}; {len(found)} things looked at"
