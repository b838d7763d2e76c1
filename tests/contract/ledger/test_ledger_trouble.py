"""Files that are broken, and writers that do not let go."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rotator.errors import LedgerBusy, LedgerError
from rotator.ledger import connect
from rotator.ledger.base import Ledger
from rotator.ledger.facts import (
    MarkKind,
)
from rotator.ledger.sql import SqlLedger
from rotator.ledger.writes import (
    AddMark,
    Close,
    Intend,
    Killed,
    Revoked,
)
from rotator.model import Reason, Shelf, State
from tests.contract.ledger.stage import (
    BI,
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
    sealed,
    stepped,
    sweep,
    write,
)


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
        ("request", "UPDATE request SET generation = 9223372036854775807 WHERE id = 'request-2'"),
        ("request", "UPDATE request SET made_from = -1 WHERE id = 'request-2'"),
        ("request or version", "UPDATE version SET generation = 1000000000000000"),
        ("on_record", "UPDATE on_record SET generation = -1"),
        (
            "credential",
            "UPDATE credential SET killed_through = 9223372036854775807 WHERE name = 'alation/etl'",
        ),
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


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE mark SET times = 9223372036854775807",
        "UPDATE back_off SET failures = 9223372036854775807",
    ],
)
def test_a_count_that_cannot_grow_any_more_stops_no_write(
    broken: Callable[[str], SqlLedger], sql: str
) -> None:
    ledger = broken(sql)
    found = look(ledger)
    (refusal,) = found.marks
    (held,) = found.back_offs.values()
    write(
        ledger,
        AddMark(mark=replace(refusal, times=refusal.times + 1)),
        replace(held, failures=held.failures + 1),
    )
    again = look(ledger)
    assert again.marks[0].times + again.back_offs[held.what].failures > 1_000_000


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE credential SET fence = 9223372036854775807 WHERE name = 'alation/etl'",
        "UPDATE credential SET fence = 1 << 62 WHERE name = 'alation/etl'",
    ],
)
def test_a_fencing_number_at_its_end_begins_anew(
    broken: Callable[[str], SqlLedger], sql: str
) -> None:
    ledger = broken(sql)
    first = leased(ledger)
    assert first.fence == 1
    ledger.write(first, stepped())
    ledger.release(first)
    assert leased(ledger).fence == 2
    ledger.free_all()
    ledger.forget(ETL)
    ledger.enrol({"alation": [ETL, BI]}, NOW)
    assert leased(ledger).fence == 3


@pytest.mark.parametrize("value", ["", "many", "-1", "9223372036854775807", "1" * 5000])
def test_a_single_value_that_is_no_number_stops_nothing(
    broken: Callable[[str], SqlLedger], value: str
) -> None:
    insert = "INSERT INTO meta (key, value) VALUES"
    ledger = broken(f"{insert} ('fence_floor', '{value}'), ('swept_at', '{value}')")
    assert ledger.swept_at() is None
    ledger.forget(ETL)
    ledger.enrol({"alation": [ETL, BI]}, NOW)
    assert leased(ledger).fence >= 1


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


def test_a_ledger_that_cannot_be_made_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rotator.ledger.connect.os.open", refuse)
    with pytest.raises(LedgerError, match=f"cannot be made: Permission denied: {path}"):
        SqlLedger.open(path)


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
