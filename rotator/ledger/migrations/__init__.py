"""The ledger's schema through time: which one a file has, and how it comes to today's.

A new file gets today's tables at once. An older one is copied, then taken step by step through
`versions/` by Alembic, which is imported only then. A later one is refused.
"""

import os
import sqlite3
from itertools import count
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from rotator import __version__
from rotator.clock import new_id
from rotator.errors import LedgerError, LedgerTooNew
from rotator.ledger import connect, meta
from rotator.ledger.presence import is_there
from rotator.ledger.statements import on
from rotator.ledger.tables import metadata

HEAD = "0005"
"""The last file in `versions/`."""
FOLDER = Path(__file__).parent

_stamp = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def make_ready(database: connect.Database) -> None:
    """Fill an empty database; refuse any that is not of today's schema."""
    with database.tables(writes=False) as connection:
        found = _schema(connection)
    if not found:
        with database.tables(writes=True) as connection:
            found = _schema(connection) or _create(connection)
    if found != HEAD:
        raise LedgerError(
            f"the ledger has schema {found}, this rotator needs {HEAD}",
            remedy="`rotator migrate` copies it and brings it up; so does a worker's start",
        )


def migrate(path: Path) -> Path | None:
    """Bring the file to today's schema; the copy that was made first, None if nothing was to do."""
    if not is_there(path):
        return None
    database = connect.on_file(path, foreign_keys=False)  # a rebuilt table must not cascade
    try:
        with database.tables(writes=False) as connection:
            found = _schema(connection)
        return _upgrade(database, path) if found not in {"", HEAD} else None
    finally:
        database.close()


def _upgrade(database: connect.Database, path: Path) -> Path | None:
    with database.tables(writes=True) as connection:
        found = _schema(connection)
        if found == HEAD:  # somebody else was quicker
            return None
        copy = _copy(path)
        run(connection)
        if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise LedgerError(
                f"the ledger's rows do not fit schema {HEAD}",
                remedy=f"nothing was changed, and a copy is in {copy.name}; report this",
            )
        meta.put(on(connection), "migrated_by", __version__)
        return copy


def run(connection: Connection) -> None:
    """Every step from the schema that is there to today's."""
    from alembic import command  # noqa: PLC0415 - needed once a release
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def _schema(connection: Connection) -> str:
    """The database's schema, empty if it has no tables. LedgerTooNew, or not ours at all."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return ""
    found = connection.execute(select(_stamp)).scalar() if _stamp.name in tables else None
    if not found or not found.isdecimal():
        raise LedgerError(
            "the file is a database, but no ledger of rotator's",
            remedy="point ROTATOR_STATE_DIR at a folder of its own",
        )
    if found > HEAD:
        by = meta.get(on(connection), "migrated_by") or "a later one"
        raise LedgerTooNew(
            f"the ledger has schema {found}, made by rotator {by}; this is {__version__}",
            remedy=f"run rotator {by} or later, or the copy that it made before it migrated",
        )
    return str(found)


def _create(connection: Connection) -> str:
    metadata.create_all(connection, checkfirst=False)
    _stamp.create(connection)
    connection.execute(insert(_stamp), {"version_num": HEAD})
    meta.put(on(connection), "ledger_id", new_id())
    meta.put(on(connection), "migrated_by", __version__)
    return HEAD


def _copy(path: Path) -> Path:
    """The file as it was last committed; never over an earlier copy."""
    copy = _free_name(path)
    try:
        _back_up(path, copy)
    except BaseException:
        copy.unlink()
        raise
    return copy


def _free_name(path: Path) -> Path:
    for number in count(1):
        copy = path.with_name(f"{path.name}.before-{HEAD}" + (f"-{number}" if number > 1 else ""))
        try:
            os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        return copy
    raise AssertionError  # count() has no end


def _back_up(path: Path, copy: Path) -> None:
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
