"""When is a token due: a share of its life, a spread, and what the job asks. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

FLOOR = timedelta(minutes=17)
"""Between two versions of one secret: AWS keeps about 100 and none younger than a day goes.

At most 84 a day by schedule, then, which leaves ten by hand and a few to spare."""
SKEW = timedelta(minutes=1)
"""How far two honest clocks may disagree."""
SHORT_LIFE = timedelta(days=10)
"""Up to here a token is renewed at half its life, beyond at two thirds."""


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
