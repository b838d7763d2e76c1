"""What changes will show, told before they are written."""

from collections.abc import Callable

import pytest

from rotator.ledger.facts import (
    BackOff,
    Lease,
    Stepped,
)
from rotator.ledger.foresight import answered, foreseen
from rotator.ledger.sql import SqlLedger
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
from rotator.model import Reason, Shelf
from tests.contract.ledger.stage import (
    DAY,
    ETL,
    MINUTE,
    NOW,
    back_off,
    every_change,
    intent,
    leased,
    look,
    manual,
    on_record,
    sealed,
    write,
)

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
