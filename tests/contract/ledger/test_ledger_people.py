"""What people ask for: requests, pauses, forgetting; what they are shown and told."""

import pytest

from rotator.errors import LeaseLost, LedgerError
from rotator.ledger.base import Ledger
from rotator.ledger.sql import SqlLedger
from rotator.ledger.writes import (
    Drop,
    Killed,
    Met,
    Reported,
)
from rotator.model import Reason, State
from tests.contract.ledger.stage import (
    ALBATO,
    BI,
    DAY,
    ETL,
    MINUTE,
    NOW,
    every_change,
    leased,
    look,
    manual,
    on_record,
    rest,
    row,
    sealed,
    stepped,
    write,
)

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
