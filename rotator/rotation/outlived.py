"""Which earlier access token no consumer can hold any more: the one that may be revoked. Pure."""

from datetime import datetime
from typing import NamedTuple

from rotator.jobs.job import Credential
from rotator.ledger.base import Record
from rotator.model import Shelf
from rotator.policy import SKEW
from rotator.store.base import Version


class Outlived(NamedTuple):
    """A version of the consumers' secret, and from when nobody holds it."""

    version_id: str
    at: datetime


def outlived(credential: Credential, record: Record, current: Version | None) -> Outlived | None:
    """The version right before the published one, where the job revokes; None where there is none.

    Counted from our own put: a cache that was filled just before it is the last to let go.
    """
    published = record.row.records.get(Shelf.TOKEN)
    if credential.provider.revocation is None or current is None or published is None:
        return None
    if current.id != published.version_id:
        return None
    made = record.versions.get(Shelf.TOKEN, {})
    earlier = {each: of for each, of in made.items() if of < published.generation}
    if not earlier:
        return None
    at = published.put_at + credential.schedule.consumer_max_staleness + SKEW
    return Outlived(max(earlier, key=lambda each: earlier[each]), at)
