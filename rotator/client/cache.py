"""One secret as this process holds it, and the one read of it that is under way.

A hit never comes here: it reads `kept`, which is replaced as a whole. Whoever comes here either
runs the read or waits for it, and so does the thread that looks ahead.
"""

import logging
import math
import os
import threading
import weakref
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from rotator.client import pace
from rotator.client.clock import Clock
from rotator.client.errors import TokenExpired
from rotator.client.pace import Kept
from rotator.client.reading import Reading
from rotator.client.reports import Reports
from rotator.client.source import Fetch, Source

_log = logging.getLogger("rotator.client")
_Thread = partial(threading.Thread, name="rotator.client", daemon=True)


class _Flight(NamedTuple):
    """A read under way; `mine` if whoever holds this has to run it."""

    landed: Future[None]
    mine: bool


class Cache:
    """Thread-safe, for tasks too, and whole again in a forked child."""

    def __init__(
        self,
        secret: str,
        fetch: Fetch,
        clock: Clock,
        staleness: float,
        reports: Reports | None = None,
    ) -> None:
        """`reports`: told what is held, where somebody is to know."""
        self.kept = Kept()
        self._reports = reports
        self._secret, self._clock = secret, clock
        self._source = Source(secret, fetch, clock, staleness)
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        """With nobody else about: in a forked child the threads and their locks are gone."""
        self._lock = threading.Lock()
        self._under_way: Future[None] | None = None
        self._refused: tuple[str, Future[None]] | None = None
        self._wake: threading.Event | None = None
        if self._reports is not None:
            self._reports.begin()
        # The first hit in a child comes by here, and starts the thread anew.
        self._until = self.kept.until
        self.kept = replace(self.kept, until=-math.inf)

    # What callers ask

    def get(self) -> Reading:
        """The last known good, read anew where it is too old. Raises TokenError."""
        if flight := self._wanted():
            self._wait(flight)
        return self._served()

    async def aget(self) -> Reading:
        """As `get`, and the loop goes on meanwhile."""
        if flight := self._wanted():
            await self._await(flight)
        return self._served()

    def refused(self, value: str) -> bool:
        """A call was refused with `value`: read anew, once. Whether another token is held now."""
        while flight := self._unasked(value):
            self._wait(flight)
        return self._holds_another(value)

    async def arefused(self, value: str) -> bool:
        """As `refused`, and the loop goes on meanwhile."""
        while flight := self._unasked(value):
            await self._await(flight)
        return self._holds_another(value)

    def forget(self) -> None:
        """As if nothing had ever been read."""
        with self._lock:
            self.kept, self._refused, self._under_way = Kept(), None, None

    # What there is to wait for

    def _wanted(self) -> _Flight | None:
        now = self._clock.now()
        with self._lock:
            self._attend()
            kept = self.kept
            if now < kept.until or kept.must_wait(now):
                return None
            if kept.failures and kept.living(now) and self._wake is not None:
                self._wake.set()  # AWS is down, and nobody waits for it
                return None
            return self._board()

    def _unasked(self, value: str) -> _Flight | None:
        """A read that began after the refusal, until one for this very token was answered.

        The first is not held up by an earlier failure: an outage may be over, and its end is when
        a worker that waited for it ends the token in use.
        """
        now = self._clock.now()
        with self._lock:
            self._attend()
            kept = self.kept
            if kept.reading is None or kept.reading.value != value:
                return None
            if self._refused and self._refused[0] == value:
                landed = self._refused[1]
                if not landed.done():
                    return _Flight(landed, mine=False)
                if not kept.failures or kept.must_wait(now):
                    return None
            flight = self._board()
            if flight.mine:
                self._refused = value, flight.landed
            return flight

    def _board(self) -> _Flight:
        if self._under_way is not None:
            return _Flight(self._under_way, mine=False)
        self._under_way = Future()
        self._under_way.set_running_or_notify_cancel()  # a task that is cancelled ends only itself
        return _Flight(self._under_way, mine=True)

    def _wait(self, flight: _Flight) -> None:
        if flight.mine:
            self._fly(flight.landed)
        flight.landed.result()

    async def _await(self, flight: _Flight) -> None:
        import asyncio  # whoever awaits has it, and others need not

        if flight.mine:
            try:
                _Thread(target=self._fly, args=(flight.landed,)).start()
            except RuntimeError:  # no more threads: better late than never
                self._fly(flight.landed)
        await asyncio.wrap_future(flight.landed)

    def _served(self) -> Reading:
        kept = self.kept
        if living := kept.living(self._clock.now()):
            return living
        if kept.reading is None:
            raise (kept.error or self._source.interruption()).again()
        cause = None if isinstance(kept.error, TokenExpired) else kept.error
        raise pace.expired(self._secret, kept.reading) from cause

    def _holds_another(self, value: str) -> bool:
        reading = self.kept.reading
        return reading is not None and reading.value != value

    # The read

    def _fly(self, landed: Future[None]) -> None:
        kept = self._source.interrupted(self.kept)
        try:
            kept = self._source.looked(self.kept, self._refused[0] if self._refused else "")
        finally:
            self._land(landed, kept)

    def _land(self, landed: Future[None], kept: Kept) -> None:
        with self._lock:
            before = self.kept
            if self._under_way is landed:  # else all was forgotten meanwhile
                self.kept, self._under_way = kept, None
            if self._wake is not None:
                self._wake.set()
        landed.set_result(None)
        if kept.error and kept.failures == 1:
            _log.warning("%s", kept.error)
        elif before.failures and not kept.failures:
            _log.info("%s: read again", self._secret)

    # The thread that looks ahead

    def _attend(self) -> None:
        """It runs, if it can; where it cannot, hits read for themselves when it is time."""
        if self._wake is not None:
            return
        if self.kept.reading is not None:
            self.kept = replace(self.kept, until=self._until)
        wake = threading.Event()
        arguments = (weakref.ref(self), wake, self._clock)
        thread = _Thread(target=_look_ahead, args=arguments)
        with suppress(RuntimeError):  # no more threads
            thread.start()
            weakref.finalize(self, wake.set).atexit = False
            self._wake = wake

    def look_if_due(self) -> float:
        """Read the secret where it is time; the instant of the next look."""
        with self._lock:
            due = self.kept.is_due(self._clock.now())
            flight = self._board() if due else None
        if flight:
            self._wait(flight)
        return self.kept.due_at

    def report_if_due(self) -> float:
        """Tell what is held, where somebody asked for it; the instant of the next report."""
        now = self._clock.now()
        living = self.kept.living(now)
        if self._reports is None or living is None:
            return math.inf
        return self._reports.tell(living.generation, now)


def _look_ahead(ref: weakref.ref[Cache], wake: threading.Event, clock: Clock) -> None:
    """Holds no cache while it waits, so that one that nobody uses is gone, and this ends."""
    while (cache := ref()) is not None:
        until = min(cache.look_if_due(), cache.report_if_due())
        del cache
        clock.wait(wake, until)
        wake.clear()


_all: "weakref.WeakSet[Cache]" = weakref.WeakSet()


def forget_all() -> None:
    """Every cache of this process is empty again."""
    for cache in tuple(_all):
        cache.forget()


def _after_fork() -> None:
    for cache in tuple(_all):
        cache._begin()  # noqa: SLF001 - of this module


os.register_at_fork(after_in_child=_after_fork)
