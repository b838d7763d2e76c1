"""What every ledger promises, held against SqlLedger on a file and in memory."""

import dataclasses
import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from rotator.errors import LeaseLost, LedgerBusy, LedgerError
from rotator.ledger import connect, pulse
from rotator.ledger.base import Ledger
from rotator.ledger.facts import (
    BackOff,
    Because,
    Holder,
    Intent,
    Lease,
    Manual,
    Mark,
    MarkKind,
    OnRecord,
    Record,
    Row,
    Seal,
    Stepped,
)
from rotator.ledger.foresight import answered, foreseen
from rotator.ledger.holders import FORGOTTEN_AFTER, KEPT
from rotator.ledger.queries import VERSIONS_KNOWN
from rotator.ledger.sql import MAX_LEASE, SqlLedger
from rotator.ledger.tables import version
from rotator.ledger.upkeep import KEPT_FOR, VERSIONS_KEPT
from rotator.ledger.writes import (
    AddMark,
    Change,
    Close,
    Drop,
    Intend,
    Killed,
    Lift,
    LiftMark,
    MarkRead,
    Mended,
    Met,
    Reported,
    Rest,
    Revoked,
)
from rotator.model import Reason, Shelf, State

NOW = datetime(2026, 11, 22, 3, 14, 15, 926535, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ETL = "alation/etl"
BI = "alation/bi"
ALBATO = "albato/main"


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLedger]:
    made = (
        SqlLedger.in_memory()
        if request.param == "memory"
        else SqlLedger.open(tmp_path / "state" / "ledger.db", durable=False)
    )
    made.enrol({"alation": [ETL, BI], "albato": [ALBATO]}, NOW)
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def reopen(path: Path) -> Iterator[Callable[[], SqlLedger]]:
    """Another process's way to the same file, and every restart."""
    opened: list[SqlLedger] = []

    def again() -> SqlLedger:
        opened.append(SqlLedger.open(path, durable=False))
        return opened[-1]

    yield again
    for one in opened:
        one.close()


def leased(ledger: Ledger, credential: str = ETL, owner: str = "worker-1") -> Lease:
    lease = ledger.take(credential, owner, NOW, NOW + 5 * MINUTE)
    assert lease is not None
    return lease


def write(ledger: Ledger, *changes: Change, credential: str = ETL) -> None:
    """One walk's writes under a lease that is given back."""
    lease = leased(ledger, credential)
    ledger.write(lease, *changes)
    ledger.release(lease)


def look(ledger: Ledger, credential: str = ETL) -> Record:
    record = ledger.look(credential)
    assert record is not None
    return record


def row(ledger: Ledger, credential: str = ETL) -> Row:
    (found,) = ledger.rows([credential])
    return found


def intent(id_: str = "request-1", generation: int = 1, **changed: Any) -> Intent:
    made = Intent(
        id=id_,
        credential=ETL,
        generation=generation,
        made_from=generation - 1,
        grant="regenerate",
        host="acme.example.com",
        presented={"refresh_token": "f" * 64, "password": "0" * 64},
        spends="f" * 64,
        kills=frozenset({"access_token"}),
        intended_at=NOW,
        first_intended_at=NOW - MINUTE,
        send_by=NOW + 10 * timedelta(seconds=1),
        settles_at=NOW + 2 * MINUTE,
    )
    return dataclasses.replace(made, **changed)


def sealed(of: Intent | None = None, **changed: Any) -> Seal:
    made = Seal(
        intent=of or intent(),
        ciphertext=b"\x00\xffciphertext",
        sent_at=NOW + timedelta(seconds=1),
        answered_at=NOW + timedelta(seconds=2),
    )
    return dataclasses.replace(made, **changed)


def on_record(shelf: Shelf = Shelf.TOKEN, generation: int = 1, **changed: Any) -> OnRecord:
    made = OnRecord(
        shelf=shelf,
        version_id=f"version-{generation}",
        generation=generation,
        issued_at=NOW,
        expires_at=NOW + DAY,
        put_at=NOW + timedelta(seconds=generation),
        fingerprint="a" * 64,
    )
    return dataclasses.replace(made, **changed)


def rest(**changed: Any) -> Rest:
    made = Rest(
        due_at=NOW + DAY,
        seen_due_at=NOW,
        state=State.FRESH,
        reason=Reason.FRESH,
        at=NOW + MINUTE,
    )
    return dataclasses.replace(made, **changed)


def manual(id_: str = "manual-1", **changed: Any) -> Manual:
    made = Manual(
        id=id_,
        credential=ETL,
        asked_at=NOW + MINUTE,
        by="ann",
        why="a new token leaked",
        tokens=frozenset({"access_token", "refresh_token"}),
        again=True,
    )
    return dataclasses.replace(made, **changed)


def sweep(ledger: Ledger, at: datetime = NOW, limit: int = 10, **narrowed: Any) -> list[str]:
    return ledger.sweep(at, limit, until=at + 10 * MINUTE, **narrowed)


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


# Leases.


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


# Writing.


def test_a_write_under_a_lost_lease_changes_nothing(ledger: Ledger) -> None:
    first = leased(ledger)
    second = ledger.take(ETL, "worker-2", first.until, first.until + MINUTE)
    before = look(ledger)
    for change in every_change():
        with pytest.raises(LeaseLost):
            ledger.write(first, change)
    assert look(ledger) == before
    assert second is not None
    ledger.write(second)


def test_a_write_after_release_is_refused(ledger: Ledger) -> None:
    lease = leased(ledger)
    ledger.release(lease)
    with pytest.raises(LeaseLost):
        ledger.write(lease)


def test_all_changes_of_a_write_happen_or_none(ledger: Ledger) -> None:
    lease = leased(ledger)
    ledger.write(lease, Intend(intent=intent()))
    with pytest.raises(LedgerError):
        ledger.write(lease, Killed(through=7), Intend(intent=intent()))
    assert row(ledger).killed_through == 0


