"""What a write does: all of its changes or none, under the lease."""

import pytest

from rotator.errors import LeaseLost, LedgerError
from rotator.ledger.base import Ledger
from rotator.ledger.writes import (
    Change,
    Close,
    Drop,
    Intend,
    Killed,
    MarkRead,
)
from tests.contract.ledger.stage import (
    BI,
    DAY,
    ETL,
    MINUTE,
    NOW,
    every_change,
    intent,
    leased,
    look,
    rest,
    row,
    sealed,
    sweep,
    write,
)


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
