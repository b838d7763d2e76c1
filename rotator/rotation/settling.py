"""SETTLE: a request that nobody will answer any more."""

from rotator.errors import InDoubt, Unanswered
from rotator.ledger.facts import BackOff, Because, Intent
from rotator.model import REFRESH_TOKEN, Reason, Shelf, Token
from rotator.plan.table import Step
from rotator.policy.again import asks_again, doubt_ends_at
from rotator.providers.base import Alive, Unknown, Verdict
from rotator.rotation.answered import closed, killed, spent
from rotator.rotation.doubts import times_asked
from rotator.rotation.hands import Done, Hands
from rotator.rotation.jumps import is_void
from rotator.rotation.look import Sight


def settle(hands: Hands, sight: Sight, step: Step) -> Done:
    """Close a request that nobody will answer any more: what it spends is spent unless alive."""
    intent = sight.intent(step.subject)
    if is_void(intent, sight.seen.now) and f"settle:{intent.id}" not in sight.record.back_offs:
        return _wait_anew(hands, sight, intent)
    if intent.spends is None:
        return Done([*closed(sight.record, intent.id, "unanswered"), *killed(intent)])
    verdict = _verdict(hands, sight, intent)
    if isinstance(verdict, Alive):
        over = closed(sight.record, intent.id, "alive")
        return Done(over, text="the provider never acted on it")
    marks = spent(intent, intent.spends, hands.tools.clock.now(), Because.UNANSWERED)
    over = closed(sight.record, intent.id, "unanswered")
    return Done([*marks, *over, *killed(intent)], text=verdict.text)


def _verdict(hands: Hands, sight: Sight, intent: Intent) -> Verdict:
    """What the provider says of the token. Raises while it cannot be asked, or should be again."""
    token = sight.holdings.by_fingerprint(intent.spends or "")
    if token is None:
        _await_the_job(sight, intent)
        return Unknown("the token is no longer held")
    try:
        verdict = hands.inspect(REFRESH_TOKEN, token)
    except Unanswered as error:
        text = f"nobody says whether the refresh token lives: {error.text}"
        raise Unanswered(text, remedy=_way_out(intent)) from None
    if isinstance(verdict, Unknown) and REFRESH_TOKEN in hands.credential.provider.inspections:
        _insist(sight, intent, token, verdict)
    return verdict


def _insist(sight: Sight, intent: Intent, token: Token, verdict: Unknown) -> None:
    """Raises InDoubt where the provider should be asked again."""
    asked = 1 + times_asked(sight.record, intent)
    ends_at = doubt_ends_at(intent.intended_at, token.expires_at)
    if not asks_again(sight.seen.now, asked, ends_at):
        return
    other = sight.holdings.without(intent.spends or "")
    left = "another grant is left" if other else "nothing else is left"
    raise InDoubt(
        f"the provider does not say whether the refresh token lives: {verdict.text}; {left}, "
        f"and it is asked again until {ends_at:%Y-%m-%d %H:%M}Z",
        remedy=_way_out(intent),
    )


def _way_out(intent: Intent) -> str:
    return f"a new refresh token ends the doubt at once: `rotator seed {intent.credential}`"


def _await_the_job(sight: Sight, intent: Intent) -> None:
    """Raises InDoubt where it is the job file, as it is now, that has no use for the token.

    A mistyped address would cost a chain that may be alive. No other host is asked about it; once
    the file is corrected its own provider is. Where the file gives another grant, that one is used,
    and once it has yielded there was no mistake.
    """
    kept = sight.record.row.records.get(Shelf.KEYRING)
    if kept is None or kept.fingerprint != intent.spends:
        return
    if sight.access is not None and sight.access.generation > intent.generation:
        return
    ends_at = doubt_ends_at(intent.intended_at, kept.expires_at)
    if sight.seen.now < ends_at:
        raise InDoubt(
            f"nobody knows whether the refresh token for {intent.host} lives, and the job file has"
            f" no use for it; it is kept until {ends_at:%Y-%m-%d %H:%M}Z",
            remedy=f"correct the job file, or `rotator seed {intent.credential}`",
        )


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