def every_change() -> list[Change]:
    return [
        Intend(intent=intent("request-2", 2)),
        Close(intent_id="request-1", outcome="settled"),
        MarkRead(
            intent_id="request-1", read_at=NOW, reader="1", outcome="tokens", tokens={}, keyring=b""
        ),
        Drop(intent_id="request-1"),
        AddMark(mark=mark()),
        LiftMark(kind=MarkKind.SPENT, key="k"),
        back_off(),
        Lift(what="keep"),
        Killed(through=3),
        Revoked(through=0),
        Mended(at=NOW),
        on_record(),
        Met(manual_id="manual-1", at=NOW),
        Reported(manual_id="manual-1", outcome="done"),
        stepped(),
        rest(),
    ]


def test_every_kind_of_change_is_known(ledger: Ledger) -> None:
    assert {type(change) for change in every_change()} == set(Change.__args__)
    write(ledger, *every_change())


def test_an_intent_comes_back_as_it_was_written(ledger: Ledger) -> None:
    plain = intent("request-2", 2, spends=None, kills=frozenset(), presented={})
    write(ledger, Intend(intent=intent()), Intend(intent=plain))
    assert look(ledger).open_intents == (intent(), plain)


def test_open_intents_are_the_oldest_first(ledger: Ledger) -> None:
    early = intent("a", 3, intended_at=NOW - DAY)
    write(ledger, Intend(intent=intent("b", 1)), Intend(intent=early))
    assert [found.id for found in look(ledger).open_intents] == ["a", "b"]


def test_a_closed_intent_is_open_no_longer(ledger: Ledger) -> None:
    write(ledger, Intend(intent=intent()), Close(intent_id="request-1", outcome="unanswered"))
    assert look(ledger).open_intents == ()
    assert look(ledger).top_generation == 1


def test_closing_what_is_not_there_is_no_error(ledger: Ledger) -> None:
    write(ledger, Close(intent_id="nobody", outcome="settled"), Drop(intent_id="nobody"))


def test_a_credential_closes_only_its_own_intents(ledger: Ledger) -> None:
    write(ledger, Intend(intent=intent()))
    ledger.seal(sealed())
    write(
        ledger,
        Close(intent_id="request-1", outcome="settled"),
        Drop(intent_id="request-1"),
        credential=BI,
    )
    assert len(look(ledger).open_intents) == len(look(ledger).seals) == 1


def test_a_seal_comes_back_as_it_was_written(ledger: Ledger) -> None:
    write(ledger, Intend(intent=intent()))
    ledger.seal(sealed())
    assert look(ledger).seals == (sealed(),)
    assert look(ledger).open_intents == (intent(),)


def test_a_read_seal_tells_what_was_read_and_leaves_its_intent_open(ledger: Ledger) -> None:
    tokens = {"access_token": (NOW, NOW + DAY), "refresh_token": (None, None)}
    write(ledger, Intend(intent=intent()))
    ledger.seal(sealed())
    read = MarkRead(
        intent_id="request-1",
        read_at=NOW + MINUTE,
        reader="0.1.0 abc",
        outcome="tokens",
        tokens=tokens,
        keyring=b"\x01more ciphertext",
    )
    write(ledger, read)
    (found,) = look(ledger).seals
    assert found == sealed(
        read_at=NOW + MINUTE,
        reader="0.1.0 abc",
        outcome="tokens",
        tokens=tokens,
        keyring=b"\x01more ciphertext",
    )
    assert look(ledger).open_intents == (intent(),)  # closing is always said


def test_a_garbled_answer_may_be_read_again(ledger: Ledger) -> None:
    ledger.seal(sealed())
    for reader, outcome in [("0.1.0", "Garbled"), ("0.2.0", "tokens")]:
        read = MarkRead(
            intent_id="request-1", read_at=NOW, reader=reader, outcome=outcome, tokens={},
            keyring=b"",
        )  # fmt: skip
        write(ledger, read)
    (found,) = look(ledger).seals
    assert (found.reader, found.outcome) == ("0.2.0", "tokens")


def test_a_dropped_seal_is_gone_and_its_generation_stays(ledger: Ledger) -> None:
    ledger.seal(sealed(intent("request-9", 9)))
    write(ledger, Drop(intent_id="request-9"))
    assert look(ledger).seals == ()
    assert look(ledger).top_generation == 9


def test_an_answer_is_sealed_whoever_holds_the_lease(ledger: Ledger) -> None:
    lost = leased(ledger)
    ledger.take(ETL, "worker-2", lost.until, lost.until + MINUTE)
    ledger.seal(sealed())
    assert len(look(ledger).seals) == 1


def test_an_answer_makes_its_credential_due(ledger: Ledger) -> None:
    write(ledger, rest())
    ledger.seal(sealed())
    assert row(ledger).due_at == sealed().answered_at
    assert row(ledger, BI).due_at == NOW


def test_sealing_the_same_answer_twice_changes_nothing(ledger: Ledger) -> None:
    ledger.seal(sealed())
    ledger.seal(sealed(ciphertext=b"the same under another nonce"))
    assert look(ledger).seals == (sealed(),)


def test_an_answer_for_a_forgotten_credential_is_not_lost(ledger: Ledger) -> None:
    write(ledger, Intend(intent=intent()))
    ledger.forget(ETL)
    ledger.seal(sealed())
    assert ledger.look(ETL) is None
    ledger.enrol({"alation": [ETL]}, NOW)
    assert look(ledger).seals == (sealed(),)


def test_an_answer_for_a_credential_without_a_job_waits_for_its_file(ledger: Ledger) -> None:
    ledger.enrol({}, NOW)
    ledger.seal(sealed())
    assert row(ledger).due_at is None
    assert sweep(ledger, NOW + DAY) == []
    assert len(look(ledger).seals) == 1


# Marks.


