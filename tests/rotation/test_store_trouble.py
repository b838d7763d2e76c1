"""AWS is down, slow, full, or says no: a bounded number of calls, then home; no version twice."""

from collections import Counter
from itertools import pairwise

import pytest

from rotator.errors import StoreDenied
from rotator.model import Reason, Shelf, State
from rotator.sandbox.fakes import LOST_REQUEST
from tests.crash.doors import Effects, Killed
from tests.rotation.stage import (
    ALBATO,
    DAY,
    HOUR,
    MINUTE,
    OAUTH,
    PASSWORD,
    REGENERATE,
    SECOND,
    SSO,
    World,
    ask,
    is_home,
    last,
    promises,
    record,
    requests,
    run,
    scenario,
    state,
    steps,
    watched,
    works,
)
from tests.rotation.stage import over_boto3 as world

OUTAGE = 10 * MINUTE
MOST_CALLS = 60
"""In ten minutes without AWS, by one credential: backing off from ten seconds to ten minutes."""


def calls(played: World) -> int:
    return sum(played.aws.stats.calls.values())


def twice(played: World) -> list[list[int]]:
    """Versions of one secret that share a generation."""
    return [made for made in played.generations() if len(set(made)) != len(made)]


class Stopped(Effects):
    """AWS goes dark at one effect of an uninterrupted run."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.played: World | None = None

    def through(self, name: str, act):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        if len(self.names) + 1 == self.at and self.played:
            self.played.aws.faults.go_dark(until=self.played.clock.at + OUTAGE)
        return super().through(name, act)


@pytest.mark.parametrize("name", [OAUTH, PASSWORD, ALBATO])
def test_aws_is_down_for_ten_minutes_from_any_effect_on(name: str) -> None:
    effects = world(name)
    run(effects, scenario(name).horizon)
    wrong = []
    for number in range(1, len(effects.effects.names) + 1, 8):
        stopped = Stopped(number)
        played = watched(scenario(name), stopped, boto3=True)
        stopped.played = played
        until = played.clock.at + scenario(name).horizon
        played.run(until + 2 * HOUR)
        dark = sum(call.outcome != "ok" for call in played.aws.stats.log)
        if promises(played) or dark > MOST_CALLS or twice(played):
            wrong.append((number, promises(played), dark, twice(played)))
    assert wrong == []


@pytest.mark.parametrize(
    ("operation", "code", "reason"),
    [
        ("*", "ThrottlingException", Reason.STORE_THROTTLED),
        ("*", "InternalServiceError", Reason.STORE_UNAVAILABLE),
        ("PutSecretValue", "AccessDeniedException", Reason.STORE_DENIED),
        ("GetSecretValue", "AccessDeniedException", Reason.STORE_DENIED),
        ("PutSecretValue", "EncryptionFailure", Reason.KEY_DENIED),
        ("GetSecretValue", "DecryptionFailure", Reason.KEY_DENIED),
        ("PutSecretValue", "LimitExceededException", Reason.STORE_DENIED),
    ],
)
@pytest.mark.parametrize("name", [OAUTH, ALBATO])
def test_a_refusal_backs_off_and_makes_no_second_version(
    name: str, operation: str, code: str, reason: Reason
) -> None:
    played = world(name)
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    played.restart()
    played.aws.faults.fail(operation, code, times=100_000)
    before = calls(played)
    run(played, HOUR / 3)
    assert 0 < calls(played) - before <= 2 * MOST_CALLS
    found = {waiting.reason for waiting in played.ledger.back_offs(played.credential.qualified)}
    assert reason in found
    assert state(played) is not State.FRESH

    played.aws.faults.clear()
    run(played, 3 * HOUR)
    assert is_home(played)
    assert twice(played) == []


def test_a_secret_that_took_too_many_versions_waits_for_hours_and_keeps_the_new_token() -> None:
    played = world(ALBATO)
    played.rotate()
    played.clock.at += 5 * MINUTE
    ask(played)
    played.aws.faults.fail("PutSecretValue", "LimitExceededException", times=1000)
    outcome = played.rotate()
    assert last(outcome, "publish").outcome == "VersionBudget"
    waiting = record(played).back_offs["publish"]
    assert waiting.reason is Reason.VERSION_BUDGET
    assert waiting.until - played.clock.at >= 45 * MINUTE
    played.aws.faults.clear()
    run(played, 2 * HOUR)
    assert requests(played) == 2  # the sealed one was published
    assert is_home(played)


@pytest.mark.parametrize("name", [OAUTH, PASSWORD, ALBATO])
@pytest.mark.parametrize("operation", ["CreateSecret", "PutSecretValue"])
def test_a_lost_reply_makes_no_second_version(name: str, operation: str) -> None:
    played = world(name)
    played.aws.faults.lose_replies(operation, times=7)
    run(played, scenario(name).horizon)
    assert is_home(played)
    assert twice(played) == []


@pytest.mark.parametrize("name", [OAUTH, PASSWORD, ALBATO])
def test_reads_that_lag_decide_nothing_and_alarm_nobody(name: str) -> None:
    played = world(name)
    played.aws.faults.lag = 30 * SECOND
    states = set()
    for _ in range(20):
        played.clock.at += 7 * SECOND
        played.restart()
        played.rotate()
        states.add(state(played))
    assert states <= {State.FRESH, State.DUE}
    run(played, scenario(name).horizon)
    assert is_home(played)
    assert twice(played) == []
    assert played.aws.stats.versions <= 8


def test_a_person_who_asks_while_reads_lag_gets_one_new_token() -> None:
    played = world(OAUTH)
    run(played, 3 * HOUR)
    played.aws.faults.lag = 20 * SECOND
    ask(played)
    played.rotate()
    played.clock.at += SECOND
    ask(played)
    outcome = played.rotate()
    assert outcome.reason is Reason.READ_LAG
    assert outcome.state is State.FRESH  # as it was: nothing is decided on it
    run(played, MINUTE)
    assert state(played) is State.FRESH
    assert twice(played) == []


@pytest.mark.parametrize("name", [OAUTH, "amino, password"])
def test_a_failing_keep_never_holds_up_publish(name: str) -> None:
    played = world(name)
    run(played, HOUR / 3)
    played.clock.at = played.row.due_at or played.clock.at
    inner = played.tools.store._inner  # type: ignore[attr-defined]  # noqa: SLF001
    real, denied = inner.put, played.credential.secrets[Shelf.KEYRING]

    def put(spec, *args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
        if spec == denied:
            raise StoreDenied("no keyring today")
        return real(spec, *args)

    inner.put = put
    before = played.published()["generation"]
    outcome = played.rotate()
    assert last(outcome, "keep").outcome == "StoreDenied"
    assert last(outcome, "publish").outcome == "ok"
    assert int(played.published()["generation"]) > int(before)
    assert works(played)
    assert record(played).seals  # its refresh token is still to be kept
    inner.put = real
    run(played, 8 * HOUR)
    assert is_home(played)


def test_a_refused_regenerate_never_stops_the_daily_mint() -> None:
    played = world(SSO, refresh_lifespan=2 * DAY)
    run(played, 12 * HOUR)
    played.fake.fail_next(REGENERATE, LOST_REQUEST, times=1000)
    died = 0
    for _ in range(13):
        run(played, 2 * HOUR)
        died += not works(played)
    assert died == 0
    played.fake.heal()
    run(played, 2 * HOUR)
    assert is_home(played)


def test_failures_that_are_over_are_not_counted_on() -> None:
    played = world(ALBATO)
    played.rotate()
    first = []
    for _ in range(6):
        run(played, DAY)
        played.restart()
        played.aws.faults.go_dark(until=played.clock.at + MINUTE)
        played.rotate()
        assert state(played) is State.BACKING_OFF
        first.append((played.row.due_at or played.clock.at) - played.clock.at)
        run(played, HOUR)
        assert is_home(played)
    assert max(first) <= 10 * SECOND


def test_a_store_that_cannot_be_read_shows_an_expired_token_as_expired() -> None:
    played = world(OAUTH)
    played.rotate()
    played.aws.faults.go_dark()
    run(played, 2 * HOUR)
    assert state(played) is State.EXPIRED
    assert "no answer" in played.row.text
    asked, due_at = calls(played), played.row.due_at
    played.rotate()  # too early: it is backing off
    assert (calls(played), played.row.due_at) == (asked, due_at)


def test_a_worker_that_is_killed_while_aws_is_down_costs_nothing() -> None:
    for number in range(4, 16, 5):
        effects = Effects(kill_at=(number, "after"))
        played = watched(scenario(OAUTH), effects, boto3=True)
        played.aws.faults.go_dark(until=played.clock.at + OUTAGE)
        try:
            run(played, HOUR)
        except Killed:
            played.restart()
        run(played, 4 * HOUR)
        assert is_home(played)


def test_in_steady_state_a_rotation_costs_one_write_and_a_chain_two() -> None:
    for name, puts, replays in ((ALBATO, 1, 1), (OAUTH, 2, 1), ("oauth2, client", 1, 0)):
        played = world(name)
        run(played, 2 * scenario(name).horizon)
        played.aws.stats.calls.clear()
        versions, rotations = played.aws.stats.versions, 0
        for _ in range(10):
            due_at = played.row.due_at
            assert due_at is not None
            played.clock.at = due_at
            rotations += "publish" in steps(played.rotate())
        writes = Counter(played.aws.stats.calls)
        assert rotations == 10
        assert played.aws.stats.versions - versions == puts * 10
        assert writes["PutSecretValue"] == (puts + replays) * 10
        assert set(writes) <= {"PutSecretValue", "GetSecretValue"}
        assert all(a < b for made in played.generations() for a, b in pairwise(made))


def test_a_write_less_than_ten_minutes_old_needs_no_proof() -> None:
    played = world(ALBATO)
    run(played, HOUR)
    ask(played)
    played.rotate()
    puts = played.aws.stats.calls["PutSecretValue"]
    played.clock.at += 9 * MINUTE
    ask(played)
    played.rotate()
    assert played.aws.stats.calls["PutSecretValue"] == puts + 1
    assert requests(played) == 3


def test_a_look_that_fails_is_a_step_and_whoever_asked_is_told_why() -> None:
    played = world(ALBATO)
    played.rotate()
    wish = ask(played)
    played.aws.faults.go_dark()
    outcome = played.rotate()
    assert steps(outcome) == ["look"]
    told = last(outcome, "look")
    assert (told.outcome, told.reason) == ("StoreUnavailable", Reason.STORE_UNAVAILABLE)
    assert told.text == outcome.text != ""
    assert [line.stepped for line in played.ledger.history(limit=1)] == [told]
    found = played.ledger.manual(wish.id)
    assert found is not None
    assert found.outcome == told.text

    again = played.rotate()
    assert steps(again) == [], "while it backs off nothing is tried, and nothing noted"


def test_asking_again_and_again_while_aws_is_down_does_not_put_off_the_next_look() -> None:
    played = world(ALBATO)
    played.rotate()
    played.clock.at = played.row.due_at or played.clock.at
    played.aws.faults.go_dark()
    played.rotate()
    due_at = played.row.due_at
    assert due_at is not None
    for _ in range(5):
        played.clock.at += SECOND
        ask(played)
        played.rotate()
    assert (played.row.due_at or due_at) <= due_at
    played.clock.at = due_at
    played.rotate()
    (held,) = played.ledger.back_offs(played.credential.qualified)
    assert held.failures == 2
