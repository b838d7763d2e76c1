"""An older file comes to today's schema, with a copy; a later one is refused."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from rotator import __version__
from rotator.errors import LedgerError, LedgerTooNew
from rotator.ledger import connect, migrations, queries
from rotator.ledger.sql import SqlLedger
from rotator.ledger.tables import metadata

TODAY = migrations.HEAD
NOW = datetime(2026, 11, 22, tzinfo=UTC)
FOLDER = Path(migrations.__file__).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def schema(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as raw:
        found = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in found}


def do(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as raw:
        for statement in statements:
            raw.execute(statement)
        raw.commit()


def ask(path: Path, question: str) -> str:
    with closing(sqlite3.connect(path)) as raw:
        return str(raw.execute(question).fetchone()[0])


def version(path: Path) -> str:
    return ask(path, "SELECT version_num FROM alembic_version")


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Today's files, and one more that the next rotator brings."""
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    for file in ["env.py", *(f"versions/{found.name}" for found in FOLDER.glob("versions/0*.py"))]:
        (folder / file).write_text((FOLDER / file).read_text())

    def release(upgrade: str) -> None:
        (folder / "versions" / "9999_next.py").write_text(
            "from alembic import op\nimport sqlalchemy as sa\n"
            f"revision, down_revision = '9999', '{migrations.HEAD}'\n"
            f"def upgrade():\n    {upgrade}\n"
        )
        monkeypatch.setattr(migrations, "FOLDER", folder)
        monkeypatch.setattr(migrations, "HEAD", "9999")
        monkeypatch.setattr(migrations, "__version__", "9.9.0")

    return release


ADD = "op.add_column('credential', sa.Column('added', sa.Text()))"


# The files themselves.


def test_the_last_file_is_the_one_that_the_code_knows() -> None:
    script = ScriptDirectory(str(FOLDER))
    assert script.get_heads() == [migrations.HEAD]
    files = sorted(file.name for file in (FOLDER / "versions").glob("0*.py"))
    revisions = [found.revision for found in script.walk_revisions()]
    assert [name[:4] for name in files] == sorted(revisions)


def test_the_files_build_what_a_new_ledger_gets(tmp_path: Path) -> None:
    new, built = tmp_path / "new.db", tmp_path / "built.db"
    SqlLedger.open(new).close()
    database = connect.on_file(built)
    with database.tables(writes=True) as connection:
        migrations.run(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()
    stamp = {"alembic_version": "Alembic's own"}
    assert schema(built) | stamp == schema(new) | stamp


def test_the_schema_suits_postgresql_too() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    tables = metadata.sorted_tables
    made: list[ExecutableDDLElement] = [CreateTable(table) for table in tables]
    made += [CreateIndex(index) for table in tables for index in table.indexes]
    ddl = "\n".join(str(one.compile(dialect=dialect)) for one in made)
    assert "due_at BIGINT" in ddl
    assert "STRICT" not in ddl


# A new file, and today's.


def test_a_new_file_gets_todays_schema_without_alembic(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rotator.ledger.sql import SqlLedger;"
        "SqlLedger.open(Path(sys.argv[1])).close(); SqlLedger.open(Path(sys.argv[1])).close();"
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(path)], check=True)
    assert version(path) == migrations.HEAD
    assert ask(path, "SELECT value FROM meta WHERE key = 'migrated_by'") == __version__


def test_there_is_nothing_to_migrate_in_a_missing_an_empty_or_todays_file(path: Path) -> None:
    assert migrations.migrate(path) is None
    assert not path.exists()
    path.touch()
    assert migrations.migrate(path) is None
    SqlLedger.open(path).close()
    assert migrations.migrate(path) is None
    assert [found.name for found in path.parent.iterdir()] == ["ledger.db"]


def test_two_that_start_at_once_make_one_ledger(path: Path) -> None:
    def ledger_id(_: int) -> str:
        ledger = SqlLedger.open(path)
        ledger.close()
        return ledger.ledger_id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ledger_id, range(8)))) == 1


# An older file.


def test_an_older_file_is_copied_and_then_migrated(
    path: Path, next_release: Callable[[str], None]
) -> None:
    ledger = SqlLedger.open(path)
    ledger.enrol({"alation": ["alation/etl"]}, NOW)
    ledger.close()
    next_release(ADD)
    copy = migrations.migrate(path)
    assert copy == path.with_name("ledger.db.before-9999")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert (version(path), version(copy)) == ("9999", TODAY)
    assert ask(path, "SELECT added IS NULL AND name = 'alation/etl' FROM credential") == "1"
    assert ask(copy, "SELECT name FROM credential") == "alation/etl"
    assert ask(path, "SELECT value FROM meta WHERE key = 'migrated_by'") == "9.9.0"
    assert migrations.migrate(path) is None


def test_an_older_file_is_not_opened_before_it_is_migrated(
    path: Path, next_release: Callable[[str], None]
) -> None:
    SqlLedger.open(path).close()
    next_release(ADD)
    with pytest.raises(LedgerError, match=f"has schema {TODAY}") as error:
        SqlLedger.open(path)
    assert "rotator migrate" in error.value.remedy
    migrations.migrate(path)
    SqlLedger.open(path).close()


def test_what_a_running_worker_has_not_yet_moved_into_the_file_is_copied_too(
    path: Path, next_release: Callable[[str], None]
) -> None:
    ledger = SqlLedger.open(path)
    ledger.enrol({"alation": ["alation/etl"]}, NOW)  # still in the write-ahead log
    next_release(ADD)
    copy = migrations.migrate(path)
    ledger.close()
    assert copy
    assert ask(copy, "SELECT name FROM credential") == "alation/etl"


