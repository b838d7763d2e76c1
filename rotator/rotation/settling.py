"""SETTLE: a request that nobody will answer any more."""

from rotator.errors import Unanswered
from rotator.ledger.facts import BackOff, Because, Intent
from rotator.ledger.writes import Close
from rotator.model import REFRESH_TOKEN, Reason
from rotator.plan import Step
from rotator.providers.base import Alive, Unknown, Verdict
from rotator.rotation.answered import killed, spent
from rotator.rotation.jumps import is_void
from rotator.rotation.look import Sight
from rotator.rotation.steps import Done, Hands

TRIES_TO_SETTLE = 3
"""A provider that answers, but says neither yes nor no, is asked so often."""


def settle(hands: Hands, sight: Sight, step: Step) -> Done:
    """Close a request that nobody will answer any more: what it spends is spent unless alive."""
    intent = sight.intent(step.subject)
    if is_void(intent, sight.seen.now) and f"settle:{intent.id}" not in sight.record.back_offs:
        return _wait_anew(hands, sight, intent)
    if intent.spends is None:
        return Done([Close(intent_id=intent.id, outcome="unanswered"), *killed(intent)])
    verdict = _verdict(hands, sight, intent)
    if isinstance(verdict, Alive):
        closed = Close(intent_id=intent.id, outcome="alive")
        return Done([closed], text="the provider never acted on it")
    marks = spent(intent, intent.spends, hands.tools.clock.now(), Because.UNANSWERED)
    closed = Close(intent_id=intent.id, outcome="unanswered")
    return Done([*marks, closed, *killed(intent)], text=verdict.text)


def _verdict(hands: Hands, sight: Sight, intent: Intent) -> Verdict:
    """What the provider says of the token. Raises while it cannot be asked."""
    token = sight.holdings.by_fingerprint(intent.spends or "")
    if token is None:
        return Unknown("the token is no longer held")
    verdict = hands.inspect(REFRESH_TOKEN, token)
    earlier = sight.record.back_offs.get(f"settle:{intent.id}")
    asked = earlier.failures if earlier and earlier.reason is Reason.UNANSWERED else 0
    can_tell = REFRESH_TOKEN in hands.credential.provider.inspections
    if can_tell and isinstance(verdict, Unknown) and asked + 1 < TRIES_TO_SETTLE:
        raise Unanswered(f"the provider does not say whether the token lives: {verdict.text}")
    return verdict


def _wait_anew(hands: Hands, sight: Sight, intent: Intent) -> Done:
    """It was sent by a clock that ran ahead: from now on it has one settle time, and no more."""
    now = sight.seen.now
    waiting = BackOff(
        what=f"settle:{intent.id}",
        until=now + hands.tools.settle_time,
        since=now,
        failures=0,
        reason=Reason.UNANSWERED,
        text="the clock went back while a request was open",
    )
    return Done([waiting], outcome="Waiting", text=waiting.text)
