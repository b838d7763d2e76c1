"""Durations as people write them: `30s`, `15m`, `24h`, `60d`, `2h30m`. Pure, both ways."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

LONGEST = timedelta(days=3660)
"""Ten years: whatever is longer was meant otherwise."""

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WRITTEN = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_HOW = 'write it as "30s", "15m", "24h", "60d" or "2h30m"'


def parse(text: str) -> timedelta:
    """The duration that `text` says. Raises ValueError, which says how to write one."""
    match = _WRITTEN.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"not a duration; {_HOW}")
    counts = [int(count or 0) for count in match.groups()]
    seconds = sum(count * unit for count, unit in zip(counts, _UNITS.values(), strict=True))
    if seconds > LONGEST.total_seconds():
        raise ValueError("longer than ten years")
    return timedelta(seconds=seconds)


def display(duration: timedelta) -> str:
    """`duration` as `parse` reads it, to the second; days only from two days on: 24h, 36h, 60d."""
    left = round(duration.total_seconds())
    if left < 0:
        return f"-{display(-duration)}"
    words = []
    for unit, size in _UNITS.items():
        if unit == "d" and left < 2 * size:
            continue
        count, left = divmod(left, size)
        words.append(f"{count}{unit}" if count else "")
    return "".join(words) or "0s"


def _from_file(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"not a duration; {_HOW}")  # noqa: TRY004 - pydantic wants a ValueError
    return parse(value)


Duration = Annotated[timedelta, BeforeValidator(_from_file)]
"""A setting of a job file or of the process that is written like that."""
