"""KEEP: what goes into the worker's own secret: an answer's refresh token, a seed, a chain."""

from dataclasses import replace

from rotator.clock import new_id
from rotator.errors import AnotherLedger, Throttled, Unanswered, Unreachable
from rotator.ledger.facts import Seal
from rotator.ledger.writes import Change, Killed, Lift
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Token
from rotator.plan.seen import ADOPT, SEED, TURN
from rotator.plan.table import Step
from rotator.policy.grants import Holding
from rotator.providers.base import Alive, Dead, Unknown, Verdict
from rotator.rotation.answered import refused
from rotator.rotation.doubts import long_doubts
from rotator.rotation.hands import Done, Hands
from rotator.rotation.look import Sight
from rotator.rotation.pairs import stands_apart
from rotator.rotation.sealed import (
    NO_PAIR,
    SEED_HOST,
    TURNED,
    handed_down,
    instant,
    seed_mark,
    spare_fields,
)
from rotator.rotation.steps import dropped, lifted, unsealed


def keep(hands: Hands, sight: Sight, step: Step) -> Done:
    """One put; its id and bytes are a function of the seal alone, so it may be done again."""
    if step.subject == SEED:
        return _keep_seed(hands, sight)
    if step.subject == TURN:
        return _turn(hands, sight)
    if step.subject == ADOPT:
        return _adopt(hands, sight)
    seal = sight.seal(step.subject)
    tokens, carried = unsealed(hands, seal)
    if any(answer.overtaken for answer in sight.seen.answers if answer.id == step.subject):
        return _keep_late(hands, sight, seal, tokens[REFRESH_TOKEN])
    generation = seal.intent.generation
    host = seal.intent.host  # the job may have moved since
    changes = hands.put_keyring(step.subject, tokens[REFRESH_TOKEN], generation, carried, host)
    over = [*lifted(sight, "keep"), *_replaced(sight), *dropped(hands, seal)]
    return Done([*changes, *over], text=f"generation {generation}")


def _replaced(sight: Sight) -> list[Change]:
    """What was in doubt has a successor: it is settled with the next step, and not in an hour."""
    return [Lift(what=waiting.what) for _, waiting in long_doubts(sight.record)]


def _keep_late(hands: Hands, sight: Sight, seal: Seal, token: Token) -> Done:
    """In the place of the token that was spent for it, whichever of the keyring's two that is.

    Once it is there, the spent one is not, so that this is done once.
    """
    host = seal.intent.host
    there = replace(hands.credential.provider, host=host)
    carried, at_hand = handed_down(there, sight.holdings.keyring), sight.holdings.kept
    assert at_hand is not None  # noqa: S101 - else nothing would be overtaken
    if hands.tools.fingerprints.fingerprint(at_hand.value) == seal.intent.spends:
        at_hand = token
    else:
        carried |= spare_fields(token) | {NO_PAIR: ""}
    generation = hands.next_generation(sight.record)
    changes = hands.put_keyring(seal.intent.id, at_hand, generation, carried, host)
    over = [*lifted(sight, "keep"), *dropped(hands, seal)]
    return Done([*changes, *over], text=f"generation {generation}, late")


def _turn(hands: Hands, sight: Sight) -> Done:
    """A pair's chains change places; a spare that the provider disowns is no pair any more.

    One that it cannot be asked about changes places all the same: else an outage would be met by
    two lines that each ask again and again, and the renewal, which may be tried before the turning,
    would end the token in use. Should the spare be dead, its refusal turns the chains once more.
    """
    spare, at_hand = sight.holdings.spare, sight.holdings.kept
    assert spare is not None  # noqa: S101 - they are what made this the next step
    assert at_hand is not None  # noqa: S101
    carried = handed_down(hands.credential.provider, sight.holdings.keyring)
    generation, now = hands.next_generation(sight.record), hands.tools.clock.now()
    verdict = _said_of(hands, spare.token)
    if isinstance(verdict, Dead):
        alone = carried | spare_fields(None) | {NO_PAIR: instant(now)}
        changes = hands.put_keyring(new_id(), at_hand, generation, alone)
        text = f"the provider disowns the second chain: {verdict.text}"
        return Done([*changes, Lift(what="keep:turn")], outcome="Rejected", text=text)
    apart = stands_apart(sight.holdings.keyring, sight.access.generation if sight.access else 0)
    turned = carried | spare_fields(at_hand) | {TURNED: "" if apart else str(generation)}
    changes = hands.put_keyring(new_id(), spare.token, generation, turned)
    return Done([*changes, Lift(what="keep:turn")], text=f"generation {generation}")


def _said_of(hands: Hands, spare: Token) -> Verdict:
    try:
        return hands.inspect(REFRESH_TOKEN, spare)
    except (Unreachable, Unanswered, Throttled) as error:
        return Unknown(str(error))


def _keep_seed(hands: Hands, sight: Sight) -> Done:
    """A seed starts a chain, with its real dates where the provider tells them."""
    holding = sight.seed_to_keep
    assert holding is not None  # noqa: S101 - it is what made this the next step
    token = sight.holdings.token(holding)
    verdict = hands.inspect(REFRESH_TOKEN, token)
    if isinstance(verdict, Dead):
        marks = _refuse_to_spend(hands, sight, holding)
        text = f"the provider disowns the seed: {verdict.text}"
        return Done(marks, outcome="Rejected", text=text)
    mark = seed_mark(hands.credential.provider, hands.credential.qualified, token.value)
    dated = _dated(hands, token, verdict)
    generation = hands.next_generation(sight.record)
    carried = handed_down(hands.credential.provider, sight.holdings.keyring)
    carried |= {"seed": mark, SEED_HOST: "", "adopted_at": "", TURNED: str(generation)}
    changes = hands.put_keyring(new_id(), dated, generation, carried)
    over = [Lift(what="keep:seed"), *_replaced(sight)]
    return Done([*changes, *over], text=f"generation {generation}")


def _refuse_to_spend(hands: Hands, sight: Sight, holding: Holding) -> list[Change]:
    """Bar a seed that the provider disowns from every grant that would spend it.

    Those that do not spend it may still try: vendors have been seen to disown good tokens.
    """
    provider, now = hands.credential.provider, hands.tools.clock.now()
    return [
        refused(
            sight,
            hands.tools.refusal(provider, choice.grant, choice.presents),
            now,
            "an inspection disowned it",
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
    carried = handed_down(hands.credential.provider, sight.holdings.keyring)
    carried["adopted_at"] = instant(hands.tools.clock.now())
    generation = hands.next_generation(sight.record)
    changes = hands.put_keyring(new_id(), token, generation, carried)
    # The lost ledger may have known of a request that ended the published token.
    kills = any(ACCESS_TOKEN in grant.kills for grant in hands.credential.provider.grants)
    doubted = [Killed(through=generation - 1)] if kills else []
    return Done(
        [*changes, *doubted, Lift(what="keep:adopt")], text="taken over from another ledger"
    )
