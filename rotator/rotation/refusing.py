"""An answer without tokens: a documented refusal is marked, all else backs the grant off."""

from dataclasses import replace

from rotator.errors import Garbled, ProviderError, Rejected, Unanswered
from rotator.ledger.facts import Mark
from rotator.ledger.writes import Change, Drop, Lift, MarkRead
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.rotation.answered import Answered, Reading, killed, refused
from rotator.rotation.failing import back_off
from rotator.rotation.holdings import Holdings
from rotator.rotation.remembered import KEPT_BACK, reader
from rotator.triage import REFUSALS


def refusal(answered: Answered, error: ProviderError) -> Reading:
    """No tokens: a documented refusal is marked, all else backs the grant off."""
    if isinstance(error, Rejected) and _replayed_too_late(answered):
        error = Unanswered("a replay was refused after the vendor's window for it had passed")
    outcome, intent = type(error).__name__, answered.seal.intent
    if isinstance(error, Rejected):
        text, at = f"by {intent.grant}: {error.text}", answered.seal.answered_at
        mark = refused(answered.sight, answered.refusal, at, text)
        gone: list[Change] = [mark, Lift(what=answered.line)]
        gone += answered.closed(*answered.same_requests)
        gone.append(Drop(intent_id=intent.id))
        outcome = _left_with(answered, mark.mark, outcome)
        return Reading(changes=gone, outcome=outcome, text=str(error), refused=True)
    # What is read again was sent long ago: it tells nothing of how the grant fares now.
    changes = [] if answered.seal.read_at else [_backing_off(answered, error)]
    if outcome not in KEPT_BACK:
        # It did nothing; an earlier request with the same token may have.
        changes += [*answered.closed(), Drop(intent_id=intent.id)]
        return Reading(changes=changes, outcome=outcome, text=str(error))
    if intent.spends is None and isinstance(error, Garbled):
        changes += [*answered.closed(), *killed(intent)]
    elif intent.spends is None and not intent.kills:
        changes += answered.closed()
    changes.append(_kept_back(answered, outcome))
    return Reading(changes=changes, outcome=outcome, text=str(error))


def _left_with(answered: Answered, mark: Mark, otherwise: str) -> str:
    """What this refusal is called: by the credential's own trouble, where no grant is left."""
    assert answered.grant is not None  # noqa: S101 - only a grant reads a refusal
    sight, yields = answered.sight, answered.grant.yields
    record = replace(sight.record, marks=(*sight.record.marks, mark))
    then = Holdings(
        answered.tools, answered.credential, record, sight.holdings.keyring, sight.seen.now
    )
    if then.choose(ACCESS_TOKEN if ACCESS_TOKEN in yields else REFRESH_TOKEN):
        return otherwise
    return REFUSALS.get(then.trouble, otherwise)


def _replayed_too_late(answered: Answered) -> bool:
    """Whether this was a replay whose window closed before the answer came: it proves nothing."""
    intent, grant = answered.seal.intent, answered.grant
    if grant is None or intent.first_intended_at == intent.intended_at:
        return False
    return answered.seal.answered_at > intent.first_intended_at + grant.replay


def _backing_off(answered: Answered, error: ProviderError) -> Change:
    sight = answered.sight
    return back_off(answered.line, error, sight.record, sight.seen.now, sight.deadline)


def _kept_back(answered: Answered, outcome: str) -> Change:
    return MarkRead(
        intent_id=answered.seal.intent.id,
        read_at=answered.sight.seen.now,
        reader=reader(answered.tools, answered.credential),
        outcome=outcome,
        tokens={},
        keyring=b"",
    )
