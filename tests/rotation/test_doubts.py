"""A request that nobody answered, of whose token the provider says neither yes nor no."""

import pytest

from rotator.ledger.facts import Because
from rotator.model import Reason, Secret, State, Token
from rotator.policy.again import TRIES_TO_SETTLE
from rotator.providers.base import Alive
from rotator.rotation import keyring
from rotator.sandbox.fakes import (
    LOST_ANSWER,
    LOST_REQUEST,
    NOT_LISTENING,
    Fault,
    html,
)
from tests.rotation.stage import (
    BOTH,
    DAY,
    FALLBACK,
    HOUR,
    MINT,
    MINUTE,
    OAUTH_ASKED,
    REGENERATE,
    SSO,
    TOKEN_PATH,
    VALIDATE,
    World,
    answering,
    ask,
    is_home,
    last,
    record,
    requests,
    reseeded,
    reworked,
    run,
    state,
    works,
    world,
)

INTROSPECT = "/oauth/introspect"
INTROSPECTED = {"introspection_url": "https://oauth.test/oauth/introspect"}


def in_doubt(fault: Fault, name: str = OAUTH_ASKED) -> World:
    """A renewal went unanswered, and whoever knows of the token answers with a page."""
    played = world(name, job=INTROSPECTED, access_lifespan=12 * HOUR, refresh_lifespan=30 * DAY)
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    unclear(played, fault)
    return played


def killing(name: str) -> World:
    """As in_doubt, but the access token is not due, and the request may have ended it."""
    job = {**INTROSPECTED, "kills_access_token": True}
    played = world(name, job=job, access_lifespan=12 * HOUR, kills_access_token=True)
    played.rotate()
    played.clock.at += HOUR
    ask(played, "refresh_token")
    unclear(played, LOST_ANSWER)
    return played


def unclear(played: World, fault: Fault) -> None:
    played.fake.fail_next(TOKEN_PATH, fault)
    played.fake.fail_next(INTROSPECT, html(502), times=1_000_000)
    played.rotate()


def asked_about(played: World) -> int:
    """How often the provider was asked whether the token lives."""
    lines = played.ledger.history(played.credential.qualified, 1000)
    return sum(line.stepped.step == "settle" for line in lines)


def counts_as_spent(played: World) -> bool:
    token = played.tools.fingerprints.fingerprint(Secret(played.kept()["refresh_token"]))
    return bool(played.ledger.spent([token]))


def test_with_nothing_else_left_a_token_in_doubt_is_asked_about_until_the_provider_says() -> None:
    played = in_doubt(LOST_REQUEST)
    run(played, 10 * MINUTE)
    assert state(played) is State.BACKING_OFF
    assert played.row.reason is Reason.IN_DOUBT
    assert "asked again until" in played.row.text
    assert f"rotator seed {played.credential.qualified}" in played.row.text
    ask(played)
    assert last(played.rotate(), "settle").outcome == "InDoubt"
    run(played, DAY)
    assert asked_about(played) < 80  # hourly, and oftener while the published token dies
    assert not counts_as_spent(played)
    played.fake.heal()
    run(played, HOUR)
    assert is_home(played)
    assert played.fake.counts["presented_twice"] == 0


def test_a_person_is_told_of_a_doubt_once_consumers_run_out_of_time() -> None:
    played = in_doubt(LOST_REQUEST)
    run(played, 5 * HOUR)
    assert state(played) is State.BACKING_OFF
    run(played, 2 * HOUR)
    assert state(played) is State.NEEDS_A_PERSON
    assert played.row.reason is Reason.IN_DOUBT
    assert "`rotator seed" in played.row.text


@pytest.mark.parametrize("fault", [LOST_REQUEST, LOST_ANSWER], ids=["alive", "spent"])
def test_a_fresh_seed_ends_a_doubt_at_once(fault: Fault) -> None:
    played = in_doubt(fault)
    run(played, 2 * HOUR)
    keyring.seed(played.tools, played.credential, Token(value=Secret(played.fake.enrol())), Alive())
    played.rotate()
    assert is_home(played)
    assert played.fake.counts["presented_twice"] == 0