def mark(kind: MarkKind = MarkKind.SPENT, because: Because = Because.ANSWERED) -> Mark:
    return Mark(kind=kind, key="k" * 64, at=NOW, because=because, text="by request-1")


def test_a_mark_comes_back_as_it_was_written(ledger: Ledger) -> None:
    refused = mark(MarkKind.REFUSED, Because.REFUSED)
    write(ledger, AddMark(mark=mark()), AddMark(mark=refused))
    assert look(ledger).marks == (refused,)
    assert look(ledger, BI).marks == ()
    assert ledger.spent(["k" * 64, "another"]) == (mark(),)
    assert ledger.spent([]) == ledger.spent(["another"]) == ()


def test_a_refusal_is_kept_with_how_often_it_came(ledger: Ledger) -> None:
    refused = mark(MarkKind.REFUSED, Because.REFUSED)
    write(ledger, AddMark(mark=refused))
    again = replace(refused, times=2, at=NOW + timedelta(hours=1))
    write(ledger, AddMark(mark=again))
    assert look(ledger).marks == (again,)


def test_what_may_be_spent_is_shown_to_its_own_credential(ledger: Ledger) -> None:
    doubt = mark(because=Because.UNANSWERED)
    write(ledger, AddMark(mark=doubt))
    assert look(ledger).marks == ledger.spent(["k" * 64]) == (doubt,)
    assert look(ledger, BI).marks == ()


def test_a_token_stays_spent_when_its_credential_is_forgotten(ledger: Ledger) -> None:
    write(ledger, AddMark(mark=mark()))
    ledger.forget(ETL)
    assert ledger.spent(["k" * 64]) == (mark(),)


def test_an_answer_makes_the_mark_of_an_unanswered_request_final(ledger: Ledger) -> None:
    write(ledger, AddMark(mark=mark(because=Because.UNANSWERED)), AddMark(mark=mark()))
    write(ledger, AddMark(mark=mark(because=Because.UNANSWERED)))
    assert ledger.spent(["k" * 64]) == (mark(),)


def test_a_lifted_mark_is_gone_and_its_like_of_another_kind_stays(ledger: Ledger) -> None:
    refused = mark(MarkKind.REFUSED, Because.REFUSED)
    write(ledger, AddMark(mark=mark()), AddMark(mark=refused))
    write(ledger, LiftMark(kind=MarkKind.SPENT, key="k" * 64))
    assert look(ledger).marks == (refused,)
    assert ledger.spent(["k" * 64]) == ()


# Back-offs.


def back_off(**changed: Any) -> BackOff:
    made = BackOff(
        what="grant:regenerate",
        until=NOW + MINUTE,
        since=NOW,
        failures=3,
        reason=Reason.UNREACHABLE,
        text="ConnectTimeout",
    )
    return dataclasses.replace(made, **changed)


def test_a_back_off_is_kept_by_what_failed_and_replaced_by_the_next(ledger: Ledger) -> None:
    again = back_off(until=NOW + 3 * MINUTE, failures=4, reason=Reason.THROTTLED, text="")
    keep = back_off(what="keep")
    write(ledger, back_off(), again, keep)
    assert look(ledger).back_offs == {"grant:regenerate": again, "keep": keep}
    assert ledger.back_offs(ETL) == [again, keep]
    assert ledger.back_offs(BI) == []


def test_what_worked_lifts_its_own_back_off(ledger: Ledger) -> None:
    write(ledger, back_off(), back_off(what="keep"))
    write(ledger, Lift(what="keep"), Lift(what="never backed off"))
    assert list(look(ledger).back_offs) == ["grant:regenerate"]


# The store's versions.


def test_each_shelf_has_its_own_version_on_record(ledger: Ledger) -> None:
    keyring = on_record(Shelf.KEYRING, 2, issued_at=None, expires_at=None, fingerprint="")
    write(ledger, on_record(), keyring)
    assert row(ledger).records == {Shelf.TOKEN: on_record(), Shelf.KEYRING: keyring}
    assert row(ledger).access_expires_at == NOW + DAY
    assert look(ledger).row == row(ledger)


def test_every_version_that_was_on_record_is_remembered(ledger: Ledger) -> None:
    write(ledger, on_record(generation=1), on_record(generation=2), on_record(generation=3))
    write(ledger, on_record(Shelf.KEYRING, 2), on_record(generation=1))
    assert look(ledger).versions == {
        Shelf.TOKEN: {"version-1": 1, "version-2": 2, "version-3": 3},
        Shelf.KEYRING: {"version-2": 2},
    }
    assert row(ledger).records[Shelf.TOKEN].generation == 1


def test_the_top_generation_is_the_highest_of_intents_and_versions(ledger: Ledger) -> None:
    assert look(ledger).top_generation == 0
    write(ledger, Intend(intent=intent("a", 4)))
    assert look(ledger).top_generation == 4
    write(ledger, on_record(Shelf.KEYRING, 7))
    assert look(ledger).top_generation == 7
    assert look(ledger, BI).top_generation == 0


def test_killed_generations_only_rise(ledger: Ledger) -> None:
    write(ledger, Killed(through=3), Killed(through=2))
    assert row(ledger).killed_through == 3


def test_a_mend_is_remembered(ledger: Ledger) -> None:
    write(ledger, Mended(at=NOW))
    assert row(ledger).mended_at == NOW


# The end of a walk.


def test_a_walk_rests_until_its_due_at(ledger: Ledger) -> None:
    write(
        ledger,
        rest(
            text="looks well",
            access_renew_at=NOW + DAY,
            refresh_renew_at=NOW + 40 * DAY,
            refresh_expires_at=NOW + 60 * DAY,
        ),
    )
    assert row(ledger) == Row(
        credential=ETL,
        job="alation",
        due_at=NOW + DAY,
        state=State.FRESH,
        state_since=NOW + MINUTE,
        reason=Reason.FRESH,
        text="looks well",
        access_renew_at=NOW + DAY,
        refresh_renew_at=NOW + 40 * DAY,
        refresh_expires_at=NOW + 60 * DAY,
    )


