"""Requests, and the answers that are sealed before a byte of them is read."""

from sqlalchemy import and_, bindparam, delete, update
from sqlalchemy.dialects.sqlite import insert

from rotator.ledger import codec, facts, values, writes
from rotator.ledger.statements import Connection
from rotator.ledger.tables import request, seal

_intend = insert(request)
_this_request = and_(
    request.c.id == bindparam("id_"), request.c.credential == bindparam("credential_")
)
_close = update(request).where(_this_request)
_this_seal = and_(seal.c.request == bindparam("id_"), seal.c.credential == bindparam("credential_"))
_read = update(seal).where(_this_seal)
_dropped = delete(seal).where(_this_seal)


def intend(connection: Connection, _: str, change: writes.Intend) -> None:
    connection.execute(_intend, codec.intent_columns(change.intent))


def close(connection: Connection, whose: str, change: writes.Close) -> None:
    found = {"id_": change.intent_id, "credential_": whose, "outcome": change.outcome}
    connection.execute(_close, found)


def mark_read(connection: Connection, whose: str, change: writes.MarkRead) -> None:
    connection.execute(
        _read,
        {
            "id_": change.intent_id,
            "credential_": whose,
            "read_at": values.micros(change.read_at),
            "reader": change.reader,
            "outcome": change.outcome,
            "tokens": values.dates(change.tokens),
            "keyring": change.keyring,
        },
    )


def drop(connection: Connection, whose: str, change: writes.Drop) -> None:
    connection.execute(_dropped, {"id_": change.intent_id, "credential_": whose})


_if_new = insert(request).on_conflict_do_nothing()
_sealed = insert(seal).on_conflict_do_nothing()


def keep(connection: Connection, answered: facts.Seal) -> None:
    """A second try with the same answer changes nothing; a forgotten credential loses nothing."""
    connection.execute(_if_new, codec.intent_columns(answered.intent))
    connection.execute(_sealed, codec.seal_columns(answered))
