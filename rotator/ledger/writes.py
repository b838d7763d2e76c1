"""What a step writes: all changes of one call are one transaction, fenced by the lease."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rotator.ledger.facts import BackOff, Intent, Mark, MarkKind, OnRecord, Stepped
from rotator.model import Reason, State


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
