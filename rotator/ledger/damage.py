"""Whether the ledger's file is sound, asked before a worker trusts it; and a copy where it is not.

A damaged file is never written to by us: what it still holds (a sealed answer, perhaps) is what a
person with SQLite's `.recover` may get out of it.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from rotator.errors import LedgerDamaged
from rotator.ledger import connect
from rotator.ledger.meanings import BUSY_SECONDS, RESTORE, told
from rotator.ledger.presence import is_there

_SUFFIX = ".damaged"


def refuse_damaged(path: Path) -> None:
    """Raises LedgerDamaged, once a copy lies beside the file. Nothing where there is none.

    Reads the whole file; a ledger of 10,000 credentials takes a tenth of a second.
    """
    if not is_there(path):
        return
    try:
        with told(path):
            said = _checked(path)
    except LedgerDamaged as error:
        raise LedgerDamaged(error.text, remedy=_remedy(path, error.remedy)) from error
    if said != "ok":
        raise LedgerDamaged(
            f"the ledger is damaged: {path}: {said}",
            remedy=_remedy(path, RESTORE),
        )


def _checked(path: Path) -> str:
    where = f"file:{quote(str(path))}?mode=ro"  # or closing it would write the log into the file
    with closing(sqlite3.connect(where, uri=True, timeout=BUSY_SECONDS)) as database:
        return str(database.execute("PRAGMA quick_check(1)").fetchone()[0])


def _remedy(path: Path, remedy: str) -> str:
    copy = _copied(path)
    return f"{remedy}; a copy is in {copy.name}" if copy else remedy


def _copied(path: Path) -> Path | None:
    """The copy, of the first time that the damage was met; None where there is no room for it."""
    copy = path.with_name(path.name + _SUFFIX)
    if copy.exists():
        return copy
    with suppress(OSError):
        for part in (path, connect.log_of(path)):
            if part.exists():
                _copy(part, part.with_name(part.name.replace(path.name, copy.name)))
        return copy
    return None


def _copy(part: Path, to: Path) -> None:
    """As readable for others as the ledger itself: not at all."""
    with part.open("rb") as source, os.fdopen(
        os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb"
    ) as target:  # fmt: skip
        shutil.copyfileobj(source, target)
