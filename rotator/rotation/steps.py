"""What each line of the plan does to the world, but for OBTAIN: one effect, and what records it.

A step either returns its changes, which the walk writes in one transaction, or raises; then the
walk stores a back-off for that line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rotator.clock import new_id
from rotator.errors import (
    AnotherLedger,
    ForeignWriter,
    RotatorError,
    Unanswered,
    VerifyFailed,
)
from rotator.jobs import Credential
from rotator.ledger.base import (
    AddMark,
    Because,
    Change,
    Close,
    Drop,
    Intent,
    Killed,
    Lease,
    Lift,
    Mark,
    MarkKind,
    Mended,
    OnRecord,
    Seal,
)
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Reason, Secret, Shelf, Token
from rotator.plan import ADOPT, SEED, Step
from rotator.policy import FLOOR, Holding
from rotator.providers.base import Alive, Dead, Unknown, Verdict
from rotator.rotation.look import Sight
from rotator.rotation.reading import read_answer, spent
from rotator.rotation.sealed import (
    CARRIED,
    instant,
    keyring_fields,
    parsed,
    seed_mark,
    token_fields,
    unpack_tokens,
)
from rotator.rotation.tools import Tools
from rotator.store.base import SecretSpec, Version

REFUSALS_BEFORE_PUBLISHING = 2
"""Vendors' validate calls have been seen to refuse good tokens: no more patience than this."""
TRIES_TO_SETTLE = 3
"""A provider that answers, but says neither yes nor no, is asked so often."""