def test_a_rest_leaves_a_due_at_that_moved_meanwhile(ledger: Ledger) -> None:
    write(ledger, rest(seen_due_at=NOW - MINUTE))
    assert (row(ledger).due_at, row(ledger).state) == (NOW, State.FRESH)


def test_a_rest_schedules_nothing_whose_job_file_went_meanwhile(ledger: Ledger) -> None:
    ledger.enrol({}, NOW)
    write(ledger, rest())
    assert row(ledger).due_at is None


def test_a_rest_lets_go_of_the_lease(ledger: Ledger) -> None:
    lease = leased(ledger)
    ledger.write(lease, rest())
    with pytest.raises(LeaseLost):
        ledger.write(lease, stepped())
    assert ledger.take(ETL, "another", NOW, NOW + MINUTE) is not None


def test_a_state_that_stays_keeps_its_since(ledger: Ledger) -> None:
    write(ledger, rest())
    write(ledger, rest(at=NOW + DAY, reason=Reason.BACKING_OFF))
    assert row(ledger).state_since == NOW + MINUTE
    write(ledger, rest(at=NOW + DAY, state=State.LATE))
    assert row(ledger).state_since == NOW + DAY


@pytest.mark.parametrize("asked_at", [NOW, NOW + MINUTE])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_wish_during_a_walk_outlives_its_rest(
    ledger: Ledger, asked_at: datetime, times: int
) -> None:
    lease = leased(ledger)
    seen = look(ledger).row.due_at
    for number in range(times):
        ledger.ask(manual(f"manual-{number}", asked_at=asked_at))
    ledger.write(lease, rest(seen_due_at=seen))
    ledger.release(lease)
    assert ETL in sweep(ledger, asked_at)


def test_a_late_answer_during_a_walk_outlives_its_rest(ledger: Ledger) -> None:
    lease = leased(ledger)
    ledger.seal(sealed(answered_at=NOW))
    ledger.write(lease, rest(seen_due_at=NOW))
    ledger.release(lease)
    assert ETL in sweep(ledger)


# Manual requests.


def test_a_wish_is_kept_and_makes_its_credential_due(ledger: Ledger) -> None:
    write(ledger, rest())
    ledger.ask(manual())
    assert ledger.manual("manual-1") == manual()
    assert look(ledger).manuals == (manual(),)
    assert row(ledger).due_at == manual().asked_at


def test_a_met_wish_is_met_once_and_shown_no_more(ledger: Ledger) -> None:
    ledger.ask(manual())
    write(ledger, Reported(manual_id="manual-1", outcome="published"))
    write(ledger, Met(manual_id="manual-1", at=NOW + 2 * MINUTE))
    write(ledger, Met(manual_id="manual-1", at=NOW + 3 * MINUTE))
    assert look(ledger).manuals == ()
    met = manual(met_at=NOW + 2 * MINUTE, outcome="published")
    assert ledger.manual("manual-1") == met


def test_a_wish_for_what_the_ledger_does_not_know_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no such credential"):
        ledger.ask(manual(credential="alation/nobody"))
    assert ledger.manual("manual-1") is None


def test_asking_the_same_twice_is_asking_once(ledger: Ledger) -> None:
    ledger.ask(manual())
    ledger.ask(manual())
    assert look(ledger).manuals == (manual(),)


# Pauses.


def test_a_pause_says_by_whom_since_when_and_why(ledger: Ledger) -> None:
    ledger.pause(ETL, NOW + MINUTE, "ann", "migration")
    paused = row(ledger)
    assert (paused.paused_at, paused.paused_by, paused.paused_why) == (
        NOW + MINUTE, "ann", "migration",
    )  # fmt: skip
    assert (paused.state, paused.reason) == (State.PAUSED, Reason.PAUSED)


def test_a_pause_upon_a_pause_keeps_the_first(ledger: Ledger) -> None:
    assert ledger.pause(ETL, NOW, "ann", "migration")
    assert not ledger.pause(ETL, NOW + DAY, "bob", "")
    assert row(ledger).paused_by == "ann"


def test_a_walk_that_ends_in_a_pause_leaves_it_on_every_face(ledger: Ledger) -> None:
    ledger.pause(ETL, NOW, "ann", "migration")
    write(ledger, rest(access_renew_at=NOW + DAY))
    assert (row(ledger).state, row(ledger).text) == (State.PAUSED, "migration")
    assert row(ledger).access_renew_at == NOW + DAY


def test_a_resumed_credential_is_due_now(ledger: Ledger) -> None:
    write(ledger, rest())
    ledger.pause(ETL, NOW, "ann", "migration")
    assert ledger.resume(ETL, NOW + MINUTE)
    awake = row(ledger)
    assert (awake.due_at, awake.state) == (NOW + MINUTE, State.DUE)
    assert (awake.paused_at, awake.paused_by, awake.paused_why) == (None, "", "")


def test_resuming_what_is_not_paused_changes_nothing(ledger: Ledger) -> None:
    write(ledger, rest())
    before = row(ledger)
    assert not ledger.resume(ETL, NOW + MINUTE)
    assert row(ledger) == before


def test_pausing_what_the_ledger_does_not_know_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="alation/nobody"):
        ledger.pause("alation/nobody", NOW, "ann", "")
    with pytest.raises(LedgerError, match="alation/nobody"):
        ledger.resume("alation/nobody", NOW)


# Forgetting.


