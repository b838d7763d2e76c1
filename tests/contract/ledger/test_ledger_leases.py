"""Who may write: one at a time."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from rotator.errors import LeaseLost
from rotator.ledger.base import Ledger
from rotator.ledger.facts import (
    Lease,
)
from rotator.ledger.sql import MAX_LEASE, SqlLedger
from rotator.ledger.writes import (
    Killed,
)
from tests.contract.ledger.stage import BI, DAY, ETL, MINUTE, NOW, leased, sweep


def test_a_lease_is_refused_while_it_is_held(ledger: Ledger) -> None:
    leased(ledger)
    assert ledger.take(ETL, "worker-2", NOW + 4 * MINUTE, NOW + 9 * MINUTE) is None


def test_a_lease_is_refused_to_its_own_owner_too(ledger: Ledger) -> None:
    leased(ledger)
    assert ledger.take(ETL, "worker-1", NOW + MINUTE, NOW + 9 * MINUTE) is None


def test_a_lease_may_be_taken_when_it_has_ended(ledger: Ledger) -> None:
    first = leased(ledger)
    second = ledger.take(ETL, "worker-2", first.until, first.until + MINUTE)
    assert second is not None
    assert second.fence > first.fence


def test_a_lease_that_ends_further_off_than_any_can_is_void(ledger: Ledger) -> None:
    ledger.take(ETL, "from the future", NOW + 300 * DAY, NOW + 300 * DAY + MINUTE)
    assert leased(ledger).owner == "worker-1"


def test_a_longest_lease_may_be_set_for_a_clock_that_runs_faster() -> None:
    ledger = SqlLedger.in_memory(max_lease=1000 * MAX_LEASE)
    ledger.enrol({"alation": [ETL]}, NOW)
    ledger.take(ETL, "worker-1", NOW, NOW + 900 * MAX_LEASE)
    assert ledger.take(ETL, "worker-2", NOW, NOW + MINUTE) is None
    ledger.close()


def test_fencing_numbers_rise_over_release_and_forget(ledger: Ledger) -> None:
    first = leased(ledger)
    ledger.release(first)
    second = leased(ledger)
    ledger.forget(ETL)
    ledger.enrol({"alation": [ETL]}, NOW)
    assert first.fence < second.fence < leased(ledger).fence


def test_no_lease_on_what_was_never_enrolled(ledger: Ledger) -> None:
    assert ledger.take("alation/nobody", "worker-1", NOW, NOW + MINUTE) is None


def test_an_extended_lease_holds_for_longer(ledger: Ledger) -> None:
    longer = ledger.extend(leased(ledger), NOW + 20 * MINUTE)
    assert longer.until == NOW + 20 * MINUTE
    assert ledger.take(ETL, "worker-2", NOW + 19 * MINUTE, NOW + 25 * MINUTE) is None
    assert sweep(ledger, NOW + 19 * MINUTE, job="alation") == [BI]


def test_a_lost_lease_is_not_extended(ledger: Ledger) -> None:
    first = leased(ledger)
    ledger.take(ETL, "worker-2", first.until, first.until + MINUTE)
    with pytest.raises(LeaseLost):
        ledger.extend(first, NOW + 20 * MINUTE)


def test_releasing_a_lost_lease_takes_nothing_from_its_new_holder(ledger: Ledger) -> None:
    first = leased(ledger)
    second = ledger.take(ETL, "worker-2", first.until, first.until + MINUTE)
    ledger.release(first)
    assert second is not None
    ledger.write(second, Killed(through=1))


def test_the_only_process_may_void_every_lease_and_claim(ledger: Ledger) -> None:
    lost = leased(ledger)
    sweep(ledger)
    ledger.free_all()
    assert len(sweep(ledger)) == 3
    leased(ledger, BI)
    with pytest.raises(LeaseLost):
        ledger.write(lost, Killed(through=1))


def test_one_of_many_threads_gets_the_lease(reopen: Callable[[], SqlLedger]) -> None:
    ledgers = [reopen(), reopen()]
    ledgers[0].enrol({"alation": [ETL]}, NOW)
    start = threading.Barrier(8)

    def race(number: int) -> Lease | None:
        start.wait()
        return ledgers[number % 2].take(ETL, f"worker-{number}", NOW, NOW + MINUTE)

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(race, range(8)))
    assert sum(lease is not None for lease in taken) == 1