@dataclass(slots=True)
class Done:
    """What a step changed, and how to tell it in one line."""

    changes: list[Change] = field(default_factory=list)
    outcome: str = "ok"
    text: str = ""
    look_afresh: bool = False
    """The store may have changed behind our back: read it again."""


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
        """Hold the lease on, which reads it again. Raises LeaseLost."""
        until = self.tools.clock.now() + self.tools.lease_time
        self.lease = self.tools.ledger.extend(self.lease, until)

    def next_generation(self, sight: Sight) -> int:
        """One more than anybody has ever seen."""
        seen = (version.generation for version in self.versions.values() if version)
        return 1 + max(sight.record.top_generation, *seen, 0)

    def put(self, shelf: Shelf, version_id: str, fields: Mapping[str, str]) -> list[Change]:
        """Make a version current and remember it."""
        version = self.tools.store.put(self.spec(shelf), version_id, fields)
        self.versions[shelf] = version
        return [self.on_record(shelf, version)]

    def put_keyring(
        self, version_id: str, token: Token, generation: int, carried: Mapping[str, str]
    ) -> list[Change]:
        fields = keyring_fields(
            self.credential.provider,
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
        """Ask the provider about a token. Raises Unreachable and Unanswered."""
        inspection = self.credential.provider.inspections.get(name)
        if inspection is None:
            return Unknown("the provider cannot be asked")
        keyring: dict[str, Token] = {name: token}
        for need in inspection.needs - {name}:
            keyring[need] = Token(value=self.tools.seeds.read(self.credential.seeds[need]))
        return inspection.read(self.tools.door.send(inspection.ask(keyring)))


# --- the store is not as we left it --------------------------------------------------------------


def mend(hands: Hands, sight: Sight, step: Step) -> Done:
    """Adopt a newer generation; put ours back in the place of an older one or a stranger's."""
    shelf = Shelf(step.subject)
    current = hands.versions[shelf]
    if current is None or step.reason is Reason.FOREIGN_NEWER:
        adopted = [hands.on_record(shelf, current)] if current else []
        return Done([*adopted], text=f"adopted the {shelf} secret as it is")
    now, row = hands.tools.clock.now(), sight.record.row
    if row.mended_at is not None and now < row.mended_at + FLOOR:
        raise ForeignWriter(
            f"somebody else keeps writing to the {shelf} secret",
            remedy="find the other writer, or give this credential another [secret] name",
        )
    ours = row.records[shelf]
    hands.tools.store.move_back(hands.spec(shelf), ours.version_id, away_from=current.id)
    changes: list[Change] = [replace(ours, put_at=now), Mended(at=now)]
    return Done(changes, text=f"our {shelf} version is current again", look_afresh=True)


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


# --- the worker's own secret ---------------------------------------------------------------------


def keep(hands: Hands, sight: Sight, step: Step) -> Done:
    """One put; its id and bytes are a function of the seal alone, so it may be done again."""
    if step.subject == SEED:
        return _keep_seed(hands, sight)
    if step.subject == ADOPT:
        return _adopt(hands, sight)
    seal = sight.seal(step.subject)
    tokens, carried = unsealed(hands, seal)
    generation = seal.intent.generation
    changes = hands.put_keyring(step.subject, tokens[REFRESH_TOKEN], generation, carried)
    return Done([*changes, Lift(what="keep")], text=f"generation {generation}")


def _keep_seed(hands: Hands, sight: Sight) -> Done:
    """A seed starts a chain, with its real dates where the provider tells them."""
    holding = sight.seed_to_keep
    if holding is None:
        return Done(look_afresh=True)
    token = sight.holdings.token(holding)
    verdict = hands.inspect(REFRESH_TOKEN, token)
    if isinstance(verdict, Dead):
        marks = refuse_to_spend(hands, sight, holding)
        return Done(
            marks, outcome="Rejected", text=f"the provider disowns the seed: {verdict.text}"
        )
    mark = seed_mark(hands.credential.provider, hands.credential.qualified, token.value)
    dated = _dated(hands, token, verdict)
    generation = hands.next_generation(sight)
    changes = hands.put_keyring(new_id(), dated, generation, {"seed": mark})
    return Done([*changes, Lift(what="keep:seed")], text=f"generation {generation}")


def refuse_to_spend(hands: Hands, sight: Sight, holding: Holding) -> list[Change]:
    """Bar a seed that the provider disowns from every grant that would spend it."""
    provider, now = hands.credential.provider, hands.tools.clock.now()
    return [
        AddMark(
            mark=Mark(
                kind=MarkKind.REFUSED,
                key=hands.tools.refusal(provider, choice.grant, choice.presents),
                at=now,
                because=Because.REFUSED,
                text="an inspection disowned it",
            )
        )
        for choice in sight.holdings.spending(holding)
    ]


def _dated(hands: Hands, token: Token, verdict: Verdict) -> Token:
    """The provider's own dates; failing them, the lifespan that the job states from now on."""
    now = hands.tools.clock.now()
    stated = hands.credential.schedule.token(REFRESH_TOKEN).lifespan
    assumed = now + stated if stated else None
    if isinstance(verdict, Alive) and verdict.expires_at is not None:
        return replace(token, issued_at=verdict.issued_at or now, expires_at=verdict.expires_at)
    return replace(token, issued_at=now, expires_at=assumed)


def _adopt(hands: Hands, sight: Sight) -> Done:
    """Take over another ledger's chain, once, if the provider says that its token is alive."""
    token = sight.holdings.kept
    verdict = hands.inspect(REFRESH_TOKEN, token) if token else Dead()
    if token is None or not isinstance(verdict, Alive):
        raise AnotherLedger(
            "the keyring belongs to another ledger and its token is not known to be alive",
            remedy=f"stop the other worker, then: rotator adopt {hands.credential.qualified}",
        )
    carried = {name: sight.keyring.get(name, "") for name in CARRIED}
    carried["adopted_at"] = instant(hands.tools.clock.now())
    changes = hands.put_keyring(new_id(), token, hands.next_generation(sight), carried)
    return Done([*changes, Lift(what="keep:adopt")], text="taken over from another ledger")


# --- the consumers' secret -----------------------------------------------------------------------


def publish(hands: Hands, sight: Sight, step: Step) -> Done:
    """Put the new access token where consumers read it, verified while the old one may live."""
    seal = sight.seal(step.subject)
    token = unsealed(hands, seal)[0][ACCESS_TOKEN]
    text = _verify(hands, sight, token)
    generation, owner = seal.intent.generation, hands.credential.qualified
    fields = token_fields(hands.credential.provider, owner, token, generation)
    changes = hands.put(Shelf.TOKEN, step.subject, fields)
    return Done([*changes, Lift(what="publish")], text=f"generation {generation}{text}")


def _verify(hands: Hands, sight: Sight, token: Token) -> str:
    """Empty, or why it is published unverified. Raises VerifyFailed where it can still wait."""
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


# --- a request without an answer -----------------------------------------------------------------


def settle(hands: Hands, sight: Sight, step: Step) -> Done:
    """Close a request that nobody will answer any more: what it spends is spent unless alive."""
    intent = sight.intent(step.subject)
    if intent.spends is None:
        return Done([Close(intent_id=intent.id, outcome="unanswered"), *_killed(intent)])
    verdict = _verdict(hands, sight, intent)
    if isinstance(verdict, Alive):
        closed = Close(intent_id=intent.id, outcome="alive")
        return Done([closed], text="the provider never acted on it")
    marks = spent(intent, hands.tools.clock.now(), Because.UNANSWERED)
    closed = Close(intent_id=intent.id, outcome="unanswered")
    return Done([*marks, closed, *_killed(intent)], text=verdict.text)


def _verdict(hands: Hands, sight: Sight, intent: Intent) -> Verdict:
    """What the provider says of the token. Raises while it cannot be asked."""
    token = sight.holdings.by_fingerprint(intent.spends or "")
    if token is None:
        return Unknown("the token is no longer held")
    verdict = hands.inspect(REFRESH_TOKEN, token)
    earlier = sight.record.back_offs.get(f"settle:{intent.id}")
    asked = earlier.failures if earlier else 0
    can_tell = REFRESH_TOKEN in hands.credential.provider.inspections
    if can_tell and isinstance(verdict, Unknown) and asked + 1 < TRIES_TO_SETTLE:
        raise Unanswered(f"the provider does not say whether the token lives: {verdict.text}")
    return verdict


def _killed(intent: Intent) -> list[Change]:
    return [Killed(through=intent.generation - 1)] if ACCESS_TOKEN in intent.kills else []
