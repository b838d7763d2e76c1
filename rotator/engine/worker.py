"""The worker: job files, schedule and rotations, from the first sweep to the last step."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from rotator.engine import logs
from rotator.engine.alerts import Alerts
from rotator.engine.complaints import Complaints
from rotator.engine.local import Feeder
from rotator.engine.notify import Notifier
from rotator.engine.scheduler import Timetable
from rotator.engine.shares import Shares
from rotator.engine.webhooks import Webhooks, published
from rotator.errors import BadJobs, LedgerDamaged, LedgerError, LedgerGone
from rotator.jobs.job import JobBook
from rotator.ledger.sql import SqlLedger
from rotator.model import State
from rotator.rotation.telling import Event
from rotator.rotation.tools import Tools
from rotator.rotation.walk import rotate

_LOOK = 5.0
"""Seconds between two looks at whether the scheduler still lives."""
_GIVE_UP = 120.0
"""Seconds without a `watch` after which only a new process helps."""
_PRUNE_EVERY = timedelta(days=1)


class Order(Enum):
    """What a signal asks for."""

    STOP = auto()
    RELOAD = auto()


Orders = SimpleQueue[Order]


class Told(NamedTuple):
    """Everybody who hears of what a worker does: people, machines, systemd."""

    alerts: Alerts
    webhooks: Webhooks
    notifier: Notifier


class Worker:
    """One process that holds the ledger."""

    def __init__(
        self,
        tools: Tools,
        ledger: SqlLedger,
        load: Callable[[], JobBook],
        *,
        slots: int,
        told: Told,
    ) -> None:
        self._tools, self._ledger, self._load = tools, ledger, load
        self._alerts, self._webhooks, self._notifier = told
        self._log = logs.logger()
        self._tell = logs.observer(self._log, tools.clock)
        self._complaints = Complaints(self._log, tools.clock)
        self._book = JobBook((), ())
        self._stale = False
        """The job files could not be read anew: that is still to be done."""
        self._rows = 0
        """Of the ledger, when the job files' were last made."""
        self._pruned_at: datetime | None = None
        self._fatal: LedgerError | None = None
        """What only a new process or a person can mend."""
        self._slots = slots
        self._feeder = Feeder(tools, slots, self._rotate, self._broke)
        self._timetable = Timetable(
            ledger,
            tools.clock,
            sweep=self._feeder.feed,
            upkeep=self._keep_up,
            on_swept=told.notifier.alive,
            on_failure=lambda error: self._broke("", error),
        )

    def run(self, orders: Orders) -> int:
        """Until told to stop; the exit code.

        Raises LedgerError where it cannot even begin, LedgerGone or LedgerDamaged where it cannot
        go on. What is in flight ends first in any case.
        """
        self._ledger.free_all()
        self._follow(self._load())
        self._alerts.start()
        self._webhooks.start()
        self._timetable.start(self._book.jobs)
        if not self._stale:  # else all that is due would be claimed, for nobody
            self._feeder.wish(self._stuck())
        self._ready()
        try:
            code = self._obey(orders)
        finally:  # else its threads would keep a process that does nothing any more
            self._end()
        if self._fatal is not None:
            raise self._fatal
        return code

    @property
    def book(self) -> JobBook:
        """The job files as they were last read."""
        return self._book

    def _obey(self, orders: Orders) -> int:
        while True:
            order = None
            with suppress(Empty):
                order = orders.get(timeout=_LOOK)
            if order is Order.STOP:
                return 0
            if order is Order.RELOAD or self._stale:
                self._reload(asked=order is Order.RELOAD)
            self._take_back()
            self._timetable.revive()
            if self._timetable.silence > _GIVE_UP:
                self._log.critical("the scheduler has stopped", seconds=_GIVE_UP)
                return 1
            if self._fatal is not None:
                return 1

    def _end(self) -> None:
        """Finish what is in flight, however long that takes, and start nothing new."""
        self._notifier.stopping()
        self._log.info("stopping")
        self._feeder.pool.close()
        self._timetable.stop()
        while not self._feeder.pool.join(1.0):
            self._notifier.alive()
        self._alerts.close()
        self._webhooks.close()
        self._log.info("stopped")

    def _reload(self, *, asked: bool) -> None:
        """`asked`: by a person, who is told of the outcome whatever it is."""
        if asked:
            self._notifier.reloading()
        before = self._book
        try:
            self._follow(self._load())
            if not self._stale:
                self._timetable.follow(self._book.jobs)
                known = before.credentials
                self._feeder.wish(_changed(known, self._book) if known else self._stuck())
        except LedgerError as error:
            self._book, self._stale = before, True
            self._broke("", error)
        if asked or not self._stale:
            self._ready()

    def _take_back(self) -> None:
        """What `rotator forget` deleted while its job file still gives it begins anew."""
        if self._stale:  # no book to go by, or an old one
            return
        try:
            if self._ledger.row_count() != self._rows:  # only `forget` deletes any
                self._enrol()
        except LedgerError as error:
            self._broke("", error)

    def _follow(self, book: JobBook) -> None:
        """Where the folder cannot be read, all stays as it was: its tokens are to be kept alive."""
        self._stale = book.unread is not None
        if book.unread is not None:
            self._broke("", BadJobs([book.unread]))
            return
        for mistake in book.mistakes:
            self._log.error(
                "a job file is wrong, and its job stands still",
                file=mistake.file,
                line=mistake.line,
                field=mistake.field,
                text=mistake.text,
                remedy=mistake.remedy,
            )
        for job in book.jobs:
            if job.off:
                self._log.info("a job is off", job=job.name, unset=job.off)
        if book.strays:
            remedy = "a job file's name ends in .toml, and it lies in the folder itself"
            told = {"files": list(book.strays), "remedy": remedy}
            self._log.warning("files that look like job files are read by nobody", **told)
        self._book = book  # first, for a new row is due at once
        self._feeder.pool.shares = Shares.of(book.jobs, self._slots)
        self._enrol()

    def _enrol(self) -> None:
        named = {job.name: [each.qualified for each in job.credentials] for job in self._book.jobs}
        self._rows = self._ledger.enrol(named, self._tools.clock.now())

    def _ready(self) -> None:
        on = sum(1 for job in self._book.jobs if job.credentials)
        wrong = len({mistake.file for mistake in self._book.mistakes})
        told = {"jobs": on, "credentials": len(self._book.credentials), "wrong_files": wrong}
        self._log.info("ready", **told)
        status = f"{told['credentials']} credentials of {on} jobs"
        self._notifier.ready(status + (f", {wrong} job files are wrong" if wrong else ""))

    def _stuck(self) -> list[str]:
        """What a person may have mended while no worker ran."""
        rows = self._ledger.rows()
        return [row.credential for row in rows if row.state is State.NEEDS_A_PERSON and row.due_at]

    def _rotate(self, name: str) -> None:
        credential = self._book.credentials.get(name)
        if credential is None:  # its file went away after the claim
            return
        try:
            if published(rotate(self._tools, credential, self._observe)):
                self._webhooks.tell(credential)
        finally:
            self._timetable.moved(credential.job)

    def _observe(self, event: Event) -> None:
        self._tell(event)
        self._alerts.observe(event)

    def _keep_up(self) -> None:
        now = self._tools.clock.now()
        if self._pruned_at is None or now - self._pruned_at >= _PRUNE_EVERY:
            self._ledger.prune(now)
            self._pruned_at = now
        self._alerts.survey(self._ledger.rows())

    def _broke(self, name: str, error: Exception) -> None:
        """Of a credential, or of the ledger."""
        if isinstance(error, LedgerGone | LedgerDamaged):
            self._fatal = error
        self._complaints.tell(name, error)


def _changed(before: Mapping[str, Any], book: JobBook) -> list[str]:
    """Credentials of which the job files now say something else."""
    return [
        name
        for name, credential in book.credentials.items()
        if name in before and before[name].digest != credential.digest
    ]
