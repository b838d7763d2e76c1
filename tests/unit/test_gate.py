import threading
from bisect import bisect_right
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.errors import ProviderDown, ProviderError, Throttled
from rotator.rotation import gate as gates
from rotator.rotation.gate import FAILURES, FIRST_WAIT, LONGEST_WAIT, PROBE, Gate
from rotator.schedule import Limits

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOST, OTHER = "https://acme.test", "https://other.test"
NONE = Limits()


def asks(gate: Gate, who: str, now: datetime, limits: Limits = NONE, host: str = HOST) -> bool:
    """Whether it is let through; it comes back without having asked."""
    try:
        with gate.turn(host, who, limits, now):
            return True
    except ProviderError:
        return False


def fails(gate: Gate, who: str, now: datetime) -> None:
    with gate.turn(HOST, who, NONE, now):
        gate.heard(HOST, who, now, answered=False)


def down() -> Gate:
    gate = Gate()
    for number in range(FAILURES):
        fails(gate, f"c{number}", NOW)
    return gate


def test_a_host_that_answers_nobody_is_asked_by_nobody_for_a_while() -> None:
    gate = down()
    with (
        pytest.raises(
            ProviderDown, match=r"acme.test has answered nobody since 12:00:00Z"
        ) as found,
        gate.turn(HOST, "c9", NONE, NOW + SECOND),
    ):
        raise AssertionError("nobody should come here")
    assert found.value.retry_after == FIRST_WAIT - SECOND


@pytest.mark.parametrize(
    "limits", [Limits(requests_per_minute=1), Limits(at_once=1)], ids=["a minute", "at once"]
)
def test_whoever_asks_for_all_and_has_to_wait_for_its_own_turn_keeps_nobody_waiting(
    limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "_QUEUE", 0.01)
    gate = Gate()
    with gate.turn(HOST, "c9", limits, NOW):
        for number in range(FAILURES):
            fails(gate, f"c{number}", NOW)
        later = NOW + FIRST_WAIT
        assert not asks(gate, "c0", later, limits)
        assert asks(gate, "c1", later)


def test_another_host_is_not_concerned() -> None:
    assert asks(down(), "c9", NOW, host=OTHER)


def test_one_credential_alone_never_opens_it() -> None:
    gate = Gate()
    for _ in range(5 * FAILURES):
        fails(gate, "c0", NOW)
    assert asks(gate, "c1", NOW)


def test_an_answer_between_begins_the_count_anew() -> None:
    gate = Gate()
    for number in range(FAILURES - 1):
        fails(gate, f"c{number}", NOW)
    gate.heard(HOST, "c8", NOW, answered=True)
    fails(gate, "c9", NOW)
    assert asks(gate, "c0", NOW)


def test_one_asks_for_all_and_its_answer_lets_everybody_through() -> None:
    gate, later = down(), NOW + FIRST_WAIT
    with gate.turn(HOST, "c0", NONE, later):
        assert not asks(gate, "c1", later)
        assert not asks(gate, "c2", later + PROBE - SECOND)
        gate.heard(HOST, "c0", later + SECOND, answered=True)
        assert asks(gate, "c1", later + SECOND)


def test_who_came_back_without_having_asked_leaves_it_to_the_next() -> None:
    gate, later = down(), NOW + FIRST_WAIT
    assert asks(gate, "c0", later)
    assert asks(gate, "c1", later)


def test_a_probe_that_never_ends_holds_nobody_up_for_ever() -> None:
    gate, later = down(), NOW + FIRST_WAIT
    with gate.turn(HOST, "c0", NONE, later):
        assert asks(gate, "c1", later + PROBE)


def test_the_waits_double_up_to_the_longest_and_latecomers_change_nothing() -> None:
    gate, now, waits = down(), NOW, []
    for _ in range(6):
        gate.heard(HOST, "late", now, answered=False)  # it had been sent before the circuit opened
        with pytest.raises(ProviderDown) as found, gate.turn(HOST, "x", NONE, now):
            pass
        assert found.value.retry_after is not None
        waits.append(found.value.retry_after)
        now += waits[-1]
        fails(gate, "c0", now)
    assert waits == [min(FIRST_WAIT * 2**n, LONGEST_WAIT) for n in range(6)]


