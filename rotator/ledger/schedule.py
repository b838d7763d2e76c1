"""Who is due, and who has claimed it: the schedule is nothing but the column `due_at`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from rotator.ledger import meta, values
from rotator.ledger.leases import FENCE_FLOOR
from rotator.ledger.statements import Connection
from rotator.ledger.tables import credential

_c = credential.c
_margin = (_c.access_expires_at.nulls_first(), _c.due_at)
_unclaimed = or_(
    _c.dispatched_until.is_(None),
    _c.dispatched_until <= bindparam("now_"),
    _c.dispatched_until > bindparam("void_"),  # a clock jumped: no claim lasts so long
)
_claimable = and_(_c.due_at <= bindparam("now_"), _c.paused_at.is_(None), _unclaimed)
_of_job = _c.job == bindparam("job_")
_scheduled = and_(_c.due_at.is_not(None), _c.paused_at.is_(None))


def instants(now: datetime, longest: timedelta) -> dict[str, Any]:
    return {"now_": values.micros(now), "void_": values.micros(now + longest)}


# Claims.

_any = select(literal(1)).where(_claimable).limit(1)
_any_of_job = _any.where(_of_job)
_dispatched = (
    select(_c.job, func.count().label("busy"))
    .where(_c.dispatched_until > bindparam("now_"), _c.dispatched_until <= bindparam("void_"))
    .group_by(_c.job)
)


def anything_due(connection: Connection, at: Mapping[str, Any], job: str) -> bool:
    if not job:
        return connection.first(_any, at) is not None
    return connection.first(_any_of_job, {**at, "job_": job}) is not None


def claim(connection: Connection, at: Mapping[str, Any], limit: int, until: datetime,
          job: str, quotas: Mapping[str, int]) -> list[str]:  # fmt: skip
    """Claim the rows with the least margin: no known expiry first, then the earliest."""
    given = {**at, "job_": job, "until_": values.micros(until)}
    room = _room(connection, at, quotas)
    if job or not any(room.values()):
        statement = _claim(of_job=bool(job), but=() if job else tuple(sorted(room)))
        limit = min(limit, room.get(job, limit))
    else:
        statement = _claim_within(room)
    claimed = connection.all(statement, {**given, "limit_": max(limit, 0)})
    return [found.name for found in sorted(claimed, key=_urgency)]


def _room(
    connection: Connection, at: Mapping[str, Any], quotas: Mapping[str, int]
) -> dict[str, int]:
    """How many more of each job may be dispatched."""
    if not quotas:
        return {}
    busy = {found.job: found.busy for found in connection.all(_dispatched, at)}
    return {job: max(quota - busy.get(job, 0), 0) for job, quota in quotas.items()}


def _urgency(found: Any) -> tuple[bool, int, int]:
    return found.access_expires_at is not None, found.access_expires_at or 0, found.due_at


def _claiming(picked: Any) -> Update:
    return (
        update(credential)
        .where(_c.name.in_(picked))
        .values(dispatched_until=bindparam("until_"))
        .returning(_c.name, _c.access_expires_at, _c.due_at)
    )  # fmt: skip


@lru_cache(maxsize=64)
def _claim(*, of_job: bool, but: tuple[str, ...]) -> Any:
    """`of_job`: of one job alone; `but`: of all jobs but those that are full."""
    picked = select(_c.name).where(_claimable)
    if of_job:
        picked = picked.where(_of_job)
    picked = picked.where(*(_c.job != full for full in but))
    return _claiming(
        picked.order_by(*_margin).limit(bindparam("limit_")).with_for_update(skip_locked=True)
    )


def _claim_within(room: Mapping[str, int]) -> Any:
    """The claim with every job's own limit, by each row's place in its job's queue."""
    place = func.row_number().over(partition_by=_c.job, order_by=_margin).label("place")
    queue = select(_c.name, _c.job, _c.access_expires_at, _c.due_at, place)
    queued = queue.where(_claimable).subquery()
    most: ColumnElement[Any] = case(dict(room), value=queued.c.job, else_=queued.c.place)
    return _claiming(
        select(queued.c.name)
        .where(queued.c.place <= most)
        .order_by(queued.c.access_expires_at.nulls_first(), queued.c.due_at)
        .limit(bindparam("limit_"))
    )


# What comes next.

_next = select(_c.due_at).where(_scheduled, _c.dispatched_until.is_(None)).order_by(_c.due_at)
_next = _next.limit(1)
_later = case((_c.due_at > _c.dispatched_until, _c.due_at), else_=_c.dispatched_until)
# With `coalesce`, so that SQLite goes through the few rows with a claim and not through all that
# are scheduled: due, and not paused.
_next_free = select(func.min(_later)).where(
    _c.dispatched_until.is_not(None),
    func.coalesce(_c.due_at, _c.paused_at).is_not(None),
    func.coalesce(_c.paused_at, 0) == 0,
)
_next_of_job, _next_free_of_job = _next.where(_of_job), _next_free.where(_of_job)
_urgent = select(_c.job).where(_claimable).distinct()


def next_due(connection: Connection, job: str) -> datetime | None:
    """The earliest instant at which a row can be claimed, an abandoned claim's end included."""
    asked = (_next_of_job, _next_free_of_job) if job else (_next, _next_free)
    found = [at for each in asked if (at := connection.scalar(each, {"job_": job})) is not None]
    return values.instant(min(found)) if found else None


def urgent(connection: Connection, at: Mapping[str, Any]) -> list[str]:
    if not anything_due(connection, at, ""):
        return []
    return sorted(connection.column(_urgent, at))


# The rows of the job files.

_known = select(_c.name, _c.job, _c.due_at)
_count = select(func.count()).select_from(credential)
_enrol = insert(credential)
_move = update(credential).where(_c.name == bindparam("name_"))


def enrol(
    connection: Connection, jobs: Mapping[str, Sequence[str]], fresh: Mapping[str, Any]
) -> int:
    """`fresh` is what a new row starts with. How many rows there are then."""
    wanted = {name: job for job, names in jobs.items() for name in names}
    known = {found.name: found for found in connection.all(_known)}
    floor = meta.number(connection, FENCE_FLOOR) or 0
    made = [
        {"name": name, "job": job, "fence": floor, **fresh}
        for name, job in wanted.items()
        if name not in known
    ]
    _many(connection, _enrol, made)
    _many(connection, _move, [
        {"name_": name, "job": job, "due_at": known[name].due_at or fresh["due_at"]}
        for name, job in wanted.items()
        if name in known and (known[name].job != job or known[name].due_at is None)
    ])  # fmt: skip
    _many(connection, _move, [
        {"name_": name, "due_at": None}
        for name, found in known.items()
        if name not in wanted and found.due_at is not None
    ])  # fmt: skip
    return len(known) + len(made)


def row_count(connection: Connection) -> int:
    count: int = connection.scalar(_count, {})
    return count


def _many(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)