def test_forgetting_leaves_nothing_of_a_credential_and_all_of_the_others(ledger: SqlLedger) -> None:
    ledger.ask(manual())
    ledger.seal(sealed())
    write(ledger, *(change for change in every_change() if not isinstance(change, Drop)))
    write(ledger, stepped(), on_record(), credential=BI)
    ledger.first_alert(ETL, "late", NOW)
    ledger.forget(ETL)
    assert ledger.look(ETL) is None
    assert [found.credential for found in ledger.rows()] == [BI, ALBATO]
    assert [line.credential for line in ledger.history()] == [BI]
    with ledger._database.tables(writes=False) as connection:  # noqa: SLF001 - not a row anywhere
        for table in ("request", "seal", "mark", "back_off", "manual", "version", "alert", "step"):
            found = connection.exec_driver_sql(
                f"SELECT count(*) FROM {table} WHERE credential = '{ETL}'"  # noqa: S608
            )
            assert found.scalar() == 0, table


def test_a_walk_that_goes_on_after_a_forget_has_lost_its_lease(ledger: Ledger) -> None:
    lease = leased(ledger)
    ledger.forget(ETL)
    ledger.enrol({"alation": [ETL]}, NOW)
    leased(ledger)
    with pytest.raises(LeaseLost):
        ledger.write(lease, Killed(through=1))


# History and faces.


def stepped(run: str = "run-1", seq: int = 1, **changed: Any) -> Stepped:
    made = Stepped(
        run=run,
        seq=seq,
        at=NOW + seq * timedelta(seconds=1),
        step="OBTAIN",
        reason=Reason.DUE,
        outcome="Unreachable",
        text="ConnectTimeout",
        duration=timedelta(milliseconds=1234),
        cause="manual by ann: leak",
    )
    return dataclasses.replace(made, **changed)


def test_the_history_has_the_newest_steps_first(ledger: Ledger) -> None:
    write(ledger, stepped(seq=1), stepped(seq=2))
    write(ledger, stepped("run-2", 1), credential=BI)
    lines = ledger.history()
    assert [(line.credential, line.stepped.run, line.stepped.seq) for line in lines] == [
        (BI, "run-2", 1), (ETL, "run-1", 2), (ETL, "run-1", 1),
    ]  # fmt: skip
    assert lines[-1].stepped == stepped(seq=1)


def test_the_history_is_narrowed_by_credential_run_and_limit(ledger: Ledger) -> None:
    write(ledger, *(stepped(seq=number) for number in range(1, 4)))
    write(ledger, stepped("run-2"), credential=BI)
    assert {line.credential for line in ledger.history(ETL)} == {ETL}
    assert [line.stepped.seq for line in ledger.history(ETL, limit=2)] == [3, 2]
    assert [line.credential for line in ledger.history(run="run-2")] == [BI]


def test_rows_come_by_name_all_or_those_asked_for(ledger: Ledger) -> None:
    assert [found.credential for found in ledger.rows()] == [BI, ETL, ALBATO]
    assert [found.credential for found in ledger.rows([ALBATO, ETL, "no/body"])] == [ETL, ALBATO]
    assert ledger.rows([]) == []


def test_looking_at_what_was_never_enrolled_finds_nothing(ledger: Ledger) -> None:
    assert ledger.look("alation/nobody") is None
    assert ledger.manual("nobody") is None


# Alerts.


def test_an_alert_is_first_once_until_it_is_cleared(ledger: Ledger) -> None:
    assert ledger.first_alert(ETL, "late:access", NOW)
    assert not ledger.first_alert(ETL, "late:access", NOW + DAY)
    assert ledger.first_alert(BI, "late:access", NOW)
    ledger.clear_alerts(ETL, "late")
    assert ledger.first_alert(ETL, "late:access", NOW)
    assert not ledger.first_alert(BI, "late:access", NOW)


def test_clearing_goes_by_the_prefix_to_the_letter(ledger: Ledger) -> None:
    for key in ("late:1", "LATE:1", "l_te:1", "latest"):
        ledger.first_alert(ETL, key, NOW)
    ledger.clear_alerts(ETL, "l_te")
    ledger.clear_alerts(ETL, "late:")
    left = ("LATE:1", "latest")
    assert [ledger.first_alert(ETL, key, NOW) for key in left] == [False, False]
    assert ledger.first_alert(ETL, "late:1", NOW)


# Keeping house.


def test_old_history_goes_and_what_still_matters_stays(ledger: SqlLedger) -> None:
    old, generations = NOW - KEPT_FOR - DAY, itertools.count(1)

    def aged(id_: str) -> Intent:
        return intent(id_, next(generations), settles_at=old, intended_at=old)

    for id_ in ("closed", "open", "sealed", "newest"):
        write(ledger, Intend(intent=aged(id_)))
    ledger.seal(sealed(intent("sealed", 3), answered_at=old))
    write(ledger, *(Close(intent_id=id_, outcome="done") for id_ in ("closed", "sealed", "newest")))
    write(ledger, stepped(at=old), stepped(seq=2), AddMark(mark=mark()))
    ledger.ask(manual("met", asked_at=old))
    ledger.ask(manual("not met", asked_at=old))
    write(ledger, Met(manual_id="met", at=old))
    before = look(ledger)
    ledger.prune(NOW)
    assert look(ledger) == before
    assert ledger.manual("met") is None
    assert [line.stepped.seq for line in ledger.history()] == [2]
    with ledger._database.tables(writes=False) as connection:  # noqa: SLF001 - what no method shows
        ids = set(connection.exec_driver_sql("SELECT id FROM request").scalars())
    assert ids == {"open", "sealed", "newest"}


def test_only_the_newest_versions_of_a_shelf_are_kept(ledger: SqlLedger) -> None:
    last = VERSIONS_KEPT + 5
    write(ledger, *(on_record(generation=number) for number in range(1, last + 1)))
    write(ledger, on_record(Shelf.KEYRING))
    ledger.prune(NOW)
    known = look(ledger).versions[Shelf.TOKEN]
    assert sorted(known.values()) == list(range(last - VERSIONS_KNOWN + 1, last + 1))
    assert look(ledger).top_generation == last
    with ledger._database.read() as connection:  # noqa: SLF001 - what no look shows
        kept = connection.column(select(version.c.generation).order_by(version.c.generation))
        assert kept == [1, *range(6, last + 1)]