def test_a_clock_that_went_back_by_an_hour_opens_the_way() -> None:
    assert asks(down(), "c1", NOW - timedelta(hours=1))


# --- limits --------------------------------------------------------------------------------------


def test_whoever_comes_too_soon_is_told_its_turn_and_keeps_it() -> None:
    gate, limits = Gate(), Limits(requests_per_minute=2)
    assert asks(gate, "a", NOW, limits)
    assert asks(gate, "b", NOW + SECOND, limits)
    with (
        pytest.raises(Throttled, match=r"own limit for https://acme.test, 2 req") as found,
        gate.turn(HOST, "c", limits, NOW + 2 * SECOND),
    ):
        pass
    assert found.value.retry_after == 58 * SECOND
    assert not asks(gate, "d", NOW + 3 * SECOND, limits)
    assert not asks(gate, "c", NOW + 4 * SECOND, limits)  # it asks again, and gains nothing
    assert asks(gate, "c", NOW + MINUTE, limits)
    assert not asks(gate, "d", NOW + MINUTE, limits)
    assert asks(gate, "d", NOW + MINUTE + SECOND, limits)


def test_a_turn_that_was_missed_for_long_is_still_a_turn() -> None:
    gate, limits = Gate(), Limits(requests_per_minute=1)
    assert asks(gate, "a", NOW, limits)
    assert not asks(gate, "b", NOW, limits)
    assert asks(gate, "a", NOW + 10 * MINUTE, limits)
    assert asks(gate, "b", NOW + 20 * MINUTE, limits)


def test_a_clock_that_went_back_begins_the_minute_anew() -> None:
    gate, limits = Gate(), Limits(requests_per_minute=1)
    assert asks(gate, "a", NOW, limits)
    assert asks(gate, "b", NOW - timedelta(hours=1), limits)


def asked_for(gate: Gate, who: str, now: datetime, limits: Limits) -> timedelta | None:
    """How long it is to wait, None where it need not."""
    try:
        with gate.turn(HOST, who, limits, now):
            return None
    except Throttled as error:
        return error.retry_after


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), max_size=60),
)
def test_no_minute_holds_more_turns_than_the_limit(most: int, asked: list[tuple[int, int]]) -> None:
    gate, now, limits = Gate(), NOW, Limits(requests_per_minute=most)
    turns: list[datetime] = []
    waiting: dict[str, datetime] = {}
    for pause, number in asked:
        now += pause * SECOND
        name = f"c{number}"
        wait = asked_for(gate, name, now, limits)
        if wait:
            assert waiting.setdefault(name, now + wait) == now + wait
        else:
            turns.append(waiting.pop(name, now))
            assert turns[-1] <= now
    turns = sorted([*turns, *waiting.values()])
    for index, at in enumerate(turns):
        assert bisect_right(turns, at + MINUTE - timedelta(microseconds=1)) - index <= most


def test_no_more_than_the_limit_are_inside_at_once() -> None:
    gate, limits = Gate(), Limits(at_once=1)
    began, ended = threading.Event(), threading.Event()

    def second() -> None:
        began.set()
        with gate.turn(HOST, "b", limits, NOW):
            ended.set()

    with gate.turn(HOST, "a", limits, NOW):
        thread = threading.Thread(target=second)
        thread.start()
        assert began.wait(10)
        assert not ended.is_set()
    thread.join(10)
    assert ended.is_set()


def test_who_would_wait_too_long_for_a_place_backs_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "_QUEUE", 0.0)
    gate, limits = Gate(), Limits(at_once=1)
    with (
        gate.turn(HOST, "a", limits, NOW),
        pytest.raises(Throttled, match="1 requests at once"),
        gate.turn(HOST, "b", limits, NOW),
    ):
        pass
    assert asks(gate, "b", NOW, limits)
