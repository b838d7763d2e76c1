"""Who may ask a provider now: a circuit for each host, and the limits that its jobs set.

One memory for all threads, and none on disk: what it holds back is stored as a back-off of the line
that asked, so a restart forgets who was to wait, not that something failed. All instants are the
caller's, and one that lies ahead of the caller's clock by more than it can be counts for nothing.
"""

import threading
from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rotator.errors import ProviderDown, Throttled
from rotator.schedule import Limits

FAILURES = 3
"""So many requests in a row, of two credentials or more, went unanswered: the host is down."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=2)
"""Until one credential asks a host again that is down; doubling in between."""
PROBE = timedelta(minutes=3)
"""For so long one credential asks for all. Longer than any request with the writes around it."""
_MINUTE = timedelta(minutes=1)
_QUEUE = 20.0
"""Real seconds to wait for one of the places that `at_once` leaves; longer is a back-off."""


@dataclass(slots=True)
class _Circuit:
    """One host: closed while it answers; open, and tried by one, while it does not."""

    failures: int = 0
    failing: set[str] = field(default_factory=set)
    since: datetime | None = None
    """When it opened, None while it is closed."""
    wait: timedelta = FIRST_WAIT
    retry_at: datetime | None = None
    """None: whoever comes next."""
    prober: str = ""

    def admit(self, host: str, who: str, now: datetime) -> None:
        """Raises ProviderDown; where it is time to ask again, `who` asks for all."""
        if self.since is None:
            return
        left = self.retry_at - now if self.retry_at else timedelta(0)
        if timedelta(0) < left <= PROBE:
            raise ProviderDown(
                f"{host} has answered nobody since {self.since:%H:%M:%S}Z", retry_after=left
            )
        self.prober, self.retry_at = who, now + PROBE

    def left(self, who: str) -> None:
        """Whoever asked for all has come back without having asked."""
        if self.since is not None and who == self.prober:
            self.prober, self.retry_at = "", None

    def heard(self, who: str, now: datetime, *, answered: bool) -> None:
        if answered:
            self.failures, self.failing, self.since = 0, set(), None
            self.wait, self.prober = FIRST_WAIT, ""
            return
        self.failures += 1
        if self.since is None:
            self.failing.add(who)
        if self.since is None and self.failures >= FAILURES and len(self.failing) > 1:
            self.since, self.retry_at = now, now + self.wait
        elif self.since is not None and who == self.prober:
            self.wait = min(2 * self.wait, LONGEST_WAIT)
            self.prober, self.retry_at = "", now + self.wait


@dataclass(slots=True)
class _Queue:
    """One host's requests of the last minute, and those that were told when their turn is."""

    turns: list[datetime] = field(default_factory=list)
    """Sorted. No more than the limit lie within any minute."""
    booked: dict[str, datetime] = field(default_factory=dict)
    seen_at: datetime | None = None
    inside: int = 0

    def admit(self, host: str, who: str, now: datetime, most: int) -> None:
        """Raises Throttled with the time until `who`'s own turn, which it keeps."""
        if self.seen_at is not None and now < self.seen_at:  # the clock went back
            self.turns, self.booked = [], {}
        self.seen_at = now
        at = self.booked.get(who)
        if at is None:
            at = self._next(now, most)
        elif at <= now:
            del self.booked[who]
            self._taken_late(at, now)
        if at > now:
            self.booked[who] = at
            text = f"rotator's own limit for {host}, {most} requests a minute"
            raise Throttled(text, retry_after=at - now)

    def _next(self, now: datetime, most: int) -> datetime:
        while self.turns and self.turns[0] <= now - _MINUTE:
            del self.turns[0]
        at = max(now, self.turns[-most] + _MINUTE) if len(self.turns) >= most else now
        insort(self.turns, at)
        return at

    def _taken_late(self, at: datetime, now: datetime) -> None:
        with suppress(ValueError):  # long ago
            self.turns.remove(at)
        insort(self.turns, now)


class Gate:
    """Stands before every request to a provider. Thread-safe."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._circuits: dict[str, _Circuit] = {}
        self._queues: dict[str, _Queue] = {}

    @contextmanager
    def turn(self, host: str, who: str, limits: Limits, now: datetime) -> Iterator[None]:
        """Hold a place for one request of a credential.

        Raises ProviderDown where nobody else was answered lately, Throttled beyond the job's
        limits; nothing was sent then, and both say when to come again.
        """
        with self._change:
            queue = self._queues.setdefault(host, _Queue())
            circuit = self._circuits.setdefault(host, _Circuit())
            circuit.admit(host, who, now)
            try:
                if limits.requests_per_minute is not None:
                    queue.admit(host, who, now, limits.requests_per_minute)
                self._enter(host, queue, limits)
            except Throttled:
                circuit.left(who)
                raise
        try:
            yield
        finally:
            with self._change:
                queue.inside -= 1
                circuit.left(who)
                self._change.notify_all()

    def heard(self, host: str, who: str, now: datetime, *, answered: bool) -> None:
        """Whether a request was answered by the provider itself, be it with a refusal."""
        with self._change:
            circuit = self._circuits.setdefault(host, _Circuit())
            circuit.heard(who, now, answered=answered)

    def _enter(self, host: str, queue: _Queue, limits: Limits) -> None:
        most = limits.at_once
        if most is not None and not self._change.wait_for(lambda: queue.inside < most, _QUEUE):
            raise Throttled(f"rotator's own limit for {host}, {most} requests at once")
        queue.inside += 1
