"""What a person is told to do comes from what was refused or missing, and fits the credential."""

import re

from rotator.durations import parse
from rotator.model import State
from rotator.schedule import Schedule
from rotator.triage import BY_REASON
from tests.crash.world import World
from tests.rotation.stage import (
    ALBATO,
    BOTH,
    CLIENT,
    HOUR,
    MINUTE,
    OAUTH,
    PASSWORD,
    SSO,
    answering,
    reseeded,
    run,
    world,
)


def told(played: World) -> str:
    """After a walk that ends with a person being called."""
    played.rotate()
    assert played.row.state is State.NEEDS_A_PERSON, played.row
    return played.row.text


def test_a_wrong_password_is_to_be_checked_and_no_refresh_token_is_asked_for() -> None:
    played = world(PASSWORD)
    reseeded(played, password="mistyped")
    said = told(played)
    assert said.startswith("check password (")
    assert "and `username`, then `rotator rotate --again alation/etl`" in said
    assert "refresh token" not in said


def test_the_address_in_a_remedy_is_the_credentials_own() -> None:
    played = world(SSO, seeds=lambda _: {})
    said = told(played)
    assert f"{played.credential.provider.host}/account/auth, Create Refresh Token" in said
    assert "<base_url>" not in said


def test_a_refused_refresh_token_may_be_another_users() -> None:
    played = world(SSO)
    reseeded(played, refresh_token="mistyped")
    said = told(played)
    assert said.startswith("get a new refresh token (")
    assert "; or correct `user_id`, if the token is another's" in said


def test_two_refused_seeds_have_two_ways_out() -> None:
    played = world(BOTH)
    reseeded(played, refresh_token="mistyped", password="wrong")
    said = told(played)
    assert said.startswith("check password (")
    assert "; or get a new refresh token (" in said


def test_a_setting_that_the_provider_cannot_tell_from_a_wrong_seed_is_named_with_it() -> None:
    played = world(ALBATO)
    reseeded(played, partner_token="mistyped")
    said = told(played)
    assert "`user_id`, `partner_name` and `auth_encoding`, then `rotator rotate --again" in said


def test_a_missing_seed_comes_before_any_other_way() -> None:
    played = world(BOTH)
    played.values.clear()
    played.restart()
    said = told(played)
    assert "is not set (set it and start the worker anew); or get a new refresh token (" in said
    assert said.index("is not set") < said.index("get a new")


def test_a_missing_client_secret_is_all_there_is_to_put_right() -> None:
    played = world(CLIENT)
    played.values.clear()
    played.restart()
    said = told(played)
    assert said.endswith("is not set (set it and start the worker anew)")
    assert "check" not in said


def test_a_refusal_of_the_chain_is_not_the_clients_secrets_fault() -> None:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.fake.fail_next("*", answering(400, {"error": "invalid_grant"}), times=100)
    run(played, HOUR)
    assert played.row.text.startswith("get a new refresh token ("), played.row.text


def test_settings_that_an_oauth_server_refuses_are_named_as_the_job_file_has_them() -> None:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.fake.fail_next("*", answering(401, {"error": "invalid_client"}), times=100)
    run(played, HOUR / 2)
    remedy = "correct `client_id`, the seed `client_secret` or `client_auth`"
    assert played.row.text == f"invalid_client ({remedy})"
    assert "user_id" not in BY_REASON[played.row.reason].action


def kept_fresh(schedule: Schedule) -> str:
    """What is said of a credential for which nothing is wrong but its schedule."""
    played = world(CLIENT, schedule=schedule)
    played.rotate()
    assert played.row.state is State.FRESH, played.row
    return played.row.text


def test_a_token_that_lives_too_short_for_survive_is_fresh_and_says_what_to_write() -> None:
    said = kept_fresh(Schedule(survive=8 * HOUR))
    most = re.search(r"\(lower `survive` to at most (\w+), or have the provider", said)
    assert most, said
    assert kept_fresh(Schedule(survive=parse(most[1]))) == ""
    assert kept_fresh(Schedule(survive=parse(most[1]) + MINUTE)) == said


def test_consumers_that_look_too_seldom_are_to_look_more_often() -> None:
    said = kept_fresh(Schedule(survive=MINUTE, consumer_max_staleness=HOUR))
    assert "(lower `consumer_max_staleness`, or have" in said
