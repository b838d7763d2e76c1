"""OBTAIN: intent, send, seal. The one place where a crash could lose a token, so read it slowly.

1. The request is built, its turn is awaited, the writes that will follow are proved and reserved.
2. The intent is written down, durably. No intent, no request.
3. The lease is read again; if it is gone, or too much time has passed, the request is not sent.
4. The request goes out, once.
5. The complete answer, a refusal too, is sealed before a byte of it is parsed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.clock import new_id
from rotator.errors import (
    LedgerError,
    Misconfigured,
    Rejected,
    RotatorError,
    Throttled,
    Unanswered,
    Unreachable,
)
from rotator.ledger.facts import Intent, Seal, Woken
from rotator.ledger.foresight import answered
from rotator.ledger.writes import Change, Close, Intend
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret, Shelf, Token
from rotator.plan.table import Step
from rotator.policy.grants import Choice, Holding, Source
from rotator.providers.base import Grant, Request
from rotator.rotation.failing import back_off
from rotator.rotation.hands import Done, Hands
from rotator.rotation.look import Sight
from rotator.rotation.pairs import handed_on, spared
from rotator.rotation.sealed import Sealed, pack_answer

RETRY_SEAL = timedelta(seconds=5)


def obtain(hands: Hands, sight: Sight, step: Step) -> Done:
    """Nothing was presented where it raises.

    StoreError where the writes to come would not work, ProviderDown or Throttled out of turn.
    """
    choice = sight.choices[step.subject]
    keyring = {held.name: sight.holdings.token(held) for held in choice.presents}
    request = choice.grant.ask(keyring)
    with hands.turn():
        return _obtain(hands, sight, choice, request)


def _obtain(hands: Hands, sight: Sight, choice: Choice, request: Request) -> Done:
    _prove(hands, choice.grant)
    began = hands.tools.clock.monotonic()
    intent = _intent(hands, sight, choice)
    hands.tools.sealing.seal(b"", bound_to=hands.tools.bound_to(intent, "answer"))
    write_intent(hands, intent)
    hands.tools.ledger.check(hands.lease)
    late = hands.tools.clock.monotonic() - began > hands.tools.send_within.total_seconds()
    if late:
        return Done([Close(intent_id=intent.id, outcome="unsent")], "Late", "too late to send")
    return _send(hands, sight, _Sending(intent=intent, grant=choice.grant, request=request))


def write_intent(hands: Hands, intent: Intent) -> None:
    """Durable before the request leaves, so that the next worker knows what may have been spent."""
    hands.tools.ledger.write(hands.lease, Intend(intent=intent))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sending:
    intent: Intent
    grant: Grant
    request: Request


def _send(hands: Hands, sight: Sight, sending: _Sending) -> Done:
    sent_at = hands.tools.clock.now()
    spending = sending.intent.spends is not None
    try:
        answer = hands.send(sending.request, spending=spending)
    except Unreachable as error:
        closed = [Close(intent_id=sending.intent.id, outcome="unsent")]
        return _unsealed(hands, sight, sending, error, closed)
    except Unanswered as error:
        harmless = not (spending or sending.intent.kills)
        closed = [Close(intent_id=sending.intent.id, outcome="unanswered")] if harmless else []
        return _unsealed(hands, sight, sending, error, closed)
    provider, generation = hands.credential.provider, sending.intent.generation
    carried = handed_on(provider, sight.holdings, sending.grant, generation)
    sealed = Sealed(answer=answer, held=_refresh_held(sight), carried=carried)
    cipher = hands.tools.sealing.seal(
        pack_answer(sealed), bound_to=hands.tools.bound_to(sending.intent, "answer")
    )
    seal = Seal(
        intent=sending.intent, ciphertext=cipher, sent_at=sent_at, answered_at=answer.received_at
    )
    woken = seal_whatever_happens(hands, seal, sending.grant, sealed)
    waited = hands.tools.clock.now() - answer.received_at >= hands.tools.clock.stretch(RETRY_SEAL)
    return Done(
        text=f"by {sending.grant.name}",
        look_afresh=waited,
        foreseen=answered(sight.record, hands.lease, seal, woken),
    )


def _unsealed(
    hands: Hands, sight: Sight, sending: _Sending, error: RotatorError, closed: Sequence[Change]
) -> Done:
    """No answer: the grant backs off; what was sent and spends stays open until it is settled."""
    line = f"grant:{sending.grant.name}"
    now = hands.tools.clock.now()  # the request may have taken its time
    waiting = back_off(line, error, sight.record, now, sight.deadline)
    return Done([*closed, waiting], type(error).__name__, str(error))


def _prove(hands: Hands, grant: Grant) -> None:
    """Show that the writes to come would work, before anything is spent or killed for them."""
    store = hands.tools.store
    spends = [Shelf.KEYRING] if grant.spends else []
    kills = [Shelf.TOKEN] if grant.kills else []
    for shelf in [*spends, *kills]:
        store.prove(hands.spec(shelf), hands.versions.get(shelf))
    store.reserve(len(_shelves(grant)))


def _shelves(grant: Grant) -> list[Shelf]:
    """The secrets that an answer will be written to."""
    kept = [Shelf.KEYRING] if REFRESH_TOKEN in grant.yields else []
    published = [Shelf.TOKEN] if ACCESS_TOKEN in grant.yields or grant.kills else []
    return [*kept, *published]


def _intent(hands: Hands, sight: Sight, choice: Choice) -> Intent:
    tools, grant = hands.tools, choice.grant
    now = tools.clock.now()
    send_by = now + tools.clock.stretch(tools.send_within)
    spends = next((held.fingerprint for held in choice.presents if held.name == grant.spends), None)
    return Intent(
        id=new_id(),
        credential=hands.credential.qualified,
        generation=hands.next_generation(sight.record),
        made_from=_made_from(hands, choice.presents),
        grant=grant.name,
        host=hands.credential.provider.host,
        presented={held.name: held.fingerprint for held in choice.presents},
        spends=spends,
        kills=_kills(hands, sight, choice),
        intended_at=now,
        first_intended_at=_first_intended_at(sight, grant, spends) or now,
        send_by=send_by,
        settles_at=now + tools.settle_time,
    )


def _kills(hands: Hands, sight: Sight, choice: Choice) -> frozenset[str]:
    """Of what consumers may hold: nothing that came of a pair's other chain."""
    published = sight.access.generation if sight.access else 0
    apart = spared(hands.credential.provider, sight.holdings, choice, published)
    return choice.grant.kills - {ACCESS_TOKEN} if apart else choice.grant.kills


