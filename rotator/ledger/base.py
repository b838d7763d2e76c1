"""What the ledger remembers, as records, and the one protocol that every ledger keeps.

All instants are aware UTC. No field holds a secret in the clear: seals are ciphertext, tokens
appear as HMAC fingerprints.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from rotator.model import Reason, Shelf, State


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


# What a step changes: all changes of one call are one transaction, fenced by the lease.


@dataclass(frozen=True, slots=True, kw_only=True)
class Intend:
    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """The intent's outcome is known or settled; it is open no longer."""

    intent_id: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRead:
    """A seal has been read; `keyring` is empty where it held no tokens."""

    intent_id: str
    read_at: datetime
    reader: str
    outcome: str
    tokens: Mapping[str, tuple[datetime | None, datetime | None]]
    keyring: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Forget a seal: its tokens are in the store, or it held none."""

    intent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMark:
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftMark:
    kind: MarkKind
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """The line of the table worked: its back-off and failure count go."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """Access tokens up to `through` may be dead."""

    through: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """Versions of the consumers' secret up to a generation hold nothing any more: forget them."""

    through: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A manual request got what it asked for."""

    manual_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """How the first walk after a manual request ended, in words."""

    manual_id: str
    outcome: str


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
class Rest:
    """The walk ends and lets go of its lease: when to look again, what every face shows until then.

    `due_at` is moved by compare-and-set: only if it is still `seen_due_at`, for a manual request
    or a late seal may have set it meanwhile.
    """

    due_at: datetime
    seen_due_at: datetime | None
    state: State
    reason: Reason
    text: str = ""
    access_renew_at: datetime | None = None
    refresh_renew_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    at: datetime


Change = (
    Intend | Close | MarkRead | Drop | AddMark | LiftMark | BackOff | Lift | Killed
    | Revoked | Mended
    | OnRecord | Met | Reported | Stepped | Rest
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step of one run, as `history` shows it."""

    credential: str
    stepped: Stepped


class Ledger(Protocol):
    """One worker's memory. Raises LedgerError and nothing else."""

    ledger_id: str
    """Made once a ledger, and carried by every keyring that it keeps."""

    def enrol(self, jobs: Mapping[str, Sequence[str]], now: datetime) -> None:
        """Make the rows be those of the job files: job -> names of its credentials (qualified).

        New rows are due now; rows of other jobs and credentials lose their `due_at` and keep all
        else, so that a file that comes back finds its history.
        """
        ...

    def sweep(self, now: datetime, limit: int, *, until: datetime, job: str = "",
              quotas: Mapping[str, int] | None = None) -> list[str]:  # fmt: skip
        """Claim up to `limit` due credentials, least margin first, until an instant.

        `job` narrows it to one job file, `quotas` (job -> at most so many dispatched at once).
        Claimed rows are not claimed again before `until`; paused rows are never claimed.
        """
        ...

    def next_due(self, job: str = "") -> datetime | None:
        """The earliest `due_at` of unpaused, undispatched rows, of one job or of all."""
        ...

    def urgent(self, now: datetime) -> list[str]:
        """Jobs with due rows that nobody has claimed: what `watch` wakes."""
        ...

    def take(self, credential: str, owner: str, now: datetime, until: datetime) -> Lease | None:
        """Lease the credential, with a higher fencing number; None while another holds it.

        A lease that ends further off than any lease can is void (a clock jumped).
        """
        ...

    def extend(self, lease: Lease, until: datetime) -> Lease:
        """Hold on for longer. Raises LeaseLost."""
        ...

    def check(self, lease: Lease) -> None:
        """Read the lease again. Raises LeaseLost where another was given since."""
        ...

    def release(self, lease: Lease) -> None:
        """Let go, also of the claim that `sweep` made; never raises LeaseLost."""
        ...

    def free_all(self) -> None:
        """Void every lease and claim: for the one process that holds the file, at its start."""
        ...

    def look(self, credential: str) -> Record | None:
        """Everything about one credential, None where it was never enrolled."""
        ...

    def request(self, request_id: str) -> Intent | None:
        """A request by its id, answered or not; None where it was never made, or is long gone."""
        ...

    def spent(self, fingerprints: Collection[str]) -> tuple[Mark, ...]:
        """The spent marks of these tokens, whichever credential made them."""
        ...

    def published_by(self, fingerprint: str) -> tuple[str, ...]:
        """The credentials whose consumers' secret holds this token, by name."""
        ...

    def write(self, lease: Lease, *changes: Change) -> None:
        """All changes in one durable transaction. Raises LeaseLost where the fence has moved."""
        ...

    def seal(self, seal: Seal) -> None:
        """Store an answer durably, whoever holds the lease, and make the credential due now."""
        ...

    def ask(self, manual: Manual) -> None:
        """Store a person's request and make the credential due now."""
        ...

    def manual(self, manual_id: str) -> Manual | None:
        """A person's request as it stands, met or not."""
        ...

    def pause(self, credential: str, now: datetime, by: str, why: str) -> None: ...

    def resume(self, credential: str, now: datetime) -> None: ...

    def forget(self, credential: str) -> None:
        """Delete all about a credential but what it has spent: its row, seals, marks, history."""
        ...

    def rows(self, names: Iterable[str] | None = None) -> list[Row]:
        """Rows for the faces, by name."""
        ...

    def back_offs(self, credential: str) -> list[BackOff]: ...

    def history(self, credential: str = "", limit: int = 50, run: str = "") -> list[Line]:
        """The newest steps first."""
        ...

    def hold(self, reports: Sequence[Holder]) -> None:
        """Remember what consumers say that they hold, each consumer's last word alone.

        Of a credential without a row nothing is kept, of any other a bounded number of consumers,
        and none that was silent for a day.
        """
        ...

    def holders(self, since: datetime) -> list[Holder]:
        """Whoever was heard of since then, by credential and consumer."""
        ...

    def swept_at(self) -> datetime | None:
        """When a sweep last succeeded: the worker's pulse."""
        ...

    def first_alert(self, credential: str, key: str, now: datetime) -> bool:
        """True once per (credential, key): an alert is sent for a change, not for a state."""
        ...

    def clear_alerts(self, credential: str, prefix: str) -> None:
        """The state is over: the next time it begins it is told again."""
        ...
