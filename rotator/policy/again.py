"""Not again until: how long what failed, was refused, in doubt or no news is let be. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from rotator.model import Reason
from rotator.policy.when import FLOOR, SKEW, fraction

ATTEMPTS_LEFT = 5
"""A back-off leaves room for at least so many attempts before the deadline."""
SHORTEST_BACK_OFF = timedelta(seconds=5)
LONGEST_BACK_OFF = timedelta(days=1)
"""Whatever a provider asks for: what ends much further off is void, as of a clock that jumped."""

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


def same_again(now: datetime, expires_at: datetime) -> datetime:
    """When to ask again after the provider handed out the token that we have already."""
    half_left = now + min((expires_at - now) / 2, LONGEST_BACK_OFF)
    return max(min(half_left, expires_at - SKEW), now + FLOOR)


# --- a refused seed ------------------------------------------------------------------------------

SEED_RETRIES = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1))
"""A refused seed is presented once more after each of these, and then after the last for ever.

A provider whose own log-in service is ill refuses everybody for some minutes, and it may be tokens
of 12 hours that die of it, so the first comes soon. A password that is wrong locks an account:
lock-outs count failures within minutes, seldom within more than an hour, and no day sees more than
four."""


def seed_again_at(refused_at: datetime, times: int) -> datetime:
    """When a seed that was refused so many times in a row is presented once more."""
    return refused_at + SEED_RETRIES[min(max(times, 1), len(SEED_RETRIES)) - 1]


# --- a request that nobody answered --------------------------------------------------------------

TRIES_TO_SETTLE = 3
"""After so many questions without a yes or a no another grant is used, where there is one."""
LONGEST_DOUBT = timedelta(days=7)
"""So long a provider is asked where nobody knows when the token dies: longer than an outage of any
provider, shorter than a person should be left to believe in a dead chain."""


def doubt_ends_at(sent_at: datetime, expires_at: datetime | None) -> datetime:
    """Until when it is of use to ask whether a token lives; `expires_at` None: nobody knows."""
    return expires_at or sent_at + LONGEST_DOUBT


def asks_again(now: datetime, asked: int, ends_at: datetime) -> bool:
    """Whether a provider that would not say is asked again, or the token counts as spent.

    `asked` counts this time too. No other grant ends a doubt by being there: it may fail, and then
    a chain that may well be alive would have been given up for nothing.
    """
    return asked < TRIES_TO_SETTLE or now < ends_at
