"""What a look shows of marks, back-offs, versions, and of a walk that ended."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.errors import LeaseLost
from rotator.ledger.base import Ledger
from rotator.ledger.facts import (
    Because,
    MarkKind,
    Row,
)
from rotator.ledger.writes import (
    AddMark,
    Intend,
    Killed,
    Lift,
    LiftMark,
    Mended,
)
from rotator.model import Reason, Shelf, State
from tests.contract.ledger.stage import (
    BI,
    DAY,
    ETL,
    MINUTE,
    NOW,
    back_off,
    intent,
    leased,
    look,
    manual,
    mark,
    on_record,
    rest,
    row,
    sealed,
    stepped,
    sweep,
    write,
)

# Marks.


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


def test_a_spent_token_names_the_credential_that_spent_it_first(ledger: Ledger) -> None:
    write(ledger, AddMark(mark=mark()))
    write(ledger, AddMark(mark=mark()), credential=BI)
    assert [found.by for found in ledger.spent(["k" * 64])] == [ETL]


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