def test_only_the_newest_steps_of_a_talkative_credential_are_kept(
    ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rotator.ledger.upkeep.STEPS_KEPT", 3)
    write(ledger, *(stepped(seq=number) for number in range(1, 6)))
    write(ledger, stepped("run-2"), credential=BI)
    ledger.prune(NOW)
    assert [line.stepped.seq for line in ledger.history(ETL)] == [5, 4, 3]
    assert len(ledger.history(BI)) == 1


def test_a_keepsake_is_read_by_its_name(ledger: SqlLedger) -> None:
    assert ledger.keepsake("token of love") is None
    assert ledger.keepsake("ledger_id") == ledger.ledger_id


# What changes will show, told before they are written.


FORESEEN: dict[str, list[Change]] = {
    "an answer read": [
        Close(intent_id="request-1", outcome="answered"),
        MarkRead(
            intent_id="request-1", read_at=NOW, reader="1", outcome="tokens",
            tokens={"access_token": (NOW, NOW + DAY), "refresh_token": (NOW, None)},
            keyring=b"sealed",
        ),
        Killed(through=1),
        Lift(what="keep"),
    ],
    "an answer put and dropped": [on_record(generation=3), Drop(intent_id="request-1")],
    "an older version put back": [on_record(generation=1)],
    "the same token again": [
        Close(intent_id="request-1", outcome="answered"),
        Drop(intent_id="request-1"),
        BackOff(
            what="keep", until=NOW + DAY, since=NOW, failures=2, reason=Reason.DUE_ON_ARRIVAL,
        ),
        Met(manual_id="manual-1", at=NOW),
    ],
    "of others": [
        Close(intent_id="?", outcome="answered"),
        MarkRead(
            intent_id="?", read_at=NOW, reader="1", outcome="tokens", tokens={}, keyring=b"",
        ),
        Drop(intent_id="?"), Lift(what="?"), Killed(through=0), Met(manual_id="?", at=NOW),
    ],
}  # fmt: skip


@pytest.fixture
def busy(ledger: SqlLedger) -> SqlLedger:
    """A ledger with something of everything about one credential."""
    ledger.seal(sealed())
    ledger.seal(sealed(intent("request-2", 2)))
    ledger.ask(manual())
    ledger.ask(manual("manual-2"))
    write(ledger, on_record(generation=1), on_record(generation=2), on_record(Shelf.KEYRING))
    write(ledger, back_off(), back_off(what="keep"), Intend(intent=intent("request-3", 3)))
    return ledger


@pytest.mark.parametrize("changes", FORESEEN.values(), ids=FORESEEN)
def test_what_is_foreseen_of_changes_is_what_a_look_then_shows(
    busy: SqlLedger, changes: list[Change]
) -> None:
    expected = foreseen(look(busy), changes)
    write(busy, *changes)
    assert expected == look(busy)


def test_what_depends_on_rows_that_no_record_shows_is_not_foreseen(busy: SqlLedger) -> None:
    blind = {type(change) for change in every_change() if foreseen(look(busy), [change]) is None}
    assert blind == {Intend, AddMark, LiftMark, Mended, Reported, Revoked, Stepped, Rest}


ANSWER = sealed(intent("request-9", 9))


def test_a_request_and_its_answer_are_foreseen_as_a_look_then_shows_them(busy: SqlLedger) -> None:
    lease = leased(busy)
    before = look(busy)
    busy.write(lease, Intend(intent=ANSWER.intent))
    expected = answered(before, lease, ANSWER, busy.seal(ANSWER))
    assert expected == look(busy)


ELSEWHERE: dict[str, Callable[[SqlLedger, Lease], object]] = {
    "a wish": lambda ledger, _: ledger.ask(manual("manual-9", asked_at=ANSWER.answered_at)),
    "a wish after it": lambda ledger, _: ledger.ask(manual("manual-9")),
    "another's answer": lambda ledger, _: ledger.seal(sealed(intent("request-8", 8))),
    "another worker": lambda ledger, lease: ledger.take(
        ETL, "worker-2", lease.until, lease.until + MINUTE
    ),
    "a job file that went": lambda ledger, _: ledger.enrol({}, NOW),
    "nothing left of it": lambda ledger, _: ledger.forget(ETL),
}


@pytest.mark.parametrize("comes", ELSEWHERE.values(), ids=ELSEWHERE)
def test_an_answer_is_not_foreseen_where_somebody_else_was_at_the_credential(
    busy: SqlLedger, comes: Callable[[SqlLedger, Lease], object]
) -> None:
    lease = leased(busy)
    before = look(busy)
    busy.write(lease, Intend(intent=ANSWER.intent))
    comes(busy, lease)
    assert answered(before, lease, ANSWER, busy.seal(ANSWER)) is None


# Restarts.


def test_all_of_it_outlives_a_restart(path: Path) -> None:
    first = SqlLedger.open(path)
    first.enrol({"alation": [ETL]}, NOW)
    first.ask(manual())
    lease = leased(first)
    first.write(lease, Intend(intent=intent()), AddMark(mark=mark()), back_off(), on_record())
    first.seal(sealed())
    first.write(lease, stepped(), rest(seen_due_at=row(first).due_at))
    before, history = look(first), first.history()
    first.close()
    second = SqlLedger.open(path)
    assert (look(second), second.history()) == (before, history)
    assert second.ledger_id == first.ledger_id
    second.close()


def test_a_lease_outlives_a_restart(path: Path) -> None:
    first = SqlLedger.open(path)
    first.enrol({"alation": [ETL]}, NOW)
    lease = leased(first)
    first.close()
    second = SqlLedger.open(path)
    with pytest.raises(LeaseLost):
        second.write(dataclasses.replace(lease, fence=lease.fence - 1))
    second.write(lease)
    second.close()


def test_ledgers_have_ids_of_their_own(path: Path) -> None:
    first, second = SqlLedger.open(path), SqlLedger.in_memory()
    assert first.ledger_id != second.ledger_id != ""
    first.close()
    second.close()


def test_only_its_owner_reads_the_ledger(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "new" / "ledger.db")
    ledger.enrol({"alation": [ETL]}, NOW)
    files = list((tmp_path / "new").iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert {file.suffix for file in files} >= {".db", ".db-wal"}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    ledger.close()


def test_a_ledger_that_others_could_read_is_closed_to_them(path: Path) -> None:
    SqlLedger.open(path).close()
    path.chmod(0o644)
    SqlLedger.open(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_face_makes_no_ledger_where_there_is_none(path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger yet"):
        SqlLedger.open(path, create=False)
    assert not path.exists()


def test_what_was_written_is_on_the_disk(path: Path) -> None:
    ledger = SqlLedger.open(path)
    with ledger._database.tables(writes=True) as connection:  # noqa: SLF001 - as every write does
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys")
        ]
    assert pragmas == [2, "wal", 1]
    ledger.close()


# Trouble.


@pytest.fixture
def broken(path: Path, reopen: Callable[[], SqlLedger]) -> Callable[[str], SqlLedger]:
    """A ledger into which somebody wrote by hand."""

    def breaking(sql: str) -> SqlLedger:
        ledger = reopen()
        ledger.enrol({"alation": [ETL, BI]}, NOW)
        ledger.ask(manual())
        ledger.seal(sealed())
        write(
            ledger,
            Intend(intent=intent("request-2", 2)),
            AddMark(mark=mark(MarkKind.REFUSED)),
            back_off(),
        )
        write(ledger, on_record(), stepped())
        raw = sqlite3.connect(path)
        raw.execute(sql)
        raw.commit()
        raw.close()
        return ledger

    return breaking


@pytest.mark.parametrize(
    ("table", "sql"),
    [
        ("credential", "UPDATE credential SET state = 'sleeping' WHERE name = 'alation/etl'"),
        ("credential", "UPDATE credential SET mended_at = 1 << 62 WHERE name = 'alation/etl'"),
        ("on_record", "UPDATE on_record SET shelf = 'attic'"),
        ("version", "UPDATE version SET shelf = 'attic'"),
        ("request", "UPDATE request SET presented = '[' WHERE id = 'request-2'"),
        ("request", "UPDATE request SET presented = '{\"a\": 1}' WHERE id = 'request-2'"),
        ("request", "UPDATE request SET kills = '{}' WHERE id = 'request-2'"),
        ("seal", "UPDATE seal SET tokens = '{\"a\": [1]}'"),
        ("seal", "UPDATE seal SET tokens = '[1]'"),
        ("mark", "UPDATE mark SET because = ''"),
        ("back_off", "UPDATE back_off SET reason = 'bad luck'"),
        ("manual", "UPDATE manual SET tokens = 'null'"),
    ],
)
def test_a_row_that_makes_no_sense_is_named_and_stops_no_other(
    broken: Callable[[str], SqlLedger], table: str, sql: str
) -> None:
    ledger = broken(sql)
    with pytest.raises(LedgerError, match=f"{table} row of {ETL}") as error:
        ledger.look(ETL)
    assert "rotator forget" in error.value.remedy
    assert look(ledger, BI).row.state is State.DUE
    assert sorted(sweep(ledger, NOW + MINUTE)) == [BI, ETL]


def test_every_face_shows_which_row_cannot_be_read(broken: Callable[[str], SqlLedger]) -> None:
    ledger = broken("UPDATE on_record SET expires_at = 1 << 62")
    bi, etl = ledger.rows()
    assert bi.state is State.DUE
    assert (etl.state, etl.reason) == (State.NEEDS_A_PERSON, Reason.UNEXPECTED)
    assert "on_record row of alation/etl" in etl.text


def test_the_history_shows_which_line_cannot_be_read(broken: Callable[[str], SqlLedger]) -> None:
    ledger = broken("UPDATE step SET reason = 'bad luck'")
    (line,) = ledger.history()
    assert (line.stepped.run, line.stepped.reason) == ("run-1", Reason.UNEXPECTED)


def test_a_full_disk_is_told_and_changes_nothing(ledger: SqlLedger) -> None:
    with ledger._database.write() as connection:  # noqa: SLF001 - a disk that is full
        raw = connection._cursor  # noqa: SLF001 - the setting is each connection's own
        pages = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match="disk is full") as error:
        ledger.seal(sealed(ciphertext=b"x" * 1_000_000))
    assert "free some space" in error.value.remedy
    assert look(ledger).seals == ()


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"This is a letter to a friend, and not a database at all. " * 100)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="no database"):
        SqlLedger.open(path)
    assert path.read_bytes() == before


