"""Providers that lose answers, refuse, garble, repeat themselves, or live by another clock."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rotator.ledger.facts import Because, Mark, MarkKind
from rotator.ledger.writes import AddMark
from rotator.model import Secret, State
from rotator.policy.grants import Holding, Source
from rotator.sandbox.fakes import (
    LOST_ANSWER,
    LOST_REQUEST,
    NOT_LISTENING,
    Fault,
    broken,
    html,
    late,
    throttled,
)
from rotator.schedule import Schedule, TokenSchedule
from tests.crash.doors import Effects, Killed
from tests.rotation.stage import (
    ALBATO,
    CLIENT,
    DAY,
    FALLBACK,
    HOUR,
    MINT,
    MINUTE,
    OAUTH,
    OAUTH_ASKED,
    PASSWORD,
    REGENERATE,
    SECOND,
    SESSION,
    SSO,
    TOKEN_PATH,
    VALIDATE,
    World,
    answering,
    ask,
    is_home,
    last,
    raw,
    record,
    requests,
    reseeded,
    reworked,
    run,
    scenario,
    state,
    steps,
    watched,
    works,
    world,
)

FAULTS = [
    LOST_ANSWER, LOST_REQUEST, NOT_LISTENING, html(502), html(502, acts=True), html(401),
    broken(500), broken(500, acts=True), throttled("7"), throttled("9999999"),
    late(20 * SECOND), late(MINUTE), raw(200, b"{"), raw(200, b"[]", acts=True),
    answering(200, {"token_type": "x"}, acts=True),
]  # fmt: skip
MOST_IN_AN_HOUR = 40


@pytest.mark.parametrize("number", range(len(FAULTS)))
@pytest.mark.parametrize("name", [SSO, OAUTH_ASKED, FALLBACK])
def test_a_fault_at_any_request_is_survived_or_told(name: str, number: int) -> None:
    played = world(name)
    for _ in range(number % 3):
        played.fake.fail_next("*", Fault(name="none", acts=True))
    played.fake.fail_next("*", FAULTS[number])
    run(played, HOUR)
    assert len(played.fake.log) <= MOST_IN_AN_HOUR
    run(played, scenario(name).horizon + 2 * HOUR)
    assert played.fake.counts["presented_twice"] == 0
    assert state(played) in (State.FRESH, State.NEEDS_A_PERSON, State.BACKING_OFF)
    if state(played) is State.FRESH:
        assert works(played)


def test_an_answer_that_asks_for_a_year_of_patience_gets_a_day() -> None:
    played = world(ALBATO)
    played.fake.fail_next("*", throttled("9999999"))
    outcome = played.rotate()
    assert steps(outcome) == ["obtain", "read"]
    assert requests(played) == 1
    run(played, DAY + HOUR)
    assert is_home(played)


def mistyped() -> World:
    """A credential whose seed the provider does not take."""
    played = world(ALBATO, partner_token="another")
    played.values["partner_token"] = "mistyped"
    played.restart()
    return played


def tried_at(played: World, lasting: timedelta) -> list[timedelta]:
    """When the seed is presented, from now on."""
    began, found = played.clock.at, []
    while (due_at := played.row.due_at) and due_at <= began + lasting:
        before = requests(played, SESSION)
        played.clock.at = max(played.clock.at, due_at)
        played.rotate()
        found += [played.clock.at - began] * (requests(played, SESSION) - before)
    played.clock.at = began + lasting
    return found


def test_a_refused_seed_is_tried_after_an_hour_then_four_then_once_a_day() -> None:
    played = mistyped()
    assert tried_at(played, 3 * DAY) == [0 * HOUR, HOUR, 5 * HOUR, 29 * HOUR, 53 * HOUR]
    assert state(played) is State.NEEDS_A_PERSON
    assert "rotate --again" in played.row.text
    assert "it is tried once more at 2026-03-04 05:00Z" in played.row.text
    assert [mark.times for mark in record(played).marks] == [5]

    reseeded(played, partner_token="another")
    played.rotate()
    assert is_home(played)


def test_a_person_may_have_a_refused_seed_tried_again_and_that_begins_a_new_row() -> None:
    played = mistyped()
    tried_at(played, 23 * HOUR)
    seen = requests(played, SESSION)
    ask(played)
    played.rotate()
    assert requests(played, SESSION) == seen
    played.clock.at += MINUTE
    ask(played, again=True)
    assert tried_at(played, 23 * HOUR) == [0 * HOUR, HOUR, 5 * HOUR]


def test_a_provider_that_refuses_everybody_for_a_while_costs_an_hour_and_no_row_is_left() -> None:
    played = world(ALBATO)
    played.rotate()
    good, played.fake.partner_token = played.fake.partner_token, "nobody's"
    played.clock.at = played.row.due_at or played.clock.at
    played.rotate()
    assert state(played) is State.NEEDS_A_PERSON
    played.fake.partner_token = good
    run(played, HOUR + MINUTE)
    assert is_home(played)
    assert not [mark for mark in record(played).marks if mark.kind is MarkKind.REFUSED]


def refuse(played: World, at: datetime) -> None:
    """A refusal of the partner token, as another worker would have marked it."""
    fingerprints, provider = played.tools.fingerprints, played.credential.provider
    token = fingerprints.fingerprint(Secret(played.values["partner_token"]))
    held = Holding(name="partner_token", fingerprint=token, source=Source.SEED)
    key = played.tools.refusal(provider, provider.grants[0], (held,))
    mark = Mark(kind=MarkKind.REFUSED, key=key, at=at, because=Because.REFUSED)
    now, name = played.clock.now(), played.credential.qualified
    lease = played.ledger.take(name, "another", now, now + MINUTE)
    assert lease is not None
    played.ledger.write(lease, AddMark(mark=mark))
    played.ledger.release(lease)


@pytest.mark.parametrize("after", [-SECOND, SECOND], ids=["before", "after"])
def test_an_answer_lifts_the_refusal_that_came_before_its_request(after: timedelta) -> None:
    counted = Effects()
    watched(scenario(ALBATO), counted).rotate()
    sealed_at = counted.names.index("ledger.seal") + 1
    played = watched(scenario(ALBATO), Effects(kill_at=(sealed_at, "after")))
    with pytest.raises(Killed):
        played.rotate()
    played.restart()
    refuse(played, played.clock.at + after)
    played.rotate()
    assert works(played)
    assert len(record(played).marks) == (after > 0 * SECOND)


def test_a_kept_seed_that_is_refused_is_not_spent_again_and_a_fresh_one_is_taken() -> None:
    played = world(OAUTH, seeds=lambda fake: {
        "refresh_token": "mistyped", "client_secret": fake.client_secret})  # fmt: skip
    run(played, 2 * DAY)
    assert state(played) is State.NEEDS_A_PERSON
    assert requests(played, TOKEN_PATH) <= 4  # the client's secret is a seed
    reseeded(played, refresh_token=played.fake.enrol())
    played.rotate()
    assert is_home(played)


@pytest.mark.parametrize("name", [OAUTH, SSO])
def test_a_fresh_seed_takes_the_place_of_a_dead_chain(name: str) -> None:
    played = world(name)
    run(played, 2 * HOUR)
    old = played.kept()["refresh_token"]
    if name == SSO:
        played.fake._refresh[old].expires_at = played.clock.at  # noqa: SLF001
    else:
        played.fake._end(played.fake._refresh, played.fake._refresh[old].family)  # noqa: SLF001
    run(played, DAY)
    assert state(played) is State.NEEDS_A_PERSON
    fresh = played.fake.hand_made(7) if name == SSO else played.fake.enrol()
    reseeded(played, refresh_token=fresh)
    played.rotate()
    assert is_home(played)
    assert played.kept()["refresh_token"] != old


def test_a_seed_that_another_credential_has_spent_names_that_one() -> None:
    played = world(OAUTH)
    now, other = played.clock.now(), "oauth2/twin"
    played.ledger.enrol({"oauth2": [played.credential.qualified, other]}, now)
    seed = played.tools.fingerprints.fingerprint(Secret(played.values["refresh_token"]))
    spent = Mark(kind=MarkKind.SPENT, key=seed, at=now, because=Because.ANSWERED)
    lease = played.ledger.take(other, "another", now, now + MINUTE)
    assert lease is not None
    played.ledger.write(lease, AddMark(mark=spent))
    played.rotate()
    assert state(played) is State.NEEDS_A_PERSON
    assert "spent by oauth2/twin" in played.row.text
    played.ledger.forget(other)


@pytest.mark.parametrize("name", [OAUTH, SSO])
def test_a_mistyped_seed_never_replaces_a_living_chain(name: str) -> None:
    played = world(name)
    run(played, 2 * HOUR)
    reseeded(played, refresh_token="mistyped")
    for _ in range(2):
        run(played, 4 * HOUR)
        assert works(played)
    assert state(played) is State.FRESH
    assert played.kept()["refresh_token"] != "mistyped"


@pytest.mark.parametrize("name", [OAUTH, OAUTH_ASKED, SSO])
def test_a_seed_that_the_chain_has_outgrown_never_comes_back(name: str) -> None:
    played = world(name)
    run(played, 30 * HOUR if name == SSO else 3 * HOUR)
    seed, kept = played.values["refresh_token"], played.kept()["refresh_token"]
    assert seed != kept
    played.fake._refresh[seed].expires_at += 90 * DAY  # noqa: SLF001
    if name == SSO:
        played.fake._refresh[kept].expires_at = played.clock.at  # noqa: SLF001
    else:
        played.fake._end(played.fake._refresh, played.fake._refresh[kept].family)  # noqa: SLF001
    played.ledger.forget(played.credential.qualified)  # as an empty ledger
    played.ledger.enrol({played.credential.job: [played.credential.qualified]}, played.clock.now())
    run(played, 2 * DAY)
    assert state(played) is State.NEEDS_A_PERSON
    assert played.fake.counts["presented_twice"] == 0


@pytest.mark.parametrize("name", [SSO, OAUTH_ASKED])
def test_a_seed_that_the_provider_disowns_is_inspected_once_and_a_person_told(name: str) -> None:
    played = world(name)
    played.values["refresh_token"] = "mistyped"
    played.restart()
    outcome = played.rotate()
    assert state(played) is State.NEEDS_A_PERSON
    assert steps(outcome).count("keep") == 1
    at_once = requests(played)
    assert at_once <= 3
    run(played, 20 * HOUR)
    assert requests(played) <= 3 * at_once  # as a refused seed: after an hour, and four more


def test_a_good_seed_that_validate_disowns_still_mints() -> None:
    played = world(SSO)
    played.fake.fail_next(
        VALIDATE, answering(401, {"detail": "Refresh token provided is invalid.", "code": "401000"})
    )
    played.rotate()
    assert works(played)


def test_a_wrong_user_id_looks_like_a_dead_token_and_is_mended_by_its_correction() -> None:
    played = world(SSO, credential={"user_id": 8})
    played.rotate()
    assert state(played) is State.NEEDS_A_PERSON
    seen = requests(played)
    run(played, 3 * HOUR)
    assert requests(played) == 2 * seen  # once more after an hour
    played.scenario = replace(
        played.scenario, credential={**played.scenario.credential, "user_id": 7}
    )
    reworked(played)
    played.rotate()
    assert is_home(played)


def test_garbled_stays_sealed_and_is_read_again_by_another_rotator_or_job() -> None:
    played = world(OAUTH)
    good: list[bytes] = []
    inner = played.fake.respond

    def respond(*args: Any) -> Any:
        reply = inner(*args)
        good.append(reply.body)
        return reply._replace(body=b"garbled " + reply.body)

    played.fake.respond = respond
    played.rotate()
    assert [seal.outcome for seal in record(played).seals] == ["Garbled"]
    played.fake.respond = inner
    played.clock.at += 5 * MINUTE
    assert "read" not in steps(played.rotate())  # by the same reader once

    real = played.credential.provider.grants[0]

    def understands(answer: Any, sent_at: Any) -> Any:
        body = answer.body.removeprefix(b"garbled ")
        return real.read(replace(answer, body=body), sent_at)

    newer = replace(played.credential.provider, grants=(replace(real, read=understands),))
    played.credential = replace(played.credential, provider=newer)
    played.tools = replace(played.tools, version="newer")
    played.rotate()
    assert is_home(played)
    assert requests(played, TOKEN_PATH) == 1


def test_a_bug_in_a_plug_in_keeps_the_answer_sealed() -> None:
    played = world(OAUTH)
    real = played.credential.provider.grants[0]

    def buggy(_answer: Any, _sent_at: Any) -> Any:
        raise KeyError("access_token")

    broken_one = replace(played.credential.provider, grants=(replace(real, read=buggy),))
    whole = played.credential
    played.credential = replace(played.credential, provider=broken_one)
    outcome = played.rotate()
    assert last(outcome, "read").outcome == "Garbled"
    assert "KeyError" in last(outcome, "read").text
    played.credential = replace(whole, digest="mended")
    played.clock.at += MINUTE
    played.rotate()
    assert is_home(played)


def test_a_plug_in_that_cannot_even_ask_backs_off() -> None:
    played = world(ALBATO)
    real = played.credential.provider.grants[0]

    def buggy(_keyring: Any) -> Any:
        raise KeyError("partner_token")

    provider = replace(played.credential.provider, grants=(replace(real, ask=buggy),))
    played.credential = replace(played.credential, provider=provider)
    outcome = played.rotate()
    assert (last(outcome, "obtain").outcome, last(outcome, "obtain").text) == ("KeyError",) * 2
    assert state(played) is State.BACKING_OFF
    assert requests(played) == 0


def test_an_answer_to_a_grant_that_the_job_no_longer_has_waits_for_its_return() -> None:
    whole = world(OAUTH)
    whole.rotate()
    sealed = whole.effects.names.index("ledger.seal") + 1
    played = watched(scenario(OAUTH), Effects(kill_at=(sealed, "after")))
    with pytest.raises(Killed):
        played.rotate()
    played.restart()
    has = played.credential
    without = replace(has.provider, grants=has.provider.grants[:0])
    played.credential = replace(has, provider=without, digest="2")
    assert last(played.rotate(), "read").outcome == "Garbled"
    played.credential = has
    run(played, HOUR / 2)
    assert is_home(played)


def test_a_replay_in_its_window_brings_the_chain_home() -> None:
    played = world("oauth2, refresh token, replay window")
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    played.fake.fail_next(TOKEN_PATH, LOST_ANSWER, times=3)
    run(played, HOUR / 2)
    assert is_home(played)


def test_throttled_replays_do_not_outlive_the_window() -> None:
    played = world("oauth2, refresh token, replay window")
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    played.fake.fail_next(TOKEN_PATH, LOST_ANSWER)
    played.fake.fail_next(TOKEN_PATH, throttled("5000"))
    run(played, 3 * HOUR)
    assert played.fake.counts["presented_twice"] == 0
    assert state(played) is State.NEEDS_A_PERSON


def test_a_replay_that_is_answered_after_its_window_proves_nothing() -> None:
    played = world("oauth2, refresh token, replay window", grace=10 * MINUTE, job={"replay": "10m"})
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    played.fake.fail_next(TOKEN_PATH, LOST_ANSWER)
    played.rotate()
    played.clock.at += 10 * MINUTE - SECOND
    slow = answering(400, {"error": "invalid_grant"})
    played.fake.fail_next(TOKEN_PATH, replace(slow, delay=5 * SECOND))
    outcome = played.rotate()
    assert last(outcome, "read").outcome == "Unanswered"
    assert "after the vendor's window" in last(outcome, "read").text
    assert all(mark.kind == "spent" for mark in record(played).marks)


@pytest.mark.parametrize("lifespan", [12 * HOUR, 40 * MINUTE, 30 * DAY])
def test_the_same_token_handed_out_again_makes_no_loop(lifespan: timedelta) -> None:
    played = world(ALBATO, same_until_expiry=True, session_lifespan=lifespan)
    for _ in range(5):
        run(played, 3 * HOUR)
        assert works(played)
    assert played.aws.stats.versions <= 86 * 15 / 24
    lives = 15 * HOUR // lifespan
    assert requests(played, SESSION) <= 4 * 15 + lives + 1  # 15 minutes apart, and at each end
    played.clock.at += SECOND
    ask(played)
    outcome = played.rotate()
    assert steps(outcome).count("obtain") == 1
    assert record(played).manuals == ()


def test_the_same_token_again_after_a_lost_answer_is_known_to_live() -> None:
    played = world(ALBATO, same_until_expiry=True)
    played.rotate()
    ask(played)
    played.fake.fail_next(SESSION, LOST_ANSWER)
    run(played, 30 * MINUTE)
    assert is_home(played)
    assert requests(played, SESSION) <= 5
    issued_at = played.published()["issued_at"]
    assert issued_at == "2026-03-01T00:00:00Z"  # as it was first told


@pytest.mark.parametrize("skew", [HOUR, -HOUR])
@pytest.mark.parametrize("name", [OAUTH_ASKED, SSO, PASSWORD, ALBATO, "amino, password"])
def test_a_provider_whose_clock_is_off_is_no_loop(name: str, skew: timedelta) -> None:
    played = world(name)
    played.fake.now = lambda: played.clock.at + skew
    if "refresh_token" in played.values:
        fresh = played.fake.hand_made(7) if name == SSO else played.fake.enrol()
        reseeded(played, refresh_token=fresh)
    for _ in range(4 if name == OAUTH_ASKED else 10):
        run(played, 3 * HOUR)
        assert works(played)
    assert state(played) is State.FRESH
    assert len(played.fake.log) < 400


@pytest.mark.parametrize("lifespan", [2 * HOUR, 10 * MINUTE])
@pytest.mark.parametrize("name", [SSO, ALBATO, OAUTH])
def test_a_lifespan_that_shrinks_is_followed_without_a_loop(name: str, lifespan: timedelta) -> None:
    played = world(name)
    run(played, HOUR)
    field = "session_lifespan" if name == ALBATO else "access_lifespan"
    setattr(played.fake, field, lifespan)
    run(played, 13 * HOUR if name != OAUTH else HOUR)
    versions, asked = played.aws.stats.versions, len(played.fake.log)
    run(played, 3 * HOUR)
    chain = 2 if name == OAUTH else 1
    assert played.aws.stats.versions - versions <= chain * 4 * 3 + 1  # a quarter of an hour apart
    assert len(played.fake.log) - asked <= 4 * 3 + 1
    assert state(played) is not State.NEEDS_A_PERSON


@pytest.mark.parametrize("name", [SSO, OAUTH, "amino, password"])
def test_a_refresh_token_that_is_dead_on_arrival_makes_no_loop(name: str) -> None:
    played = world(name, refresh_lifespan=20 * SECOND)
    run(played, 3 * HOUR)
    assert len(played.fake.log) <= 60


def test_answers_without_a_new_refresh_token_keep_the_old() -> None:
    played = world(OAUTH, rotates=False)
    kept = played.values["refresh_token"]
    run(played, 4 * HOUR)
    assert is_home(played)
    assert played.kept()["refresh_token"] == kept
    assert set(played.generations()[1]) == {1}


def test_a_refresh_token_that_is_due_and_not_replaced_is_no_loop() -> None:
    stated = Schedule(survive=MINUTE, tokens={"refresh_token": TokenSchedule(lifespan=8 * HOUR)})
    played = world(OAUTH, rotates=False, refresh_lifespan=90 * DAY, schedule=stated)
    run(played, 14 * HOUR)
    assert works(played)
    assert requests(played, TOKEN_PATH) <= 14 * 4
    before = requests(played, TOKEN_PATH)
    asked = ask(played, "refresh_token")
    played.rotate()
    assert requests(played, TOKEN_PATH) == before + 1
    met = played.ledger.manual(asked.id)
    assert met is not None
    assert met.met_at is not None


def test_the_same_refresh_token_back_with_a_later_end_is_kept_before_it_dies() -> None:
    stated = Schedule(survive=MINUTE, tokens={"refresh_token": TokenSchedule(lifespan=8 * HOUR)})
    played = world(OAUTH, rotates=False, refresh_lifespan=90 * DAY, schedule=stated)
    inner = played.fake._refreshed  # noqa: SLF001

    def echoing(fields: Any) -> Any:
        return {**inner(fields), "refresh_token": fields["refresh_token"]}

    played.fake._refreshed = echoing  # noqa: SLF001
    run(played, 10 * HOUR)
    assert is_home(played)
    assert requests(played, TOKEN_PATH) <= 10 * 4


def test_a_refresh_token_beside_a_garbled_access_token_is_kept() -> None:
    played = world(OAUTH)
    played.rotate()
    inner = played.fake._refreshed  # noqa: SLF001
    played.fake._refreshed = lambda fields: {**inner(fields), "access_token": 7}  # noqa: SLF001
    before = played.kept()["refresh_token"]
    played.clock.at = played.row.due_at or played.clock.at
    played.rotate()
    assert played.kept()["refresh_token"] != before
    assert state(played) is not State.FRESH
    played.fake._refreshed = inner  # noqa: SLF001
    run(played, 2 * HOUR)
    assert is_home(played)


def test_a_token_that_introspection_refuses_twice_is_published_unverified_and_says_so() -> None:
    played = world(OAUTH_ASKED)
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    old = played.published()["access_token"]
    played.fake.fail_next("/oauth/introspect", answering(200, {"active": False}), times=2)
    outcome = played.rotate()
    assert last(outcome, "publish").outcome == "VerifyFailed"
    assert played.published()["access_token"] == old
    played.clock.at = played.row.due_at or played.clock.at
    outcome = played.rotate()
    assert "unverified: the provider refused it twice" in last(outcome, "publish").text
    assert played.published()["access_token"] != old


def test_a_token_that_cannot_be_verified_is_published_and_says_so() -> None:
    played = world(OAUTH_ASKED)
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    played.fake.fail_next("/oauth/introspect", LOST_REQUEST)
    assert "unverified: " in last(played.rotate(), "publish").text


DISOWNED = answering(401, {"detail": "Refresh token provided is invalid.", "code": "401000"})


def test_an_unanswered_regenerate_that_validate_denies_is_confirmed_by_a_mint() -> None:
    played = world(SSO)
    run(played, HOUR)
    ask(played, "refresh_token")
    played.fake.fail_next(REGENERATE, LOST_REQUEST)
    played.fake.fail_next(VALIDATE, DISOWNED)
    run(played, HOUR)
    assert is_home(played)


def test_a_seed_that_is_missing_is_named() -> None:
    played = world(PASSWORD)
    played.values.clear()
    played.restart()
    played.rotate()
    assert state(played) is State.NEEDS_A_PERSON
    assert "PASSWORD" in played.row.text


def test_an_unreachable_provider_is_asked_with_patience_and_nothing_counts_as_spent() -> None:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.fake.fail_next("*", NOT_LISTENING, times=10_000)
    run(played, 4 * HOUR)
    assert len(played.fake.log) < 80
    assert state(played) is State.EXPIRED
    played.fake.heal()
    run(played, HOUR)
    assert is_home(played)


def test_a_mint_that_is_garbled_counts_the_published_token_dead() -> None:
    played = world(SSO)
    run(played, HOUR)
    ask(played)
    played.fake.fail_next(MINT, raw(201, b"{}", acts=True))
    played.rotate()
    assert not works(played)
    assert state(played) is State.EXPIRED
    run(played, HOUR)
    assert is_home(played)


def test_misconfigured_marks_nothing_and_waits_for_a_person() -> None:
    played = world(OAUTH)
    played.values["client_secret"] = "mistyped"
    played.restart()
    outcome = played.rotate()
    assert last(outcome, "read").outcome == "Misconfigured"
    assert not [mark for mark in record(played).marks if mark.kind is MarkKind.REFUSED]
    run(played, HOUR)
    reseeded(played, client_secret=played.fake.client_secret)
    run(played, 6 * HOUR)
    assert is_home(played)


def test_a_refresh_token_that_is_dead_when_it_comes_backs_its_grant_off() -> None:
    played = world("amino, password", refresh_lifespan=timedelta(0))
    played.fake.now = lambda: played.clock.at
    real = played.credential.provider.grants[-1]

    def dead(answer: Any, sent_at: Any) -> Any:
        return {
            name: replace(token, expires_at=sent_at) if name == "refresh_token" else token
            for name, token in real.read(answer, sent_at).items()
        }

    grants = (*played.credential.provider.grants[:-1], replace(real, read=dead))
    provider = replace(played.credential.provider, grants=grants)
    played.credential = replace(played.credential, provider=provider)
    outcome = played.rotate()
    assert steps(outcome).count("obtain") <= 2
    assert "due on arrival" in played.row.text


def test_a_refresh_token_without_an_end_that_comes_back_is_not_kept_again() -> None:
    played = world(OAUTH, rotates=False)
    inner = played.fake._refreshed  # noqa: SLF001

    def echoing(fields: Any) -> Any:
        return {**inner(fields), "refresh_token": fields["refresh_token"]}

    played.fake._refreshed = echoing  # noqa: SLF001
    run(played, 3 * HOUR)
    assert set(played.generations()[1]) == {1}
    assert is_home(played)


def test_a_sealed_token_of_another_host_is_not_presented() -> None:
    played = world("amino, password")
    played.aws.faults.fail("CreateSecret", "AccessDeniedException", times=1000)
    played.aws.faults.fail("PutSecretValue", "AccessDeniedException", times=1000)
    played.rotate()
    assert record(played).seals
    asked = len(played.fake.log)
    reworked(played, base_url="https://other.test")
    played.rotate()
    assert len(played.fake.log) == asked
    played.aws.faults.clear()
    reworked(played, base_url="https://amino.test")
    run(played, 2 * HOUR)
    assert is_home(played)


def test_a_sealed_token_is_kept_as_its_own_host_s_where_the_job_has_moved() -> None:
    played = world("amino, password")
    played.aws.faults.fail("CreateSecret", "AccessDeniedException", times=1000)
    played.rotate()
    assert record(played).seals
    home = played.scenario.job["base_url"]
    reworked(played, base_url="https://other.test")
    played.aws.faults.clear()
    run(played, 2 * HOUR)
    assert record(played).seals == ()
    assert played.kept()["host"] == home
    told = [event.stepped.text for event in played.events if event.stepped]
    assert "generation 1, unverified: it is another host's" in told
    reworked(played, base_url=home)
    run(played, 2 * DAY)
    assert is_home(played)


def test_a_proxy_s_page_leaves_nothing_open_where_nothing_was_spent() -> None:
    played = world(CLIENT)
    played.fake.fail_next(TOKEN_PATH, html(502))
    assert last(played.rotate(), "read").outcome == "Unanswered"
    assert record(played).open_intents == ()
    run(played, 2 * MINUTE)
    assert is_home(played)


def test_an_old_answer_that_is_read_again_in_vain_keeps_nobody_s_fresh_seed_waiting() -> None:
    played = world(OAUTH)
    run(played, HOUR / 4)
    played.fake.fail_next(TOKEN_PATH, html(502, acts=True))
    run(played, DAY)
    assert state(played) is State.NEEDS_A_PERSON
    assert len(record(played).seals) == 1

    reseeded(played, refresh_token=played.fake.enrol())
    assert steps(played.rotate())[0] == "read"
    assert is_home(played)
    assert works(played)
