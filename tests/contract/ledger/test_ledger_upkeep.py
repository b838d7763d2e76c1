"""What is thrown away, and what outlives a process."""

import dataclasses
import itertools
from pathlib import Path

import pytest
from sqlalchemy import select

from rotator.errors import LeaseLost, LedgerError
from rotator.ledger.facts import (
    Intent,
)
from rotator.ledger.queries import VERSIONS_KNOWN
from rotator.ledger.sql import SqlLedger
from rotator.ledger.tables import version
from rotator.ledger.upkeep import KEPT_FOR, VERSIONS_KEPT
from rotator.ledger.writes import (
    AddMark,
    Close,
    Intend,
    Met,
)
from rotator.model import Shelf
from tests.contract.ledger.stage import (
    BI,
    DAY,
    ETL,
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
    write,
)

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
