"""What the ledger remembers, as records.

All instants are aware UTC. No field holds a secret in the clear: seals are ciphertext, tokens
appear as HMAC fingerprints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.model import REFRESH_TOKEN, Reason, Shelf, State


class Because(StrEnum):
    """Why a mark was made; only an unanswered request's mark yields to a proof of life."""

    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRecord:
    """The version that we last made (or adopted) on one shelf."""

    shelf: Shelf
    version_id: str
    generation: int
    issued_at: datetime | None
    expires_at: datetime | None
    put_at: datetime
    fingerprint: str = ""
    """Of the token that the version holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One credential: what the scheduler and every face read without any network."""

    credential: str
    job: str
    due_at: datetime | None
    """None: not scheduled (its job file is gone or broken)."""
    state: State = State.DUE
    state_since: datetime | None = None
    reason: Reason = Reason.MISSING
    text: str = ""
    """For a person: what to do, or what failed."""
    killed_through: int = 0
    """Access tokens up to this generation may be dead, whatever their dates."""
    mended_at: datetime | None = None
    access_renew_at: datetime | None = None
    refresh_renew_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str = ""
    paused_why: str = ""
    leased_until: datetime | None = None
    """A walk holds it so long at most; what its worker left when it died ends then, too."""
    records: Mapping[Shelf, OnRecord] = field(default_factory=dict)

    @property
    def access_expires_at(self) -> datetime | None:
        """When the published token dies, None if unknown or nothing is published."""
        record = self.records.get(Shelf.TOKEN)
        return record.expires_at if record else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One worker's exclusive, expiring hold on a credential."""

    credential: str
    owner: str
    fence: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """Not again until an instant. `what` is the line of the table: `grant:regenerate`, `keep`."""

    what: str
    until: datetime
    since: datetime
    """When it was stored: a manual request asked after this passes it."""
    failures: int
    reason: Reason
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manual:
    """A person's request to rotate now."""

    id: str
    credential: str
    asked_at: datetime
    by: str
    why: str
    tokens: frozenset[str]
    """Names of the tokens asked for; empty: the access token."""
    again: bool = False
    """Refused seeds are tried once more."""
    met_at: datetime | None = None
    outcome: str = ""
    """How the first walk after it ended, in words; empty while nobody has walked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A request that was written down before it was sent. Its id is the version id to come."""

    id: str
    credential: str
    generation: int
    made_from: int
    """The generation of the tokens that it presents, 0 for seeds."""
    grant: str
    host: str
    presented: Mapping[str, str]
    """Name -> fingerprint of every token and seed presented."""
    spends: str | None
    """The fingerprint of the token that dies with it, None where the grant spends nothing."""
    kills: frozenset[str]
    intended_at: datetime
    first_intended_at: datetime
    """Of the first request with the same token and grant: a replay window counts from here."""
    send_by: datetime
    settles_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A complete answer, encrypted, before a byte of it was parsed."""

    intent: Intent
    ciphertext: bytes
    sent_at: datetime
    answered_at: datetime
    read_at: datetime | None = None
    reader: str = ""
    """Which rotator and job settings read it; others may read it differently."""
    outcome: str = ""
    """`tokens`, or the error's class, once read."""
    tokens: Mapping[str, tuple[datetime | None, datetime | None]] = field(default_factory=dict)
    """Name -> (issued_at, expires_at) of what it holds, once read."""
    keyring: bytes = b""
    """The tokens themselves, encrypted, once read."""

    @property
    def may_hold_refresh_token(self) -> bool:
        """Whether a refresh token may still have to be kept from it: unread, nobody knows."""
        return self.read_at is None or REFRESH_TOKEN in self.tokens


class MarkKind(StrEnum):
    SPENT = "spent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What bars a token from being presented again.

    `key` is the token's fingerprint for `spent`, and a digest of host, grant, tokens and identity
    settings for `refused`.
    """

    kind: MarkKind
    key: str
    at: datetime
    because: Because
    text: str = ""
    times: int = 1
    """Refused so often in a row, the last time at `at`."""
    by: str = ""
    """The credential whose walk made it first: the ledger fills it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A consumer, and the generation that it says it holds."""

    credential: str
    consumer: str
    generation: int
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that the ledger knows of one credential, read in one transaction."""

    row: Row
    open_intents: tuple[Intent, ...]
    """No answer read yet, and not settled; oldest first."""
    seals: tuple[Seal, ...]
    """Not dropped; oldest first."""
    marks: tuple[Mark, ...]
    """What was refused, and what an unanswered request of its own may have spent. What is spent for
    certain is asked by its token: `Ledger.spent`."""
    back_offs: Mapping[str, BackOff]
    manuals: tuple[Manual, ...]
    """Not met yet."""
    versions: Mapping[Shelf, Mapping[str, int]]
    """The newest version ids on record -> their generation. An older one that comes back to light
    is treated like a stranger's of an older generation: ours is made current again."""
    top_generation: int
    """The highest generation of any intent or version on record."""
    held: Mapping[int, datetime] = field(default_factory=dict)
    """Generation -> when a consumer last said that it holds it, of those that say so at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """What an answer found in the row of its credential, and when it made that due."""

    fence: int
    """Of the last lease that was given."""
    was_due_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """One line of the run history."""

    run: str
    seq: int
    at: datetime
    step: str
    reason: Reason
    outcome: str = "ok"
    """`ok`, or the class of the error."""
    text: str = ""
    duration: timedelta = timedelta(0)
    cause: str = "schedule"
    """Why the walk began: `schedule`, or `manual by NAME: WHY`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step of one run, as `history` shows it."""

    credential: str
    stepped: Stepped
