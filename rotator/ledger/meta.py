"""The ledger's few single values, by name."""

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from rotator.ledger.statements import Connection
from rotator.ledger.tables import meta

_get = select(meta.c.value).where(meta.c.key == bindparam("key_"))
_put = insert(meta)
_put = _put.on_conflict_do_update(index_elements=[meta.c.key], set_={"value": _put.excluded.value})


_DIGITS = 19
"""A 64-bit number has them, and any with fewer is one."""


def get(connection: Connection, key: str) -> str | None:
    value: str | None = connection.scalar(_get, {"key_": key})
    return value


def number(connection: Connection, key: str) -> int | None:
    """None, too, where what is there is none that we could have written."""
    value = get(connection, key) or ""
    return int(value) if value.isdecimal() and len(value) < _DIGITS else None


def put(connection: Connection, key: str, value: str) -> None:
    connection.execute(_put, {"key": key, "value": value})
