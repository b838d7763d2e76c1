"""What happened so far, for people: one line an event, none with a secret in it."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.clock import Clock
from rotator.durations import display
from rotator.model import ACCESS_TOKEN
from rotator.sandbox.cast import Cast
from rotator.sandbox.witness import Stored


@dataclass(frozen=True, slots=True)
class Event:
    """One line; a grave one is shown in another colour."""

    at: str
    text: str
    grave: bool = False
    renewed: str = ""
    """The credential, where this is one more of its renewals and no news."""


class Journal:
    """Told by the witness and the play, shown by the screen. Thread-safe."""

    def __init__(self, clock: Clock, on_event: Callable[[Event], None] = lambda _: None) -> None:
        self.events: deque[Event] = deque(maxlen=200)
        self.rotations = 0
        self.longest_gap = 0.0
        """Real seconds in which a provider had ended the published token already."""
        self._clock = clock
        self._began = clock.now()
        self._on_event = on_event
        self._published: dict[str, datetime] = {}
        self._replaced: dict[str, int] = {}
        self._cast: Cast | None = None
        self._lock = threading.Lock()

    def watch(self, cast: Cast) -> None:
        """From now on the gaps that providers leave are measured."""
        self._cast = cast

    def add(self, text: str, *, grave: bool = False, renewed: str = "") -> None:
        event = Event(self.time(self._clock.now()), text, grave, renewed)
        with self._lock:
            self.events.append(event)
        self._on_event(event)

    def time(self, at: datetime) -> str:
        """On the clock of the demo, from its beginning: day 2 03:15."""
        return written(at - self._began)

    def stored(self, stored: Stored) -> None:
        """A worker made a version."""
        if stored.token != ACCESS_TOKEN:
            self._replaced[stored.credential] = stored.generation
            return
        self._measure(stored)
        again = stored.credential if stored.credential in self._published else ""
        self._published[stored.credential] = stored.at
        self.rotations += 1
        self.add(f"{stored.credential}: {self._what(stored)}", renewed=again)

    def _what(self, stored: Stored) -> str:
        lives = display(stored.expires_at - stored.at) if stored.expires_at else "for ever"
        kept = self._replaced.pop(stored.credential, 0)
        chain = ", the new refresh token kept first" if kept else ""
        return f"generation {stored.generation} published, lives {lives}{chain}"

    def _measure(self, stored: Stored) -> None:
        before = self._published.get(stored.credential)
        if before is None or self._cast is None:
            return
        killed_at = self._cast.killed_at(stored.provider, before)
        if killed_at is not None:
            gap = self._clock.shrink(self._clock.now() - killed_at)
            self.longest_gap = max(self.longest_gap, gap)


def written(since: timedelta) -> str:
    """How far the demo is: day 2 03:15."""
    hours, seconds = divmod(max(int(since.total_seconds()), 0), 3_600)
    days, hours = divmod(hours, 24)
    return f"day {days + 1} {hours:02}:{seconds // 60:02}"
