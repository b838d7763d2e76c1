"""What bars a token. A mark that an answer made is never weakened by an unanswered request."""

from functools import lru_cache

from sqlalchemy import Connection, bindparam, delete, or_, select
from sqlalchemy.dialects.sqlite import insert

from rotator.ledger import base, codec
from rotator.ledger.tables import mark

_add = insert(mark)
_add = _add.on_conflict_do_update(
    index_elements=[mark.c.credential, mark.c.kind, mark.c.key],
    set_={
        "at": _add.excluded.at,
        "because": _add.excluded.because,
        "text": _add.excluded.text,
    },
    where=or_(
        mark.c.because != base.Because.ANSWERED.value,
        _add.excluded.because == base.Because.ANSWERED.value,
    ),
)
_lift = delete(mark).where(
    mark.c.credential == bindparam("credential_"),
    mark.c.kind == bindparam("kind_"),
    mark.c.key == bindparam("key_"),
)


def add(connection: Connection, whose: str, change: base.AddMark) -> None:
    made = change.mark
    connection.execute(
        _add,
        {
            "credential": whose,
            "kind": made.kind.value,
            "key": made.key,
            "at": codec.micros(made.at),
            "because": made.because.value,
            "text": made.text,
        },
    )


def lift(connection: Connection, whose: str, change: base.LiftMark) -> None:
    sought = {"credential_": whose, "kind_": change.kind.value, "key_": change.key}
    connection.execute(_lift, sought)


_all = (
    select(mark.c.kind, mark.c.key, mark.c.at, mark.c.because, mark.c.text)
    .where(mark.c.credential == bindparam("credential_"))
    .order_by(mark.c.at)
)
# Spent marks are for ever, and every look reads them all: a year of an hourly chain is 8,760.
_known = lru_cache(maxsize=32_768)(codec.mark)


def of(connection: Connection, whose: str) -> tuple[base.Mark, ...]:
    found = connection.execute(_all, {"credential_": whose}).all()
    return codec.decoded("mark", whose, lambda: tuple(_known(*one) for one in found))
