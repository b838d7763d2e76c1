"""How each secret in the store compares with what the ledger remembers of it. Pure."""

from datetime import datetime, timedelta

from rotator.ledger.facts import OnRecord, Record
from rotator.model import Shelf
from rotator.plan.seen import Agreement, ShelfSeen
from rotator.store.base import Version

LAG = timedelta(minutes=1)
"""For so long after our last write a read may show what was there before it, or nothing."""


def shelf_seen(record: Record, shelf: Shelf, version: Version | None, now: datetime) -> ShelfSeen:
    """One secret. What we once had made and is gone counts as a stranger's doing."""
    on_record = record.row.records.get(shelf)
    if on_record is not None and not on_record.version_id:
        on_record = None  # it was gone when we looked last
    if version is not None:
        agreement = _agreement(record, shelf, version, on_record, now)
        return ShelfSeen(agreement=agreement, generation=version.generation)
    if on_record is None:
        return ShelfSeen()
    lagging = _put_lately(on_record, now)
    return ShelfSeen(agreement=Agreement.LAGGING if lagging else Agreement.FOREIGN)


def _put_lately(on_record: OnRecord, now: datetime) -> bool:
    return abs(now - on_record.put_at) < LAG


def _agreement(
    record: Record, shelf: Shelf, version: Version, on_record: OnRecord | None, now: datetime
) -> Agreement:
    """How the current version compares with the one on record.

    A keyring of an equal generation is adopted too: thrown back, it may be the only living key.
    One that is not newer, right after a write of ours, may be what that write has covered, also
    where we never knew it: another ledger's keyring that a person adopts, a stranger's put back.
    """
    if version.id in {seal.intent.id for seal in record.seals}:
        return Agreement.SAME
    if on_record is None:
        return Agreement.FOREIGN_NEWER if version.fields.get("schema") else Agreement.SAME
    if version.id == on_record.version_id:
        return Agreement.SAME
    known = version.id in record.versions.get(shelf, {})
    if not known and version.generation + (shelf is Shelf.KEYRING) > on_record.generation:
        return Agreement.FOREIGN_NEWER
    if _put_lately(on_record, now):
        return Agreement.LAGGING
    return Agreement.OLDER if known else Agreement.FOREIGN
