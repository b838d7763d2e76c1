"""What a look will show once some changes are written, told without the database. Pure.

Whoever holds the lease knows what its own changes do to a record. Those whose effect depends on
rows that a record does not show (marks, requests) are not told here: only the ledger knows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from rotator.ledger.facts import BackOff, Lease, OnRecord, Record, Seal, Woken
from rotator.ledger.writes import Change, Close, Drop, Killed, Lift, MarkRead, Met


def foreseen(record: Record, changes: Iterable[Change]) -> Record | None:
    """The record with these changes made; None where only the ledger can tell."""
    for change in changes:
        make = _TABLE.get(type(change))
        if make is None:
            return None
        record = make(record, change)
    return record


def answered(record: Record, lease: Lease, seal: Seal, woken: Woken | None) -> Record | None:
    """The record with a request of ours and its sealed answer; None where only the ledger can tell.

    Whatever else became of the credential since the record was read, a wish or another's answer,
    moved its `due_at`, and another worker was given a lease: then there is more to be seen.
    """
    if woken is None or (woken.fence, woken.was_due_at) != (lease.fence, record.row.due_at):
        return None
    intents, seals = (*record.open_intents, seal.intent), (*record.seals, seal)
    return replace(
        record,
        row=replace(record.row, due_at=woken.due_at),
        open_intents=tuple(sorted(intents, key=lambda i: (i.intended_at, i.generation))),
        seals=tuple(sorted(seals, key=lambda s: (s.answered_at, s.intent.generation))),
        top_generation=max(record.top_generation, seal.intent.generation),
    )


def _close(record: Record, change: Close) -> Record:
    still = (intent for intent in record.open_intents if intent.id != change.intent_id)
    return replace(record, open_intents=tuple(still))


def _mark_read(record: Record, change: MarkRead) -> Record:
    def read(seal: Seal) -> Seal:
        return replace(
            seal,
            read_at=change.read_at,
            reader=change.reader,
            outcome=change.outcome,
            tokens=change.tokens,
            keyring=change.keyring,
        )

    seals = (read(seal) if seal.intent.id == change.intent_id else seal for seal in record.seals)
    return replace(record, seals=tuple(seals))


def _drop(record: Record, change: Drop) -> Record:
    still = (seal for seal in record.seals if seal.intent.id != change.intent_id)
    return replace(record, seals=tuple(still))


def _back_off(record: Record, change: BackOff) -> Record:
    return replace(record, back_offs={**record.back_offs, change.what: change})


def _lift(record: Record, change: Lift) -> Record:
    still = {what: held for what, held in record.back_offs.items() if what != change.what}
    return replace(record, back_offs=still)


def _killed(record: Record, change: Killed) -> Record:
    through = max(record.row.killed_through, change.through)
    return replace(record, row=replace(record.row, killed_through=through))


def _on_record(record: Record, change: OnRecord) -> Record:
    known = {change.version_id: change.generation, **record.versions[change.shelf]}
    return replace(
        record,
        row=replace(record.row, records={**record.row.records, change.shelf: change}),
        versions={**record.versions, change.shelf: known},
        top_generation=max(record.top_generation, change.generation),
    )


def _met(record: Record, change: Met) -> Record:
    still = (manual for manual in record.manuals if manual.id != change.manual_id)
    return replace(record, manuals=tuple(still))


_TABLE: Mapping[type, Callable[[Record, Any], Record]] = {
    Close: _close,
    MarkRead: _mark_read,
    Drop: _drop,
    BackOff: _back_off,
    Lift: _lift,
    Killed: _killed,
    OnRecord: _on_record,
    Met: _met,
}
