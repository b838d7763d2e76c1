"""What a rotation works with, handed in: every effect goes through one of these doors."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from rotator.clock import Clock
from rotator.ledger.base import Ledger
from rotator.ledger.facts import Intent
from rotator.model import Secret
from rotator.policy.grants import Holding
from rotator.policy.when import SKEW
from rotator.providers.base import Answer, Grant, Provider, Request
from rotator.references import SeedRef
from rotator.rotation.gate import Gate
from rotator.store.base import Store


class Door(Protocol):
    """The one way to a provider."""

    def send(self, request: Request, *, spending: bool = False) -> Answer:
        """Raises Unreachable (nothing was sent) or Unanswered."""
        ...


class SeedReader(Protocol):
    """Where references lead to."""

    def read(self, ref: SeedRef) -> Secret:
        """Raises SeedMissing."""
        ...


class SeedsOfAWalk:
    """Each seed as it was when one walk first asked for it: a walk looks several times.

    What is missing is asked for again, and everything once it is forgotten.
    """

    def __init__(self, seeds: SeedReader) -> None:
        self._seeds = seeds
        self._found: dict[SeedRef, Secret] = {}

    def read(self, ref: SeedRef) -> Secret:
        """Raises SeedMissing."""
        if ref not in self._found:
            self._found[ref] = self._seeds.read(ref)
        return self._found[ref]

    def forget(self) -> None:
        self._found.clear()


class Sealing(Protocol):
    """Encryption bound to a place."""

    def seal(self, plain: bytes, *, bound_to: tuple[str, ...]) -> bytes: ...

    def open(self, cipher: bytes, *, bound_to: tuple[str, ...]) -> bytes:
        """Raises SealError."""
        ...


class Fingerprinting(Protocol):
    """Names for secrets that tell nothing about them, under the ledger's own key."""

    def fingerprint(self, secret: Secret) -> str: ...

    def digest(self, *parts: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Shared by all threads; every part of it is thread-safe."""

    ledger: Ledger
    store: Store
    door: Door
    seeds: SeedReader
    sealing: Sealing
    fingerprints: Fingerprinting
    clock: Clock
    owner: str
    """This worker, as leases and logs name it."""
    version: str
    gate: Gate = field(default_factory=Gate)
    """Who may ask which provider now."""
    request_timeout: timedelta = timedelta(seconds=30)
    """Real time until a request is given up, all of it."""
    send_within: timedelta = timedelta(seconds=10)
    """Real time between the intent and the first byte; later the request is not sent."""
    put_timeout: timedelta = timedelta(seconds=30)
    """Real time until a write to the store is given up, all attempts."""

    @property
    def settle_time(self) -> timedelta:
        """How long after its intent a request may still do something, in clock time."""
        return self.clock.stretch(self.send_within + self.request_timeout) + SKEW

    @property
    def lease_time(self) -> timedelta:
        """Longer than twice everything that one step waits for, in clock time."""
        longest = self.send_within + self.request_timeout + self.put_timeout
        return self.clock.stretch(2 * longest) + SKEW

    def refusal(self, provider: Provider, grant: Grant, presents: tuple[Holding, ...]) -> str:
        """What a refusal is bound to: host, grant, every token and identity setting presented."""
        identity = [part for pair in sorted(provider.identity.items()) for part in pair]
        tokens = [f"{held.name}={held.fingerprint}" for held in presents]
        return self.fingerprints.digest(provider.host, grant.name, *identity, "|", *tokens)

    def bound_to(self, intent: Intent, what: str) -> tuple[str, ...]:
        """Ties a ciphertext to its ledger, credential and request."""
        return (self.ledger.ledger_id, intent.credential, intent.id, what)
