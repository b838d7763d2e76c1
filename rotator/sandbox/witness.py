"""Secrets Manager with a witness: what was stored, when and how often, without its values.

It is also where a worker can be hit at its weakest: `trap` is asked before each put.
"""

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from rotator.clock import Clock
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.rotation.sealed import parsed
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_faults import WRITES
from rotator.sandbox.secrets_manager_listing import Answer
from rotator.sandbox.secrets_manager_rules import NoAnswer, Params

_STORES = frozenset({"CreateSecret", "PutSecretValue"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One version that a worker made; never its tokens."""

    credential: str
    provider: str
    token: str
    """Which one is inside, by its name."""
    generation: int
    version_id: str
    at: datetime
    expires_at: datetime | None

    @property
    def version(self) -> tuple[str, str, str]:
        """What tells it from every other; one request's tokens share their version id."""
        return self.credential, self.token, self.version_id


class WatchedSecretsManager(SecretsManager):
    """Thread-safe, as the fake is."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock.now, clock.monotonic, log_size=1_000)
        self.trap: Callable[[Stored], bool] = lambda _: False
        """True: the worker that asked is no more, nothing is done and nobody is answered."""
        self.on_stored: Callable[[Stored], None] = lambda _: None
        """Told of each version made; replays make none."""
        self._clock = clock
        self._versions: set[tuple[str, str, str]] = set()
        self._newest: dict[tuple[str, str], Stored] = {}
        self._values: dict[tuple[str, str], str] = {}
        self._changes: Counter[tuple[str, str]] = Counter()
        self._recent: deque[float] = deque(maxlen=300)
        self.written = 0
        """Calls that write, replays and the making of secrets too."""
        self.most_in_a_second = 0

    def call(self, operation: str, params: Params, principal: str = "") -> Answer:
        stored = self._told(params) if operation in _STORES else None
        if stored and stored.version in self._versions:
            stored = None  # a replay: the same version again, which proves that writes work
        if stored and operation == "PutSecretValue" and self.trap(stored):
            raise NoAnswer("the worker is no more")
        if operation in WRITES or operation == "CreateSecret":
            self._count()
        answer = super().call(operation, params, principal)
        if stored:
            self._note(stored, params)
        return answer

    def newest(self, credential: str, token: str) -> Stored | None:
        """What was stored last under that name."""
        return self._newest.get((credential, token))

    def changes(self, credential: str, token: str) -> int:
        """How often one value has replaced another."""
        return self._changes[credential, token]

    @property
    def writes_per_second(self) -> float:
        """Over the last five seconds, replays too."""
        since = self._clock.monotonic() - 5
        return sum(1 for at in tuple(self._recent) if at > since) / 5

    def _count(self) -> None:
        with self.lock:
            at = self._clock.monotonic()
            self.written += 1
            self._recent.append(at)
            within = sum(1 for each in reversed(self._recent) if each > at - 1)
            self.most_in_a_second = max(self.most_in_a_second, within)

    def _told(self, params: Params) -> Stored | None:
        """What a call wants to store; None where it is not the worker's."""
        fields = _fields(params)
        token = next((name for name in (ACCESS_TOKEN, REFRESH_TOKEN) if name in fields), "")
        if not token or "credential" not in fields:
            return None
        return Stored(
            credential=fields["credential"],
            provider=fields.get("provider", ""),
            token=token,
            generation=int(fields.get("generation", "0")),
            version_id=str(params.get("ClientRequestToken", "")),
            at=self._now(),
            expires_at=parsed(fields.get("expires_at", "")),
        )

    def _note(self, stored: Stored, params: Params) -> None:
        key = stored.credential, stored.token
        value = blake2b(_fields(params)[stored.token].encode()).hexdigest()
        with self.lock:
            self._versions.add(stored.version)
            self._changes[key] += key in self._values and value != self._values[key]
            self._values[key] = value
        self.on_stored(stored)  # which may still ask for what was newest before
        self._newest[key] = stored


def _fields(params: Params) -> dict[str, str]:
    try:
        found = json.loads(params.get("SecretString", ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
