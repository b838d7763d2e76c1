"""APScheduler, the feeder and the pool at work in this process, on a ledger in memory."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from rotator.clock import Clock, new_id
from rotator.engine.local import Feeder, Pool
from rotator.engine.scheduler import UPKEEP, WATCH, Timetable
from rotator.engine.shares import Shares
from rotator.errors import LedgerError
from rotator.jobs.job import Job
from rotator.ledger.facts import Manual
from rotator.ledger.sql import SqlLedger
from rotator.ledger.writes import Rest
from rotator.model import Reason, State
from rotator.rotation.tools import Tools
from tests.unit.acme import GOOD, loaded, written

PATIENCE = 10.0
DAY = timedelta(days=1)


def until(holds: Callable[[], object], what: str) -> None:
    real, pause = Clock(), threading.Event()
    ends = real.monotonic() + PATIENCE
    while not holds():
        assert real.monotonic() < ends, f"not within {PATIENCE} s: {what}"
        pause.wait(0.005)


class Engine:
    """All of it, but that a rotation is a stub: leases, works a little, rests for a day."""

    def __init__(self, jobs: list[Job], slots: int = 8) -> None:
        self.ledger, self.clock = SqlLedger.in_memory(), Clock()
        self.done: Counter[str] = Counter()
        self.broken: list[tuple[str, Exception]] = []
        self.swept = 0
        self.fails: set[str] = set()
        self.hangs = ""
        """What the names of those begin with whose provider does not answer."""
        self.freed = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.most = self.running = 0
        self._lock = threading.Lock()
        none: Any = None
        tools = Tools(
            ledger=self.ledger, store=none, door=none, seeds=none, sealing=none, fingerprints=none,
            clock=self.clock, owner="me", version="test",
        )  # fmt: skip
        self.tools = tools
        self.feeder = Feeder(tools, slots, self._rotate, lambda *told: self.broken.append(told))
        self.feeder.pool.shares = Shares.of(jobs, slots)
        self.timetable = Timetable(
            self.ledger, self.clock, sweep=self.feeder.feed, upkeep=self._keep_up,
            on_swept=self._swept, on_failure=lambda error: self.broken.append(("", error)),
        )  # fmt: skip
        self.kept_up = 0
        self.jobs = jobs
        self.enrol()

    def enrol(self) -> None:
        named = {job.name: [each.qualified for each in job.credentials] for job in self.jobs}
        self.ledger.enrol(named, self.clock.now())

    def stop(self) -> None:
        self.gate.set()
        self.freed.set()
        self.feeder.pool.close()
        self.timetable.stop()
        assert self.feeder.pool.join(PATIENCE)
        self.ledger.close()

    def _swept(self) -> None:
        self.swept += 1

    def _keep_up(self) -> None:
        self.kept_up += 1

    def _rotate(self, name: str) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            assert self.gate.wait(PATIENCE)
            if self.hangs and name.startswith(self.hangs):
                assert self.freed.wait(PATIENCE)
            if name in self.fails:
                raise ValueError(name)
            self._walk(name)
        finally:
            with self._lock:
                self.running -= 1
            self.timetable.moved(name.partition("/")[0])

    def _walk(self, name: str) -> None:
        now = self.clock.now()
        lease = self.ledger.take(name, "me", now, now + self.tools.lease_time)
        if lease is None:
            return
        record = self.ledger.look(name)
        assert record is not None
        self.ledger.write(
            lease,
            Rest(
                due_at=now + DAY, seen_due_at=record.row.due_at, state=State.FRESH,
                reason=Reason.FRESH, at=now,
            ),
        )  # fmt: skip
        self.done[name] += 1
        self.ledger.release(lease)


def job_of(tmp_path: Any, size: int, name: str = "acme", host: str = "acme.example.com") -> Job:
    good = GOOD.replace("acme.example.com", host)
    head, _, table = good.partition("[[credentials]]")
    tables = "".join(
        f"[[credentials]]{table.replace('etl', f'c{number}', 1)}\n" for number in range(size)
    )
    book = loaded(written(tmp_path, **{name: head + tables}))
    assert not book.mistakes
    return next(job for job in book.jobs if job.name == name)


@pytest.fixture
def begin() -> Iterator[Callable[..., Engine]]:
    begun: list[Engine] = []

    def build(jobs: list[Job], slots: int = 8) -> Engine:
        begun.append(Engine(jobs, slots))
        return begun[-1]

    yield build
    for engine in begun:
        engine.stop()


Begin = Callable[..., Engine]


def test_of_500_due_in_the_same_second_none_is_dropped(tmp_path: Any, begin: Begin) -> None:
    engine = begin([job_of(tmp_path, 250, "one"), job_of(tmp_path, 250, "two")])
    engine.timetable.start(engine.jobs)
    until(lambda: len(engine.done) == 500, "all 500")
    assert set(engine.done.values()) == {1}
    assert engine.most <= 8
    assert not engine.broken


def test_what_is_due_stays_in_the_ledger_until_there_is_room(tmp_path: Any, begin: Begin) -> None:
    engine = begin([job_of(tmp_path, 30, "one")], slots=1)
    engine.gate.clear()
    engine.timetable.start(engine.jobs)
    until(lambda: engine.running, "the first")
    assert engine.feeder.pool.room == 0
    claimed = len(engine.ledger.sweep(engine.clock.now(), 30, until=engine.clock.now() + DAY / 48))
    assert claimed == 27  # one at work, two waiting: the others still lie in the ledger


def test_a_provider_that_hangs_holds_up_nobody_of_another(tmp_path: Any, begin: Begin) -> None:
    jobs = [job_of(tmp_path, 100, "dead"), job_of(tmp_path, 100, "live", "live.example.com")]
    engine = begin(jobs)
    engine.hangs = "dead/"
    engine.timetable.start(engine.jobs)

    def alive() -> int:
        return sum(name.startswith("live/") for name in engine.done)

    until(lambda: alive() == 100, "all of the living provider are done")
    assert len(engine.done) == 100
    until(lambda: engine.running == 6, "two threads are free")
    engine.freed.set()
    until(lambda: len(engine.done) == 200, "the others follow")
    assert set(engine.done.values()) == {1}
    assert not engine.broken


def test_one_provider_alone_has_all_threads(tmp_path: Any, begin: Begin) -> None:
    engine = begin([job_of(tmp_path, 20)])
    engine.gate.clear()
    engine.timetable.start(engine.jobs)
    until(lambda: engine.running == 8, "all at work")


def test_one_that_breaks_stops_no_other_and_does_not_spin(tmp_path: Any, begin: Begin) -> None:
    engine = begin([job_of(tmp_path, 20)])
    engine.fails = {"acme/c3"}
    engine.timetable.start(engine.jobs)
    until(lambda: len(engine.done) == 19, "the other 19")
    swept = engine.swept
    until(lambda: engine.swept >= swept + 2, "two looks")
    assert [name for name, _ in engine.broken] == ["acme/c3"]


def test_a_person_s_wish_is_seen_by_the_next_look(tmp_path: Any, begin: Begin) -> None:
    engine = begin([job_of(tmp_path, 1)])
    engine.timetable.start(engine.jobs)
    until(lambda: engine.done["acme/c0"] == 1, "the first")
    now = engine.clock.now()
    engine.ledger.ask(
        Manual(id=new_id(), credential="acme/c0", asked_at=now, by="me", why="", tokens=frozenset())
    )
    until(lambda: engine.done["acme/c0"] == 2, "the second")


def test_a_wish_of_the_worker_needs_no_due_row(tmp_path: Any, begin: Begin) -> None:
    engine = begin([job_of(tmp_path, 1)])
    engine.timetable.start(engine.jobs)
    until(lambda: engine.done["acme/c0"] == 1, "the first")
    engine.feeder.wish(["acme/c0"])
    until(lambda: engine.done["acme/c0"] == 2, "the second")


def test_a_ledger_that_fails_ends_no_thread(
    tmp_path: Any, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = begin([job_of(tmp_path, 2)])
    failing = threading.Event()
    failing.set()

    def unless(method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any, **more: Any) -> Any:
            if failing.is_set():
                raise LedgerError("the disk is gone")
            return method(*given, **more)

        return called

    for name in ("sweep", "urgent", "next_due"):
        monkeypatch.setattr(engine.ledger, name, unless(getattr(engine.ledger, name)))
    engine.timetable.start(engine.jobs)
    until(lambda: len(engine.broken) >= 3, "failures")
    assert engine.swept == 0
    failing.clear()
    until(lambda: len(engine.done) == 2, "both, once it is back")


def test_a_wall_clock_set_back_does_not_stop_it(
    tmp_path: Any, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = begin([job_of(tmp_path, 1)])
    engine.timetable.start(engine.jobs)
    until(lambda: engine.done, "the first")
    scheduler = engine.timetable._scheduler  # noqa: SLF001 - what a jump does to it
    hour = engine.clock.now() + timedelta(hours=1)
    scheduler.modify_job(WATCH, next_run_time=hour)
    engine.timetable.revive()
    assert scheduler.get_job(WATCH).next_run_time == hour  # not overdue yet
    monkeypatch.setattr("rotator.engine.scheduler._STALLED", -1.0)
    swept = engine.swept
    engine.timetable.revive()
    until(lambda: engine.swept > swept, "a look")
    until(lambda: engine.kept_up, "upkeep, too")


def test_the_jobs_of_apscheduler_are_the_job_files(tmp_path: Any, begin: Begin) -> None:
    one, two = job_of(tmp_path, 1, "one"), job_of(tmp_path, 1, "two")
    engine = begin([one])
    engine.timetable.start([one])
    scheduler = engine.timetable._scheduler  # noqa: SLF001 - what `print_jobs` shows
    engine.timetable.follow([two])
    assert {job.id for job in scheduler.get_jobs()} == {WATCH, UPKEEP, "two"}
    assert str(scheduler.get_job("two").trigger) == "lifespan[unknown yet]"
    engine.timetable.moved("one")  # which went away meanwhile
    engine.jobs = [two]
    engine.enrol()
    until(lambda: engine.done["two/c0"], "the new one")
    until(lambda: scheduler.get_job("two").next_run_time - engine.clock.now() > DAY / 2, "tomorrow")


def test_stopping_waits_for_a_sweep_that_runs_and_not_for_ever() -> None:
    ledger, began, gate = SqlLedger.in_memory(), threading.Event(), threading.Event()

    def upkeep() -> None:
        timetable.moved("acme")  # wants APScheduler's locks
        began.set()
        assert gate.wait(PATIENCE)
        timetable.moved("acme")

    broken: list[Exception] = []
    timetable = Timetable(
        ledger, Clock(1e5, Clock().now()), sweep=lambda _: None, upkeep=upkeep,
        on_swept=lambda: None, on_failure=broken.append,
    )  # fmt: skip
    timetable.start([])
    timetable._scheduler.modify_job(UPKEEP, next_run_time=Clock().now())  # noqa: SLF001
    assert began.wait(PATIENCE)
    stopping = threading.Thread(target=timetable.stop, daemon=True)
    stopping.start()
    until(lambda: not timetable._scheduler.running, "it stops")  # noqa: SLF001
    gate.set()
    stopping.join(PATIENCE)
    assert not stopping.is_alive()
    assert not broken
    ledger.close()


# The pool by itself.


def test_a_closed_pool_finishes_what_runs_and_forgets_what_waits() -> None:
    done: list[str] = []
    gate = threading.Event()

    def rotate(name: str) -> None:
        assert gate.wait(PATIENCE)
        done.append(name)

    pool = Pool(2, rotate, lambda *_: None, lambda: None)
    pool.offer(["a", "b", "c", "d", "a"])
    assert pool.room == 2
    until(lambda: len(pool._running) == 2, "two at work")  # noqa: SLF001 - nobody else needs to know
    pool.close()
    assert not pool.join(0.01)
    assert pool.room == 0
    pool.offer(["e"])
    gate.set()
    assert pool.join(PATIENCE)
    assert sorted(done) == ["a", "b"]


def test_what_is_offered_while_it_runs_runs_once_more_and_never_twice_at_once() -> None:
    began: list[str] = []
    gates = [threading.Event(), threading.Event()]

    def rotate(name: str) -> None:
        began.append(name)
        assert gates[len(began) - 1].wait(PATIENCE)

    pool = Pool(2, rotate, lambda *_: None, lambda: None)
    pool.offer(["a"])
    until(lambda: began, "it runs")
    pool.offer(["a", "a"])
    assert began == ["a"]
    gates[0].set()
    until(lambda: len(began) == 2, "once more")
    gates[1].set()
    until(lambda: pool.room == 6, "done")
    pool.close()
    assert pool.join(PATIENCE)
    assert began == ["a", "a"]
