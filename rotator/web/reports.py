"""What consumers reported and the ledger does not know yet.

A report waits here for some seconds, and all that came meanwhile is one transaction: whoever sends
without end costs the ledger no more than that. What is lost with the process, or could not be
written, the consumers say again within ten minutes.
"""

import threading
from collections.abc import Callable
from typing import Any

from rotator.clock import Clock
from rotator.errors import LedgerError
from rotator.ledger.base import Ledger
from rotator.ledger.facts import Holder

MOST = 2_000
"""Consumers in one transaction, each with one credential: some 50 ms of the ledger's time."""
_EVERY = 5.0
"""Seconds, real ones, from the first report to the transaction."""


class Reports:
    """Thread-safe; one thread of its own writes."""

    def __init__(
        self, ledger: Ledger, clock: Clock, log: Any, revokes: Callable[[str], bool]
    ) -> None:
        """`revokes`: whether a credential's old tokens are revoked once nobody holds them."""
        self._ledger, self._clock, self._log = ledger, clock, log
        self._revokes = revokes
        self._let_go: dict[str, int] = {}
        """What the ledger has yet to be told: it says so once."""
        self._woken_for: dict[str, int] = {}
        self._waiting: dict[tuple[str, str], Holder] = {}
        self._lock = threading.Lock()
        self._some, self._stopped = threading.Event(), threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, credential: str, consumer: str, generation: int) -> bool:
        """False: too many wait, and this one is not taken."""
        said = Holder(
            credential=credential,
            consumer=consumer,
            generation=generation,
            seen_at=self._clock.now(),
        )
        with self._lock:
            if len(self._waiting) >= MOST and (credential, consumer) not in self._waiting:
                return False
            self._waiting[credential, consumer] = said
        self._some.set()
        return True

    def flush(self) -> None:
        """Write what waits. A ledger that fails is said once, until it works again."""
        self._some.clear()
        with self._lock:
            taken, self._waiting = tuple(self._waiting.values()), {}
        if not taken:
            return
        failed, action = "reports are lost", "consumers repeat theirs within ten minutes"
        try:
            self._let_go |= self._ledger.hold(taken)
            failed = "nobody holds an old token any more, and the ledger could not be told"
            action = "it is told with the next report; the token is revoked within the hour anyway"
            self._wake()
            self._failing = False
        except LedgerError as error:
            if not self._failing:
                told = {"error": type(error).__name__, "text": str(error), "action": action}
                self._log.warning(failed, **told)
            self._failing = True

    def _wake(self) -> None:
        """Whose old token may be revoked before its holders' last word is an hour old.

        Once for each generation: reports are anybody's who has the key, and a look is not free.
        """
        for name, generation in list(self._let_go.items()):
            if self._revokes(name) and generation > self._woken_for.get(name, 0):
                self._ledger.wake(name, self._clock.now())
                self._woken_for[name] = generation
            del self._let_go[name]

    def close(self, seconds: float = 5.0) -> None:
        """What waits is written, if that takes no longer."""
        self._stopped.set()
        self._some.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._some.wait()
            self._stopped.wait(_EVERY)
            self.flush()
            if self._stopped.is_set():
                return