def test_a_damaged_file_is_told_with_what_to_do(path: Path) -> None:
    ledger = SqlLedger.open(path)
    ledger.enrol({"many": [f"many/{number}" for number in range(500)]}, NOW)
    ledger.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"damaged|no database") as error:
        SqlLedger.open(path).close()
    assert "restore" in error.value.remedy


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be made"):
        SqlLedger.open(tmp_path / "file" / "ledger.db")


def test_a_writer_that_does_not_let_go_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "BUSY_SECONDS", 0.01)
    ledger = SqlLedger.open(path, durable=False)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerBusy, match="another process"):
        ledger.enrol({"alation": [ETL]}, NOW)
    other.execute("ROLLBACK")
    other.close()
    ledger.enrol({"alation": [ETL]}, NOW)
    ledger.close()


@pytest.mark.parametrize("unstorable", [10**30, "\udc80"])
def test_what_the_database_cannot_hold_is_a_ledger_error(ledger: Ledger, unstorable: Any) -> None:
    changed = {"generation" if isinstance(unstorable, int) else "host": unstorable}
    with pytest.raises(LedgerError):
        write(ledger, Intend(intent=intent("odd", **changed)))


def test_no_error_repeats_what_was_to_be_written(ledger: Ledger) -> None:
    write(ledger, Intend(intent=intent()))
    ledger.free_all()
    with pytest.raises(LedgerError) as error:
        write(ledger, Intend(intent=intent(host="planted.example.com")))
    told: BaseException | None = error.value
    while told is not None:
        assert "planted" not in str(told)
        told = told.__cause__


