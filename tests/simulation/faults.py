"""What goes wrong, how often and when: every trouble of a year, drawn before the year begins.

Each kind draws for each target from dice of its own, so that leaving out a kind or a credential
changes nothing about the others: that is what makes a failing seed shrink.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random  # noqa: TID251 - the simulation's own dice, from its seed

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_YEAR = timedelta(days=365)


class Scope(StrEnum):
    """Whom one trouble befalls."""

    CREDENTIAL = "credential"
    PROVIDER = "provider"
    WORLD = "world"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of trouble; a moment, where it lasts no time."""

    scope: Scope
    a_year: float
    shortest: timedelta = timedelta(0)
    longest: timedelta = timedelta(0)


_C, _P, _W = Scope.CREDENTIAL, Scope.PROVIDER, Scope.WORLD

KINDS: Mapping[str, Kind] = {
    # the provider, for all of its credentials
    "outage": Kind(_P, 6, 10 * MINUTE, 7 * HOUR),
    "silence": Kind(_P, 3, 5 * MINUTE, 5 * HOUR),
    "throttling": Kind(_P, 6, 5 * MINUTE, 5 * HOUR),
    "errors": Kind(_P, 6, 5 * MINUTE, 5 * HOUR),
    "html": Kind(_P, 6, 5 * MINUTE, 5 * HOUR),
    "provider_skew": Kind(_P, 4, HOUR, 10 * DAY),
    # the provider, for one credential
    "slow": Kind(_C, 12),
    "lost_request": Kind(_C, 4),
    "lost_answer": Kind(_C, 4),
    "late_answer": Kind(_C, 4),
    "broken_answer": Kind(_C, 4),
    "lifespan": Kind(_C, 1, 6 * HOUR, 10 * DAY),
    # AWS
    "aws_outage": Kind(_W, 6, 10 * MINUTE, 7 * HOUR),
    "aws_throttling": Kind(_W, 12, 5 * MINUTE, 3 * HOUR),
    "aws_denied": Kind(_W, 3, 10 * MINUTE, 5 * HOUR),
    "aws_kms": Kind(_W, 3, 10 * MINUTE, 5 * HOUR),
    "aws_lag": Kind(_W, 12, HOUR, DAY),
    "aws_lost_reply": Kind(_C, 6),
    # the worker and its ledger
    "kms_denied": Kind(_W, 6, 10 * MINUTE, 5 * HOUR),
    "killed": Kind(_C, 12),
    "frozen": Kind(_C, 6, 4 * MINUTE, HOUR),
    "suspended": Kind(_C, 2, 10 * MINUTE, 6 * HOUR),
    "worker_skew": Kind(_W, 6, HOUR, 5 * DAY),
    "restored": Kind(_W, 1, HOUR, 5 * DAY),
    "second_worker": Kind(_C, 0.2, HOUR, 5 * DAY),
    # people
    "edited": Kind(_C, 6),
    "foreign_writer": Kind(_C, 0.2),
    "password_changed": Kind(_C, 0.3),
    "revoked_access": Kind(_C, 0.5),
    "revoked_refresh": Kind(_C, 0.2),
}


@dataclass(frozen=True, slots=True, order=True)
class Trouble:
    """One of them."""

    at: datetime
    until: datetime
    kind: str
    target: str
    """A credential, a provider, or nothing for the world."""
    draw: float
    """In [0, 1): whatever else is left to chance about it."""


def rates(text: str) -> dict[str, float]:
    """`all`, `all*20` (so much oftener), `none`, or `kind` and `kind=times a year` with commas.

    Raises ValueError.
    """
    whole, _, factor = text.partition("*")
    if whole in ("", "all"):
        oftener = float(factor or 1)
        return {name: kind.a_year * oftener for name, kind in KINDS.items()}
    found: dict[str, float] = {}
    for part in text.split(",") if text != "none" else ():
        name, _, times = part.partition("=")
        if name not in KINDS:
            raise ValueError(f"no fault is called {name!r}; there are {', '.join(KINDS)}")
        found[name] = float(times) if times else KINDS[name].a_year
    return found


def written(rates_: Mapping[str, float]) -> str:
    """As `rates` reads them."""
    if rates_ == rates("all"):
        return "all"
    return ",".join(f"{name}={times:g}" for name, times in sorted(rates_.items())) or "none"


def troubles(
    seed: str, targets: Mapping[Scope, Iterable[str]], rates_: Mapping[str, float],
    begin: datetime, end: datetime,
) -> list[Trouble]:  # fmt: skip
    """All of them between two instants, the earliest first."""
    return sorted(
        trouble
        for name, times in rates_.items()
        if times
        for target in targets[KINDS[name].scope]
        for trouble in _of_one(Random(f"{seed} {name} {target}"), name, target, times, begin, end)  # noqa: S311
    )


def _of_one(
    dice: Random, name: str, target: str, a_year: float, begin: datetime, end: datetime
) -> Iterator[Trouble]:
    """One kind for one target: never twice at once."""
    kind = KINDS[name]
    at = begin
    while True:
        at += _YEAR * (dice.expovariate(a_year))
        if at >= end:
            return
        lasts = timedelta(0)
        if kind.longest:
            lasts = kind.shortest * (kind.longest / kind.shortest) ** dice.random()
        yield Trouble(at, at + lasts, name, target, dice.random())
        at += lasts
