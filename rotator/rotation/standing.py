"""How a credential stands now, from what the ledger last stored: no walk, no network. Pure.

A row says what the last walk saw. If no worker has looked since, a token may have become due or
died meanwhile; every face shows that, and not what was true then.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.jobs.job import Credential
from rotator.ledger.facts import Row
from rotator.model import Shelf, State
from rotator.policy.when import SKEW
from rotator.schedule import Schedule

_SETTLED = frozenset({State.PAUSED, State.NEEDS_A_PERSON, State.EXPIRED, State.ROTATING})
_RENEWABLE = frozenset({State.FRESH, State.DUE, State.BACKING_OFF})
"""Of which a walk under way is the news; what is graver stays in sight until it is over."""
_GRAVITY = (
    State.NEEDS_A_PERSON, State.EXPIRED, State.LATE, State.BACKING_OFF, State.DUE,
    State.ROTATING, State.FRESH, State.PAUSED,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One credential for a face."""

    credential: str
    state: State
    at_rest: State
    """The state but for a walk that is under way: it does not flicker with every attempt."""
    row: Row | None
    """None: no worker has met it yet."""
    margin: timedelta | None
    """How long consumers stay healthy if everything stopped now; None: nobody knows."""
    has_job: bool
    """Whether a job file gives it."""


def standing(
    name: str, row: Row | None, credential: Credential | None, now: datetime, *, at_work: bool
) -> Standing:
    """`row` or `credential` may be missing, not both. `at_work`: a process holds the ledger."""
    schedule = credential.schedule if credential else Schedule()
    at_rest = state_now(row, schedule, now) if row else State.DUE
    walking = at_work and row is not None and _is_held(row, now) and at_rest in _RENEWABLE
    return Standing(
        credential=name,
        state=State.ROTATING if walking else at_rest,
        at_rest=at_rest,
        row=row,
        margin=_margin(row, now) if row else None,
        has_job=credential is not None,
    )


def state_now(row: Row, schedule: Schedule, now: datetime) -> State:
    """The stored state, and what time has made of it."""
    expires_at, renew_at = row.access_expires_at, row.access_renew_at
    if row.paused_at is not None:
        return State.PAUSED
    if row.state in _SETTLED:
        return row.state
    if expires_at is not None and expires_at <= now:
        return State.EXPIRED
    if expires_at is None or renew_at is None or now < renew_at:
        return row.state
    if _left(expires_at, schedule, now) < _wanted(expires_at, renew_at, schedule):
        return State.LATE
    return State.DUE if row.state is State.FRESH else row.state


def _is_held(row: Row, now: datetime) -> bool:
    return row.leased_until is not None and now < row.leased_until


def gravest(states: Iterable[State]) -> State:
    """Of all credentials; fresh where there is none."""
    return min(states, key=_GRAVITY.index, default=State.FRESH)


def _margin(row: Row, now: datetime) -> timedelta | None:
    published = row.records.get(Shelf.TOKEN)
    if published is None or published.generation <= row.killed_through:
        return timedelta(0)
    if published.expires_at is None:
        return None
    return max(published.expires_at - now, timedelta(0))


def _left(expires_at: datetime, schedule: Schedule, now: datetime) -> timedelta:
    return expires_at - schedule.consumer_max_staleness - SKEW - now


def _wanted(expires_at: datetime, renew_at: datetime, schedule: Schedule) -> timedelta:
    """The outage that was to be survived; half of what the token's life allows, if that is less."""
    survives = _left(expires_at, schedule, renew_at)
    return schedule.survive if survives >= schedule.survive else survives / 2
