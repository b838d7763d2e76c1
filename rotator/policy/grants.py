"""Which grant obtains a token, from what may be presented. Pure."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import NamedTuple

from rotator.providers.base import Grant


class Source(StrEnum):
    """Where a token that may be presented lies."""

    SEAL = "seal"
    KEYRING = "keyring"
    SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One token or seed that we hold, known by its fingerprint."""

    name: str
    fingerprint: str
    source: Source
    spent: bool = False
    """Marked: never presented again to a grant that spends it."""


Holdings = Mapping[str, Sequence[Holding]]
"""Name -> what we hold under it, the preferred first."""


class Choice(NamedTuple):
    """A grant and what it will present."""

    grant: Grant
    presents: tuple[Holding, ...]

    def involves(self, fingerprints: Container[str | None]) -> bool:
        """Whether one of these would be presented."""
        return any(held.fingerprint in fingerprints for held in self.presents)


Refused = Callable[[Grant, tuple[Holding, ...]], bool]
"""Whether this grant was refused with exactly these tokens, and it is not time to try again."""


def choose(
    wanted: str, grants: Sequence[Grant], holdings: Holdings, refused: Refused
) -> Choice | None:
    """The first grant that yields what is wanted from what may be presented.

    Failing that, whatever such a grant lacks, recursively; None where only a person can help.
    """
    return _choose(wanted, grants, holdings, refused, frozenset())


def _choose(
    wanted: str,
    grants: Sequence[Grant],
    holdings: Holdings,
    refused: Refused,
    asked: frozenset[str],
) -> Choice | None:
    yielding = [grant for grant in grants if wanted in grant.yields]
    for grant in yielding:
        for presents in presentable(grant, holdings):
            if not refused(grant, presents):
                return Choice(grant, presents)
    lacking = sorted({name for grant in yielding for name in grant.needs} - asked - {wanted})
    found = (_choose(name, grants, holdings, refused, asked | {wanted}) for name in lacking)
    return next((choice for choice in found if choice), None)


def presentable(grant: Grant, holdings: Holdings) -> Iterator[tuple[Holding, ...]]:
    """Every combination of what the grant needs that holds no spent token it would spend."""
    return product(
        *(
            [held for held in holdings.get(name, ()) if not (held.spent and grant.spends == name)]
            for name in sorted(grant.needs)
        )
    )
