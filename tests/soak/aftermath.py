"""What the ledger's file holds after a kill, read from a copy: the dead worker's own last word."""

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote


class Stands(NamedTuple):
    """One credential."""

    state: str
    text: str
    sealed: int
    """Answers that have not reached AWS yet."""
    open: int
    """Requests without an answer, and not settled."""
    expires_at: float | None
    """Of the published token, in seconds since 1970 by the workers' clock."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    rows: Mapping[str, Stands] = field(default_factory=dict)
    gap: Mapping[str, str] = field(default_factory=dict)
    """Requests that spend a token, written down, with no answer sealed: id -> credential."""
    outcomes: Mapping[str, str] = field(default_factory=dict)
    """How requests that spend a token ended; `sealed` where the answer is there."""
    damage: str = ""
    """What SQLite finds wrong with the file."""


_ROWS = """
SELECT name, state, text,
  (SELECT count(*) FROM seal WHERE seal.credential = credential.name),
  (SELECT count(*) FROM request WHERE request.credential = credential.name AND outcome IS NULL
    AND NOT EXISTS (SELECT 1 FROM seal WHERE seal.request = request.id)),
  access_expires_at / 1e6
FROM credential
"""
_SPENDING = """
SELECT id, credential, outcome, EXISTS (SELECT 1 FROM seal WHERE seal.request = request.id)
FROM request WHERE spends IS NOT NULL
"""


def aftermath(ledger: Path, scratch: Path) -> Aftermath:
    """Of a worker that is dead. The ledger itself is left as the kill left it."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for suffix in ("", "-wal"):
        beside = ledger.with_name(ledger.name + suffix)
        if beside.exists():
            shutil.copy(beside, scratch / beside.name)
    copy = scratch / ledger.name
    return look(copy, check=True) if copy.exists() else Aftermath()


def look(ledger: Path, *, check: bool = False) -> Aftermath:
    """As it is now, perhaps beneath a running worker."""
    where = f"file:{quote(str(ledger))}?mode=rw"
    with closing(sqlite3.connect(where, uri=True, timeout=30)) as database:
        damage = database.execute("PRAGMA integrity_check").fetchone()[0] if check else "ok"
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'seal'").fetchone():
            return Aftermath(damage="" if damage == "ok" else damage)
        database.execute("BEGIN")
        rows = {name: Stands(*rest) for name, *rest in database.execute(_ROWS)}
        spending = database.execute(_SPENDING).fetchall()
    gap = {id_: whose for id_, whose, outcome, sealed in spending if not (outcome or sealed)}
    outcomes = {id_: "sealed" if sealed else outcome for id_, _, outcome, sealed in spending}
    ended = {id_: outcome for id_, outcome in outcomes.items() if outcome}
    return Aftermath(rows, gap, ended, "" if damage == "ok" else damage)
