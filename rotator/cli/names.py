"""Which credentials a person means: `job`, `job/credential`, or a glob over either."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.cli.exits import BadUsage, UnknownName
from rotator.cli.opening import READ_ANEW

if TYPE_CHECKING:
    from rotator.jobs.job import JobBook

_TO_MEET = f"start one: `rotator worker`; if it runs, {READ_ANEW}"


def matching(
    patterns: Sequence[str], known: Iterable[str], book: "JobBook | None" = None
) -> list[str]:
    """Every known name that a pattern fits, each once, in order. Raises UnknownName."""
    there = sorted(set(known))
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [name for name in there if _fits(name, pattern)]
        if not fitting:
            raise _unknown(pattern, there, book)
        found |= dict.fromkeys(fitting)
    return list(found)


def one(name: str, known: Iterable[str], book: "JobBook | None" = None) -> str:
    """The one credential that is meant; a job of one credential stands for it."""
    found = matching([name], known, book)
    if len(found) > 1:
        raise BadUsage(f"{name} is {len(found)} credentials", remedy=f"one of {_listed(found)}")
    return found[0]


def _fits(name: str, pattern: str) -> bool:
    job = name.partition("/")[0]
    return pattern in (name, job) or fnmatchcase(name if "/" in pattern else job, pattern)


def _unknown(pattern: str, there: Sequence[str], book: "JobBook | None") -> UnknownName:
    if book and any(_fits(name, pattern) for name in book.credentials):
        which = "a credential" if pattern == "*" else pattern
        return UnknownName(f"no worker has met {which} yet", remedy=_TO_MEET)
    remedy = _why_absent(pattern, book) or _nearest(pattern, there, book)
    # Nobody typed the star: all are meant.
    which = "" if pattern == "*" else f" {pattern or repr(pattern)}"
    return UnknownName(f"there is no credential{which}", remedy=remedy)


def _why_absent(pattern: str, book: "JobBook | None") -> str:
    """A job that is off or broken is not there, but it is not unknown either."""
    job = pattern.partition("/")[0]
    for each in book.jobs if book else ():
        if each.name == job and each.off:
            return f"the job is off until {each.off} is set"
    wrong = {mistake.file for mistake in book.mistakes} if book else set()
    if any(file.endswith(f"/{job}.toml") or file == f"{job}.toml" for file in wrong):
        return "its job file has mistakes: `rotator check`"
    strays = (Path(file).name for file in (book.strays if book else ()))
    if stray := next((name for name in strays if name.lower().partition(".")[0] == job), ""):
        return f"{stray} is no job file: its name does not end in .toml"
    return ""


def _nearest(pattern: str, there: Sequence[str], book: "JobBook | None") -> str:
    if not there:
        return _why_none(book)
    jobs = sorted({name.partition("/")[0] for name in there})
    ending = [name for name in there if name.endswith(f"/{pattern}")]
    near = ending or get_close_matches(pattern, [*there, *jobs], n=1, cutoff=0.5)
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
