"""Where readings come from: one look at a secret, and what it makes of what was kept."""

from collections.abc import Callable
from dataclasses import replace

from rotator.client import pace
from rotator.client.clock import Clock
from rotator.client.errors import MalformedSecret, TokenError, Unavailable
from rotator.client.pace import Kept
from rotator.client.reading import Reading, parse

Fetch = Callable[[str], str | None]
"""Gives the current SecretString of a secret, by name; None for a binary one. Raises TokenError."""


class Source:
    """Of one secret. It keeps nothing, so that a look may be run by any thread."""

    def __init__(self, secret: str, fetch: Fetch, clock: Clock, staleness: float) -> None:
        self._secret, self._fetch = secret, fetch
        self._clock, self._staleness = clock, staleness

    def looked(self, kept: Kept, refused: str) -> Kept:
        """After a read, whatever became of it; `refused`: a token that a call was refused with."""
        began, spread = self._clock.now(), self._clock.spread()
        try:
            reading = self._read()
        except TokenError as error:
            return pace.failed(kept, error, self._clock.now(), self._staleness, spread)
        found = pace.answered(kept, reading, began, self._staleness, spread, refused)
        now = self._clock.now()
        if found.living(now):
            return found
        dead = replace(kept, reading=reading)
        return pace.failed(dead, pace.expired(self._secret, reading), now, self._staleness, spread)

    def interrupted(self, kept: Kept) -> Kept:
        """After a read that Ctrl-C ended."""
        return pace.failed(kept, self.interruption(), self._clock.now(), self._staleness, 0.0)

    def interruption(self) -> TokenError:
        """What those who waited for it are told."""
        return Unavailable(self._secret, "the read was interrupted", "ask again")

    def _read(self) -> Reading:
        """Raises TokenError, from frames that hold no value."""
        try:
            found = parse(self._fetch(self._secret))
        except TokenError:
            raise
        except Exception as error:
            text = f"reading it failed ({type(error).__name__})"
            raise Unavailable(self._secret, text, "see the error that caused this") from error
        if isinstance(found, str):
            remedy = "name a secret that rotator publishes: rotator/token/<job>/<credential>"
            raise MalformedSecret(self._secret, found, remedy)
        return found
