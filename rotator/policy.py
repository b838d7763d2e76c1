"""When is a token due, which grant obtains it, how long to back off. Pure."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from itertools import product
from typing import NamedTuple

from rotator.model import Reason
from rotator.providers.base import Grant

FLOOR = timedelta(minutes=17)
"""Between two versions of one secret: AWS keeps about 100 and none younger than a day goes.

At most 84 a day by schedule, then, which leaves ten by hand and a few to spare."""
SKEW = timedelta(minutes=1)
"""How far two honest clocks may disagree."""
SHORT_LIFE = timedelta(days=10)
"""Up to here a token is renewed at half its life, beyond at two thirds."""
SEED_RETRIES = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1))
"""A refused seed is presented once more after each of these, and then after the last for ever.

A provider whose own log-in service is ill refuses everybody for some minutes, and it may be tokens
of 12 hours that die of it, so the first comes soon. A password that is wrong locks an account:
lock-outs count failures within minutes, seldom within more than an hour, and no day sees more than
four."""
ATTEMPTS_LEFT = 5
"""A back-off leaves room for at least so many attempts before the deadline."""
SHORTEST_BACK_OFF = timedelta(seconds=5)
LONGEST_BACK_OFF = timedelta(days=1)
"""Whatever a provider asks for: what ends much further off is void, as of a clock that jumped."""


# --- when ----------------------------------------------------------------------------------------


class GaveWay(StrEnum):
    """Which rule could not be kept, the strongest that gave way."""

    NOTHING = "nothing"
    WINDOW = "the renewal falls outside of the window"
    SURVIVE = "an outage as long as `survive` would cost a consumer its token"
    STALENESS = "the slowest consumer may hold a dead token"
    EXPIRY = "the token dies before the next version may be written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a job asks of one token's schedule."""

    survive: timedelta = timedelta(hours=8)
    staleness: timedelta = timedelta(minutes=15)
    """The slowest consumer's cache; zero for a refresh token, which nobody else reads."""
    cron_at: datetime | None = None
    """When the job's own cron says, in place of a share of the lifespan."""
    windows: Sequence[tuple[datetime, datetime]] | None = None
    """When a renewal should begin, in order, if it can; None: at any time."""


class Renewal(NamedTuple):
    """When a token should be replaced, and what that choice costs."""

    at: datetime
    gave_way: GaveWay
    survives: timedelta
    """The outage that begins at `at` and costs no consumer its token."""


def renewal(issued_at: datetime, expires_at: datetime, terms: Terms, key: str) -> Renewal:
    """The instant from which a token should be replaced; `key` spreads a herd, once for all time.

    A share of the lifespan less a spread, early enough for `survive`, but never under FLOOR after
    issue (a secret takes no more versions) and, from a lifespan of FLOOR up, never after expiry.
    Where staleness does not fit, the earliest instant that the floor allows overlaps longest.
    A window moves the renewal, but costs nobody a token: where none opens while `survive` is still
    kept, the token is renewed outside of it, as if there were none.
    """
    lifespan = expires_at - issued_at
    earliest = issued_at + max(lifespan / 4, FLOOR)
    latest = expires_at - terms.staleness - SKEW
    wish = min(
        terms.cron_at or issued_at + _share(lifespan) - _spread(key, issued_at, lifespan / 20),
        latest - terms.survive,
    )
    at = max(earliest, wish)
    if earliest <= latest:
        safe = max(earliest, latest - terms.survive)
        at = _into_windows(min(at, latest), earliest, safe, terms.windows)
    return Renewal(at, _gave_way(at, expires_at, terms), max(latest - at, timedelta(0)))


def _share(lifespan: timedelta) -> timedelta:
    return lifespan / 2 if lifespan <= SHORT_LIFE else lifespan * 2 / 3


def _spread(key: str, issued_at: datetime, up_to: timedelta) -> timedelta:
    return up_to * fraction(f"{key} {issued_at.isoformat()}")


def fraction(text: str) -> float:
    """A number in [0, 1) that is the same for the same text for ever."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest()) / 2**48


def _into_windows(
    at: datetime,
    earliest: datetime,
    latest: datetime,
    windows: Sequence[tuple[datetime, datetime]] | None,
) -> datetime:
    """The instant nearest to `at` within a window, the earlier side first; else `at` itself."""
    allowed = [
        (max(opens, earliest), min(closes, latest))
        for opens, closes in windows or ()
        if opens <= latest and closes >= earliest
    ]
    if any(opens <= at <= closes for opens, closes in allowed):
        return at
    before = [closes for _, closes in allowed if closes < at]
    after = [opens for opens, _ in allowed if opens > at]
    return max(before) if before else min(after, default=at)


def _gave_way(at: datetime, expires_at: datetime, terms: Terms) -> GaveWay:
    if at > expires_at:
        return GaveWay.EXPIRY
    if at > expires_at - terms.staleness - SKEW:
        return GaveWay.STALENESS
    if at > expires_at - terms.staleness - SKEW - terms.survive:
        return GaveWay.SURVIVE
    windows = terms.windows
    if windows is not None and not any(opens <= at <= closes for opens, closes in windows):
        return GaveWay.WINDOW
    return GaveWay.NOTHING


def fits(lifespan: timedelta, staleness: timedelta) -> bool:
    """Whether a token of that lifespan can be replaced before a stale consumer's copy dies."""
    return max(lifespan / 4, FLOOR) <= lifespan - staleness - SKEW


