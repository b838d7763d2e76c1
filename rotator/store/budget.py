"""How fast we write: never more in any second than our share of what AWS grants the account.

Two lines to stand in. Whoever wants to write is *granted* a write first, so that no more are
under way than the budget allows; and at the moment of sending each takes its *place*, one gap after
the one before. The second line alone keeps the bound, whatever the first one grants; the first
keeps it short, so that a write granted before a token is spent hardly waits after it.
"""

import threading
from collections.abc import Callable

_IN_ONE_GO = 2
"""A chain's two writes are granted together after a quiet moment."""


class WriteBudget:
    """Thread-safe, and fair: each is served in the order of asking. Real time only."""

    def __init__(
        self,
        per_second: float,
        monotonic: Callable[[], float],
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """`wait`: lets that many seconds pass."""
        if per_second <= 0:
            raise ValueError("a budget is more than nothing")
        self._gap = 1 / per_second
        self._monotonic = monotonic
        self._wait = wait or threading.Event().wait  # an event that nobody sets
        self._lock = threading.Lock()
        self._next_grant = self._next_place = monotonic()
        self._mine = threading.local()

    @property
    def reserved(self) -> int:
        """How many writes this thread holds."""
        held: int = getattr(self._mine, "writes", 0)
        return held

    def reserve(self, writes: int) -> None:
        """Wait until `writes` writes by this thread are granted; an earlier reservation ends."""
        self.unreserve()
        self._be_granted(writes)
        self._mine.writes = writes

    def unreserve(self) -> None:
        """Give back what this thread reserved and did not use."""
        held, self._mine.writes = self.reserved, 0
        with self._lock:
            self._next_grant -= held * self._gap

    def spend(self) -> None:
        """Wait for the moment to send one write: a reserved one, or one granted now."""
        if self.reserved:
            self._mine.writes -= 1
        else:
            self._be_granted(1)
        with self._lock:
            place = max(self._next_place, self._monotonic())
            self._next_place = place + self._gap
        self._wait_until(place)

    def _be_granted(self, writes: int) -> None:
        if writes <= 0:
            return
        with self._lock:
            earliest = self._monotonic() - (_IN_ONE_GO - 1) * self._gap
            last = max(self._next_grant, earliest) + (writes - 1) * self._gap
            self._next_grant = last + self._gap
        self._wait_until(last)

    def _wait_until(self, instant: float) -> None:
        while (left := instant - self._monotonic()) > 0:
            self._wait(left)
