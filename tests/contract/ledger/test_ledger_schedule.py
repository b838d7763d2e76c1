"""Who is due, and who claims it."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from rotator.ledger import pulse
from rotator.ledger.base import Ledger
from rotator.ledger.facts import (
    Row,
)
from rotator.ledger.sql import SqlLedger
from tests.contract.ledger.stage import (
    ALBATO,
    BI,
    DAY,
    ETL,
    MINUTE,
    NOW,
    leased,
    on_record,
    rest,
    row,
    sweep,
    write,
)

# Enrolling.


def test_new_credentials_are_due_now_and_have_nothing_else(ledger: Ledger) -> None:
    assert row(ledger) == Row(credential=ETL, job="alation", due_at=NOW, state_since=NOW)


def test_enrolling_again_changes_nothing(ledger: Ledger) -> None:
    write(ledger, rest())
    before = ledger.rows()
    ledger.enrol({"alation": [ETL, BI], "albato": [ALBATO]}, NOW + DAY)
    assert ledger.rows() == before


def test_rows_are_counted_scheduled_or_not(ledger: Ledger) -> None:
    assert ledger.row_count() == 3
    assert ledger.enrol({"albato": [ALBATO, "albato/more"]}, NOW) == 4
    ledger.forget(ETL)
    assert ledger.row_count() == 3


def test_a_credential_whose_job_file_is_gone_keeps_all_but_its_due_at(ledger: Ledger) -> None:
    write(ledger, rest(), on_record())
    before = row(ledger)
    ledger.enrol({"albato": [ALBATO]}, NOW)
    assert row(ledger) == dataclasses.replace(before, due_at=None)
    assert sweep(ledger, NOW + 3 * DAY) == [ALBATO]


def test_a_credential_whose_job_file_is_back_is_due_now_with_its_history(ledger: Ledger) -> None:
    write(ledger, rest(), on_record())
    before = row(ledger)
    ledger.enrol({}, NOW)
    ledger.enrol({"alation": [ETL]}, NOW + DAY)
    assert row(ledger) == dataclasses.replace(before, due_at=NOW + DAY)


def test_a_credential_may_move_to_another_job_file(ledger: Ledger) -> None:
    ledger.enrol({"alation-2": [ETL]}, NOW + DAY)
    assert (row(ledger).job, row(ledger).due_at) == ("alation-2", NOW)


# Sweeping.


def test_a_sweep_claims_what_is_due(ledger: Ledger) -> None:
    assert sorted(sweep(ledger)) == [BI, ETL, ALBATO]


def test_nothing_is_due_before_its_instant(ledger: Ledger) -> None:
    assert sweep(ledger, NOW - timedelta(microseconds=1)) == []


def test_a_claim_keeps_other_sweeps_away_until_it_ends(ledger: Ledger) -> None:
    sweep(ledger)
    assert sweep(ledger, NOW + 9 * MINUTE) == []
    assert len(sweep(ledger, NOW + 10 * MINUTE)) == 3


def test_a_sweep_claims_no_more_than_its_limit(ledger: Ledger) -> None:
    assert len(sweep(ledger, limit=2)) == 2
    assert len(sweep(ledger, limit=2)) == 1
    assert sweep(ledger, limit=0) == []


def test_the_least_margin_comes_first_and_an_unknown_one_before_it(ledger: Ledger) -> None:
    write(ledger, on_record(expires_at=NOW + 2 * DAY))
    write(ledger, on_record(expires_at=NOW + DAY), credential=BI)
    assert sweep(ledger) == [ALBATO, BI, ETL]


def test_of_one_margin_the_longest_due_comes_first(ledger: Ledger) -> None:
    write(ledger, rest(due_at=NOW - 2 * MINUTE))
    write(ledger, rest(due_at=NOW - 3 * MINUTE), credential=BI)
    write(ledger, rest(due_at=NOW - MINUTE), credential=ALBATO)
    assert sweep(ledger) == [BI, ETL, ALBATO]


def test_the_limit_cuts_off_those_with_the_most_margin(ledger: Ledger) -> None:
    write(ledger, on_record(expires_at=NOW + 2 * DAY))
    write(ledger, on_record(expires_at=NOW + DAY), credential=BI)
    assert sweep(ledger, limit=2) == [ALBATO, BI]


def test_a_sweep_of_one_job_leaves_the_others(ledger: Ledger) -> None:
    assert sweep(ledger, job="albato") == [ALBATO]
    assert sorted(sweep(ledger)) == [BI, ETL]


def test_a_quota_counts_what_is_dispatched_already(ledger: Ledger) -> None:
    assert len(sweep(ledger, job="alation", quotas={"alation": 1})) == 1
    assert sweep(ledger, job="alation", quotas={"alation": 1}) == []
    assert len(sweep(ledger, job="alation", quotas={"alation": 2})) == 1


def test_quotas_hold_for_each_job_in_a_sweep_of_all(ledger: Ledger) -> None:
    assert len(sweep(ledger, quotas={"alation": 1, "albato": 0})) == 1
    assert sweep(ledger, quotas={"alation": 1}) == [ALBATO]
    assert len(sweep(ledger, quotas={"alation": 5, "nobody": 1})) == 1


def test_a_sweep_of_all_leaves_out_jobs_that_are_full(ledger: Ledger) -> None:
    assert sweep(ledger, quotas={"alation": 0}) == [ALBATO]
    assert sweep(ledger, quotas={"alation": 0, "albato": 0}) == []
    assert len(sweep(ledger)) == 2


def test_the_limit_holds_beside_quotas(ledger: Ledger) -> None:
    assert len(sweep(ledger, limit=1, quotas={"alation": 2, "albato": 1})) == 1


def test_a_quota_below_what_is_dispatched_claims_nothing(ledger: Ledger) -> None:
    sweep(ledger, job="alation")
    assert sweep(ledger, quotas={"alation": 1, "albato": 0}) == []


def test_a_claim_that_no_clock_could_have_made_is_void(ledger: Ledger) -> None:
    ledger.sweep(NOW + 300 * DAY, 10, until=NOW + 300 * DAY + MINUTE)
    assert len(sweep(ledger)) == 3


def test_what_is_leased_is_not_swept(ledger: Ledger) -> None:
    leased(ledger)
    assert sorted(sweep(ledger)) == [BI, ALBATO]


def test_what_is_paused_is_not_swept(ledger: Ledger) -> None:
    ledger.pause(ETL, NOW, "ann", "migration")
    assert sorted(sweep(ledger)) == [BI, ALBATO]


def test_what_was_released_may_be_swept_at_once(ledger: Ledger) -> None:
    sweep(ledger)
    ledger.release(leased(ledger))
    assert sweep(ledger) == [ETL]


def test_two_sweeps_at_once_never_claim_the_same(
    reopen: Callable[[], SqlLedger],
) -> None:
    names = [f"many/{number:03}" for number in range(300)]
    first, second = reopen(), reopen()
    first.enrol({"many": names}, NOW)
    claimed: list[str] = []

    def take_all(one: SqlLedger) -> None:
        while found := sweep(one, limit=7):
            claimed.extend(found)

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(take_all, one) for one in [first, second] * 4]:
            future.result()
    assert sorted(claimed) == names


def test_the_next_due_is_the_earliest_of_what_nobody_has(ledger: Ledger) -> None:
    write(ledger, rest(due_at=NOW + DAY))
    write(ledger, rest(due_at=NOW + 2 * DAY), credential=BI)
    assert ledger.next_due() == NOW
    assert ledger.next_due("alation") == NOW + DAY
    ledger.pause(ETL, NOW, "ann", "")
    assert ledger.next_due("alation") == NOW + 2 * DAY
    assert ledger.next_due("nobody") is None


def test_a_claim_that_nobody_follows_up_is_next_when_it_ends(ledger: Ledger) -> None:
    sweep(ledger)
    assert ledger.next_due() == NOW + 10 * MINUTE
    write_without_release = leased(ledger)
    ledger.write(write_without_release, rest(due_at=NOW + 7 * MINUTE))
    assert ledger.next_due("alation") == NOW + 7 * MINUTE


def test_urgent_are_the_jobs_with_due_and_unclaimed_rows(ledger: Ledger) -> None:
    assert ledger.urgent(NOW) == ["alation", "albato"]
    sweep(ledger, job="alation")
    ledger.pause(ALBATO, NOW, "ann", "")
    assert ledger.urgent(NOW) == []
    assert ledger.urgent(NOW - MINUTE) == []


def test_the_pulse_is_the_last_sweep_that_worked(ledger: Ledger) -> None:
    assert ledger.swept_at() is None
    sweep(ledger)
    assert ledger.swept_at() == NOW
    sweep(ledger, NOW + MINUTE)
    assert ledger.swept_at() == NOW + MINUTE


def test_other_processes_see_the_pulse_of_a_claim(reopen: Callable[[], SqlLedger]) -> None:
    worker, health = reopen(), reopen()
    worker.enrol({"albato": [ALBATO]}, NOW)
    sweep(worker)
    assert health.swept_at() == NOW


def test_an_idle_sweep_writes_its_pulse_only_now_and_then(
    reopen: Callable[[], SqlLedger], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, health = reopen(), reopen()
    sweep(worker)
    sweep(worker, NOW + MINUTE)
    assert health.swept_at() == NOW
    monkeypatch.setattr(pulse, "EVERY", 0.0)
    sweep(worker, NOW + 2 * MINUTE)
    assert health.swept_at() == NOW + 2 * MINUTE
