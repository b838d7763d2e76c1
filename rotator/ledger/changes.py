"""What each change of a step does to the tables: one small function a type.

The statements are built once, here; SQLAlchemy compiles each on its first use and keeps it. A name
that ends in an underscore is a parameter of a condition, one that does not is a column to be set.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, or_, select, update
from sqlalchemy.dialects.sqlite import insert  # PostgreSQL's has the same two methods

from rotator.errors import LeaseLost
from rotator.ledger import answers, facts, marks, values, writes
from rotator.ledger.statements import Connection
from rotator.ledger.tables import (
    back_off,
    credential,
    manual,
    on_record,
    step,
    version,
)
from rotator.model import Shelf

_c = credential.c
_row = update(credential).where(_c.name == bindparam("credential_"))
_held = (
    select(_c.fence)
    .where(
        _c.name == bindparam("credential_"),
        _c.fence == bindparam("fence_"),
        _c.lease_owner == bindparam("owner_"),
    )
    .with_for_update()
)


def check_fence(connection: Connection, lease: facts.Lease) -> None:
    """Raise LeaseLost unless this lease is the last one that was given."""
    sought = {"credential_": lease.credential, "fence_": lease.fence, "owner_": lease.owner}
    if connection.first(_held, sought) is None:
        raise LeaseLost(f"another worker holds {lease.credential}")


def apply(connection: Connection, whose: str, change: writes.Change) -> None:
    """Within the caller's transaction, and after `check_fence`."""
    _TABLE[type(change)](connection, whose, change)


# Back-offs.

_back_off = insert(back_off)
_back_off = _back_off.on_conflict_do_update(
    index_elements=[back_off.c.credential, back_off.c.what],
    set_={
        name: _back_off.excluded[name] for name in ("until", "since", "failures", "reason", "text")
    },
)
_lift = delete(back_off).where(
    back_off.c.credential == bindparam("credential_"), back_off.c.what == bindparam("what_")
)


def _apply_back_off(connection: Connection, whose: str, change: facts.BackOff) -> None:
    connection.execute(
        _back_off,
        {
            "credential": whose,
            "what": change.what,
            "until": values.micros(change.until),
            "since": values.micros(change.since),
            "failures": change.failures,
            "reason": change.reason.value,
            "text": change.text,
        },
    )


def _apply_lift(connection: Connection, whose: str, change: writes.Lift) -> None:
    connection.execute(_lift, {"credential_": whose, "what_": change.what})


# What stands in the store.

_on_record = insert(on_record)
_on_record = _on_record.on_conflict_do_update(
    index_elements=[on_record.c.credential, on_record.c.shelf],
    set_={
        name: _on_record.excluded[name]
        for name in (
            "version_id", "generation", "issued_at", "expires_at", "put_at", "fingerprint",
        )
    },
)  # fmt: skip
_version = insert(version)
_version = _version.on_conflict_do_update(
    index_elements=[version.c.credential, version.c.shelf, version.c.version_id],
    set_={"generation": _version.excluded.generation, "put_at": _version.excluded.put_at},
)
_killed = _row.where(_c.killed_through < bindparam("through_")).values(
    killed_through=bindparam("through_")
)


def _apply_on_record(connection: Connection, whose: str, change: facts.OnRecord) -> None:
    made: dict[str, Any] = {
        "credential": whose,
        "shelf": change.shelf.value,
        "version_id": change.version_id,
        "generation": change.generation,
        "put_at": values.micros(change.put_at),
    }
    expires_at = values.micros_or_none(change.expires_at)
    connection.execute(_version, made)
    made |= {
        "issued_at": values.micros_or_none(change.issued_at),
        "expires_at": expires_at,
        "fingerprint": change.fingerprint,
    }
    connection.execute(_on_record, made)
    if change.shelf is Shelf.TOKEN:
        connection.execute(_row, {"credential_": whose, "access_expires_at": expires_at})


def _apply_killed(connection: Connection, whose: str, change: writes.Killed) -> None:
    connection.execute(_killed, {"credential_": whose, "through_": change.through})


