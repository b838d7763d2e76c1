"""One time for the whole simulation, every worker's clock, which may be off, and its dice."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - the simulation's own dice, from its seed

from rotator.clock import Clock
from tests.crash.world import START


@dataclass
class Time:
    """The true instant: it moves when somebody moves it."""

    at: datetime = START

    def until(self, at: datetime) -> None:
        """Never backwards."""
        self.at = max(self.at, at)


class SimulatedClock(Clock):
    """A worker's: the true time and an error. Waiting moves the true time for everybody."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self.time = time
        self.skew = timedelta(0)

    def now(self) -> datetime:
        return self.time.at + self.skew

    def monotonic(self) -> float:
        return (self.time.at - START).total_seconds()

    def sleep(self, clock_time: timedelta) -> None:
        self.time.at += max(clock_time, timedelta.resolution)


class Dice:
    """What ids are drawn from: back-offs are spread by them, so they belong to the seed.

    Each credential has dice of its own, so that it draws the same when it is played alone.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._of: dict[str, Random] = {}
        self.hand_to("")

    def hand_to(self, credential: str) -> None:
        """Whose turn it is, until the next."""
        if credential not in self._of:
            self._of[credential] = Random(f"{self._seed} ids {credential}")  # noqa: S311
        self.at_hand = self._of[credential]