def _first_intended_at(sight: Sight, grant: Grant, spends: str | None) -> datetime | None:
    """When this very request was first written down: the vendor's replay window began there."""
    same = (
        intent.first_intended_at
        for intent in sight.record.open_intents
        if spends is not None and intent.spends == spends and intent.grant == grant.name
    )
    return min(same, default=None)


def _made_from(hands: Hands, presents: Sequence[Holding]) -> int:
    """The generation of what is presented, 0 for seeds."""
    version = hands.versions.get(Shelf.KEYRING)
    kept = any(held.source is Source.KEYRING for held in presents)
    return version.generation if kept and version else 0


def _refresh_held(sight: Sight) -> Secret | None:
    held = sight.holdings.refresh
    return held.token.value if held else None


def seal_whatever_happens(hands: Hands, seal: Seal, grant: Grant, sealed: Sealed) -> Woken | None:
    """Seal it. While the ledger refuses, KEEP from memory and try both again, until one works.

    This thread does not give up: with the answer lost, so would be a refresh token. Whoever stops
    the process waits for it, or uses SIGKILL.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return hands.tools.ledger.seal(seal)
        except LedgerError:
            if attempt == 1 and grant.spends is None:
                raise  # the same tokens may be asked for again
            if _kept_from_memory(hands, seal, grant, sealed):
                raise
            hands.tools.clock.sleep(hands.tools.clock.stretch(RETRY_SEAL))


def _kept_from_memory(hands: Hands, seal: Seal, grant: Grant, sealed: Sealed) -> bool:
    """Whether nothing of the answer is lost without its seal; its refresh token is kept for that.

    What cannot be read may hold a token, and only the seal saves it.
    """
    try:
        token = grant.read(sealed.answer, seal.sent_at).get(REFRESH_TOKEN)
        return token is None or _kept_unless_newer(hands, seal, token, sealed)
    except (Rejected, Throttled, Misconfigured):
        return True  # a refusal: nothing in it to lose
    except Exception:  # noqa: BLE001 - neither the store nor a plug-in's bug may cost a token
        return False


def _kept_unless_newer(hands: Hands, seal: Seal, token: Token, sealed: Sealed) -> bool:
    """No lease fences this put: an older generation never replaces a newer."""
    current = hands.tools.store.get(hands.spec(Shelf.KEYRING))
    generation = seal.intent.generation
    if current is not None and current.generation >= generation:
        return current.id == seal.intent.id
    hands.put_keyring(seal.intent.id, token, generation, sealed.carried)
    return True
