"""Single values to columns and back, as both databases keep and compare them: see tables.py."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_GENERATION = 10**15
"""From here on no secret's value can state one, so none was ever made."""
_OFTEN = 1_000_000


def micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def micros_or_none(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def span(duration: timedelta) -> int:
    return duration // _MICROSECOND


def instant(stored: int) -> datetime:
    return _EPOCH + timedelta(microseconds=stored)


def instant_or_none(stored: int | None) -> datetime | None:
    return None if stored is None else _EPOCH + timedelta(microseconds=stored)


def generation(stored: int) -> int:
    """ValueError where there never was such a one: what follows on it could not be stored."""
    if not 0 <= stored < _NO_GENERATION:
        raise ValueError("no generation")
    return stored


def often(stored: int) -> int:
    """A count that decides how long to wait, and says nothing more beyond some point."""
    return min(max(stored, 0), _OFTEN)


def names(of: Iterable[str]) -> str:
    return json.dumps(sorted(of))


def mapping(of: Mapping[str, str]) -> str:
    return json.dumps(dict(of), sort_keys=True)


def dates(of: Mapping[str, tuple[datetime | None, datetime | None]]) -> str:
    both = {name: [micros_or_none(at) for at in pair] for name, pair in of.items()}
    return json.dumps(both, sort_keys=True)


def names_in(stored: str) -> frozenset[str]:
    found = json.loads(stored)
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError("a list of names was expected")
    return frozenset(found)


def mapping_in(stored: str) -> dict[str, str]:
    found = json.loads(stored)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("an object of strings was expected")
    return found


def dates_in(stored: str) -> dict[str, tuple[datetime | None, datetime | None]]:
    found = json.loads(stored or "{}")
    return {
        name: (instant_or_none(issued), instant_or_none(expires))
        for name, (issued, expires) in found.items()
    }
