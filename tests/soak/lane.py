"""One town, one worker after another, each killed: what `make soak` runs side by side.

Prints a line of JSON after every few kills, and the verdict at its end.
"""

import json
import random  # noqa: TID251 - a soak's Random(seed)
import tempfile
import threading
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from rotator.clock import Clock
from rotator.ledger.sql import SqlLedger
from rotator.model import Shelf
from rotator.rotation.asking import request
from rotator.sandbox.stage import ended_by_signals
from tests.soak.aftermath import Aftermath, aftermath, look
from tests.soak.consumers import Calls, Consumers
from tests.soak.judge import Judge
from tests.soak.town import BY_CREDENTIAL, Town, town
from tests.soak.trap import Plan, Trap, draw
from tests.soak.victims import Cold, Nursery, Victim, zygote

EVERY = 60
"""Kills between two intermissions, in which all come home and nothing is killed."""
_COLD_EVERY = 10
_HOME = 120.0
"""Real seconds for everybody to come home: some ten on an idle machine."""
_LOG_KEPT = 10_000_000


class Lane:
    """Plays until its kills are done, its time is up, or a promise is broken."""

    def __init__(self, played: Town, trap: Trap, nursery: Nursery, wanted: Namespace) -> None:
        self.town, self.trap, self.warm, self.wanted = played, trap, nursery, wanted
        self.cold = Cold()
        self.judge = Judge(played)
        self.consumers = Consumers(played, self.judge)
        self.counts: Counter[str] = Counter()
        self._dice = random.Random(f"{wanted.seed}/{wanted.lane}")  # noqa: S311 - a plan of kills
        self._clock = Clock()

    def run(self) -> None:
        ends = self._clock.monotonic() + 60 * self.wanted.minutes
        with self.consumers.at_work():
            while self._goes_on(ends):
                self._kill(draw(self._dice))
                if self.counts["kills"] % EVERY == 0:
                    self._intermission()
                if self.counts["kills"] % 10 == 0:
                    say(kills=self.counts["kills"], **self.judge.counts)
            self._intermission()

    def verdict(self) -> dict[str, Any]:
        counts = self.counts + self.judge.counts + self.consumers.counts
        broken = list(self.judge.broken)
        if self.consumers.died:
            broken.append(f"the consumers ended: {self.consumers.died}")
        if _TRACE in self.town.log.read_bytes():
            broken.append("a worker logged a traceback")
        return {
            "broken": broken,
            "counts": dict(counts),
            "longest_gap": self.consumers.longest_gap,
            "hits": [[*where, times] for where, times in self.trap.hits.items()],
        }

    def _goes_on(self, ends: float) -> bool:
        if self.judge.broken or self.consumers.died:
            return False
        if self.wanted.minutes and self._clock.monotonic() > ends:
            return False
        return not self.wanted.kills or self.counts["kills"] < self.wanted.kills

    def _kill(self, plan: Plan) -> None:
        with self._worker(self._nursery()) as victim:
            self.trap.spring(plan, victim, self.town.ledger)
            self._must(not victim.is_alive(), "a worker outlived SIGKILL")
        self.counts["kills"] += 1
        self.counts[f"kills by {plan.how}"] += 1
        found = aftermath(self.town.ledger, self.town.folder / "scratch")
        self.judge.after_kill(found)
        if hurried := self.judge.in_a_hurry(found):
            self._spare(hurried)

    def _nursery(self) -> Nursery:
        """Every tenth is started as an operator starts it."""
        self.counts["starts"] += 1
        if self.wanted.broken or self.counts["starts"] % _COLD_EVERY != 1:
            return self.warm
        self.counts["cold starts"] += 1
        return self.cold

    @contextmanager
    def _worker(self, nursery: Nursery) -> Iterator[Victim]:
        """It does not outlive the block, whatever happens."""
        worker = nursery.worker(self.town)
        try:
            yield worker
        finally:
            worker.kill()
            worker.close()
            self.cold.reap()

    def _intermission(self) -> None:
        """A worker that nobody kills: all come home, it ends when told to, and nothing is left."""
        waiting = self._bring_home(list(BY_CREDENTIAL))
        if waiting and not self.judge.broken:
            self.judge.broken.append(f"not at home after {_HOME:.0f} s: {', '.join(waiting)}")
        found = aftermath(self.town.ledger, self.town.folder / "scratch")
        self.judge.after_kill(found)
        if not self.judge.broken:
            self.judge.static(found)
            self._consumers_are_served()
        self.town.tidy()
        if not self.judge.broken and self.town.log.stat().st_size > _LOG_KEPT:
            self.town.log.write_bytes(b"")

    def _spare(self, hurried: list[str]) -> None:
        """Kills without a break are an outage, and it has lasted as long as the jobs survive."""
        self.counts["workers spared"] += 1
        ends = self._clock.monotonic() + _HOME
        with self._worker(self.warm):
            while hurried and self._clock.monotonic() < ends:
                threading.Event().wait(0.1)
                hurried = self.judge.in_a_hurry(self._looked_after())

    def _bring_home(self, waiting: list[str]) -> list[str]:
        """With one worker, until all were at home once, chains that a person mended too."""
        ends = self._clock.monotonic() + _HOME
        with self._worker(self.warm) as worker:
            while waiting and self._clock.monotonic() < ends and not self.judge.broken:
                threading.Event().wait(0.1)
                self._must(worker.is_alive(), "a worker ended by itself")
                waiting = self._still_away(waiting)
            self._must(worker.end(), "a worker did not end when it was told to")
        return waiting

    def _still_away(self, waiting: list[str]) -> list[str]:
        away = set(self.judge.away(self._looked_after()))
        return [name for name in waiting if name in away]

    def _looked_after(self) -> Aftermath:
        """As all stand beneath a running worker; whoever is lost is helped at once."""
        found = look(self.town.ledger)
        self._ask_for(self.judge.look(found))
        return found

    def _ask_for(self, credentials: list[str]) -> None:
        """As `rotator rotate` does, once a person has put in a new token."""
        if not credentials:
            return
        with closing(SqlLedger.open(self.town.ledger, create=False)) as ledger:
            for name in credentials:
                ledger.ask(request(name, self.town.clock.now(), "a new seed", again=True))

    def _consumers_are_served(self) -> None:
        with closing(Calls(self.town)) as calls:
            for credential in BY_CREDENTIAL:
                token = self.town.secret(credential, Shelf.TOKEN)
                self._must(
                    calls.is_accepted(credential, token),
                    f"{credential}: what is published is refused",
                )

    def _must(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it is the sentence
        if not holds:
            self.judge.broken.append(otherwise)


_TRACE = b"Traceback (most recent call last)"


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def play(wanted: Namespace) -> dict[str, Any]:
    with ExitStack() as open_:
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory(prefix="rotator-soak-")))
        trap = Trap()
        played = open_.enter_context(town(folder, trap.falls))
        lane = Lane(played, trap, open_.enter_context(zygote(wanted.broken)), wanted)
        lane.run()
        verdict = lane.verdict()
        if verdict["broken"] and wanted.keep:
            Path(wanted.keep).write_bytes(played.log.read_bytes())
        return verdict


def arguments(given: Sequence[str] | None = None) -> Namespace:
    parser = ArgumentParser(prog="python -m tests.soak.lane", description=__doc__)
    parser.add_argument("--kills", type=int, default=0, help="0: no limit")
    parser.add_argument("--minutes", type=float, default=0, help="0: no limit")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--lane", type=int, default=1)
    parser.add_argument("--keep", default="", help="where the workers' log goes if it fails")
    parser.add_argument("--broken", default="", help="a deliberate break of tests/crash")
    return parser.parse_args(given)


if __name__ == "__main__":
    with ended_by_signals():
        say(verdict=play(arguments()))
