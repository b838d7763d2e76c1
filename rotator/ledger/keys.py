"""The ledger's sealing keys, each wrapped: rows that are all replaced at once, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select

from rotator.errors import LedgerError
from rotator.ledger import values
from rotator.ledger.statements import Connection
from rotator.ledger.tables import meta, seal_key

FINGERPRINTS = "fingerprints"
"""The id under which the key of the fingerprints is stored."""
FROM_0_1 = "fingerprint_key"
"""Where rotator 0.1 kept it: sealed under the key file's own key."""

_all = select(seal_key).order_by(seal_key.c.id)
_put = insert(seal_key)
_drop_all = delete(seal_key)
_drop_key_from_0_1 = delete(meta).where(meta.c.key == bindparam("key_"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """One row of the ledger's keys."""

    id: str
    held_by: str
    """A holder's name for the key that seals now; for all others, the id of that key."""
    wrapped: bytes
    made_at: datetime


def all_of(connection: Connection) -> tuple[WrappedKey, ...]:
    """Raises LedgerError for a row that is none."""
    return tuple(_read(row) for row in connection.all(_all))


def current_of(keys: Sequence[WrappedKey]) -> list[WrappedKey]:
    """Those that are wrapped under none of the others: one, where all is well."""
    ids = {key.id for key in keys}
    return [key for key in keys if key.held_by not in ids]


def replace(connection: Connection, current: str, keys: Sequence[WrappedKey]) -> bool:
    """Put these in the place of all, unless another than `current` seals now ("": none)."""
    found = [key.id for key in current_of(all_of(connection))]
    if found != ([current] if current else []):
        return False
    connection.execute(_drop_all)
    connection.execute(_drop_key_from_0_1, {"key_": FROM_0_1})
    connection.execute(_put, [_row(key) for key in keys])
    return True


def _read(row: Any) -> WrappedKey:
    try:
        if row.id != FINGERPRINTS:
            UUID(row.id)
        made_at = values.instant(row.made_at)
    except (ValueError, OverflowError):
        raise LedgerError(
            "a sealing key of the ledger cannot be read",
            remedy="restore the ledger from a copy, then `rotator adopt`",
        ) from None
    return WrappedKey(id=row.id, held_by=row.held_by, wrapped=row.wrapped, made_at=made_at)


def _row(key: WrappedKey) -> dict[str, Any]:
    made_at = values.micros(key.made_at)
    return {"id": key.id, "held_by": key.held_by, "wrapped": key.wrapped, "made_at": made_at}