def test_a_doubt_that_ends_in_a_no_needs_a_person() -> None:
    played = in_doubt(LOST_ANSWER)
    run(played, 2 * HOUR)
    played.fake.heal()
    run(played, HOUR)
    assert state(played) is State.NEEDS_A_PERSON
    assert played.row.reason is Reason.TOKEN_SPENT


def test_a_doubt_ends_after_a_week_where_nobody_knows_when_the_token_dies() -> None:
    played = in_doubt(LOST_REQUEST)
    run(played, 7 * DAY - HOUR)
    assert not counts_as_spent(played)
    run(played, 3 * HOUR)
    assert counts_as_spent(played)
    assert played.row.reason is Reason.TOKEN_SPENT
    asked = asked_about(played)
    run(played, DAY)
    assert asked_about(played) == asked


ELSEWHERE = {
    "token_url": "https://oauth.tset/oauth/token",
    "introspection_url": "https://oauth.tset/oauth/introspect",
}
AT_HOME = {name: url.replace("tset", "test") for name, url in ELSEWHERE.items()}


def test_a_mistyped_address_does_not_cost_a_chain_that_is_in_doubt() -> None:
    played = in_doubt(LOST_REQUEST)
    reworked(played, **ELSEWHERE)
    asked = requests(played, INTROSPECT)
    run(played, HOUR)
    assert not counts_as_spent(played)
    assert requests(played, INTROSPECT) == asked
    told = [waiting.text for waiting in record(played).back_offs.values()]
    assert any("for https://oauth.test lives" in text for text in told)
    played.fake.heal()
    reworked(played, **AT_HOME)
    ask(played)
    run(played, HOUR)
    assert is_home(played)
    assert played.fake.counts["presented_twice"] == 0


def test_a_job_that_has_moved_for_good_leaves_a_doubt_behind_after_a_week() -> None:
    played = in_doubt(LOST_REQUEST)
    reworked(played, **ELSEWHERE)
    run(played, 7 * DAY - HOUR)
    assert not counts_as_spent(played)
    run(played, 3 * HOUR)
    assert counts_as_spent(played)
    assert not record(played).open_intents


def test_a_job_that_is_given_another_grant_uses_it_though_a_token_is_in_doubt() -> None:
    played = in_doubt(LOST_REQUEST)
    reworked(played, grants=["client_credentials"])
    run(played, HOUR)
    assert is_home(played)


def grants_used(played: World) -> list[str]:
    """The grant of each answer that brought tokens, the newest first."""
    lines = played.ledger.history(played.credential.qualified, 1000)
    read = (line.stepped for line in lines if line.stepped.outcome == "tokens")
    return [stepped.text.split(" by ")[1].split(":")[0] for stepped in read]


def test_another_grant_is_used_beside_a_token_in_doubt_after_three_unclear_answers() -> None:
    played = in_doubt(LOST_REQUEST, FALLBACK)
    while asked_about(played) < TRIES_TO_SETTLE:
        assert "client_credentials" not in grants_used(played)
        played.clock.at = played.row.due_at or played.clock.at
        played.rotate()
    assert grants_used(played)[0] == "client_credentials"
    assert works(played)
    assert "another grant is left" in played.row.text


def test_what_a_request_in_doubt_may_have_killed_is_replaced_by_another_grant() -> None:
    played = killing(FALLBACK)
    assert not works(played)
    run(played, 5 * MINUTE)
    assert works(played)
    assert not counts_as_spent(played)


def test_a_token_that_a_request_in_doubt_may_have_killed_is_told_of_at_once() -> None:
    played = killing(OAUTH_ASKED)
    run(played, 5 * MINUTE)
    assert state(played) is State.NEEDS_A_PERSON
    assert played.row.reason is Reason.IN_DOUBT


@pytest.mark.parametrize("fault", [LOST_REQUEST, LOST_ANSWER], ids=["alive", "spent"])
def test_the_success_of_another_grant_ends_no_doubt_but_the_provider_s_word_does(
    fault: Fault,
) -> None:
    played = in_doubt(fault, FALLBACK)
    run(played, DAY)
    assert works(played)
    assert not counts_as_spent(played)
    played.fake.heal()
    run(played, DAY)
    assert is_home(played)
    assert counts_as_spent(played) is (fault is LOST_ANSWER)
    expected = "client_credentials" if fault is LOST_ANSWER else "refresh_token"
    assert grants_used(played)[0] == expected
    assert played.fake.counts["presented_twice"] == 0