def test_an_earlier_copy_is_never_overwritten(
    path: Path, next_release: Callable[[str], None]
) -> None:
    SqlLedger.open(path).close()
    path.with_name("ledger.db.before-9999").write_text("precious")
    next_release(ADD)
    copy = migrations.migrate(path)
    assert copy == path.with_name("ledger.db.before-9999-2")
    assert path.with_name("ledger.db.before-9999").read_text() == "precious"


def test_a_migration_that_breaks_changes_nothing(
    path: Path, next_release: Callable[[str], None]
) -> None:
    SqlLedger.open(path).close()
    before = schema(path)
    next_release(ADD + "; op.execute('DROP TABLE nowhere')")
    with pytest.raises(LedgerError, match="nowhere"):
        migrations.migrate(path)
    assert (version(path), schema(path)) == (TODAY, before)


def test_a_table_may_be_made_anew_without_losing_what_hangs_on_it(
    path: Path, next_release: Callable[[str], None]
) -> None:
    ledger = SqlLedger.open(path)
    ledger.enrol({"alation": ["alation/etl"]}, NOW)
    with ledger._database.write() as connection:  # noqa: SLF001 - a child of the row
        connection.execute(
            insert(metadata.tables["back_off"]),
            {"credential": "alation/etl", "what": "keep", "until": 1, "since": 1},
        )
    ledger.close()
    next_release(
        "with op.batch_alter_table('credential', recreate='always') as table:"
        " table.alter_column('text', new_column_name='words')"
    )
    migrations.migrate(path)
    assert ask(path, "SELECT credential FROM back_off") == "alation/etl"
    assert "words" in schema(path)["credential"]


def test_rows_that_hang_on_nothing_after_a_migration_stop_it(
    path: Path, next_release: Callable[[str], None]
) -> None:
    SqlLedger.open(path).close()
    next_release("op.execute(\"INSERT INTO back_off VALUES ('no/body', 'keep', 1, 1, 1, '', '')\")")
    with pytest.raises(LedgerError, match="do not fit"):
        migrations.migrate(path)
    assert version(path) == TODAY


def test_of_workers_that_start_at_once_one_migrates(
    path: Path, next_release: Callable[[str], None]
) -> None:
    SqlLedger.open(path).close()
    next_release(ADD)
    with ThreadPoolExecutor(4) as threads:
        copies = [copy for copy in threads.map(migrations.migrate, [path] * 4) if copy]
    assert len(copies) == 1
    assert version(path) == "9999"
    assert len(list(path.parent.glob("ledger.db.before-*"))) == 1


def test_a_ledger_of_the_first_schema_comes_to_todays(path: Path) -> None:
    ledger = SqlLedger.open(path)
    ledger.enrol({"alation": ["alation/etl"]}, NOW)
    ledger.close()
    do(
        path,
        "DROP TABLE seal_key",
        "DROP INDEX on_record_published",
        "DROP TABLE holder",
        "ALTER TABLE mark DROP COLUMN times",
        "INSERT INTO mark VALUES ('alation/etl', 'refused', 'k', 7, 'refused', 'by password')",
        "UPDATE alembic_version SET version_num = '0001'",
    )
    copy = migrations.migrate(path)
    assert copy is not None
    assert (version(path), version(copy)) == (TODAY, "0001")
    ledger = SqlLedger.open(path)
    assert ledger.wrapped_keys() == ()
    record = ledger.look("alation/etl")
    assert record
    assert [(mark.key, mark.text, mark.times) for mark in record.marks] == [("k", "by password", 1)]
    ledger.close()


# A later file, and none of ours.


def test_a_later_file_is_refused_by_the_name_of_who_reads_it(
    path: Path, next_release: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    SqlLedger.open(path).close()
    with monkeypatch.context():
        next_release(ADD)
        migrations.migrate(path)
    monkeypatch.undo()
    before = path.read_bytes()
    for opened in (SqlLedger.open, migrations.migrate):
        with pytest.raises(LedgerTooNew, match=r"made by rotator 9\.9\.0") as error:
            opened(path)
        assert "run rotator 9.9.0 or later" in error.value.remedy
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE somebody_elses (a)",
        "CREATE TABLE alembic_version (version_num TEXT)",
    ],
)
def test_somebody_elses_database_is_left_alone(path: Path, made: str) -> None:
    do(path, made)
    before = schema(path)
    for opened in (SqlLedger.open, migrations.migrate):
        with pytest.raises(LedgerError, match="no ledger of rotator's"):
            opened(path)
    assert schema(path) == before


def test_a_version_that_is_no_number_is_not_ours(path: Path) -> None:
    SqlLedger.open(path).close()
    do(path, "UPDATE alembic_version SET version_num = 'ae1027a6acf'")
    with pytest.raises(LedgerError, match="no ledger of rotator's"):
        SqlLedger.open(path)


def test_who_publishes_a_token_is_found_without_reading_all_that_is_published(path: Path) -> None:
    SqlLedger.open(path).close()
    statement = queries._published_by.compile(dialect=sqlite.dialect())  # noqa: SLF001
    with closing(sqlite3.connect(path)) as raw:
        plan = raw.execute(f"EXPLAIN QUERY PLAN {statement}", ("f" * 64,)).fetchall()
    assert "SEARCH on_record USING INDEX on_record_published" in plan[0][3]
