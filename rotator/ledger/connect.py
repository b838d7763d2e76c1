"""Connections to the ledger's database.

Writes take turns twice over: a lock in this process, so that threads wait without polling, and
`BEGIN IMMEDIATE` with a busy timeout for the other processes (the command line). Reads go beside
them on connections of their own, each in one transaction and so on one state of the file.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import StaticPool

from rotator.errors import LedgerError, LedgerGone
from rotator.ledger.meanings import BUSY_SECONDS, told
from rotator.ledger.presence import is_there
from rotator.ledger.statements import Connection

_OLDEST_SQLITE = (3, 37, 0)

_Idle = list[tuple[PoolProxiedConnection, DBAPICursor]]
"""Taken from SQLAlchemy's pool and kept: its way in and out costs more than a look."""


class Database:
    """Three ways in, each one transaction: `read`, `write`, and `tables` for the schema itself."""

    def __init__(
        self, engine: Engine, path: Path | None = None, *, one_connection: bool = False
    ) -> None:
        """`path`: of its file; `one_connection`: a database in memory, shared by all threads."""
        self._engine = engine
        self._path = path
        self._files = (path, log_of(path)) if path else ()
        self._identity: dict[Path, tuple[int, int]] = {}
        self._writer = engine.execution_options(rotator_writes=True)
        self._turn = threading.Lock()
        self._read_turn = self._turn if one_connection else nullcontext()
        self._readers: _Idle = []
        self._writers: _Idle = []
        """At most one, for writes take turns: it finds in its cache the pages that it wrote last,
        where every other connection has to read what has changed since."""

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One state of the database for as long as the block runs."""
        with (
            told(self._path),
            self._read_turn,
            self._begun("BEGIN", self._readers) as connection,
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """All of the block durably, or nothing of it."""
        with (
            told(self._path),
            self._turn,
            self._begun("BEGIN IMMEDIATE", self._writers) as connection,
        ):
            yield connection

    @contextmanager
    def tables(self, *, writes: bool) -> Iterator[sqlalchemy.Connection]:
        """SQLAlchemy's own connection, for what makes, alters or inspects tables."""
        turn, engine = (self._turn, self._writer) if writes else (self._read_turn, self._engine)
        with told(self._path), turn, engine.begin() as connection:
            yield connection

    @contextmanager
    def _begun(self, begin: str, idle: _Idle) -> Iterator[Connection]:
        try:
            taken, cursor = idle.pop()
        except IndexError:
            taken = self._engine.raw_connection()
            cursor = taken.cursor()
        try:
            cursor.execute(begin)
            self._refuse_strange_files()
            yield Connection(cursor, self._engine.dialect)
            taken.commit()
        except BaseException:
            taken.close()  # the pool rolls back, and sees whether it is still good
            raise
        idle.append((taken, cursor))

    def _refuse_strange_files(self) -> None:
        """A file that is deleted or replaced lives on for us alone, and what we write dies with us.

        The log (-wal) stays for as long as we hold a connection, and we do from the first one on.
        """
        for path in self._files:
            found, known = _identity(path), self._identity.get(path)
            if known is None and found is not None:
                self._identity[path] = found
            elif found != known:
                raise LedgerGone(
                    f"the ledger's file was deleted or replaced while it was in use: {path}",
                    remedy="start the worker anew; deploy/README.md says what becomes of chains",
                )

    def close(self) -> None:
        for idle in (self._readers, self._writers):
            while idle:
                idle.pop()[0].close()
        self._engine.dispose()


def log_of(path: Path) -> Path:
    """Where SQLite writes first."""
    return path.with_name(f"{path.name}-wal")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def on_file(path: Path, *, durable: bool = True, foreign_keys: bool = True) -> Database:
    """`durable=False` leaves fsync out, and is for tests alone: a power cut loses answers."""
    engine = create_engine(
        f"sqlite:///{path}",
        hide_parameters=True,
        paramstyle="named",
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=16,
        max_overflow=-1,
        pool_use_lifo=True,
    )
    _prepare(engine, synchronous="FULL" if durable else "OFF", foreign_keys=foreign_keys)
    return Database(engine, path)


def in_memory(copied: Path | None = None) -> Database:
    """An empty one, or a copy of what a file holds now."""
    engine = create_engine(
        "sqlite://",
        hide_parameters=True,
        paramstyle="named",
        connect_args={"check_same_thread": False},
        poolclass=StaticPool,
    )
    _prepare(engine, synchronous="OFF", foreign_keys=True)
    if copied is not None:
        _copy(copied, engine)
    return Database(engine, one_connection=True)


def _copy(path: Path, engine: Engine) -> None:
    with (
        told(path),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source,
        closing(engine.raw_connection()) as target,
    ):
        source.backup(target.driver_connection)  # type: ignore[arg-type]  # SQLite's own, here


def make_file(path: Path) -> None:
    """An empty file that only its owner reads; SQLite gives -wal and -shm the same mode."""
    is_there(path)  # tells what is wrong in better words
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise LedgerError(
            f"the ledger cannot be made: {error.strerror}: {path}",
            remedy="see that ROTATOR_STATE_DIR exists and belongs to the worker's user",
        ) from error


def _prepare(engine: Engine, *, synchronous: str, foreign_keys: bool) -> None:
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        oldest = ".".join(map(str, _OLDEST_SQLITE))
        raise LedgerError(
            f"Python's SQLite is {sqlite3.sqlite_version}, the ledger needs {oldest}",
            remedy="run rotator on a Python that brings a newer one",
        )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the transactions are ours
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")

    @event.listens_for(engine, "begin")
    def begun(connection: sqlalchemy.Connection) -> None:
        writes = connection.get_execution_options().get("rotator_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