def join(refresh_at: datetime, refresh_expires_at: datetime, access_at: datetime) -> datetime:
    """When a due refresh token is replaced: with the next access renewal, so one gap serves both.

    Not joined where that would use up more than a quarter of what the refresh token has left.
    """
    patience = refresh_at + (refresh_expires_at - refresh_at) / 4
    return max(refresh_at, access_at) if access_at <= patience else refresh_at


def same_again(now: datetime, expires_at: datetime) -> datetime:
    """When to ask again after the provider handed out the token that we have already."""
    half_left = now + min((expires_at - now) / 2, LONGEST_BACK_OFF)
    return max(min(half_left, expires_at - SKEW), now + FLOOR)


# --- with which grant ----------------------------------------------------------------------------


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


def seed_again_at(refused_at: datetime, times: int) -> datetime:
    """When a seed that was refused so many times in a row is presented once more."""
    return refused_at + SEED_RETRIES[min(max(times, 1), len(SEED_RETRIES)) - 1]


# --- a request that nobody answered --------------------------------------------------------------

TRIES_TO_SETTLE = 3
"""After so many answers that say neither yes nor no, another grant is used, where there is one."""
LONGEST_DOUBT = timedelta(days=7)
"""So long a provider is asked where nobody knows when the token dies: longer than an outage of any
provider, shorter than a person should be left to believe in a dead chain."""


def doubt_ends_at(sent_at: datetime, expires_at: datetime | None) -> datetime:
    """Until when it is of use to ask whether a token lives; `expires_at` None: nobody knows."""
    return expires_at or sent_at + LONGEST_DOUBT


def asks_again(now: datetime, asked: int, ends_at: datetime, *, can_tell: bool) -> bool:
    """Whether a provider that would not say is asked again, or the token counts as spent.

    `asked` counts this time too. `can_tell`: a grant presents the token without spending it, and
    its answer lifts the mark again if the token lives. No other grant ends a doubt by being there:
    it may fail, and then a chain that may well be alive would have been given up for nothing.
    """
    return asked < TRIES_TO_SETTLE or (now < ends_at and not can_tell)


# --- not again until -----------------------------------------------------------------------------

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)

_PATIENCE: Mapping[Reason, tuple[timedelta, timedelta]] = {
    # reason: the first back-off, the longest; doubling in between
    Reason.UNREACHABLE: (_MINUTE / 4, 15 * _MINUTE),
    Reason.PROVIDER_DOWN: (_MINUTE / 4, 15 * _MINUTE),
    Reason.THROTTLED: (_MINUTE / 2, 15 * _MINUTE),
    Reason.UNANSWERED: (_MINUTE / 2, 30 * _MINUTE),
    Reason.IN_DOUBT: (_MINUTE / 2, _HOUR),
    Reason.REJECTED: (_MINUTE, 6 * _HOUR),
    Reason.MISCONFIGURED: (15 * _MINUTE, 6 * _HOUR),
    Reason.GARBLED: (15 * _MINUTE, 6 * _HOUR),
    Reason.STORE_UNAVAILABLE: (_MINUTE / 6, 10 * _MINUTE),
    Reason.STORE_THROTTLED: (_MINUTE / 6, 10 * _MINUTE),
    Reason.STORE_DENIED: (5 * _MINUTE, _HOUR),
    Reason.KEY_DENIED: (5 * _MINUTE, _HOUR),
    Reason.STORE_UNSET: (5 * _MINUTE, _HOUR),
    Reason.NOT_OURS: (5 * _MINUTE, _HOUR),
    Reason.VERSION_BUDGET: (_HOUR, 6 * _HOUR),
    Reason.FENCE_LOST: (_MINUTE / 12, 5 * _MINUTE),
    Reason.FOREIGN: (15 * _MINUTE, 15 * _MINUTE),
    Reason.SEED_MISSING: (_MINUTE, 15 * _MINUTE),
    Reason.SEAL_UNREADABLE: (15 * _MINUTE, 6 * _HOUR),
    Reason.VERIFY_FAILED: (_MINUTE / 2, 2 * _MINUTE),
    Reason.DUE_ON_ARRIVAL: (FLOOR, 6 * _HOUR),
}
_DEFAULT_PATIENCE = (_MINUTE, _HOUR)


def back_off(
    reason: Reason,
    failures: int,
    now: datetime,
    *,
    key: str,
    deadline: datetime | None = None,
    retry_after: timedelta | None = None,
) -> datetime:
    """Not again until this instant; `failures` counts this one too.

    Doubles from the reason's first back-off to its longest, less a spread of up to a quarter taken
    from `key`; leaves ATTEMPTS_LEFT attempts before `deadline`; never sooner than `retry_after`, of
    which LONGEST_BACK_OFF counts.
    """
    first, longest = _PATIENCE.get(reason, _DEFAULT_PATIENCE)
    delay = min(first * (1 << min(failures - 1, 16)), longest)
    delay -= delay / 4 * fraction(f"{key} {failures}")
    if deadline is not None and deadline > now:
        delay = min(delay, (deadline - now) / ATTEMPTS_LEFT)
    asked = min(retry_after or SHORTEST_BACK_OFF, LONGEST_BACK_OFF)
    return now + max(delay, SHORTEST_BACK_OFF, asked)
