"""What lines of the plan do to the world: one effect each, and what records it.

A step either returns its changes, which the walk writes in one transaction, or raises; then the
walk stores a back-off for that line.
"""

from dataclasses import replace
from datetime import datetime

from rotator.errors import ForeignWriter, RotatorError, VerifyFailed
from rotator.ledger.facts import OnRecord, Seal
from rotator.ledger.writes import Change, Drop, Lift, Mended
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Reason, Shelf, Token
from rotator.plan.table import Step
from rotator.policy.when import FLOOR
from rotator.providers.base import Dead
from rotator.rotation.hands import Done, Hands
from rotator.rotation.look import Sight
from rotator.rotation.reading import read_answer
from rotator.rotation.sealed import token_fields, unpack_tokens

REFUSALS_BEFORE_PUBLISHING = 2
"""Vendors' validate calls have been seen to refuse good tokens: no more patience than this."""


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
    return Done(reading.changes, reading.outcome, reading.text, look_afresh=reading.refused)


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
