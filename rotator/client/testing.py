"""For the tests of services that use a `Token`: no AWS, no boto3, and a clock that they set.

    secret = FakeSecret("rotator/token/alation/etl")
    with fake_secrets(secret):
        call_my_service()        # every Token in it reads the fake
        secret.rotate()          # the worker has published the next
        secret.fail(Unavailable) # Secrets Manager is down

Beside `fake_secrets`, `secret.token(clock=FakeClock())` makes a `Token` whose time is the test's.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.client import aws, cache
from rotator.client.clock import Clock, WallClock
from rotator.client.errors import SecretNotFound, TokenError
from rotator.client.token import Token

__all__ = ["FakeClock", "FakeSecret", "fake_secrets"]


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self, at: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = at.timestamp()
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, threading.Event]] = []

    def now(self) -> float:
        return self._now

    def spread(self) -> float:
        """Always the middle."""
        return 0.5

    def wait(self, event: threading.Event, until: float) -> None:
        with self._lock:
            if until <= self._now:
                return
            self._waiting.append((until, event))
        event.wait()

    def advance(self, by: timedelta) -> None:
        """Let so much time pass; whoever waited for it goes on."""
        with self._lock:
            self._now += by.total_seconds()
            due = [each for each in self._waiting if each[0] <= self._now]
            self._waiting = [each for each in self._waiting if each[0] > self._now]
        for _, event in due:
            event.set()


class FakeSecret:
    """One secret as rotator writes it, in memory. Thread-safe."""

    def __init__(
        self,
        secret: str,
        *,
        lifespan: timedelta = timedelta(hours=24),
        header: tuple[str, str] = ("Authorization", "Bearer {}"),
        extra: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`header`: its name and its value around the token; `extra`: keys that the job adds."""
        self.secret = secret
        self.reads = 0
        """How often it was read."""
        self.generation = 0
        self.lifespan = lifespan
        """Of what is published from now on."""
        self._header, self._extra = header, dict(extra or {})
        self._clock = clock or WallClock()
        self._error: type[TokenError] | None = None
        self._lock = threading.Lock()
        self._text: str | None = None
        self.rotate()

    def rotate(self, value: str = "") -> str:
        """Publish the next generation; the access token in it, `value` or one made up."""
        self.generation += 1
        token = value or f"fake-token-{self.generation}"
        self.write(json.dumps(self._fields(token)))
        return token

    def write(self, text: str | None) -> None:
        """Put any SecretString there; None: a binary one."""
        self._text = text

    def fail(self, error: type[TokenError] | None) -> None:
        """Every read raises that from now on; None: they work again."""
        self._error = error

    def token(self, **options: Any) -> Token:
        """A `Token` that reads this secret; `options` are those of `Token`."""
        return Token(self.secret, **{"fetch": self, "clock": self._clock, **options})

    def __call__(self, secret: str) -> str | None:
        with self._lock:
            self.reads += 1
        if self._error is not None:
            raise self._error(secret, "the test wants it so", "FakeSecret.fail(None)")
        return self._text

    def _fields(self, token: str) -> dict[str, str]:
        issued_at = datetime.fromtimestamp(self._clock.now(), UTC)
        expires_at = issued_at + self.lifespan
        name, value = self._header
        return {
            "access_token": token,
            "token_type": value.partition(" ")[0],
            "header_name": name,
            "header_value": value.format(token),
            "issued_at": _written(issued_at),
            "expires_at": _written(expires_at),
            "expires_at_epoch": str(int(expires_at.timestamp())),
            "generation": str(self.generation),
            "provider": "fake",
            "credential": "/".join(self.secret.split("/")[-2:]),
            "schema": "1",
            **self._extra,
        }


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@contextmanager
def fake_secrets(*secrets: FakeSecret) -> Iterator[None]:
    """Every `Token` of this process reads these in place of AWS, those too that are there already.

    What they hold is forgotten at both ends. A `Token` with a `fetch` of its own keeps that.
    """
    there = {each.secret: each for each in secrets}

    def read(secret: str) -> str | None:
        if secret not in there:
            raise SecretNotFound(secret, "no FakeSecret of this name", "give it to fake_secrets")
        return there[secret](secret)

    with aws.replaced(read):
        cache.forget_all()
        try:
            yield
        finally:
            cache.forget_all()
