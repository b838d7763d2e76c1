"""SIGKILL at the worst moment that can be survived: an answer is sealed and has not reached AWS.

An OAuth refresh token that was spent, with the only key to the next one in that answer. (Had the
answer not been sealed yet, no software could save it; the README says so.)
"""

import threading
from collections.abc import Callable

from rotator.clock import Clock
from rotator.model import REFRESH_TOKEN
from rotator.sandbox.stage import Worker
from rotator.sandbox.witness import Stored


class Ambush:
    """A trap for `WatchedSecretsManager`: falls once."""

    def __init__(self, clock: Clock, provider: str, is_time: Callable[[], bool]) -> None:
        """`is_time`: asked when a refresh token of that provider is about to be kept."""
        self.worker: Worker | None = None
        """Whom it may hit."""
        self.killed: Stored | None = None
        """What the worker was about to store."""
        self.home = threading.Event()
        """The same version is there: another worker found the answer under its seal."""
        self.took = 0.0
        """Real seconds from the kill until then."""
        self._clock, self._provider, self._is_time = clock, provider, is_time
        self._at = 0.0
        self._lock = threading.Lock()

    def falls(self, stored: Stored) -> bool:
        """Whether the worker that asked to store this is dead now."""
        if stored.provider != self._provider or stored.token != REFRESH_TOKEN:
            return False
        with self._lock:
            if self.worker is None or self.killed is not None or not self._is_time():
                return False
            self.worker.kill()
            self.killed, self._at = stored, self._clock.monotonic()
            return True

    def stored(self, stored: Stored) -> None:
        """A version was made; it may be the one."""
        if self.killed and stored.version == self.killed.version and not self.home.is_set():
            self.took = self._clock.monotonic() - self._at
            self.home.set()
