"""Where this package reads the time, waits and throws dice."""

import random
import threading
import time
from typing import Protocol

_LONGEST = 3600.0
"""Seconds; of an endless wait, as of any."""


class Clock(Protocol):
    """What a `Token` asks of a clock."""

    def now(self) -> float:
        """Seconds since 1970, as the tokens' expiry is given."""
        ...

    def wait(self, event: threading.Event, until: float) -> None:
        """Return when `event` is set, or at the instant `until`, or some time before."""
        ...

    def spread(self) -> float:
        """A number from 0 to 1."""
        ...


class WallClock:
    """The machine's own. A machine set back waits as before: waiting goes by another clock."""

    now = staticmethod(time.time)
    spread = staticmethod(random.random)

    def wait(self, event: threading.Event, until: float) -> None:
        event.wait(min(max(until - time.time(), 0.0), _LONGEST))