NO = answering(400, {"error": "invalid_grant"})
NOT_THIS_CLIENT = answering(400, {"error": "unauthorized_client"})


@pytest.mark.parametrize("answer", [NO, NOT_THIS_CLIENT], ids=["refused", "misconfigured"])
def test_a_grant_that_does_not_yield_costs_no_token_that_is_in_doubt(answer: Fault) -> None:
    played = in_doubt(LOST_REQUEST, FALLBACK)
    played.fake.fail_next(TOKEN_PATH, answer, times=1000)
    run(played, 3 * DAY)
    assert not counts_as_spent(played)
    played.fake.heal()
    run(played, DAY)
    assert is_home(played)
    assert grants_used(played)[0] == "refresh_token"
    assert played.fake.counts["presented_twice"] == 0


DISOWNED = answering(401, {"detail": "Refresh token provided is invalid.", "code": "401000"})


def test_a_refused_seed_is_no_grant_left_until_its_time_has_come() -> None:
    played = in_doubt(LOST_REQUEST, FALLBACK)
    played.fake.fail_next(TOKEN_PATH, NO, times=1000)
    run(played, 10 * MINUTE)
    seen = requests(played, TOKEN_PATH)
    assert "nothing else is left" in played.row.text
    run(played, HOUR)
    assert requests(played, TOKEN_PATH) == seen + 1
    assert state(played) is State.BACKING_OFF
    run(played, 6 * HOUR)
    assert requests(played, TOKEN_PATH) == seen + 2
    assert state(played) is State.NEEDS_A_PERSON
    assert played.row.reason is Reason.IN_DOUBT


def test_a_token_in_doubt_is_settled_as_soon_as_another_grant_s_has_taken_its_place() -> None:
    played = world(BOTH)
    played.rotate()
    played.clock.at += HOUR
    ask(played)
    played.fake.fail_next(MINT, DISOWNED)  # so that it is the password's turn, and not the mint's
    played.fake.fail_next(REGENERATE, LOST_REQUEST)
    played.fake.fail_next(VALIDATE, html(502), times=1000)
    run(played, 5 * MINUTE)
    assert is_home(played)
    assert grants_used(played)[:2] == ["refresh_token", "password"]
    assert asked_about(played) == TRIES_TO_SETTLE + 1


def test_a_fresh_seed_in_the_job_takes_the_place_of_a_token_in_doubt() -> None:
    played = in_doubt(LOST_REQUEST)
    reseeded(played, refresh_token=played.fake.enrol())
    run(played, 5 * MINUTE)
    assert is_home(played)
    assert asked_about(played) == TRIES_TO_SETTLE + 1


def test_a_seed_that_the_provider_disowns_does_not_cost_a_token_in_doubt() -> None:
    played = in_doubt(LOST_REQUEST)
    kept = played.kept()["refresh_token"]
    reseeded(played, refresh_token="mistyped")
    played.fake.heal()
    played.fake.fail_next(INTROSPECT, html(502), times=TRIES_TO_SETTLE)
    run(played, HOUR)
    assert is_home(played)
    lines = played.ledger.history(played.credential.qualified, 1000)
    assert any("the provider disowns the seed" in line.stepped.text for line in lines)
    spent = played.ledger.spent([played.tools.fingerprints.fingerprint(Secret(kept))])
    assert [mark.because for mark in spent] == [Because.ANSWERED]


MOST_REQUESTS = 45
"""Of one credential within an hour, as in the simulation."""
UNASKED = pytest.mark.parametrize(
    "fault", [LOST_REQUEST, NOT_LISTENING], ids=["hangs", "cannot be reached"]
)
UNCLEAR = pytest.mark.parametrize(
    "fault", [LOST_REQUEST, NOT_LISTENING, html(502)], ids=["hangs", "cannot be reached", "a page"]
)
"""What becomes of each question, while the provider's other addresses work."""


