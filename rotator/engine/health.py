"""Whether a worker is alive and keeps up, from one read-only look at the ledger's file.

Not whether some thread runs, but whether a process holds the ledger, when a sweep last succeeded,
and whether anything has been due for longer than its token can spare.
No network, and nothing imported that takes time.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from rotator.clock import Clock
from rotator.durations import display
from rotator.errors import LedgerError
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.presence import is_there

LONGEST_SILENCE = timedelta(seconds=60)
"""Real time: an idle worker writes its pulse every 15 s."""
PATIENCE = timedelta(minutes=5)
"""Real time that a due credential may wait for its turn, and in any case a tenth of its margin."""
_START = "start one: `rotator worker`"
_NEVER = f"there is no ledger yet: no worker has ever started here ({_START})"
_STALLED = "start it: `rotator worker`; if it runs, its log says what stops it"
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SWEPT = "SELECT value FROM meta WHERE key = 'swept_at'"
_WAITING = """
SELECT name, due_at, access_expires_at FROM credential
WHERE due_at IS NOT NULL AND paused_at IS NULL AND due_at <= :now - :patience
AND (dispatched_until IS NULL OR dispatched_until <= :now)
AND (access_expires_at IS NULL OR access_expires_at - :now < 10 * (:now - due_at))
ORDER BY due_at LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`code` is the exit code: 0 where all is well."""

    code: int
    text: str
    swept_at: datetime | None = None
    waiting: str = ""
    """The credential that has waited too long."""
    due_at: datetime | None = None


def look(path: Path, clock: Clock, lock: WorkerLock) -> Health:
    """How the worker of that ledger fares. Never raises, never changes the file.

    `lock`: what such a worker holds for as long as it lives.
    """
    now = clock.now()
    try:
        if not is_there(path):
            return Health(code=1, text=_NEVER)
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            swept = connection.execute(_SWEPT).fetchone()
            patience = clock.stretch(PATIENCE)
            given = {"now": _micros(now - _EPOCH), "patience": _micros(patience)}
            waiting = connection.execute(_WAITING, given).fetchone()
            return _judged(clock, now, int(swept[0]) if swept else None, waiting, lock)
    except LedgerError as error:
        return Health(code=1, text=str(error))
    except (sqlite3.Error, ValueError, OverflowError) as error:
        remedy = f"see that {path} is a ledger, and this user's to read"
        return Health(code=1, text=f"the ledger cannot be read: {error} ({remedy})")


def _judged(
    clock: Clock,
    now: datetime,
    swept: int | None,
    waiting: tuple[str, int, int | None] | None,
    lock: WorkerLock,
) -> Health:
    if swept is None:
        text = f"a ledger is there, but no worker has ever looked at what is due ({_START})"
        return Health(code=1, text=text)
    swept_at = _instant(swept)
    silence = clock.shrink(now - swept_at) * _SECOND
    if silence > LONGEST_SILENCE:
        text = f"no worker has looked at what is due for {display(silence)} ({_STALLED})"
        return Health(code=1, text=text, swept_at=swept_at)
    if lock.is_forsaken():
        text = f"no worker is alive; the last sweep was {display(silence)} ago ({_START})"
        return Health(code=1, text=text, swept_at=swept_at)
    if waiting is not None:
        name, due_at, _ = waiting
        late = clock.shrink(now - _instant(due_at)) * _SECOND
        remedy = f"`rotator explain {name}`"
        text = f"the worker sweeps, but {name} has been due for {display(late)} ({remedy})"
        return Health(code=1, text=text, swept_at=swept_at, waiting=name, due_at=_instant(due_at))
    return Health(code=0, text=f"the last sweep was {display(silence)} ago", swept_at=swept_at)


def _micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
