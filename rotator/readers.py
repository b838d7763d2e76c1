"""How long those who read a consumers' secret may hold what they once read, and what that costs.

From the readers' own documentation and defaults: Secrets Manager's user guide on its caches, its
Agent and its Lambda extension, and the source of each tool where the documentation is silent. A
reader's cache can be set shorter; what counts here is what it does when nobody has.
"""

from dataclasses import dataclass
from datetime import timedelta

_MINUTE = timedelta(minutes=1)
LAG = _MINUTE
"""Secrets Manager's reads are eventually consistent; AWS gives no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One way to read a secret."""

    name: str
    staleness: timedelta | None
    """How old what it serves may be; None: as old as its process."""
    rereads: bool = False
    """It reads anew when the provider refuses what it served."""


READERS = (
    Reader(name="AWS CLI or boto3, at each call", staleness=timedelta(0)),
    Reader(name="rotator.client", staleness=5 * _MINUTE, rereads=True),
    Reader(name="Powertools parameters", staleness=5 * _MINUTE),
    Reader(name="Secrets Manager Agent", staleness=5 * _MINUTE),
    Reader(name="Lambda extension", staleness=5 * _MINUTE),
    Reader(name="External Secrets Operator", staleness=61 * _MINUTE + _MINUTE / 2),
    Reader(name="aws-secretsmanager-caching", staleness=60 * _MINUTE),
    Reader(name="Secrets Store CSI driver, rotating", staleness=60 * _MINUTE),
    Reader(name="pydantic-settings", staleness=None),
    Reader(name="ECS valueFrom", staleness=None),
    Reader(name="environment variables of a pod", staleness=None),
)
"""The soonest to notice first."""


def dead_for(reader: Reader, overlap: timedelta) -> timedelta | None:
    """How long it may serve a dead token after a rotation; None: until its process is restarted.

    `overlap`: how long the old token lives on once the new one is published.
    """
    if reader.rereads:
        return timedelta(0)
    if reader.staleness is None:
        return None
    return max(reader.staleness + LAG - overlap, timedelta(0))
