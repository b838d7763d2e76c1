"""The token of one secret, as a service uses it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from rotator.client import aws
from rotator.client.cache import Cache
from rotator.client.clock import Clock, WallClock
from rotator.client.reading import Reading
from rotator.client.reports import reports
from rotator.client.source import Fetch

STALENESS = timedelta(minutes=5)
"""Below the 15 minutes that a job's `consumer_max_staleness` is by default."""

_CLOCK = WallClock()


class Token:
    """An access token that rotator keeps alive, read from its secret and kept fresh.

        token = Token("rotator/token/alation/etl")
        httpx.get(url, headers=token.header)

    Make one for each secret and keep it. Thread-safe, for tasks and forked children too. A hit
    costs about what an attribute costs; the secret is read ahead in the background, and what is
    held is used until it expires, whatever happens to Secrets Manager. What is asked first, after a
    freeze of the process, or where nothing living is held, waits for a read: in asyncio, `await
    token.aget()`. Each raises a TokenError where there is no living token.
    """

    __slots__ = ("__weakref__", "_cache", "_now", "_options", "secret")

    def __init__(
        self,
        secret: str,
        *,
        staleness: timedelta = STALENESS,
        fetch: Fetch | None = None,
        clock: Clock = _CLOCK,
        report_to: str = "",
        consumer: str = "",
    ) -> None:
        """`secret`: its name or ARN; `staleness`: how long a value read is used without a look.

        `fetch` reads it, by default `rotator.client.aws.SecretsManager`. Nothing is read yet.
        `report_to`: the worker's API, which is told the generation that is held here, `consumer` by
        name; unless given, $ROTATOR_REPORT_URL and $ROTATOR_CONSUMER, and nobody where that is
        unset. Raises ValueError where any of these makes no sense.
        """
        if not secret:
            raise ValueError("no secret named; rotator/token/<job>/<credential> is its usual name")
        if staleness <= timedelta(0):
            raise ValueError("staleness is not above zero")
        self.secret = secret
        self._options: dict[str, Any] = {
            "staleness": staleness,
            "fetch": fetch,
            "clock": clock,
            "report_to": report_to,
            "consumer": consumer,
        }
        told = reports(secret, report_to, consumer)
        self._cache = Cache(secret, fetch or aws.read, clock, staleness.total_seconds(), told)
        self._now = clock.now

    @property
    def value(self) -> str:
        """The access token alone."""
        kept = self._cache.kept
        if self._now() < kept.until:
            return kept.reading.value  # type: ignore[union-attr] # `until` says that it is there
        return self._cache.get().value

    @property
    def header(self) -> Mapping[str, str]:
        """The one header to send, ready made and not to be changed: `headers=token.header`."""
        return self.get().header

    @property
    def expires_at(self) -> datetime | None:
        """Aware, UTC; None where it does not expire."""
        return self.get().expires_at

    @property
    def generation(self) -> int:
        """The count of this credential's answers."""
        return self.get().generation

    def get(self) -> Reading:
        """All of it, of one generation."""
        kept = self._cache.kept
        if self._now() < kept.until:
            return kept.reading  # type: ignore[return-value] # `until` says that it is there
        return self._cache.get()

    async def aget(self) -> Reading:
        """As `get`, for asyncio: a read runs in a thread."""
        kept = self._cache.kept
        if self._now() < kept.until:
            return kept.reading  # type: ignore[return-value] # `until` says that it is there
        return await self._cache.aget()

    def refused(self, value: str) -> bool:
        """Tell that a call with `value` came back 401 or 403; True: call again with the new one.

        The secret is read anew, once for each value, however many threads say so; not at all where
        another value is held already. It is then looked at again in the background, ever more
        rarely, until another is there. Never raises for a read that fails.
        """
        return self._cache.refused(value)

    async def arefused(self, value: str) -> bool:
        """As `refused`, for asyncio."""
        return await self._cache.arefused(value)

    def __repr__(self) -> str:
        return f"Token({self.secret!r}, {self._cache.kept.reading!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy knows what to read, and has read nothing: no token leaves the process."""
        return partial(Token, **self._options), (self.secret,)
