import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from rotator.store.budget import WriteBudget


class Time:
    """Waiting moves it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def budget(time: Time) -> WriteBudget:
    return WriteBudget(10, time.monotonic, time.wait)


def most_in_a_second(instants: list[float]) -> int:
    return max(sum(1 for other in instants if at <= other < at + 1 - 1e-6) for at in instants)


def test_writes_are_a_gap_apart(budget: WriteBudget, time: Time) -> None:
    sent = []
    for _ in range(30):
        budget.spend()
        sent.append(time.now)
    assert sent == pytest.approx([100 + n / 10 for n in range(30)])


def test_a_quiet_hour_saves_up_nothing(budget: WriteBudget, time: Time) -> None:
    budget.spend()
    time.now += 3600
    sent = []
    for _ in range(30):
        budget.spend()
        sent.append(time.now)
    assert most_in_a_second(sent) == 10


def test_two_writes_are_granted_at_once_after_a_quiet_moment(
    budget: WriteBudget, time: Time
) -> None:
    time.now += 1
    budget.reserve(2)
    assert (time.waits, budget.reserved) == ([], 2)


def test_a_reserved_write_waits_only_for_its_place(budget: WriteBudget, time: Time) -> None:
    time.now += 1
    budget.reserve(2)
    budget.spend()
    budget.spend()
    assert time.waits == pytest.approx([0.1])
    assert budget.reserved == 0


def test_reserved_writes_that_all_come_at_once_still_go_out_apart(time: Time) -> None:
    budget = WriteBudget(10, time.monotonic, time.wait)
    holders = threading.Barrier(8)
    order = threading.Lock()
    sent: list[float] = []

    def hold_then_write() -> None:
        with order:
            budget.reserve(2)
        holders.wait(10)
        for _ in range(2):
            with order:
                budget.spend()
                sent.append(time.now)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(hold_then_write) for _ in range(8)]:
            future.result()
    gaps = [later - sooner for sooner, later in pairwise(sent)]
    assert min(gaps) == pytest.approx(0.1)


def test_what_was_reserved_and_not_used_is_given_back(budget: WriteBudget, time: Time) -> None:
    for _ in range(50):
        budget.reserve(2)
        budget.unreserve()
    assert sum(time.waits) < 0.2


def test_a_new_reservation_ends_the_old_one(budget: WriteBudget, time: Time) -> None:
    for _ in range(50):
        budget.reserve(2)
    assert budget.reserved == 2
    assert sum(time.waits) < 0.2


def test_a_reservation_belongs_to_its_thread(budget: WriteBudget) -> None:
    budget.reserve(2)
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(budget.reserved))
    thread.start()
    thread.join()
    assert seen == [0]


def test_reserving_is_paced_itself(budget: WriteBudget, time: Time) -> None:
    for _ in range(20):
        budget.reserve(1)
        budget.spend()
    assert time.now - 100 >= 1.8


def test_reserving_nothing_waits_for_nothing(budget: WriteBudget, time: Time) -> None:
    budget.reserve(0)
    assert (time.waits, budget.reserved) == ([], 0)


def test_an_early_wake_is_no_leave_to_write(time: Time) -> None:
    budget = WriteBudget(10, time.monotonic, lambda seconds: time.wait(seconds / 2 + 1e-6))
    budget.spend()
    budget.spend()
    assert time.now >= 100.1


@pytest.mark.parametrize("rate", [0, -1])
def test_a_budget_is_more_than_nothing(time: Time, rate: float) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        WriteBudget(rate, time.monotonic)
