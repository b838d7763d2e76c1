"""What a verb works with, opened when it is needed and closed when the verb ends."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rotator.clock import Clock
from rotator.engine import assembly
from rotator.engine.book import load_book
from rotator.environment import load_settings
from rotator.errors import LeaseLost, LedgerError
from rotator.ledger.presence import is_there
from rotator.settings import Settings

if TYPE_CHECKING:
    from rotator.jobs.job import Credential, JobBook
    from rotator.ledger.base import Ledger
    from rotator.ledger.facts import Holder, Row
    from rotator.ledger.lockfile import WorkerLock
    from rotator.ledger.sql import SqlLedger
    from rotator.rotation.tools import Tools
    from rotator.store.secrets_manager import SecretsManagerStore

DEBUG = "ROTATOR_DEBUG"
"""Shows tracebacks. The command line's own: no setting of the worker's."""
READ_ANEW = "have it read its job files anew: `kill -HUP PID`, `systemctl reload rotator`"
_LEASE = timedelta(minutes=2)


@dataclass(frozen=True)
class House:
    """The process's settings, and all that follows from them."""

    settings: Settings
    environ: Mapping[str, str]

    @classmethod
    def open(cls) -> Self:
        """Raises BadSettings."""
        environ = {name: value for name, value in os.environ.items() if name != DEBUG}
        return cls(load_settings(environ), environ)

    @cached_property
    def clock(self) -> Clock:
        return assembly.clock_of(self.settings)

    @cached_property
    def book(self) -> "JobBook":
        return load_book(self.settings, self.environ)

    @property
    def unread(self) -> str:
        """Why the folder of job files could not be read, with the way out; empty: it could."""
        why = self.book.unread
        return f"{why.text}: {why.file} ({why.remedy})" if why else ""

    @property
    def ledger_path(self) -> Path:
        return assembly.ledger_path(self.settings)

    @property
    def has_ledger(self) -> bool:
        """Raises LedgerError where this user may not look."""
        return is_there(self.ledger_path)

    # Which credentials.

    def chosen(self, names: Sequence[str]) -> "list[Credential]":
        """The credentials of job files that are meant."""
        from rotator.cli.names import matching

        credentials = self.book.credentials
        found = matching(names, credentials, self.book, self._left)
        return [credentials[name] for name in found]

    def one(self, name: str) -> "Credential":
        from rotator.cli.names import one

        credentials = self.book.credentials
        return credentials[one(name, credentials, self.book, self._left)]

    def _left(self) -> list[str]:
        """What the ledger knows: some may be no job file's any more. None if it cannot tell."""
        with suppress(LedgerError):
            return [row.credential for row in self.rows()]
        return []

    def named(self, names: Sequence[str], ledger: "Ledger") -> list[str]:
        """The credentials that the ledger knows and that are meant; a job file need not be left."""
        from rotator.cli.names import matching

        return matching(names, [row.credential for row in ledger.rows()], self.book)

    # The ledger.

    def ledger(self) -> "AbstractContextManager[SqlLedger]":
        """The ledger that is there. Raises LedgerError where there is none yet."""
        return assembly.open_ledger(self.settings, create=False)

    def rows(self) -> "list[Row]":
        """Of every credential; none where there is no ledger yet."""
        if not self.has_ledger:
            return []
        with self.ledger() as ledger:
            return ledger.rows()

    def holders(self) -> "list[Holder]":
        """What consumers said lately of what they hold, where any said so."""
        from rotator.rotation.outlived import HEARD

        if not self.has_ledger:
            return []
        with self.ledger() as ledger:
            return ledger.holders(self.clock.now() - HEARD)

    @contextmanager
    def leased(self, name: str) -> "Iterator[Ledger | None]":
        """The ledger while no walk of the credential is under way; None where it has no row."""
        if not self.has_ledger:
            yield None
            return
        with self.ledger() as ledger:
            if not ledger.rows([name]):
                yield None
                return
            now = self.clock.now()
            until = now + self.clock.stretch(_LEASE)
            lease = ledger.take(name, assembly.owner_name(), now, until)
            if lease is None:
                raise LeaseLost(f"a walk of {name} is under way", remedy="try again in a minute")
            try:
                yield ledger
            finally:
                ledger.release(lease)

    # The worker.

    def lock(self) -> "WorkerLock":
        return assembly.worker_lock(self.settings)

    def worker_is_alive(self) -> bool:
        """Whether a worker, or a command that rotates by itself, holds the ledger."""
        if not is_there(assembly.lock_path(self.settings)):
            return False  # and none is made: its owner would be whoever asked
        return self.lock().is_held()

    def enrol(self, ledger: "Ledger") -> None:
        """The rows of the job files, as a worker's start makes them."""
        jobs = {job.name: [each.qualified for each in job.credentials] for job in self.book.jobs}
        ledger.enrol(jobs, self.clock.now())

    @contextmanager
    def guarded(self, ledger: "Ledger") -> Iterator[None]:
        """Beside a worker the lease must do; without one, none starts meanwhile and voids it.

        A worker that is alive has its own job files, and perhaps another environment.
        """
        with self.lock() as lock:
            if lock.attempt():
                self.enrol(ledger)
            yield

    @contextmanager
    def imagined(self) -> "Iterator[Tools]":
        """All that a rotation works with, on the ledger as a worker that starts would have it.

        It lies in memory: a copy, or where there is no ledger yet, a new one, whose key is in a
        folder that is gone afterwards. Nothing is changed, and nothing made.
        """
        from tempfile import TemporaryDirectory

        from rotator.ledger.sql import SqlLedger

        known = self.ledger_path if self.has_ledger else None
        with (
            closing(SqlLedger.in_memory(known)) as ledger,
            TemporaryDirectory(prefix="rotator-explain-") as folder,
        ):
            self.enrol(ledger)
            key = {} if known else {"key_file": Path(folder) / "key", "seal_kms_key": ""}
            settings = self.settings.model_copy(update=key)
            with assembly.open_tools(settings, self.environ, ledger=ledger) as tools:
                yield tools

    # What reaches further.

    def tools(self, ledger: "SqlLedger | None" = None) -> "AbstractContextManager[Tools]":
        """All that a rotation works with; a ledger and its key are made where there are none."""
        return assembly.open_tools(self.settings, self.environ, ledger=ledger)

    def store(self) -> "AbstractContextManager[SecretsManagerStore]":
        return assembly.open_store(self.settings)


def refuse_unmet(ledger: "Ledger", names: Sequence[str]) -> None:
    """Raise LedgerError where the worker that is alive has yet to read of a credential."""
    known = {row.credential for row in ledger.rows(names)}
    for name in names:
        if name not in known:
            raise LedgerError(f"the worker does not know {name} yet", remedy=READ_ANEW)
