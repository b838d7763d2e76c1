"""REVOKE: what no consumer holds any more, and nothing else, is ended at the provider."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rotator.ledger.facts import Holder
from rotator.model import ACCESS_TOKEN, Secret, Shelf, State
from rotator.rotation.outlived import HEARD
from rotator.sandbox.fakes import NOT_LISTENING, Fault, broken, html, throttled
from rotator.sandbox.oauth2 import REVOKE
from tests.crash.world import World
from tests.rotation.stage import (
    FALLBACK,
    HOUR,
    MINUTE,
    OAUTH,
    SECOND,
    TOKEN_PATH,
    answering,
    is_home,
    record,
    run,
    world,
)

JOB = {"revocation_url": "https://oauth.test/oauth/revoke", "revocation_spares": True}
STALENESS = timedelta(minutes=15)


def renewed(name: str = OAUTH) -> tuple[World, str]:
    """A world that has just replaced its first access token, and that token."""
    played = world(name, job=JOB)
    played.rotate()
    first = played.published()[ACCESS_TOKEN]
    renew_at = played.row.access_renew_at
    assert renew_at is not None
    played.run(renew_at)
    assert played.published()[ACCESS_TOKEN] != first
    return played, first


def lives(played: World, token: str) -> bool:
    reply = played.fake.handle("GET", "/api/me", {"authorization": f"Bearer {token}"}, b"")
    return bool(reply.status == 200)


def texts(played: World, step: str = "revoke") -> list[str]:
    return [
        event.stepped.text
        for event in played.events
        if event.stepped and event.stepped.step == step
    ]


def made_of(played: World) -> Any:
    """The versions of the consumers' secret, the oldest first, to be meddled with."""
    secret = played.aws.secret(played.credential.token_secret.name)
    assert secret is not None
    return secret.versions


def rewritten(played: World, old: str, new: str) -> None:
    """The first version holds something else."""
    versions = made_of(played)
    first, made = next(iter(versions.items()))
    assert old in (made.value.string or "")
    value = replace(made.value, string=(made.value.string or "").replace(old, new))
    versions[first] = replace(made, value=value)


def test_a_token_is_revoked_when_the_slowest_consumer_has_let_go_and_not_before() -> None:
    played, first = renewed()
    run(played, STALENESS)
    assert lives(played, first)
    run(played, MINUTE + SECOND)
    assert not lives(played, first)
    assert lives(played, played.published()[ACCESS_TOKEN])
    assert texts(played) == ["generation 2"]
    assert is_home(played)


def test_it_goes_on_rotation_after_rotation_and_only_ever_ends_the_one_before() -> None:
    played, _ = renewed()
    run(played, 6 * HOUR)
    assert played.fake.counts["revoked"] == len(texts(played)) > 5
    assert played.fake.counts["revoked"] == played.fake.counts[REVOKE]
    assert is_home(played)


def test_without_the_job_s_word_nothing_is_revoked() -> None:
    played = world(OAUTH)
    run(played, 6 * HOUR)
    assert played.fake.counts[REVOKE] == 0


def test_a_token_that_another_credential_publishes_too_is_left_alone() -> None:
    played, first = renewed()
    other, now = "oauth2/other", played.clock.now()
    played.ledger.enrol({"oauth2": [other, played.credential.qualified]}, now)
    lease = played.ledger.take(other, "test", now, now + MINUTE)
    assert lease is not None
    fingerprint = played.tools.fingerprints.fingerprint(Secret(first))
    published = record(played).row.records[Shelf.TOKEN]
    played.ledger.write(lease, replace(published, fingerprint=fingerprint))
    run(played, HOUR / 3)
    played.ledger.forget(other)
    assert lives(played, first)
    assert texts(played) == ["generation 2 is left alone: oauth2/other publishes it too"]


@pytest.mark.parametrize(
    "fault", [NOT_LISTENING, html(200), html(502), broken(503), throttled("7")]
)
def test_failing_it_undoes_nothing_and_is_tried_again(fault: Fault) -> None:
    played, first = renewed()
    before = played.published()
    played.fake.fail_next(REVOKE, fault, times=2)
    run(played, STALENESS + MINUTE + SECOND)
    assert lives(played, first)
    assert played.published() == before
    assert "revoke" in record(played).back_offs
    assert played.row.state is State.BACKING_OFF
    run(played, 6 * MINUTE)
    assert not lives(played, first)
    assert "revoke" not in record(played).back_offs
    assert is_home(played)


def test_a_server_that_refuses_to_is_told_and_not_pressed() -> None:
    played, _ = renewed()
    played.fake.fail_next(REVOKE, answering(400, {"error": "unsupported_token_type"}), times=99)
    run(played, STALENESS + 2 * MINUTE)
    assert "unsupported_token_type" in played.row.text
    assert played.fake.counts[REVOKE] == 1


def test_rotation_goes_on_while_revoking_fails() -> None:
    played, _ = renewed()
    played.fake.fail_next(REVOKE, broken(500), times=10_000)
    generation = int(played.published()["generation"])
    run(played, 3 * HOUR)
    assert int(played.published()["generation"]) >= generation + 3


def test_a_token_that_died_meanwhile_is_left_alone() -> None:
    played, _ = renewed()
    played.fake.fail_next(REVOKE, throttled("1200"))
    run(played, STALENESS + MINUTE + SECOND)
    played.fake.fail_next(TOKEN_PATH, NOT_LISTENING, times=10_000)
    run(played, 21 * MINUTE)
    assert texts(played)[-1] == "generation 2 is left alone: it has expired"
    assert played.fake.counts["revoked"] == 0


