"""`rotator demo`: the real worker against sandbox providers, an hour a second, and a kill.

A second worker stands by from the start of the second act, for it is what an operator has who can
not wait for a process to start: at an hour a second, Python alone takes longer to start than an
OAuth token of an hour has left when it is renewed. The one that was killed is started again and
stands by in its turn.
"""

import sys
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta

from rich.console import Console

from rotator.clock import Clock
from rotator.errors import LedgerError
from rotator.ledger.facts import Row
from rotator.ledger.sql import SqlLedger
from rotator.sandbox.ambush import Ambush
from rotator.sandbox.journal import Journal
from rotator.sandbox.screen import Screen, View, say, screen, show_summary
from rotator.sandbox.stage import WORKER, Stage, Worker, ended_by_signals, only
from rotator.sandbox.summary import INTERRUPTED, Summary, summarize
from rotator.sandbox.troupe import Part, at_work, is_calm, parts
from rotator.sandbox.witness import Stored

FACTOR = 3_600.0
"""An hour a second."""
SHORTEST = 30
"""Alation's refresh token of two days is replaced within 24 hours, and then has to be used."""
_LONG = 60
"""What a demo without an end takes for its length when it plans the kill."""
_STARTING = 60.0
"""Real seconds until the first tokens must be published."""
_CALM = timedelta(hours=2)
"""So long nothing else may be due when the worker is killed."""
_TICK = 0.2
_VICTIM = "oauth2"


class Failed(Exception):
    """The play cannot go on."""


class Play:
    """One performance, on a stage that is open."""

    def __init__(self, stage: Stage, journal: Journal, shown_on: Screen, seconds: int) -> None:
        self.stage, self.journal, self.screen = stage, journal, shown_on
        self.seconds = seconds
        self.cast: tuple[Part, ...] = ()
        self.ambush = Ambush(stage.clock, _VICTIM, self._is_calm)
        self._ledger: SqlLedger | None = None
        self._timer = Clock()
        self._began = 0.0
        self._standby: Worker | None = None
        self._again: Worker | None = None
        journal.watch(stage.cast)
        stage.aws.trap = self._trap
        stage.aws.on_stored = self._stored

    def run(self) -> None:
        """Until the time is up. Raises Failed."""
        first = self.stage.start_worker("--standby")
        self.journal.add(f"the worker starts, pid {first.pid}")
        self.cast = parts(self.stage)
        self._wait_for_tokens(first)
        with at_work(self.cast):
            self._began = self._timer.monotonic()
            while not self._is_over():
                self._act(first)
                self.screen.show(self.view())
                threading.Event().wait(_TICK)

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()

    def view(self) -> View:
        rows = {row.credential: row for row in self._rows()}
        seconds = int(self._timer.monotonic() - self._began) if self._began else 0
        of = f" of {self.seconds}" if self.seconds else ", until Ctrl-C"
        title = f"an hour a second  ·  second {seconds}{of}"
        return View(self.stage, self.cast, self.journal, rows, title)

    def summary(self, died: str = "") -> Summary:
        return summarize(self.stage, self.cast, self.journal, self.ambush, died)

    def _wait_for_tokens(self, worker: Worker) -> None:
        ends = self._timer.monotonic() + _STARTING
        while not all(part.access for part in self.cast):
            if not worker.is_alive:
                raise Failed("the worker ended by itself")
            if self._timer.monotonic() > ends:
                late = ", ".join(part.name for part in self.cast if not part.access)
                raise Failed(f"no token after {_STARTING:.0f} s: {late}")
            self.screen.show(self.view())
            threading.Event().wait(_TICK)

    def _is_over(self) -> bool:
        return bool(self.seconds) and self._timer.monotonic() - self._began >= self.seconds

    def _act(self, first: Worker) -> None:
        """The cues, each taken once; and whoever should be alive is."""
        played = (self._timer.monotonic() - self._began) / (self.seconds or _LONG)
        if self._standby is None:
            if played >= 0.25:
                self._standby = self.stage.start_worker("--standby")
                self.journal.add(f"a second worker stands by, pid {self._standby.pid}")
        elif played >= 0.42 and self.ambush.worker is None:
            self.ambush.worker = first
        if self.ambush.home.is_set() and self._again is None:
            self._again = self.stage.start_worker("--standby")
            self.journal.add(f"the killed worker is started again, pid {self._again.pid}")
        self._look_after(first)

    def _look_after(self, first: Worker) -> None:
        hit = self.ambush.killed is not None
        for worker in (None if hit else first, self._standby, self._again):
            if worker is not None and not worker.is_alive:
                raise Failed(f"worker {worker.pid} ended by itself")

    def _rows(self) -> Sequence[Row]:
        """As the worker's ledger has them; none before there is one."""
        with suppress(LedgerError):
            if self._ledger is None:
                self._ledger = SqlLedger.open(self.stage.ledger_file, create=False)
            return self._ledger.rows()
        return ()

    def _is_calm(self) -> bool:
        others = [row for row in self._rows() if row.job != _VICTIM]
        return bool(others) and is_calm(others, self.stage.clock.now() + _CALM)

    def _trap(self, stored: Stored) -> bool:
        fallen = self.ambush.falls(stored)
        if fallen and self.ambush.worker:
            text = (
                f"KILLED: SIGKILL to worker {self.ambush.worker.pid}. {stored.credential}'s old"
                f" refresh token is spent, the new one (generation {stored.generation}) is sealed"
                " on disk and has not reached AWS"
            )
            self.journal.add(text, grave=True)
        return fallen

    def _stored(self, stored: Stored) -> None:
        was_home = self.ambush.home.is_set()
        self.ambush.stored(stored)
        if self.ambush.home.is_set() and not was_home:
            took = f"{self.ambush.took:.1f} s of your time later"
            text = f"RECOVERED: the worker that stood by finishes it from the seal, {took}"
            self.journal.add(text, grave=True)
        self.journal.stored(stored)


