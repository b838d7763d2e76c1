"""When a sweep last succeeded, told cheaply.

A sweep that claims writes it along; an idle one, each second, would cost an fsync each second, so
it writes only every `EVERY` real seconds. This process knows better meanwhile.
"""

from datetime import datetime

from rotator.clock import Clock
from rotator.ledger import codec, meta, values
from rotator.ledger.connect import Database
from rotator.ledger.statements import Connection

EVERY = 15.0
_KEY = "swept_at"


class Pulse:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = Clock()
        self._at: datetime | None = None
        self._written = float("-inf")

    def beat(self, now: datetime) -> None:
        """A sweep found nothing to claim."""
        self._at = now
        if self._clock.monotonic() - self._written >= EVERY:
            with self._database.write() as connection:
                self.write(connection, now)

    def write(self, connection: Connection, now: datetime) -> None:
        """Within the transaction of a claim."""
        meta.put(connection, _KEY, str(values.micros(now)))
        self._at, self._written = now, self._clock.monotonic()

    def last(self) -> datetime | None:
        """Of this process, or else of whoever wrote last."""
        if self._at is not None:
            return self._at
        with self._database.read() as connection:
            written = meta.number(connection, _KEY)
        return None if written is None else codec.decoded("meta", _KEY, values.instant, written)
