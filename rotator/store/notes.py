"""What the store has found out about names: where each stands, and which writes worked lately."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from rotator.clock import Clock
from rotator.store.base import SecretSpec

PROOF_LASTS = timedelta(minutes=10)

_MOST_NOTES = 16_384


class Place(Enum):
    NOWHERE = auto()
    DELETED = auto()
    EMPTY = auto()
    """There, without any version."""
    FULL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a look at a name told, and so what a write to it must begin with."""

    owner: str
    place: Place
    claimed: bool = True
    """It carries our tags; else it is being adopted."""
    others: Mapping[str, str] = field(default_factory=dict, repr=False)
    """String keys of an adopted secret, which stay."""


class Notes:
    """By name, the newest so many. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: dict[str, Note] = {}

    def get(self, spec: SecretSpec) -> Note | None:
        """What is noted for this owner; nothing that was noted for another."""
        with self._lock:
            note = self._notes.get(spec.name)
        return note if note is not None and note.owner == spec.owner else None

    def write_down(self, spec: SecretSpec, note: Note) -> Note:
        with self._lock:
            self._notes.pop(spec.name, None)
            self._notes[spec.name] = note
            if len(self._notes) > _MOST_NOTES:
                del self._notes[next(iter(self._notes))]
        return note

    def cross_out(self, spec: SecretSpec) -> None:
        with self._lock:
            self._notes.pop(spec.name, None)


class Proofs:
    """Which writes worked less than PROOF_LASTS ago: by action, prefix and key. Thread-safe."""

    def __init__(self, clock: Clock, prefix: str) -> None:
        self._clock = clock
        self._shelves = (f"{prefix}/token/", f"{prefix}/keyring/")
        self._lock = threading.Lock()
        self._proved_at: dict[tuple[str, str, str], datetime] = {}

    def has(self, action: str, spec: SecretSpec) -> bool:
        with self._lock:
            proved_at = self._proved_at.get(self._key(action, spec))
        return proved_at is not None and (
            timedelta(0) <= self._clock.now() - proved_at < PROOF_LASTS
        )

    def add(self, action: str, spec: SecretSpec) -> None:
        with self._lock:
            self._proved_at[self._key(action, spec)] = self._clock.now()

    def drop(self, action: str, spec: SecretSpec) -> None:
        with self._lock:
            self._proved_at.pop(self._key(action, spec), None)

    def _key(self, action: str, spec: SecretSpec) -> tuple[str, str, str]:
        """IAM tells names apart by prefix; a name outside ours proves only itself."""
        shelf = next((start for start in self._shelves if spec.name.startswith(start)), spec.name)
        return action, shelf, spec.kms_key_id