def demo(seconds: int, console: Console | None = None, worker: Sequence[str] = WORKER) -> int:
    """Play it; the exit code: 0 only if everything promised held."""
    shown_on = console or Console()
    if 0 < seconds < SHORTEST:
        text = f"the demo needs at least {SHORTEST} seconds, an hour each, to show every renewal"
        say(shown_on, f"{text}; 0 goes on until Ctrl-C", "red")
        return 2
    with ended_by_signals(), ExitStack() as open_:
        epoch = Clock().now()
        clock = Clock(FACTOR, epoch)
        stage = open_.enter_context(Stage(clock, epoch.isoformat(), worker=worker))
        open_.enter_context(only(stage.environ))
        summary = _performed(stage, shown_on, seconds)
        stage.keeps_log = not (summary.is_good or summary.is_interrupted)
    show_summary(shown_on, summary)
    if summary.is_good:
        return 0
    if summary.is_interrupted:
        return 130
    say(shown_on, f"\nThe workers' log: {stage.log}; its last lines:\n{stage.last_words()}")
    return 1


def _performed(stage: Stage, console: Console, seconds: int) -> Summary:
    """Ctrl-C ends a demo of any length with its summary."""
    shown_on = screen(console)
    journal = Journal(stage.clock, shown_on.event)
    play = Play(stage, journal, shown_on, seconds)
    died = ""
    with shown_on:
        try:
            play.run()
        except KeyboardInterrupt:
            died = INTERRUPTED if seconds else ""
        except Failed as failed:
            died = str(failed)
        finally:
            play.close()
    return play.summary(died)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = ArgumentParser(prog="python -m rotator.sandbox.demo", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="0: until Ctrl-C")
    return demo(parser.parse_args(arguments).seconds)


if __name__ == "__main__":
    sys.exit(main())