def test_a_token_that_its_successor_ended_is_not_asked_about() -> None:
    played = world(OAUTH, job={**JOB, "kills_access_token": True}, kills_access_token=True)
    run(played, 2 * HOUR)
    assert "generation 2 is left alone: its successor ended it" in texts(played)
    assert played.fake.counts[REVOKE] == 0


def test_the_token_in_use_is_never_revoked_whatever_version_it_stands_in() -> None:
    played, first = renewed()
    current = played.published()[ACCESS_TOKEN]
    rewritten(played, first, current)
    run(played, STALENESS + MINUTE + SECOND)
    assert texts(played) == ["generation 2 is left alone: it is the one in use"]
    assert lives(played, current)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"generation":"2"', '"generation":"7"', "AWS no longer has that version as we made it"),
        ('"credential":"oauth2/etl"', '"credential":"oauth2/x"', "it is another credential's"),
    ],
)
def test_a_version_that_is_not_as_we_made_it_is_left_alone(old: str, new: str, why: str) -> None:
    played, first = renewed()
    rewritten(played, old, new)
    run(played, STALENESS + MINUTE + SECOND)
    assert texts(played) == [f"generation 2 is left alone: {why}"]
    assert lives(played, first)


def test_a_version_that_aws_has_thrown_away_is_left_alone() -> None:
    played, first = renewed()
    versions = made_of(played)
    del versions[next(iter(versions))]
    run(played, STALENESS + MINUTE + SECOND)
    assert texts(played) == [
        "generation 2 is left alone: AWS no longer has that version as we made it"
    ]
    assert lives(played, first)


def test_a_token_that_is_not_on_record_as_this_host_s_is_never_sent_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played, first = renewed(FALLBACK)
    monkeypatch.setattr(played.ledger, "request", lambda _: None)  # pruned long ago
    run(played, STALENESS + MINUTE + SECOND)
    assert lives(played, first)
    assert played.fake.counts[REVOKE] == 0
    assert texts(played) == ["generation 2 is left alone: it is not on record as this host's"]


def test_a_job_that_has_moved_sends_no_token_of_the_old_host_to_the_new_one() -> None:
    played, first = renewed(FALLBACK)
    here = played.credential.provider
    moved = replace(here, host="https://elsewhere.test")
    played.credential = replace(played.credential, provider=moved)
    run(played, STALENESS + MINUTE + SECOND)
    assert lives(played, first)
    assert played.fake.counts[REVOKE] == 0


def test_nothing_is_revoked_while_somebody_else_s_version_is_current() -> None:
    played, first = renewed()
    run(played, STALENESS + MINUTE - SECOND)
    value = '{"access_token":"a stranger\'s"}'
    played.client.put_secret_value(SecretId=played.credential.token_secret.name, SecretString=value)
    played.clock.at += 2 * MINUTE
    steps = [stepped.step for stepped in played.rotate().steps]
    assert "mend" in steps
    assert "revoke" not in steps
    assert lives(played, first)


def reported(played: World, generation: int, *, ahead: timedelta = timedelta(0)) -> None:
    """A consumer says what it holds; `ahead`: by so much its worker's clock was fast."""
    said = Holder(
        credential=played.credential.qualified,
        consumer="etl-0",
        generation=generation,
        seen_at=played.clock.now() + ahead,
    )
    played.ledger.hold([said])


def test_a_consumer_that_says_that_it_holds_the_token_is_waited_for() -> None:
    played, first = renewed()
    run(played, 10 * MINUTE)
    reported(played, 2)
    run(played, 10 * MINUTE)
    assert lives(played, first)
    assert texts(played) == []
    assert is_home(played)


def test_nobody_is_waited_for_who_was_silent_for_an_hour() -> None:
    played, _ = renewed()
    played.fake.fail_next(TOKEN_PATH, NOT_LISTENING, times=10_000)
    run(played, 10 * MINUTE)
    reported(played, 2)
    run(played, HEARD - SECOND)
    waited = texts(played)
    run(played, 2 * SECOND)
    assert (waited, len(texts(played))) == ([], 1)


@pytest.mark.parametrize("generation", [1, 3])
def test_who_holds_another_generation_is_not_waited_for(generation: int) -> None:
    played, first = renewed()
    reported(played, generation)
    run(played, STALENESS + MINUTE + SECOND)
    assert not lives(played, first)


def test_a_consumer_that_moved_on_is_not_waited_for() -> None:
    played, first = renewed()
    reported(played, 2)
    reported(played, 3)
    run(played, STALENESS + MINUTE + SECOND)
    assert not lives(played, first)


def test_a_report_by_a_clock_that_ran_ahead_holds_nothing_up() -> None:
    played, first = renewed()
    reported(played, 2, ahead=3 * HOUR)
    run(played, STALENESS + MINUTE + SECOND)
    assert not lives(played, first)


def test_a_token_that_dies_while_its_holders_are_waited_for_is_left_alone() -> None:
    played, first = renewed()
    played.fake.fail_next(TOKEN_PATH, NOT_LISTENING, times=10_000)
    for _ in range(9):  # a consumer that never lets go of it
        reported(played, 2)
        run(played, 10 * MINUTE)
    assert not lives(played, first)
    run(played, HEARD)
    assert texts(played) == ["generation 2 is left alone: it has expired"]
    assert played.fake.counts["revoked"] == 0