@UNASKED
def test_another_grant_is_used_where_nobody_answers_what_is_asked_of_a_token(fault: Fault) -> None:
    job, month = INTROSPECTED, 30 * DAY
    played = world(FALLBACK, job=job, access_lifespan=12 * HOUR, refresh_lifespan=month)
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    played.fake.fail_next(TOKEN_PATH, LOST_REQUEST)
    played.fake.fail_next(INTROSPECT, fault, times=1_000_000)
    run(played, DAY)
    assert works(played)
    assert grants_used(played)[0] == "client_credentials"
    assert not counts_as_spent(played)
    run(played, 9 * DAY)
    played.fake.heal()
    run(played, DAY)
    assert is_home(played)
    assert grants_used(played)[0] == "refresh_token"
    assert played.fake.counts["presented_twice"] == 0


def unanswered_regenerate(lost: Fault, asked: Fault) -> World:
    played = world(SSO)
    run(played, HOUR)
    ask(played, "refresh_token")
    played.fake.fail_next(REGENERATE, lost)
    played.fake.fail_next(VALIDATE, asked, times=1_000_000)
    return played


def doubts_left(played: World) -> list[str]:
    """Back-offs of questions: one that is over would tell of trouble, and stay for ever."""
    return [line for line in record(played).back_offs if line.startswith("settle")]


@pytest.mark.parametrize("fault", [LOST_REQUEST, LOST_ANSWER], ids=["alive", "spent"])
def test_nothing_backs_off_for_a_doubt_that_is_over(fault: Fault) -> None:
    played = in_doubt(fault, FALLBACK)
    run(played, 10 * HOUR)
    assert doubts_left(played)
    played.fake.heal()
    run(played, HOUR)
    assert not doubts_left(played)


@UNCLEAR
def test_a_mint_tells_that_a_token_lives_of_which_the_provider_does_not(fault: Fault) -> None:
    played = unanswered_regenerate(LOST_REQUEST, fault)
    run(played, 10 * MINUTE)
    assert is_home(played)
    assert not doubts_left(played)
    assert "regenerate" in grants_used(played)
    assert played.fake.counts["presented_twice"] == 0


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(LOST_REQUEST, Reason.UNANSWERED), (html(502), Reason.IN_DOUBT)],
    ids=["hangs", "a page"],
)
def test_a_person_is_told_of_a_token_that_no_mint_takes_though_the_provider_does_not_say(
    fault: Fault, reason: Reason
) -> None:
    played = unanswered_regenerate(LOST_ANSWER, fault)
    run(played, HOUR)
    assert state(played) is State.NEEDS_A_PERSON
    assert played.row.reason is reason
    assert f"rotator seed {played.credential.qualified}" in played.row.text
    assert not counts_as_spent(played)


@UNCLEAR
def test_an_outage_calls_nobody_to_a_token_that_the_next_mint_will_tell_of(fault: Fault) -> None:
    played = unanswered_regenerate(LOST_REQUEST, fault)
    played.rotate()
    played.fake.fail_next("*", fault, times=1_000_000)
    run(played, HOUR)
    assert state(played) is State.EXPIRED  # for all that anybody knows
    assert not counts_as_spent(played)
    played.fake.heal()
    run(played, HOUR)
    assert is_home(played)
    assert played.fake.counts["presented_twice"] == 0


def test_an_outage_in_which_a_request_went_unanswered_calls_nobody() -> None:
    played = world(OAUTH_ASKED, job=INTROSPECTED, access_lifespan=12 * HOUR)
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    played.fake.fail_next(TOKEN_PATH, LOST_REQUEST)
    played.fake.fail_next("*", NOT_LISTENING, times=1_000_000)
    run(played, 7 * HOUR)
    assert state(played) is State.EXPIRED
    played.fake.heal()
    run(played, HOUR)
    assert is_home(played)


@UNCLEAR
@pytest.mark.parametrize("name", [SSO, FALLBACK])
def test_a_question_that_another_grant_goes_round_does_not_hurry_beside_it(
    name: str, fault: Fault
) -> None:
    job = INTROSPECTED if name == FALLBACK else {}
    played = world(name, job=job, access_lifespan=12 * HOUR)
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    ask(played, "refresh_token")
    played.fake.fail_next("*", LOST_REQUEST)
    played.rotate()
    played.fake.fail_next("*", fault, times=1_000_000)
    run(played, DAY)
    at = [seen.at for seen in played.fake.log]
    assert max(sum(since <= each < since + HOUR for each in at) for since in at) <= MOST_REQUESTS
