"""What comes from outside a walk: answers, wishes, pauses, alerts. None of it is fenced.

An answer or a wish makes its credential due, and always moves `due_at`: a walk that ends at the
same instant compares and sets, and must find that it changed. What has no job file stays without
a `due_at`; it is due the moment its file is back.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from rotator.errors import LedgerError
from rotator.ledger import leases, meta, values
from rotator.ledger.facts import Manual, Woken
from rotator.ledger.statements import Connection
from rotator.ledger.tables import alert, credential, manual, metadata
from rotator.model import Reason, State

_c = credential.c
_this = update(credential).where(_c.name == bindparam("credential_"))
_at: BindParameter[int] = bindparam("at_")
_moved = case((_c.due_at.between(_at - 1000, _at), _c.due_at - 1), else_=_at)
_wake = _this.where(_c.due_at.is_not(None)).values(due_at=_moved).returning(_c.due_at)
_stood = select(_c.fence, _c.due_at).where(_c.name == bindparam("credential_"))


def wake(connection: Connection, name: str, at: datetime) -> Woken | None:
    found = connection.first(_stood, {"credential_": name})
    if found is None:
        return None
    due_at = connection.scalar(_wake, {"credential_": name, "at_": values.micros(at)})
    return Woken(
        fence=found.fence,
        was_due_at=values.instant_or_none(found.due_at),
        due_at=values.instant_or_none(due_at),
    )


_ask = insert(manual).on_conflict_do_nothing(index_elements=[manual.c.id])


def ask(connection: Connection, wish: Manual) -> None:
    connection.execute(
        _ask,
        {
            "id": wish.id,
            "credential": wish.credential,
            "asked_at": values.micros(wish.asked_at),
            "asked_by": wish.by,
            "why": wish.why,
            "tokens": values.names(wish.tokens),
            "again": int(wish.again),
            "met_at": values.micros_or_none(wish.met_at),
            "outcome": wish.outcome,
        },
    )
    wake(connection, wish.credential, wish.asked_at)


_pause = _this.where(_c.paused_at.is_(None))
_resume = _this.where(_c.paused_at.is_not(None)).values(
    due_at=case((_c.due_at.is_not(None), bindparam("at_")))
)
_exists = select(_c.name).where(_c.name == bindparam("credential_"))


def pause(connection: Connection, name: str, now: datetime, by: str, why: str) -> bool:
    """A pause upon a pause keeps the first."""
    _must_exist(connection, name)
    at = values.micros(now)
    paused = {"paused_at": at, "paused_by": by, "paused_why": why}
    shown = _state(State.PAUSED, Reason.PAUSED, at, why)
    return bool(connection.execute(_pause, {"credential_": name, **paused, **shown}))


def resume(connection: Connection, name: str, now: datetime) -> bool:
    """Due now: whatever it slept through is looked at."""
    _must_exist(connection, name)
    at = values.micros(now)
    awake = {"at_": at, "paused_at": None, "paused_by": "", "paused_why": ""}
    shown = _state(State.DUE, Reason.DUE, at, "")
    return bool(connection.execute(_resume, {"credential_": name, **awake, **shown}))


def _state(state: State, reason: Reason, at: int, text: str) -> dict[str, Any]:
    return {"state": state.value, "reason": reason.value, "state_since": at, "text": text}


def _must_exist(connection: Connection, name: str) -> None:
    if connection.first(_exists, {"credential_": name}) is None:
        raise LedgerError(
            f"the ledger knows no credential {name}", remedy="see `rotator status` for the names"
        )


_fence = select(_c.fence).where(_c.name == bindparam("credential_"))
_forgets = (
    *(
        delete(table).where(table.c.credential == bindparam("credential_"))
        for table in reversed(metadata.sorted_tables)
        if "credential" in table.c  # `spent` is by token, and stays
    ),
    delete(credential).where(_c.name == bindparam("credential_")),
)


def forget(connection: Connection, name: str) -> None:
    """All but the fencing number: should the name come back, it goes on from there."""
    whose = {"credential_": name}
    fence = connection.scalar(_fence, whose) or 0
    floor = max(fence, meta.number(connection, leases.FENCE_FLOOR) or 0)
    meta.put(connection, leases.FENCE_FLOOR, str(floor))
    for statement in _forgets:
        connection.execute(statement, whose)


_alert = insert(alert).on_conflict_do_nothing()
_begun = and_(
    alert.c.credential == bindparam("credential_"),
    func.substr(alert.c.key, 1, func.length(bindparam("prefix_"))) == bindparam("prefix_"),
)
_any_alert = select(alert.c.key).where(_begun).limit(1)
_clear = delete(alert).where(_begun)


def first_alert(connection: Connection, name: str, key: str, now: datetime) -> bool:
    made = {"credential": name, "key": key, "at": values.micros(now)}
    return connection.execute(_alert, made) == 1


def has_alerts(connection: Connection, begun: Mapping[str, str]) -> bool:
    return connection.first(_any_alert, begun) is not None


def clear_alerts(connection: Connection, begun: Mapping[str, str]) -> None:
    connection.execute(_clear, begun)
