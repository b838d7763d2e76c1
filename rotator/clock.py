"""The only room that reads the time, or throws dice.

A clock has an epoch and a factor: a demo runs an hour a second, and every rule that counts in
instants holds unchanged. What waits for real wires (request deadlines) is real time and is
stretched into clock time with `stretch`.
"""

import random
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta


class Clock:
    """Wall time, run `factor` times as fast from `epoch` on."""

    def __init__(self, factor: float = 1.0, epoch: datetime | None = None) -> None:
        """`epoch`: when both clocks showed the same instant, default the Unix epoch."""
        self.factor = factor
        self._epoch = epoch or datetime(1970, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        real = datetime.now(UTC)
        return real if self.factor == 1.0 else self._epoch + (real - self._epoch) * self.factor

    def monotonic(self) -> float:
        """Real seconds on a clock that counts suspend and never jumps (CLOCK_BOOTTIME)."""
        return time.clock_gettime(_BOOT) if _BOOT is not None else time.monotonic()

    def stretch(self, real: timedelta) -> timedelta:
        """How much clock time passes while `real` time does."""
        return real * self.factor

    def shrink(self, clock_time: timedelta) -> float:
        """How many real seconds `clock_time` takes."""
        return max(clock_time.total_seconds() / self.factor, 0.0)

    def sleep(self, clock_time: timedelta) -> None:
        """Let `clock_time` pass."""
        time.sleep(self.shrink(clock_time))

    def wait(self, event: threading.Event, clock_time: timedelta) -> bool:
        """Let `clock_time` pass or until `event` is set; True if it is set."""
        return event.wait(self.shrink(clock_time))


_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def new_id() -> str:
    """A fresh UUID; as a request's id it becomes the version id in Secrets Manager."""
    return str(uuid.UUID(int=random.SystemRandom().getrandbits(128), version=4))
