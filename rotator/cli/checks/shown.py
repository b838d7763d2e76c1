"""How `check` shows what it found: a line a job, and under it what is to be mended."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from rotator.cli import out
from rotator.cli.checks.findings import AWS, FAIL, LEVELS, MACHINE, NOTE, OFF, OK, WARN, Finding

_MOST = 6
"""Lines under one job, unless all are asked for."""


def show(found: Sequence[Finding], *, every: bool) -> None:
    """This machine first, AWS last."""
    for part, findings in _parts(found):
        if part in (MACHINE, AWS):
            for each in findings:
                out.say_level(each.level, f"{part}: {_told(each.text, each.remedy)}")
        else:
            _show_job(part, findings, every=every)


def _show_job(part: str, findings: Sequence[Finding], *, every: bool) -> None:
    level = max((each.level for each in findings if each.level != NOTE), key=LEVELS.index)
    out.say_level(level, f"{part}: {_head(findings)}")
    lines = list(_lines(part, findings, every=every))
    most = len(lines) if every else _MOST
    for at, text in lines[:most]:
        out.say_level(at, text, indent=6)
    if len(lines) > most:
        named = "" if findings[0].what == "mistake" else f" {part}"  # a broken file is no job
        out.say(f"{'':12}… and {len(lines) - most} more: `rotator check --all{named}`")


def show_policy(policy: dict[str, Any]) -> None:
    out.say("", "The IAM policy that the worker needs:", json.dumps(policy, indent=2))


def show_summary(found: Sequence[Finding], *, every: bool) -> None:
    """What it all comes to, and what else could be asked."""
    counts = [(level, sum(each.level == level for each in found)) for level in (FAIL, WARN)]
    told = [f"{count} to mend" if level == FAIL else out.counted(count, "warning")
            for level, count in counts if count]  # fmt: skip
    off = {each.part for each in found if each.level == OFF}
    on = {each.part for each in found if each.what == "job file" and each.level == OK}
    if not told:
        told = ["all well" if on or not off else "every job is off: nothing is kept alive yet"]
    elif off and not on:
        told.append("every job is off")
    notes = sum(each.level == NOTE for each in found)
    if notes and not every:
        told.append(f"{out.counted(notes, 'thing')} to know: `rotator check --all`")
    out.say("", "; ".join(told))


def _parts(found: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    places = {MACHINE: 0, AWS: 2}
    ordered = sorted(found, key=lambda each: (places.get(each.part, 1), each.part))
    return [(part, list(each)) for part, each in groupby(ordered, key=lambda each: each.part)]


def _head(findings: Sequence[Finding]) -> str:
    """What the part is, in a few words."""
    about = [_told(each.text, each.remedy) for each in findings if each.what == "job file"]
    return about[0] if about else out.counted(len(findings), "mistake")


def _lines(part: str, findings: Iterable[Finding], *, every: bool) -> Iterator[tuple[str, str]]:
    """What is the same for several credentials, in one line."""
    about: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for each in findings:
        if each.what != "job file" and (every or each.level in (WARN, FAIL)):
            place = each.about if each.what == "mistake" else ""  # each has a line of its own
            key = (each.level, each.what, _told(each.text, each.remedy), place)
            about.setdefault(key, {})[each.about.removeprefix(f"{part}/")] = None
    for (level, what, told, _), names in about.items():
        yield level, f"{_whose(what, list(names))}{told}"


def _whose(what: str, names: Sequence[str]) -> str:
    if what in ("cannot", "provider"):
        return "it cannot " if what == "cannot" else ""
    if what == "mistake":
        return f"{names[0]}: "
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}: {what}: "


def _told(text: str, remedy: str) -> str:
    return f"{text} ({remedy})" if remedy else text
