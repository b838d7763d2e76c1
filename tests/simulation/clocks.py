"""One time for the whole simulation, and every worker's clock, which may be off."""

from dataclasses import dataclass
from datetime import datetime, timedelta

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
