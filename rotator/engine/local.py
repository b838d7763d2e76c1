"""Rotations in this process: a bounded number at once, a short queue, and what fills it.

What is due stays in the ledger until there is room, so that nothing is ever dropped for being late
and whatever has the least margin is always next. No provider holds more than its share of threads
and places, so one that hangs holds nobody up but its own.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from rotator.engine.shares import Shares
from rotator.rotation.tools import Tools

_DEPTH = 3
"""Names claimed at once per thread: one at work, two waiting."""

_LONGEST_CLAIM = timedelta(minutes=50)
"""Real time; the ledger takes a claim of an hour for a clock that jumped."""

Failed = Callable[[str, Exception], None]


class Pool:
    """Threads that rotate. What is offered while it runs is run again, never twice at once."""

    def __init__(
        self,
        slots: int,
        rotate: Callable[[str], object],
        on_failure: Failed,
        on_room: Callable[[], None],
    ) -> None:
        """`on_room`: called, never in two threads at once, when many of the places are free."""
        self._slots, self._rotate = slots, rotate
        self._on_failure, self._on_room = on_failure, on_room
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="rotation")
        self.shares = Shares(slots=slots)
        self._change = threading.Condition()
        self._here: dict[str, str] = {}
        """Name -> the host of its provider, when it was offered; those waiting in their order."""
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._closed = False
        self._filling = threading.Lock()

    @property
    def room(self) -> int:
        """How many more names it takes; those beyond a provider's share take no other's place."""
        with self._change:
            here = Counter(self._here.values())
            taken = sum(min(held, self._places(host)) for host, held in here.items())
            return 0 if self._closed else self._slots * _DEPTH - taken

    @property
    def _enough(self) -> int:
        """Room that is worth a sweep: less, where only the others' share is left."""
        with self._change:
            here = Counter(self._here.values())
            full = any(held >= self._places(host) for host, held in here.items())
        return max(1, self._slots * _DEPTH // (4 if full else 2))

    def is_full(self, job: str) -> bool:
        """Whether a job's provider has its share of the places."""
        with self._change:
            host = self.shares.host(job)
            return list(self._here.values()).count(host) >= self._places(host)

    def offer(self, names: Iterable[str]) -> None:
        for name in names:
            with self._change:
                if self._closed:
                    return
                if name in self._running:  # whatever it has seen, this may be newer
                    self._again.add(name)
                elif name not in self._here:
                    self._here[name] = self.shares.host(name)
                    self._begin()

    def close(self) -> None:
        """Start nothing more. What was claimed and not begun, the ledger still knows."""
        with self._change:
            self._closed = True
            self._threads.shutdown(wait=False)

    def join(self, seconds: float) -> bool:
        """Whether all that was under way has ended, within that time."""
        with self._change:
            return self._change.wait_for(lambda: not self._running, seconds)

    def _places(self, host: str) -> int:
        return self.shares.threads(host) * _DEPTH

    def _begin(self) -> None:
        """Start whom there is a thread for, the first come first, within each provider's share."""
        busy = Counter(self._here[name] for name in self._running)
        for name, host in self._here.items():
            if self._closed or len(self._running) >= self._slots:
                return
            if name not in self._running and busy[host] < self.shares.threads(host):
                busy[host] += 1
                self._running.add(name)
                self._threads.submit(self._run, name)

    def _run(self, name: str) -> None:
        try:
            self._rotate(name)
        except Exception as error:  # noqa: BLE001 - one credential's surprise stops no other
            self._on_failure(name, error)
        finally:
            self._ended(name)
            self._tell_room()

    def _ended(self, name: str) -> None:
        with self._change:
            self._running.discard(name)
            host = self._here.pop(name)
            if name in self._again:
                self._again.discard(name)
                self._here[name] = host  # behind those that wait
            self._begin()
            self._change.notify_all()

    def _tell_room(self) -> None:
        if self.room < self._enough or not self._filling.acquire(blocking=False):
            return
        try:
            self._on_room()
        finally:
            self._filling.release()


def claim_time(tools: Tools) -> timedelta:
    """How long a credential that was claimed is left to its worker before it holds the lease."""
    return min(3 * tools.lease_time, tools.clock.stretch(_LONGEST_CLAIM))


class Feeder:
    """Claims what is due for as many as there is room."""

    def __init__(
        self, tools: Tools, slots: int, rotate: Callable[[str], object], on_failure: Failed
    ) -> None:
        """`on_failure`: hears the credential, empty where it was the ledger itself."""
        self._ledger, self._clock = tools.ledger, tools.clock
        self._claim_time = claim_time(tools)
        self._rotate, self._on_failure = rotate, on_failure
        self._turn = threading.Lock()
        self._backlog = False
        self._wishes: deque[str] = deque()
        self._failed: set[str] = set()
        self.pool = Pool(slots, self._walk, self._surprised, self._refill)

    def wish(self, names: Iterable[str]) -> None:
        """Have a look at these, due or not."""
        self._wishes.extend(names)
        self.feed()

    def feed(self, job: str = "") -> None:
        """Fill the room there is with what is due of one job, or of all. May raise LedgerError."""
        with self._turn:
            room = self.pool.room
            asked = [self._wishes.popleft() for _ in range(min(room, len(self._wishes)))]
            self.pool.offer(asked)
            room -= len(asked)
            full = {name: 0 for name in self.pool.shares.hosts if self.pool.is_full(name)}
            if room <= 0 or job in full:
                self._backlog = True
                return
            now = self._clock.now()
            until = now + self._claim_time
            claimed = self._ledger.sweep(now, room, until=until, job=job, quotas=full)
            self._backlog = len(claimed) == room or (self._backlog and bool(job))
            self.pool.offer(claimed)

    def _refill(self) -> None:
        """A rotation has ended."""
        if not self._backlog:
            return
        try:
            self.feed()
        except Exception as error:  # noqa: BLE001 - it is tried again with the next one, or by `watch`
            self._on_failure("", error)

    def _walk(self, name: str) -> None:
        """What broke the last time sits out one claim, so that it cannot spin."""
        if name in self._failed:
            self._failed.discard(name)
            return
        self._rotate(name)

    def _surprised(self, name: str, error: Exception) -> None:
        self._failed.add(name)
        self._on_failure(name, error)
