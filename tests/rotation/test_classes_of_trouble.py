"""Which class of trouble a credential shows at rest, and that nothing is deleted because of it."""

from collections.abc import Callable

import pytest

from rotator.model import Reason, State
from rotator.sandbox.fakes import LOST_ANSWER, NOT_LISTENING, Fault, broken, html, throttled
from rotator.triage import BY_REASON, trouble_of
from tests.crash.world import World
from tests.rotation.stage import (
    ALBATO,
    FALLBACK,
    HOUR,
    OAUTH,
    PASSWORD,
    SSO,
    TOKEN_PATH,
    answering,
    ask,
    last,
    record,
    reseeded,
    reworked,
    run,
    world,
)


def met(fault: Fault, name: str = OAUTH) -> World:
    """Well for a while, then this at every request."""
    played = world(name)
    run(played, HOUR / 3)
    played.fake.fail_next("*", fault, times=10_000)
    run(played, HOUR if name == OAUTH else 8 * HOUR)
    return played


def lost_answer() -> World:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.fake.fail_next(TOKEN_PATH, LOST_ANSWER)
    run(played, HOUR)
    return played


def wrong_seed() -> World:
    played = world(ALBATO)
    reseeded(played, partner_token="mistyped")
    played.rotate()
    return played


def missing_seed() -> World:
    played = world(PASSWORD)
    played.values.clear()
    played.restart()
    played.rotate()
    return played


def without_a_seed() -> World:
    played = world(SSO, seeds=lambda _: {})
    played.rotate()
    return played


def moved() -> World:
    played = world(OAUTH)
    run(played, HOUR / 3)
    reworked(played, token_url="https://elsewhere.test/oauth/token")
    run(played, HOUR)
    return played


def denied() -> World:
    played = world(ALBATO)
    played.aws.account.authorize = lambda *_: False
    played.rotate()
    return played


TROUBLES: dict[str, tuple[Callable[[], World], Reason]] = {
    "network": (lambda: met(NOT_LISTENING), Reason.UNREACHABLE),
    "no answer": (lambda: met(html(502), ALBATO), Reason.UNANSWERED),
    "throttled": (lambda: met(throttled("7")), Reason.THROTTLED),
    "a proxy's page": (lambda: met(html(401), ALBATO), Reason.UNANSWERED),
    "in flames": (lambda: met(broken(503), ALBATO), Reason.UNANSWERED),
    "revoked": (lambda: met(answering(400, {"error": "invalid_grant"})), Reason.TOKEN_REFUSED),
    "settings": (lambda: met(answering(401, {"error": "invalid_client"})), Reason.MISCONFIGURED),
    "contract": (lambda: met(answering(200, {"tokens": []}), ALBATO), Reason.GARBLED),
    "spent": (lost_answer, Reason.TOKEN_SPENT),
    "wrong seed": (wrong_seed, Reason.SEED_REFUSED),
    "missing seed": (missing_seed, Reason.SEED_MISSING),
    "no seed": (without_a_seed, Reason.NO_GRANT_LEFT),
    "moved": (moved, Reason.MISCONFIGURED),
    "AWS denied": (denied, Reason.STORE_DENIED),
}


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES.values(), ids=TROUBLES)
def test_what_is_wrong_has_its_class(trouble: Callable[[], World], reason: Reason) -> None:
    played = trouble()
    assert played.row.reason is reason, played.row
    assert played.row.reason in BY_REASON


def wrong_password() -> World:
    played = world(PASSWORD)
    reseeded(played, password="mistyped")
    return played


def revoked() -> World:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.fake.fail_next("*", answering(400, {"error": "invalid_grant"}), times=100)
    ask(played, "access_token")
    return played


def wrong_partner_token() -> World:
    played = world(ALBATO)
    reseeded(played, partner_token="mistyped")
    return played


def wrong_seed_of_a_chain() -> World:
    played = world(SSO)
    reseeded(played, refresh_token="mistyped")
    return played


@pytest.mark.parametrize(
    "refused", [wrong_password, revoked, wrong_partner_token, wrong_seed_of_a_chain]
)
def test_a_refusal_that_leaves_no_grant_has_the_class_that_the_credential_shows(
    refused: Callable[[], World],
) -> None:
    played = refused()
    read = last(played.rotate(), "read")
    assert trouble_of(read.outcome) is BY_REASON[played.row.reason]
    assert read.outcome != "Rejected"


def test_a_refusal_beside_which_another_grant_is_left_says_that_it_is_used() -> None:
    played = world(FALLBACK)
    reseeded(played, refresh_token="mistyped")
    outcome = played.rotate()
    refused = next(step for step in outcome.steps if step.step == "read")
    assert trouble_of(refused.outcome) is BY_REASON[Reason.REJECTED]
    assert outcome.state is State.FRESH


@pytest.mark.parametrize("fault", [NOT_LISTENING, html(401), html(502), broken(500)])
def test_no_failure_on_the_way_costs_a_token_or_a_secret(fault: Fault) -> None:
    played = met(fault, ALBATO)
    before = dict(played.published())
    run(played, 30 * HOUR)
    assert played.published() == before
    assert played.row.state is not State.NEEDS_A_PERSON
    assert record(played).marks == ()
