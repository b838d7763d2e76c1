"""Firings of cron expressions and windows, and the gaps between them. Pure.

APScheduler's CronTrigger does the arithmetic. It differs from cron in two places, and what it
would understand otherwise than its writer is refused: weekdays by number (its 0 is Monday, cron's
is Sunday), and day of month beside day of week (it wants both to hold, cron either).
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from rotator.schedule import Window

MOST_A_DAY = 86
"""AWS keeps about 100 versions of a secret, none younger than a day goes, and people want some."""

_ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)  # any year will do: calendars repeat
_HORIZON = timedelta(days=400)
_PROBE = timedelta(hours=4)
_NEAR = timedelta(hours=1)
_DENSE = 300
_DAY = timedelta(days=1)

_Next = Callable[[datetime], datetime | None]


def trigger(cron: str, timezone: str = "UTC") -> CronTrigger:
    """APScheduler's trigger for a crontab line. Raises ValueError, which says what to write."""
    fields = cron.split()
    if len(fields) != 5:
        raise ValueError(
            "not the five fields of a cron expression; write minute hour day month weekday"
        )
    if re.search(r"\d", re.sub(r"/\d+", "", fields[4])):
        raise ValueError("weekdays by number mean different days in different crons; write mon-fri")
    if not fields[2].startswith("*") and not fields[4].startswith("*"):
        raise ValueError("a day of the month beside a weekday is ambiguous; write one of them as *")
    try:
        found: CronTrigger = CronTrigger.from_crontab(cron, zone(timezone))
    except (ValueError, OverflowError):
        raise ValueError("not a cron expression; write, for example, 0 */12 * * *") from None
    return found


def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(
            "no time zone goes by that name; write, for example, Europe/Berlin"
        ) from None


def firings(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """Every firing at or after an instant, in UTC, in order."""
    return _firings(_next(cron, timezone), after)


def next_firing(cron: str, after: datetime, timezone: str = "UTC") -> datetime | None:
    """The first firing at or after an instant, in UTC; None where there is none to come."""
    return _next(cron, timezone)(after)


def openings(window: Window, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When the window opens and closes, for every opening that overlaps `start`..`end`."""
    for opens in firings(window.cron, window.timezone, start - window.duration):
        if opens > end:
            return
        yield opens, opens + window.duration


@lru_cache(maxsize=256)
def largest_gap(cron: str, timezone: str = "UTC") -> timedelta | None:
    """The longest time between two firings within 400 days; None where it does not fire in them.

    For windows too: their ends lie as far apart as their starts. The first firings are walked one
    by one, and from then on every gap of more than five hours is found by probing.
    """
    next_at = _next(cron, timezone)
    first = next_at(_ANCHOR)
    if first is None or first - _ANCHOR > _HORIZON:
        return None
    walked = pairwise(islice(_firings(next_at, first), _DENSE))
    longest = max((later - earlier for earlier, later in walked), default=timedelta(0))
    return _probe_gaps(next_at, first, longest)


@lru_cache(maxsize=256)
def busiest_day(cron: str, timezone: str = "UTC") -> int:
    """How often it fires in its busiest 24 hours, counted over its first firings."""
    recent: deque[datetime] = deque()
    most = 0
    for at in islice(firings(cron, timezone, _ANCHOR), _DENSE * 5):
        recent.append(at)
        while recent[0] <= at - _DAY:
            recent.popleft()
        most = max(most, len(recent))
    return most


def _next(cron: str, timezone: str) -> _Next:
    found = trigger(cron, timezone)

    def next_at(after: datetime) -> datetime | None:
        # In UTC, since instants of one zone subtract as the wall clock shows them.
        at = found.get_next_fire_time(None, after)
        return None if at is None else at.astimezone(UTC)

    return next_at


def _firings(next_at: _Next, after: datetime) -> Iterator[datetime]:
    at = next_at(after)
    while at is not None:
        yield at
        at = next_at(at + timedelta(seconds=1))


def _probe_gaps(next_at: _Next, first: datetime, longest: timedelta) -> timedelta:
    """`longest`, or the longest gap that shows when looking ahead every few hours."""
    probe, end = first, first + _HORIZON
    while probe < end:
        ahead = next_at(probe) or end
        wait = ahead - probe
        if wait >= _NEAR and wait + _PROBE > longest:
            longest = max(longest, ahead - _last_before(next_at, probe))
        probe = max(ahead, probe + _PROBE)
    return longest


def _last_before(next_at: _Next, probe: datetime) -> datetime:
    """The last firing before `probe`, which follows one at most a probe interval later."""
    return max(takewhile(lambda at: at < probe, _firings(next_at, probe - _PROBE)))
