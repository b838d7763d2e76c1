"""The ledger in a database, by way of SQLAlchemy Core: SQLite today, PostgreSQL by another engine.

Every method is one transaction. What writes has reached the disk when the method returns. Threads
may share one SqlLedger, and processes one file.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from rotator.errors import LedgerError
from rotator.ledger import (
    answers,
    changes,
    connect,
    holders,
    keys,
    leases,
    marks,
    meta,
    migrations,
    outside,
    queries,
    schedule,
    upkeep,
    values,
)
from rotator.ledger.facts import (
    BackOff,
    Holder,
    Intent,
    Lease,
    Line,
    Manual,
    Mark,
    Record,
    Row,
    Seal,
    Woken,
)
from rotator.ledger.keys import WrappedKey
from rotator.ledger.presence import is_there
from rotator.ledger.pulse import Pulse
from rotator.ledger.writes import Change
from rotator.model import Reason, State

MAX_LEASE = timedelta(hours=1)
"""No lease and no claim lasts so long: one that ends further off is void, for a clock jumped."""


class SqlLedger:
    """See `rotator.ledger.base.Ledger` for what each method promises."""

    def __init__(self, database: connect.Database, *, max_lease: timedelta = MAX_LEASE) -> None:
        """`max_lease` in the clock's own time: a demo that runs an hour a second stretches it."""
        migrations.make_ready(database)
        self._database = database
        self._max_lease = max_lease
        self._pulse = Pulse(database)
        with database.read() as connection:
            self.ledger_id = meta.get(connection, "ledger_id") or ""

    @classmethod
    def open(cls, path: Path, *, create: bool = True, durable: bool = True,
             max_lease: timedelta = MAX_LEASE) -> Self:  # fmt: skip
        """The ledger in a file. `durable=False` leaves fsync out, and is for tests alone."""
        if create:
            connect.make_file(path)
        elif not is_there(path):
            raise LedgerError(
                "there is no ledger yet", remedy="start a worker, or see ROTATOR_STATE_DIR"
            )
        database = connect.on_file(path, durable=durable)
        try:
            return cls(database, max_lease=max_lease)
        except BaseException:
            database.close()
            raise

    @classmethod
    def in_memory(cls, copied: Path | None = None, *, max_lease: timedelta = MAX_LEASE) -> Self:
        """For tests, and to see what a first look would find: gone when it is closed.

        `copied`: the ledger whose copy it is to be, if there is one.
        """
        return cls(connect.in_memory(copied), max_lease=max_lease)

    def close(self) -> None:
        self._database.close()

    # The schedule.

    def enrol(self, jobs: Mapping[str, Sequence[str]], now: datetime) -> int:
        at = values.micros(now)
        fresh = {"due_at": at, "state": State.DUE.value, "state_since": at,
                 "reason": Reason.MISSING.value}  # fmt: skip
        with self._database.write() as connection:
            return schedule.enrol(connection, jobs, fresh)

    def row_count(self) -> int:
        with self._database.read() as connection:
            return schedule.row_count(connection)

    def sweep(self, now: datetime, limit: int, *, until: datetime, job: str = "",
              quotas: Mapping[str, int] | None = None) -> list[str]:  # fmt: skip
        at = schedule.instants(now, self._max_lease)
        with self._database.read() as connection:
            anything = schedule.anything_due(connection, at, job)
        if not anything:
            self._pulse.beat(now)
            return []
        with self._database.write() as connection:
            claimed = schedule.claim(connection, at, limit, until, job, quotas or {})
            if claimed:
                self._pulse.write(connection, now)
        if not claimed:
            self._pulse.beat(now)
        return claimed

    def next_due(self, job: str = "") -> datetime | None:
        with self._database.read() as connection:
            return schedule.next_due(connection, job)

    def urgent(self, now: datetime) -> list[str]:
        with self._database.read() as connection:
            return schedule.urgent(connection, schedule.instants(now, self._max_lease))

    def swept_at(self) -> datetime | None:
        return self._pulse.last()

    # Leases.

    def take(self, credential: str, owner: str, now: datetime, until: datetime) -> Lease | None:
        at = schedule.instants(now, self._max_lease)
        with self._database.write() as connection:
            return leases.take(connection, credential, owner, at, until)

    def extend(self, lease: Lease, until: datetime) -> Lease:
        with self._database.write() as connection:
            return leases.extend(connection, lease, until)

    def check(self, lease: Lease) -> None:
        with self._database.read() as connection:
            changes.check_fence(connection, lease)

    def release(self, lease: Lease) -> None:
        with self._database.write() as connection:
            leases.release(connection, lease)

    def free_all(self) -> None:
        with self._database.write() as connection:
            leases.free_all(connection)

    # One credential.

    def look(self, credential: str) -> Record | None:
        with self._database.read() as connection:
            return queries.look(connection, credential)

    def spent(self, fingerprints: Collection[str]) -> tuple[Mark, ...]:
        if not fingerprints:
            return ()
        with self._database.read() as connection:
            return marks.spent(connection, fingerprints)

    def write(self, lease: Lease, *made: Change) -> None:
        with self._database.write() as connection:
            changes.check_fence(connection, lease)
            for change in made:
                changes.apply(connection, lease.credential, change)

    def seal(self, seal: Seal) -> Woken | None:
        with self._database.write() as connection:
            answers.keep(connection, seal)
            return outside.wake(connection, seal.intent.credential, seal.answered_at)

    def ask(self, manual: Manual) -> None:
        with self._database.write() as connection:
            outside.ask(connection, manual)

    def manual(self, manual_id: str) -> Manual | None:
        with self._database.read() as connection:
            return queries.manual_of(connection, manual_id)

    def request(self, request_id: str) -> Intent | None:
        with self._database.read() as connection:
            return queries.request_of(connection, request_id)

    def published_by(self, fingerprint: str) -> tuple[str, ...]:
        with self._database.read() as connection:
            return queries.published_by(connection, fingerprint)

    def pause(self, credential: str, now: datetime, by: str, why: str) -> bool:
        with self._database.write() as connection:
            return outside.pause(connection, credential, now, by, why)

    def resume(self, credential: str, now: datetime) -> bool:
        with self._database.write() as connection:
            return outside.resume(connection, credential, now)

    def forget(self, credential: str) -> None:
        with self._database.write() as connection:
            outside.forget(connection, credential)

    # The faces.

    def rows(self, names: Iterable[str] | None = None) -> list[Row]:
        with self._database.read() as connection:
            return queries.rows(connection, names)

    def back_offs(self, credential: str) -> list[BackOff]:
        with self._database.read() as connection:
            return queries.back_offs(connection, credential)

    def history(self, credential: str = "", limit: int = 50, run: str = "") -> list[Line]:
        with self._database.read() as connection:
            return queries.history(connection, credential, limit, run)

    def hold(self, reports: Sequence[Holder]) -> Mapping[str, int]:
        with self._database.write() as connection:
            return holders.hold(connection, reports)

    def wake(self, credential: str, now: datetime) -> None:
        with self._database.write() as connection:
            outside.wake(connection, credential, now)

    def holders(self, since: datetime) -> list[Holder]:
        with self._database.read() as connection:
            return holders.seen_since(connection, since)

    def first_alert(self, credential: str, key: str, now: datetime) -> bool:
        with self._database.write() as connection:
            return outside.first_alert(connection, credential, key, now)

    def clear_alerts(self, credential: str, prefix: str) -> None:
        begun = {"credential_": credential, "prefix_": prefix}
        with self._database.read() as connection:
            if not outside.has_alerts(connection, begun):
                return
        with self._database.write() as connection:
            outside.clear_alerts(connection, begun)

    # The house.

    def prune(self, now: datetime) -> None:
        """Throw away what no longer matters; once a day is enough."""
        upkeep.prune(self._database, now)

    def keepsake(self, key: str) -> str | None:
        """A single value that the ledger holds by this name."""
        with self._database.read() as connection:
            return meta.get(connection, key)

    def wrapped_keys(self) -> tuple[WrappedKey, ...]:
        """The sealing keys, none in a new ledger."""
        with self._database.read() as connection:
            return keys.all_of(connection)

    def replace_keys(self, current: str, wrapped: Sequence[WrappedKey]) -> bool:
        """Put these in the place of all, unless another than `current` seals now ("": none)."""
        with self._database.write() as connection:
            return keys.replace(connection, current, wrapped)