def test_many_threads_write_at_once_and_nothing_is_lost(reopen: Callable[[], SqlLedger]) -> None:
    ledgers = [reopen(), reopen()]
    names = [f"many/{number}" for number in range(16)]
    ledgers[0].enrol({"many": names}, NOW)

    def walk(number: int) -> None:
        ledger, name = ledgers[number % 2], names[number]
        lease = leased(ledger, name, f"worker-{number}")
        for seq in range(20):
            ledger.write(lease, stepped(name, seq), Killed(through=seq))
            assert look(ledger, name).row.killed_through == seq
        ledger.release(lease)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(walk, range(16)))
    assert len(ledgers[0].history(limit=1000)) == 16 * 20


def test_a_request_is_found_by_its_id_answered_or_not(ledger: Ledger) -> None:
    made = intent()
    write(ledger, Intend(intent=made))
    assert ledger.request(made.id) == made
    write(ledger, Close(intent_id=made.id, outcome="answered"))
    assert ledger.request(made.id) == made
    assert ledger.request("nobody's") is None


def test_versions_whose_tokens_are_revoked_are_forgotten_and_no_others(ledger: Ledger) -> None:
    for generation in (1, 2, 3):
        write(ledger, on_record(version_id=f"v{generation}", generation=generation))
    kept = on_record(shelf=Shelf.KEYRING, version_id="k1", generation=1)
    write(ledger, kept)
    write(ledger, Revoked(through=2))
    assert look(ledger).versions == {Shelf.TOKEN: {"v3": 3}, Shelf.KEYRING: {"k1": 1}}


# Who holds what.


def said(consumer: str, generation: int, at: datetime = NOW, credential: str = ETL) -> Holder:
    return Holder(credential=credential, consumer=consumer, generation=generation, seen_at=at)


def test_it_is_told_when_nobody_holds_an_earlier_generation_any_more(ledger: Ledger) -> None:
    assert ledger.hold([said("a", 1), said("b", 2), said("c", 3)]) == {}, "nothing is published"
    write(ledger, on_record(generation=3))
    assert ledger.hold([said("a", 2)]) == {}, "b holds an earlier one still"
    assert ledger.hold([said("a", 3), said("a", 9, credential=BI)]) == {}
    assert ledger.hold([said("b", 3), said("c", 4)]) == {ETL: 2}
    assert ledger.hold([said("a", 4), said("b", 5)]) == {}, "it was let go of before"
    assert ledger.hold([said("a", 2, credential="gone/gone")]) == {}


def test_what_is_woken_is_due_now(ledger: Ledger) -> None:
    write(ledger, rest())
    ledger.wake(ETL, NOW + MINUTE)
    ledger.wake("gone/gone", NOW)
    assert row(ledger).due_at == NOW + MINUTE


def test_the_last_word_of_each_consumer_counts(ledger: Ledger) -> None:
    ledger.hold([said("a", 1), said("b", 1), said("a", 2, NOW + MINUTE)])
    ledger.hold([said("b", 1, NOW + 2 * MINUTE), said("a", 7, credential=BI)])
    assert ledger.holders(NOW) == [
        said("a", 7, credential=BI),
        said("a", 2, NOW + MINUTE),
        said("b", 1, NOW + 2 * MINUTE),
    ]
    assert look(ledger).held == {1: NOW + 2 * MINUTE, 2: NOW + MINUTE}
    assert look(ledger, BI).held == {7: NOW}


def test_a_look_knows_of_a_generation_when_it_was_last_heard_of(ledger: Ledger) -> None:
    ledger.hold([said("a", 1, NOW + MINUTE), said("b", 1, NOW)])
    assert look(ledger).held == {1: NOW + MINUTE}
    assert look(ledger, BI).held == {}


def test_only_those_heard_of_since_are_shown(ledger: Ledger) -> None:
    ledger.hold([said("a", 1), said("b", 1, NOW + MINUTE)])
    assert ledger.holders(NOW + MINUTE) == [said("b", 1, NOW + MINUTE)]


def test_what_is_held_of_a_credential_without_a_row_is_passed_over(ledger: Ledger) -> None:
    ledger.hold([said("a", 1, credential="gone/gone"), said("b", 1)])
    assert ledger.holders(NOW) == [said("b", 1)]


def test_of_many_consumers_the_longest_silent_are_forgotten(ledger: Ledger) -> None:
    crowd = [said(f"c{number}", 1, NOW + number * MINUTE) for number in range(KEPT + 3)]
    ledger.hold([said("other", 1, credential=BI)])
    ledger.hold(crowd)
    kept = {each.consumer for each in ledger.holders(NOW) if each.credential == ETL}
    assert kept == {each.consumer for each in crowd[3:]}
    assert [each.consumer for each in ledger.holders(NOW) if each.credential == BI] == ["other"]


def test_a_consumer_is_forgotten_after_a_day_of_silence(ledger: SqlLedger) -> None:
    ledger.hold([said("silent", 1), said("other", 1, credential=BI)])
    ledger.hold([said("heard", 1, NOW + FORGOTTEN_AFTER + MINUTE)])
    heard = said("heard", 1, NOW + FORGOTTEN_AFTER + MINUTE)
    assert ledger.holders(NOW) == [said("other", 1, credential=BI), heard]
    ledger.prune(NOW + FORGOTTEN_AFTER + MINUTE)
    assert ledger.holders(NOW) == [heard]


def test_a_credential_that_is_forgotten_has_no_holders(ledger: Ledger) -> None:
    ledger.hold([said("a", 1)])
    ledger.forget(ETL)
    assert ledger.holders(NOW) == []
