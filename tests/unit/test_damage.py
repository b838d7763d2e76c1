import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rotator.errors import LedgerDamaged
from rotator.ledger import damage
from rotator.ledger.damage import refuse_damaged
from rotator.ledger.sql import SqlLedger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SqlLedger.open(tmp_path / "ledger.db", durable=False).close()
    return tmp_path / "ledger.db"


def _spoil(path: Path) -> None:
    """A table that breaks its own rule, which only a check finds."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE odd (text)")
        database.execute("INSERT INTO odd VALUES (NULL)")
        database.execute("PRAGMA writable_schema = 1")
        database.execute(
            "UPDATE sqlite_master SET sql = 'CREATE TABLE odd (text NOT NULL)' WHERE name = 'odd'"
        )


def test_a_sound_ledger_and_none_at_all_are_fine(path: Path, tmp_path: Path) -> None:
    refuse_damaged(path)
    refuse_damaged(tmp_path / "no such file")
    assert not (tmp_path / "ledger.db.damaged").exists()


def test_damage_that_only_a_check_finds_is_told_with_its_place(path: Path) -> None:
    _spoil(path)
    with pytest.raises(LedgerDamaged) as error:
        refuse_damaged(path)
    assert f"{path}: NULL value in odd.text" in error.value.text
    assert "a copy is in ledger.db.damaged" in error.value.remedy


def test_the_log_is_copied_too_and_the_first_copy_stays(path: Path) -> None:
    _spoil(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO meta VALUES ('a', 'b')")
        database.commit()
        with pytest.raises(LedgerDamaged):
            refuse_damaged(path)
        log = path.with_name("ledger.db.damaged-wal")
        assert log.read_bytes() == path.with_name("ledger.db-wal").read_bytes()
    log.write_bytes(b"the first")
    with pytest.raises(LedgerDamaged):
        refuse_damaged(path)
    assert log.read_bytes() == b"the first"


def test_damage_is_told_also_where_there_is_no_room_for_a_copy(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    _spoil(path)
    monkeypatch.setattr(damage, "_copy", full)
    with pytest.raises(LedgerDamaged) as error:
        refuse_damaged(path)
    assert "a copy is in" not in error.value.remedy
    assert "restore a copy" in error.value.remedy
