"""Which consumer says that it holds what."""

from rotator.ledger.base import Ledger
from rotator.ledger.holders import FORGOTTEN_AFTER, KEPT
from rotator.ledger.sql import SqlLedger
from tests.contract.ledger.stage import (
    BI,
    ETL,
    MINUTE,
    NOW,
    look,
    on_record,
    rest,
    row,
    said,
    write,
)


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
