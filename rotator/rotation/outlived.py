"""Which earlier access token no consumer can hold any more: the one that may be revoked. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple

from rotator.jobs.job import Credential
from rotator.ledger.facts import Record
from rotator.model import Shelf
from rotator.policy.when import SKEW
from rotator.store.base import Version

HEARD = timedelta(hours=1)
"""So long a consumer's word counts that it holds a generation; it speaks every 10 minutes."""


class Outlived(NamedTuple):
    """A version of the consumers' secret, and from when nobody holds it."""

    version_id: str
    at: datetime


def outlived(
    credential: Credential, record: Record, current: Version | None, now: datetime
) -> Outlived | None:
    """The version right before the published one, where the job revokes; None where there is none.

    Counted from our own put: a cache that was filled just before it is the last to let go. A
    consumer that says that it holds it still is waited for. Nobody waits beyond the token's expiry
    for anything: a dead token is not revoked, and no client says that it holds one.
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
    last = max(earlier, key=lambda each: earlier[each])
    at = published.put_at + credential.schedule.consumer_max_staleness + SKEW
    return Outlived(last, max(at, _let_go_at(record.held.get(earlier[last]), now) or at))


def _let_go_at(seen_at: datetime | None, now: datetime) -> datetime | None:
    """When a holder's last word is too old to count; one from a clock that ran ahead is void."""
    return None if seen_at is None or seen_at > now + SKEW else seen_at + HEARD
