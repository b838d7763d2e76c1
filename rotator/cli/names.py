"""Which credentials a person means: `job`, `job/credential`, or a glob over either."""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.cli.exits import BadUsage, UnknownName
from rotator.cli.opening import READ_ANEW
from rotator.jobs.folder import why_stray

if TYPE_CHECKING:
    from rotator.jobs.job import JobBook

_TO_MEET = f"start one: `rotator worker`; if it runs, {READ_ANEW}"
_NEAR = 0.75
"""How much two names must be alike for one to be suggested in the other's place, of 1."""


def matching(
    patterns: Sequence[str],
    known: Iterable[str],
    book: "JobBook | None" = None,
    left: Callable[[], Iterable[str]] = tuple,
) -> list[str]:
    """Every known name that a pattern fits, each once, in order. Raises UnknownName.

    `left`: asked for what the ledger alone may still know, where a pattern fits nothing.
    """
    there = sorted(set(known))
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [name for name in there if fits(name, pattern)]
        if not fitting:
            raise _unknown(pattern, there, book, left)
        found |= dict.fromkeys(fitting)
    return list(found)


def one(
    name: str,
    known: Iterable[str],
    book: "JobBook | None" = None,
    left: Callable[[], Iterable[str]] = tuple,
) -> str:
    """The one credential that is meant; a job of one credential stands for it."""
    found = matching([name], known, book, left)
    if len(found) > 1:
        raise BadUsage(f"{name} is {len(found)} credentials", remedy=f"one of {_listed(found)}")
    return found[0]


def fits(name: str, pattern: str) -> bool:
    """Whether the pattern means that credential."""
    job = name.partition("/")[0]
    return pattern in (name, job) or fnmatchcase(name if "/" in pattern else job, pattern)


def _unknown(
    pattern: str,
    there: Sequence[str],
    book: "JobBook | None",
    left: Callable[[], Iterable[str]],
) -> UnknownName:
    if book and any(fits(name, pattern) for name in book.credentials):
        which = "a credential" if pattern == "*" else pattern
        return UnknownName(f"no worker has met {which} yet", remedy=_TO_MEET)
    absent = why_absent(pattern.partition("/")[0], book) if book else ""
    told = absent or (book and book.unread)
    if not told and (gone := next((name for name in left() if fits(name, pattern)), "")):
        return UnknownName(f"no job file gives {gone} any more", remedy=to_do_about(gone, book))
    remedy = absent or _nearest(pattern, there, book)
    # Nobody typed the star: all are meant.
    which = "" if pattern == "*" else f" {pattern or repr(pattern)}"
    return UnknownName(f"there is no credential{which}", remedy=remedy)


def why_absent(job: str, book: "JobBook") -> str:
    """A job that is off or broken is not there, but it is not unknown either; empty: it is."""
    for each in book.jobs:
        if each.name == job and each.off:
            return f"the job is off until {each.off} is set"
    if job in book.broken:
        return "its job file has mistakes: `rotator check`"
    strays = map(Path, book.strays)
    if stray := next((each for each in strays if each.name.lower().partition(".")[0] == job), None):
        return f"{stray.name} is no job file: {why_stray(stray)[0]}"
    return ""


def to_do_about(name: str, book: "JobBook | None") -> str:
    """With a credential of the ledger that no job file gives.

    To forget it is only spoken of where there are other job files: else it is the folder's fault.
    """
    if book and (book.jobs or book.mistakes):
        return f"put it back, or `rotator forget {name}`"
    return "put it back, or set ROTATOR_JOBS_DIR to where it is"


def _nearest(pattern: str, there: Sequence[str], book: "JobBook | None") -> str:
    if not there:
        return _why_none(book)
    jobs = sorted({name.partition("/")[0] for name in there})
    ending = [name for name in there if name.endswith(f"/{pattern}")]
    near = ending or get_close_matches(pattern, [*there, *jobs], n=1, cutoff=_NEAR)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {_listed(there)}"


def _why_none(book: "JobBook | None") -> str:
    """No credential at all: all jobs are off, all files are broken, or there is none."""
    if book and (unread := book.unread):
        return f"{unread.text}: {unread.file}; {unread.remedy}"
    if book and book.mistakes:
        return "the job files have mistakes: `rotator check`"
    if off := [f"{job.name} until {job.off} is set" for job in (book.jobs if book else ())]:
        return f"every job is off: {', '.join(off)}"
    return "there is no job file: `rotator init` writes one"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
