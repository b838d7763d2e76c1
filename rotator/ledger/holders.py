"""Which generation each consumer says that it holds: few a credential, and none for long."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, bindparam, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert

from rotator.ledger import codec, values
from rotator.ledger.facts import Holder
from rotator.ledger.statements import Connection
from rotator.ledger.tables import Whole, credential, holder, on_record
from rotator.model import Shelf

KEPT = 500
"""Of one credential; whoever was silent for longest goes first."""
FORGOTTEN_AFTER = timedelta(days=1)
"""Of silence."""

_c = holder.c
_whose: BindParameter[str] = bindparam("credential_")
_old: BindParameter[int] = bindparam("old_")
# Of credentials that have a row alone: a report may come after `rotator forget`.
_hold = insert(holder).from_select(
    ["credential", "consumer", "generation", "seen_at"],
    select(
        credential.c.name,
        bindparam("consumer_", type_=_c.consumer.type),
        bindparam("generation_", type_=Whole),
        bindparam("at_", type_=Whole),
    ).where(credential.c.name == _whose),
)
_hold = _hold.on_conflict_do_update(
    index_elements=[_c.credential, _c.consumer],
    set_={"generation": _hold.excluded.generation, "seen_at": _hold.excluded.seen_at},
)
_newest = select(_c.consumer).where(_c.credential == _whose)
_newest = _newest.order_by(_c.seen_at.desc(), _c.consumer).limit(KEPT)
_trim = delete(holder).where(
    _c.credential == _whose, or_(_c.seen_at < _old, _c.consumer.not_in(_newest))
)
_silent = delete(holder).where(_c.seen_at < _old)
_seen_since = (
    select(holder).where(_c.seen_at >= bindparam("since_")).order_by(_c.credential, _c.consumer)
)
_published = (
    select(on_record.c.generation)
    .where(on_record.c.credential == _whose, on_record.c.shelf == Shelf.TOKEN.value)
    .scalar_subquery()
)
_oldest = select(func.min(_c.generation)).where(_c.credential == _whose, _c.generation < _published)
_held = (
    select(_c.generation, func.max(_c.seen_at).label("seen_at"))
    .where(_c.credential == _whose)
    .group_by(_c.generation)
)


def hold(connection: Connection, reports: Iterable[Holder]) -> Mapping[str, int]:
    """The last word of each counts. Which earlier generation was let go of, by all who held any."""
    latest: dict[str, datetime] = {}
    oldest: dict[str, int | None] = {}
    for each in reports:
        if each.credential not in oldest:
            oldest[each.credential] = _oldest_of(connection, each.credential)
        said = {
            "credential_": each.credential,
            "consumer_": each.consumer,
            "generation_": each.generation,
            "at_": values.micros(each.seen_at),
        }
        connection.execute(_hold, said)
        latest[each.credential] = max(each.seen_at, latest.get(each.credential, each.seen_at))
    for name, at in latest.items():
        old = values.micros(at - FORGOTTEN_AFTER)
        connection.execute(_trim, {"credential_": name, "old_": old})
    return {
        name: before
        for name, before in oldest.items()
        if before is not None and _oldest_of(connection, name) is None
    }


def _oldest_of(connection: Connection, name: str) -> int | None:
    """The oldest generation before the published one that anybody says they hold."""
    found: int | None = connection.scalar(_oldest, {"credential_": name})
    return found


def forget_silent(connection: Connection, now: datetime) -> None:
    connection.execute(_silent, {"old_": values.micros(now - FORGOTTEN_AFTER)})


def held(connection: Connection, name: str) -> Mapping[int, datetime]:
    """Generation -> when somebody last said that they hold it."""
    found = connection.all(_held, {"credential_": name})
    return {each.generation: codec.decoded("holder", name, values.instant, each.seen_at)
            for each in found}  # fmt: skip


def seen_since(connection: Connection, since: datetime) -> list[Holder]:
    found = connection.all(_seen_since, {"since_": values.micros(since)})
    return [codec.decoded("holder", each.credential, codec.holder, each) for each in found]
