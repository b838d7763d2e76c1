"""A whole simulation: shards of credentials, each a world of its own, over processes."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from rotator import clock
from tests.crash.breaks import BREAKS
from tests.crash.scenarios import ALL
from tests.crash.world import START
from tests.simulation.cast import cast
from tests.simulation.clocks import Dice
from tests.simulation.faults import DAY, rates, written
from tests.simulation.watch import Broken, Tally
from tests.simulation.world import World

SIZE = 4 * len(ALL)
"""Credentials that share an account, a worker and its ledger: four of each scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What one run is given; the same again gives the same."""

    seed: str = "1"
    credentials: range = range(SIZE)
    days: float = 30.0
    faults: str = "all"
    """As `faults.rates` reads them."""
    broken: str = ""
    """A deliberate break of the core, by name."""
    processes: int = 1

    @property
    def credential_days(self) -> float:
        return len(self.credentials) * self.days

    @property
    def command(self) -> str:
        """What replays it."""
        first, last = self.credentials[0], self.credentials[-1]
        only = f"ONLY={first}" if first == last else f"ONLY={first}-{last}"
        whole = f"CREDENTIALS={last + 1}" if first == 0 and last else only
        broken = f" BREAK={self.broken}" if self.broken else ""
        return (
            f"make simulate SEED={self.seed} {whole} DAYS={self.days:g}"
            f" FAULTS='{self.faults}'{broken}"
        )

    def shards(self) -> Iterator["Play"]:
        """Cut where the numbers are multiples of SIZE, so that a part plays as in the whole."""
        at, end = self.credentials[0], self.credentials[-1] + 1
        while at < end:
            upto = min(end, at - at % SIZE + SIZE)
            yield replace(self, credentials=range(at, upto))
            at = upto


def play(wanted: Play) -> Tally:
    """All of it. Raises ValueError where a fault or a break is unknown."""
    rates(wanted.faults)
    if wanted.broken and wanted.broken not in BREAKS:
        raise ValueError(f"no break is called {wanted.broken!r}; there are {', '.join(BREAKS)}")
    shards = list(wanted.shards())
    if wanted.processes == 1 or len(shards) == 1:
        return _sum(map(play_shard, shards))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(wanted.processes, mp_context=context) as pool:
        return _sum(pool.map(play_shard, shards))


def play_shard(shard: Play) -> Tally:
    """One world, with the core broken where that is asked for."""
    seed = f"{shard.seed}/{shard.credentials[0] // SIZE}"
    dice = Dice(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "random", SimpleNamespace(SystemRandom=lambda: dice.at_hand))
        if shard.broken:
            BREAKS[shard.broken](patch)
        return World(seed, cast(shard.credentials), rates(shard.faults), shard.days, dice).run()


def _sum(tallies: Iterator[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def shrunk(wanted: Play, first: Broken) -> Play:
    """A smaller play that breaks the same invariant: fewer credentials, days and faults."""
    days = (first.at - START) / DAY + 0.01
    alone = int(first.credential.rpartition("/c")[2])
    shard = next(each for each in wanted.shards() if alone in each.credentials)
    found = replace(shard, days=days, processes=1)
    smaller = replace(found, credentials=range(alone, alone + 1))
    if not _breaks(smaller, first):
        return found
    for kind in rates(smaller.faults):
        left = {name: times for name, times in rates(smaller.faults).items() if name != kind}
        fewer = replace(smaller, faults=written(left))
        if _breaks(fewer, first):
            smaller = fewer
    return smaller


def _breaks(wanted: Play, first: Broken) -> bool:
    found = play_shard(wanted).broken
    return any(broken.invariant is first.invariant for broken in found)
