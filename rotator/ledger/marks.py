"""What bars a token: refusals by credential, and what is spent by the token alone, for ever.

A mark that an answer made is never weakened by an unanswered request.
"""

from collections.abc import Collection

from sqlalchemy import bindparam, delete, or_, select
from sqlalchemy.dialects.sqlite import insert

from rotator.ledger import codec, facts, values, writes
from rotator.ledger.statements import Connection
from rotator.ledger.tables import IN_DOUBT
from rotator.ledger.tables import mark as refused
from rotator.ledger.tables import spent as spent_

_ANSWERED = facts.Because.ANSWERED.value
_SPENT, _REFUSED = facts.MarkKind.SPENT.value, facts.MarkKind.REFUSED.value

_refuse = insert(refused)
_refuse = _refuse.on_conflict_do_update(
    index_elements=[refused.c.credential, refused.c.kind, refused.c.key],
    set_={
        "at": _refuse.excluded.at,
        "text": _refuse.excluded.text,
        "times": _refuse.excluded.times,
    },
)
_spend = insert(spent_)
_spend = _spend.on_conflict_do_update(
    index_elements=[spent_.c.key],
    set_={
        "at": _spend.excluded.at,
        "because": _spend.excluded.because,
        "text": _spend.excluded.text,
    },
    where=or_(spent_.c.because != _ANSWERED, _spend.excluded.because == _ANSWERED),
)
_unspend = delete(spent_).where(spent_.c.key == bindparam("key_"))
_unrefuse = delete(refused).where(
    refused.c.credential == bindparam("credential_"),
    refused.c.kind == _REFUSED,
    refused.c.key == bindparam("key_"),
)


def add(connection: Connection, whose: str, change: writes.AddMark) -> None:
    made = change.mark
    said = {
        "key": made.key,
        "at": values.micros(made.at),
        "because": made.because.value,
        "text": made.text,
    }
    if made.kind is facts.MarkKind.SPENT:
        connection.execute(_spend, {**said, "by_credential": whose})
    else:
        refusal = {"credential": whose, "kind": _REFUSED, "times": made.times}
        connection.execute(_refuse, {**said, **refusal})


def lift(connection: Connection, whose: str, change: writes.LiftMark) -> None:
    if change.kind is facts.MarkKind.SPENT:
        connection.execute(_unspend, {"key_": change.key})
    else:
        connection.execute(_unrefuse, {"key_": change.key, "credential_": whose})


_refusals = (
    select(
        refused.c.kind,
        refused.c.key,
        refused.c.at,
        refused.c.because,
        refused.c.text,
        refused.c.times,
    )
    .where(refused.c.credential == bindparam("credential_"))
    .order_by(refused.c.at)
)
_doubts = (
    select(spent_.c.key, spent_.c.at, spent_.c.because, spent_.c.text)
    .where(spent_.c.by_credential == bindparam("credential_"), IN_DOUBT)
    .order_by(spent_.c.at)
)
_this = select(
    spent_.c.by_credential, spent_.c.key, spent_.c.at, spent_.c.because, spent_.c.text
).where(spent_.c.key == bindparam("key_"))


def of(connection: Connection, whose: str) -> tuple[facts.Mark, ...]:
    """Refusals, and what is spent or not: few, however long a chain has been turning."""
    refusals = connection.all(_refusals, {"credential_": whose})
    doubts = connection.all(_doubts, {"credential_": whose})
    return codec.decoded(
        "mark",
        whose,
        lambda: (
            *(codec.mark(whose, row.kind, row, row.times) for row in refusals),
            *(codec.mark(whose, _SPENT, row) for row in doubts),
        ),
    )


def spent(connection: Connection, keys: Collection[str]) -> tuple[facts.Mark, ...]:
    rows = [row for key in sorted(keys) for row in connection.all(_this, {"key_": key})]
    return tuple(
        codec.decoded("spent", row.by_credential, codec.mark, row.by_credential, _SPENT, row)
        for row in rows
    )
