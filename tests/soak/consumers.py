"""Every credential's consumer: reads the secret, calls the provider, and reads it anew on a 401.

One thread plays them all, one after another, on connections that stay open.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from rotator.clock import Clock
from rotator.model import Shelf
from tests.soak.judge import Judge
from tests.soak.town import BY_CREDENTIAL, STALENESS, Town

_PAUSE = 0.02
"""Real seconds between two calls."""
_PATIENCE = 30.0


class Calls:
    """To the providers, with what consumers read, on connections that stay open."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._connections: dict[str, HTTPConnection] = {}

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def is_accepted(self, credential: str, token: dict[str, str]) -> bool:
        """Raises where the provider says anything else than yes or no."""
        method, base, path = self._town.consumer_call(credential)
        connection = self._connections.setdefault(
            base, HTTPConnection(urlsplit(base).netloc, timeout=_PATIENCE)
        )
        body = b"{}" if method == "POST" else None
        headers = {
            token["header_name"]: token["header_value"],
            "content-type": "application/json",
            "accept": "application/json",
        }
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in {200, 401, 403}:
            raise HTTPException(f"{credential}: {answer.status}")
        return answer.status == 200


class Consumers:
    def __init__(self, town: Town, judge: Judge) -> None:
        self.counts: Counter[str] = Counter()
        self.longest_gap = 0.0
        """Real seconds for which one consumer was refused, all re-reading included."""
        self.died = ""
        self._town, self._judge = town, judge
        self._stop = threading.Event()
        self._held: dict[str, dict[str, str]] = {}
        self._read_at: dict[str, datetime] = {}
        self._persons: set[str] = set()
        """Credentials whose consumers wait for a person, which no clock measures."""
        self._refused_since: dict[str, float] = {}
        self._calls = Calls(town)
        self._real = Clock()
        self._thread = threading.Thread(target=self._run, name="consumers", daemon=True)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._calls.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for credential in BY_CREDENTIAL:
                    self._visit(credential)
                    if self._stop.wait(_PAUSE):
                        return
        except Exception as error:  # noqa: BLE001 - whatever ends it is told in the verdict
            self.died = f"{type(error).__name__}: {error}"

    def _visit(self, credential: str) -> None:
        token = self._token(credential)
        if not token:  # not published yet
            return
        if self._calls.is_accepted(credential, token):
            self._accepted(credential)
            return
        token = self._reread(credential)
        if self._calls.is_accepted(credential, token):
            self.counts["healed by one re-read"] += 1
            self._accepted(credential)
            return
        self._refused_since.setdefault(credential, self._real.monotonic())
        left = int(token["expires_at_epoch"]) - self._town.clock.now().timestamp()
        if self._judge.refused(credential, token["access_token"], left):
            self._persons.add(credential)

    def _accepted(self, credential: str) -> None:
        self.counts["accepted"] += 1
        since = self._refused_since.pop(credential, None)
        if credential in self._persons:
            self._persons.remove(credential)
        elif since is not None:
            self.longest_gap = max(self.longest_gap, self._real.monotonic() - since)

    def _token(self, credential: str) -> dict[str, str]:
        """No older than the job's consumer_max_staleness."""
        read_at = self._read_at.get(credential)
        if read_at is None or self._town.clock.now() - read_at >= STALENESS:
            return self._reread(credential)
        return self._held[credential]

    def _reread(self, credential: str) -> dict[str, str]:
        found = self._town.secret(credential, Shelf.TOKEN)
        if found:
            self._read_at[credential] = self._town.clock.now()
            self._held[credential] = found
        return found
