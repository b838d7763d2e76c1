"""APScheduler, and all that we ask of it: to call each job file's sweep when something is due.

It holds one job a file and may lose it: `watch` looks at the ledger each second and calls whoever
is due all the same, by a manual request, a late answer or a clock that jumped. Nothing in its
threads blocks for long or raises: an exception there ends its thread while `running` stays True.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from rotator.clock import Clock
from rotator.engine.trigger import LifespanTrigger
from rotator.jobs.job import Job
from rotator.ledger.base import Ledger

WATCH, UPKEEP = ":watch", ":upkeep"
"""Ids that no job file can have."""
_EVERY = timedelta(seconds=1)
_OFTENEST = 0.1
"""Real seconds: a clock that runs fast does not make `watch` run all the time."""
_UPKEEP_EVERY = timedelta(hours=1)
_SHORTEST_UPKEEP = 5.0
_STALLED = 10.0
"""Seconds without a `watch` after which all are woken: the wall clock was set back."""

_OFTEN = 0.2
"""Seconds: under load a job's time is set no more often."""

_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}


class Timetable:
    """One APScheduler job a job file, `watch`, and `upkeep` each hour."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        *,
        sweep: Callable[[str], None],
        upkeep: Callable[[], None],
        on_swept: Callable[[], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """`sweep`, `upkeep`: what they raise goes to `on_failure`. `on_swept`: all went well."""
        self._ledger, self._clock, self._real = ledger, clock, Clock()
        self._sweep, self._upkeep = sweep, upkeep
        self._on_swept, self._on_failure = on_swept, on_failure
        self._moved: set[str] = set()
        self._planned_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._watched = self._real.monotonic()
        self._threads = ThreadPoolExecutor(3)
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults=_DEFAULTS, executors={"default": self._threads}
        )

    def start(self, jobs: Iterable[Job]) -> None:
        hourly = max(self._clock.shrink(_UPKEEP_EVERY), _SHORTEST_UPKEEP)
        every = max(self._clock.shrink(_EVERY), _OFTENEST)
        self._add(self._watch, "interval", WATCH, seconds=every)
        self._add(self._keep_up, "interval", UPKEEP, seconds=hourly)
        self.follow(jobs)
        self._scheduler.start()

    def follow(self, jobs: Iterable[Job]) -> None:
        """These job files from now on, and no others."""
        live = {job.name: job for job in jobs if job.credentials}
        for there in self._scheduler.get_jobs():
            if there.id not in (*live, WATCH, UPKEEP):
                there.remove()
        for name, job in live.items():
            trigger = LifespanTrigger(job, self._ledger, self._clock, self._on_failure)
            self._add(self._call, trigger, name, args=[name])

    def moved(self, job: str) -> None:
        """A credential's `due_at` is another: set the job's time, or let `watch` do it soon."""
        now = self._real.monotonic()
        with self._lock:
            if now - self._planned_at.get(job, float("-inf")) < _OFTEN:
                self._moved.add(job)
                return
            self._planned_at[job] = now
        self._plan(job)

    def stop(self) -> None:
        """Call nobody any more, and wait for what runs."""
        self._scheduler.shutdown(wait=False)  # it would wait with its locks held: sweeps want them
        self._threads.shutdown(wait=True)

    @property
    def silence(self) -> float:
        """Seconds since `watch` last began."""
        return self._real.monotonic() - self._watched

    def revive(self) -> None:
        """Call everybody once, if `watch` is overdue."""
        if self.silence > _STALLED:
            for there in self._scheduler.get_jobs():
                self._call_at(there.id, 0)

    def _add(
        self, function: Callable[..., None], trigger: object, job_id: str, **more: object
    ) -> None:
        self._scheduler.add_job(
            function, trigger, id=job_id, name=job_id, replace_existing=True, **more
        )

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next one may work
            self._on_failure(error)

    def _call(self, job: str) -> None:
        self._guarded(lambda: self._sweep(job))
        self._plan(job)

    def _keep_up(self) -> None:
        self._guarded(self._upkeep)

    def _watch(self) -> None:
        self._watched = self._real.monotonic()
        self._guarded(self._look)

    def _look(self) -> None:
        with self._lock:
            moved, self._moved = self._moved, set()
        for job in moved:
            self._plan(job)
        now = self._clock.now()
        called = [job for job in self._ledger.urgent(now) if self._call_at(job, 0)]
        if not called:
            self._ledger.sweep(now, 0, until=now)  # claims nothing, and is the worker's pulse
        self._on_swept()

    def _plan(self, job: str) -> None:
        """Set the job's time by its trigger."""
        there = self._scheduler.get_job(job)
        if there is not None:
            now = self._real.now()
            at = there.trigger.get_next_fire_time(now, now)
            self._call_at(job, (at - now).total_seconds())

    def _call_at(self, job: str, seconds: float) -> bool:
        at = self._real.now() + timedelta(seconds=seconds)
        try:
            self._scheduler.modify_job(job, next_run_time=at)
        except JobLookupError:  # its file went away meanwhile
            return False
        return True
