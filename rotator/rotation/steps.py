"""What lines of the plan do to the world: one effect each, and what records it.

A step either returns its changes, which the walk writes in one transaction, or raises; then the
walk stores a back-off for that line.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus

from rotator.errors import ForeignWriter, RotatorError, Unanswered, Unreachable, VerifyFailed
from rotator.jobs.job import Credential
from rotator.ledger.facts import Lease, OnRecord, Record, Seal
from rotator.ledger.writes import Change, Drop, Lift, Mended
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Reason, Secret, Shelf, Token
from rotator.plan import Step
from rotator.policy import FLOOR
from rotator.providers.base import Answer, Dead, Request, Unknown, Verdict
from rotator.rotation.look import Sight
from rotator.rotation.reading import read_answer
from rotator.rotation.sealed import keyring_fields, parsed, token_fields, unpack_tokens
from rotator.rotation.tools import Tools
from rotator.store.base import SecretSpec, Version

REFUSALS_BEFORE_PUBLISHING = 2
"""Vendors' validate calls have been seen to refuse good tokens: no more patience than this."""


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

    def next_generation(self, sight: Sight) -> int:
        """One more than anybody has ever seen."""
        seen = (version.generation for version in self.versions.values() if version)
        return 1 + max(sight.record.top_generation, *seen, 0)

    def generation(self, shelf: Shelf) -> int:
        """Of the current version, 0 where there is none."""
        version = self.versions.get(shelf)
        return version.generation if version else 0

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


# --- the store is not as we left it --------------------------------------------------------------


def mend(hands: Hands, sight: Sight, step: Step) -> Done:
    """Adopt a newer generation; put ours back in the place of an older one or a stranger's."""
    shelf = Shelf(step.subject)
    current, ours = hands.versions[shelf], sight.record.row.records.get(shelf)
    if current is None:
        return _restore(hands, sight, shelf)
    if ours is None or step.reason is Reason.FOREIGN_NEWER:
        text = f"adopted generation {current.generation} of the {shelf} secret as it is"
        return Done([hands.on_record(shelf, current)], text=text)
    now = hands.tools.clock.now()
    if _mended_lately(sight, ours, now):
        raise ForeignWriter(
            f"somebody else keeps writing to the {shelf} secret",
            remedy="find the other writer, or give this credential another [secret] name",
        )
    hands.tools.store.move_back(hands.spec(shelf), ours.version_id, away_from=current.id)
    changes: list[Change] = [replace(ours, put_at=now), Mended(at=now), Lift(what=f"mend:{shelf}")]
    return Done(changes, text=f"our {shelf} version is current again", look_afresh=True)


def _mended_lately(sight: Sight, ours: OnRecord, now: datetime) -> bool:
    """Whether this very secret was put back less than FLOOR ago; the other one does not count."""
    mended_at = sight.record.row.mended_at
    return mended_at is not None and ours.put_at <= mended_at and now < ours.put_at + FLOOR


def _restore(hands: Hands, sight: Sight, shelf: Shelf) -> Done:
    """A secret that we had made is gone: restored if AWS still has it, else forgotten."""
    spec = hands.spec(shelf)
    hands.tools.store.prove(spec, None)
    hands.versions[shelf] = hands.tools.store.get(spec)
    if hands.versions[shelf] is not None:
        return Done([Lift(what=f"mend:{shelf}")], text=f"the {shelf} secret is restored")
    now = hands.tools.clock.now()
    gone = replace(
        sight.record.row.records[shelf], version_id="", expires_at=None, fingerprint="", put_at=now
    )
    return Done([gone, Lift(what=f"mend:{shelf}")], text=f"the {shelf} secret is gone for good")


# --- a sealed answer -----------------------------------------------------------------------------


def read(hands: Hands, sight: Sight, step: Step) -> Done:
    """Say what a sealed answer means. Pure, so it may be done again at any time."""
    reading = read_answer(hands.tools, hands.credential, sight, sight.seal(step.subject))
    # A sibling may have rotated what was just refused: believe the store as it is now.
    rejected = reading.outcome == "Rejected"
    return Done(reading.changes, reading.outcome, reading.text, look_afresh=rejected)


def drop(hands: Hands, sight: Sight, step: Step) -> Done:
    """Forget an answer whose tokens are in the store, also where the put's reply was lost."""
    unrecorded = [
        hands.on_record(shelf, version)
        for shelf, version in hands.versions.items()
        if version is not None
        and version.id == step.subject
        and version.id not in sight.record.versions.get(shelf, {})
    ]
    return Done([*unrecorded, Drop(intent_id=step.subject)])


def unsealed(hands: Hands, seal: Seal) -> tuple[Keyring, dict[str, str]]:
    """The tokens of an answer that was read. Raises SealError."""
    bound_to = hands.tools.bound_to(seal.intent, "tokens")
    return unpack_tokens(hands.tools.sealing.open(seal.keyring, bound_to=bound_to))


# --- the consumers' secret -----------------------------------------------------------------------


def publish(hands: Hands, sight: Sight, step: Step) -> Done:
    """Put the new access token where consumers read it, verified while the old one may live."""
    seal = sight.seal(step.subject)
    token = unsealed(hands, seal)[0][ACCESS_TOKEN]
    text = _verify(hands, sight, seal, token)
    generation, owner = seal.intent.generation, hands.credential.qualified
    fields = token_fields(hands.credential.provider, owner, token, generation)
    changes = hands.put(Shelf.TOKEN, step.subject, fields)
    over = [*lifted(sight, "publish"), *dropped(hands, seal)]
    return Done([*changes, *over], text=f"generation {generation}{text}")


def lifted(sight: Sight, line: str) -> list[Change]:
    """The line worked: what it was backing off from is over."""
    return [Lift(what=line)] if line in sight.record.back_offs else []


def dropped(hands: Hands, seal: Seal) -> list[Change]:
    """The put just made was the last one that this answer was waiting for."""
    generation = seal.intent.generation
    waiting = [
        name
        for name in seal.tokens
        if hands.generation(Shelf.KEYRING if name == REFRESH_TOKEN else Shelf.TOKEN) < generation
    ]
    return [] if waiting else [Drop(intent_id=seal.intent.id)]


def _verify(hands: Hands, sight: Sight, seal: Seal, token: Token) -> str:
    """Empty, or why it is published unverified. Raises VerifyFailed where it can still wait."""
    if seal.intent.host != hands.credential.provider.host:
        return ", unverified: it is another host's"
    if not sight.published_lives or ACCESS_TOKEN not in hands.credential.provider.inspections:
        return ""
    try:
        verdict = hands.inspect(ACCESS_TOKEN, token)
    except RotatorError as error:
        return f", unverified: {error.text}"
    if not isinstance(verdict, Dead):
        return ""
    earlier = sight.record.back_offs.get("publish")
    refusals = earlier.failures if earlier and earlier.reason is Reason.VERIFY_FAILED else 0
    if refusals + 1 >= REFUSALS_BEFORE_PUBLISHING:
        return ", unverified: the provider refused it twice"
    raise VerifyFailed("the provider does not know the new token yet")