_revoked = delete(version).where(
    version.c.credential == bindparam("credential_"),
    version.c.shelf == Shelf.TOKEN.value,
    version.c.generation <= bindparam("through_"),
)


def _apply_revoked(connection: Connection, whose: str, change: writes.Revoked) -> None:
    connection.execute(_revoked, {"credential_": whose, "through_": change.through})


def _apply_mended(connection: Connection, whose: str, change: writes.Mended) -> None:
    connection.execute(_row, {"credential_": whose, "mended_at": values.micros(change.at)})


# Manual requests, and the history.

_this_manual = and_(
    manual.c.id == bindparam("id_"), manual.c.credential == bindparam("credential_")
)
_met = update(manual).where(_this_manual, manual.c.met_at.is_(None))
_reported = update(manual).where(_this_manual)
_stepped = insert(step)


def _apply_met(connection: Connection, whose: str, change: writes.Met) -> None:
    met = {"id_": change.manual_id, "credential_": whose, "met_at": values.micros(change.at)}
    connection.execute(_met, met)


def _apply_reported(connection: Connection, whose: str, change: writes.Reported) -> None:
    told = {"id_": change.manual_id, "credential_": whose, "outcome": change.outcome}
    connection.execute(_reported, told)


def _apply_stepped(connection: Connection, whose: str, change: facts.Stepped) -> None:
    connection.execute(
        _stepped,
        {
            "credential": whose,
            "run": change.run,
            "seq": change.seq,
            "at": values.micros(change.at),
            "step": change.step,
            "reason": change.reason.value,
            "outcome": change.outcome,
            "text": change.text,
            "duration": values.span(change.duration),
            "cause": change.cause,
        },
    )


# The end of a walk. A pause that came meanwhile keeps its word on every face.


def _unless_paused(column: ColumnElement[Any], told: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((_c.paused_at.is_not(None), column), else_=told)


_state_changes = and_(
    _c.paused_at.is_(None),
    or_(_c.state != bindparam("state_"), _c.state_since.is_(None)),
)
_rest = _row.values(
    due_at=case(
        (_c.due_at.is_not_distinct_from(bindparam("seen_")), bindparam("due_")), else_=_c.due_at
    ),
    state_since=case((_state_changes, bindparam("at_")), else_=_c.state_since),
    state=_unless_paused(_c.state, bindparam("state_")),
    reason=_unless_paused(_c.reason, bindparam("reason_")),
    text=_unless_paused(_c.text, bindparam("text_")),
    lease_owner=None,
    lease_until=None,
    dispatched_until=None,
)


def _apply_rest(connection: Connection, whose: str, change: writes.Rest) -> None:
    connection.execute(
        _rest,
        {
            "credential_": whose,
            "seen_": values.micros_or_none(change.seen_due_at),
            "due_": values.micros(change.due_at),
            "at_": values.micros(change.at),
            "state_": change.state.value,
            "reason_": change.reason.value,
            "text_": change.text,
            "access_renew_at": values.micros_or_none(change.access_renew_at),
            "refresh_renew_at": values.micros_or_none(change.refresh_renew_at),
            "refresh_expires_at": values.micros_or_none(change.refresh_expires_at),
        },
    )


_TABLE: Mapping[type, Callable[[Connection, str, Any], None]] = {
    writes.Intend: answers.intend,
    writes.Close: answers.close,
    writes.MarkRead: answers.mark_read,
    writes.Drop: answers.drop,
    writes.AddMark: marks.add,
    writes.LiftMark: marks.lift,
    facts.BackOff: _apply_back_off,
    writes.Lift: _apply_lift,
    writes.Killed: _apply_killed,
    writes.Revoked: _apply_revoked,
    writes.Mended: _apply_mended,
    facts.OnRecord: _apply_on_record,
    writes.Met: _apply_met,
    writes.Reported: _apply_reported,
    facts.Stepped: _apply_stepped,
    writes.Rest: _apply_rest,
}
