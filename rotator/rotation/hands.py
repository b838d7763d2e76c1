"""What one walk holds, and the doors that its steps go through: the store, the provider."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from rotator.errors import Unanswered, Unreachable
from rotator.jobs.job import Credential
from rotator.ledger.facts import Lease, OnRecord, Record
from rotator.ledger.writes import Change
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Shelf, Token
from rotator.providers.base import Answer, Request, Unknown, Verdict
from rotator.rotation.sealed import keyring_fields, parsed
from rotator.rotation.tools import Tools
from rotator.store.base import SecretSpec, Version


@dataclass(slots=True)
class Done:
    """What a step changed, and how to tell it in one line."""

    changes: list[Change] = field(default_factory=list)
    outcome: str = "ok"
    text: str = ""
    look_afresh: bool = False
    """The store may have changed behind our back: read it again."""
    foreseen: Record | None = None
    """What a look will show, where the step has told the ledger by itself and knows."""


@dataclass(slots=True)
class Hands:
    """What one walk holds: the lease, and each secret as it was read once or put since."""

    tools: Tools
    credential: Credential
    lease: Lease
    versions: dict[Shelf, Version | None]

    def spec(self, shelf: Shelf) -> SecretSpec:
        found = self.credential.token_secret
        return found if shelf is Shelf.TOKEN else self.credential.keyring_secret or found

    def extend(self) -> None:
        """Hold the lease on. Raises LeaseLost."""
        until = self.tools.clock.now() + self.tools.lease_time
        self.lease = self.tools.ledger.extend(self.lease, until)

    def next_generation(self, record: Record) -> int:
        """One more than anybody has ever seen."""
        return 1 + max(record.top_generation, *map(self.generation, self.versions), 0)

    def generation(self, shelf: Shelf) -> int:
        """Of the current version, 0 where there is none."""
        version = self.versions.get(shelf)
        return version.generation if version else 0

    def fields(self, shelf: Shelf) -> Mapping[str, str]:
        """Of the current version, empty where there is none."""
        version = self.versions.get(shelf)
        return version.fields if version else {}

    def put(self, shelf: Shelf, version_id: str, fields: Mapping[str, str]) -> list[Change]:
        """Make a version current and remember it."""
        version = self.tools.store.put(self.spec(shelf), version_id, fields)
        self.versions[shelf] = version
        return [self.on_record(shelf, version)]

    def put_keyring(
        self,
        version_id: str,
        token: Token,
        generation: int,
        carried: Mapping[str, str],
        host: str = "",
    ) -> list[Change]:
        """`host`: what the token is for, where that is not the job's."""
        provider = self.credential.provider
        fields = keyring_fields(
            replace(provider, host=host or provider.host),
            self.credential.qualified,
            token,
            generation,
            self.tools.ledger.ledger_id,
            carried,
        )
        return self.put(Shelf.KEYRING, version_id, fields)

    def on_record(self, shelf: Shelf, version: Version) -> OnRecord:
        value = version.fields.get(REFRESH_TOKEN if shelf is Shelf.KEYRING else ACCESS_TOKEN, "")
        return OnRecord(
            shelf=shelf,
            version_id=version.id,
            generation=version.generation,
            issued_at=parsed(version.fields.get("issued_at", "")),
            expires_at=parsed(version.fields.get("expires_at", "")),
            put_at=self.tools.clock.now(),
            fingerprint=self.tools.fingerprints.fingerprint(Secret(value)) if value else "",
        )

    def inspect(self, name: str, token: Token) -> Verdict:
        """Ask the provider about a token. Raises Unreachable, Unanswered and Throttled."""
        inspection = self.credential.provider.inspections.get(name)
        if inspection is None:
            return Unknown("the provider cannot be asked")
        request = inspection.ask(self._with_seeds(inspection.needs, {name: token}))
        with self.turn():
            return inspection.read(self.send(request))

    def revoke(self, token: Token) -> None:
        """End an access token. Raises ProviderError where it may still live."""
        revocation = self.credential.provider.revocation
        assert revocation is not None  # noqa: S101 - it is what made this the next step
        request = revocation.ask(self._with_seeds(revocation.needs, {ACCESS_TOKEN: token}))
        with self.turn():
            revocation.read(self.send(request))

    def _with_seeds(self, needs: Collection[str], keyring: Keyring) -> Keyring:
        """Raises SeedMissing."""
        read, seeds = self.tools.seeds.read, self.credential.seeds
        lacking = {name: Token(value=read(seeds[name])) for name in needs if name not in keyring}
        return {**keyring, **lacking}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for our turn to ask the provider. Raises ProviderDown and Throttled."""
        host, now = self.credential.provider.host, self.tools.clock.now()
        with self.tools.gate.turn(host, self.credential.qualified, self.credential.limits, now):
            yield

    def send(self, request: Request, *, spending: bool = False) -> Answer:
        """Through the door, and tell the gate whether anybody answered."""
        try:
            answer = self.tools.door.send(request, spending=spending)
        except (Unreachable, Unanswered):
            self._heard(answered=False)
            raise
        self._heard(answered=answer.status < HTTPStatus.INTERNAL_SERVER_ERROR)
        return answer

    def _heard(self, *, answered: bool) -> None:
        host, now = self.credential.provider.host, self.tools.clock.now()
        self.tools.gate.heard(host, self.credential.qualified, now, answered=answered)
