"""What SQLite's errors mean to a person, and what to do about each."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from rotator.errors import LedgerBusy, LedgerDamaged, LedgerError

BUSY_SECONDS = 30.0
"""So long a process waits for another's write."""

RESTORE = "stop the worker, keep the file, restore a copy or start with none, then `rotator adopt`"

_MEANINGS = {
    "SQLITE_FULL": ("the ledger's disk is full", "free some space; nothing was changed"),
    "SQLITE_READONLY": (
        "the ledger may not be written",
        "the worker's user must own the file, its -wal, its -shm and their folder",
    ),
    "SQLITE_CORRUPT": (
        "the ledger is damaged",
        RESTORE,
    ),
    "SQLITE_NOTADB": (
        "the ledger's file is no database",
        "is ROTATOR_STATE_DIR right? else restore a copy, then `rotator adopt`",
    ),
    "SQLITE_CANTOPEN": (
        "the ledger cannot be opened",
        "see that its folder exists and belongs to the worker's user",
    ),
    "SQLITE_IOERR": ("the ledger's disk fails", "see the kernel's log; nothing was changed"),
    "SQLITE_CONSTRAINT_FOREIGNKEY": (
        "the ledger knows no such credential",
        "see `rotator status` for the names",
    ),
}  # fmt: skip

_LEAST_SPACE = 64 * 1024
"""Bytes; SQLite's -shm is 32 KiB."""
_DAMAGES = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB"})


@contextmanager
def told(path: Path | None) -> Iterator[None]:
    """Whatever the database throws comes out as a LedgerError that says what to do."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _meaning(getattr(error, "orig", None) or error, path) from error
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        raise _meaning(error, path) from error


def _is_full(path: Path | None) -> bool:
    if path is None:
        return False
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST_SPACE


def _meaning(error: BaseException, path: Path | None) -> LedgerError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LedgerBusy(
            f"another process has held the ledger for {BUSY_SECONDS:.0f} s",
            remedy="find it with `fuser` on the ledger's file; nothing was changed",
        )
    if name.startswith("SQLITE_IOERR") and _is_full(path):
        name = "SQLITE_FULL"  # which SQLite says of the ledger, but not of what it maps (-shm)
    for known, (text, remedy) in _MEANINGS.items():
        if name.startswith(known):
            kind = LedgerDamaged if known in _DAMAGES else LedgerError
            return kind(f"{text}: {path}" if path else text, remedy=remedy)
    if isinstance(error, UnicodeError):
        return LedgerError("the ledger refused text that is not UTF-8", remedy="write it in UTF-8")
    said = f": {error}" if isinstance(error, sqlite3.Error) else ""  # names of columns, no values
    return LedgerError(f"the ledger refused: {name or type(error).__name__}{said}")
