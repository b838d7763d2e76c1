"""Tells the worker which generation this process holds: only where it was asked to.

It is a courtesy, for `rotator status` and for a worker that revokes old tokens. So each is sent by
a thread of its own, with which no name server and no listener can hold up a read, and what fails
is said at DEBUG alone and tried again.
"""

import json
import logging
import os
import re
import threading
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

CONSUMER = r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}"
"""What a consumer may be called."""
PATH = "/v1/holders"
EVERY = 600.0
RETRY = 60.0
"""Seconds from one report to the next, if it arrived and if it did not."""
_TIMEOUT = 5.0
_URL, _KEY, _NAME = "ROTATOR_REPORT_URL", "ROTATOR_REPORT_KEY", "ROTATOR_CONSUMER"

_log = logging.getLogger("rotator.client")


class _To(NamedTuple):
    """Where the worker's API is."""

    tls: bool
    host: str
    port: int | None
    path: str


class Reports:
    """Of one secret. Used by the thread that looks ahead, and by nobody else."""

    def __init__(self, secret: str, to: _To, key: str, consumer: str) -> None:
        self._secret, self._to, self._consumer = secret, to, consumer
        self._headers = {"Content-Type": "application/json", "Connection": "close"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self.begin()

    def begin(self) -> None:
        """Nothing is told yet: in a forked child, which is another consumer, too."""
        self._told = 0
        self._due_at = 0.0
        self._sending: threading.Thread | None = None

    def tell(self, generation: int, now: float) -> float:
        """Report what is held, where it is time; the instant of the next. Waits for nothing."""
        if generation == self._told and now < self._due_at:
            return self._due_at
        if self._sending is not None and self._sending.is_alive():
            return now + _TIMEOUT
        self._told, self._due_at = generation, now + RETRY
        self._sending = threading.Thread(
            target=self._send, args=(generation, now), name="rotator.client report", daemon=True
        )
        with suppress(RuntimeError):  # no more threads
            self._sending.start()
        return self._due_at

    def _send(self, generation: int, now: float) -> None:
        from http.client import HTTPException

        try:
            status = self._post(generation)
        except (OSError, HTTPException, ValueError) as error:
            _log.debug("%s: not reported (%s)", self._secret, type(error).__name__)
            return
        if status == 204:
            self._due_at = now + EVERY
        else:
            _log.debug("%s: not reported (HTTP %d)", self._secret, status)

    def _post(self, generation: int) -> int:
        """By no proxy and after no redirect: the key goes where it was meant to go."""
        from http.client import HTTPConnection, HTTPSConnection

        said = {"consumer": self._name(), "secret": self._secret, "generation": generation}
        made = HTTPSConnection if self._to.tls else HTTPConnection
        connection = made(self._to.host, self._to.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", self._to.path, json.dumps(said), self._headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def _name(self) -> str:
        if self._consumer:
            return self._consumer
        host = re.sub(r"[^A-Za-z0-9._-]", "-", os.uname().nodename).lstrip("._-")
        return f"{host[:80] or 'host'}-{os.getpid()}"


def reports(secret: str, to: str, consumer: str) -> Reports | None:
    """As the arguments say, or the environment; None where neither asks. Raises ValueError."""
    to = to or os.environ.get(_URL, "")
    if not to:
        return None
    consumer = consumer or os.environ.get(_NAME, "")
    if consumer and not re.fullmatch(CONSUMER, consumer):
        raise ValueError(
            f"{_NAME}: a consumer's name is letters, digits and . _ : @ -, at most 100"
        )
    key = os.environ.get(_KEY, "")
    if not key.isascii() or not key.isprintable():
        raise ValueError(f"{_KEY}: that can be no key; look for a line break at its end")
    return Reports(secret, _parsed(to), key, consumer)


def _parsed(url: str) -> _To:
    """Never quoted in an error: it may hold what it should not."""
    with suppress(ValueError):
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
        if plain and parts.hostname and parts.scheme in ("http", "https"):
            path = parts.path.rstrip("/") + PATH
            return _To(parts.scheme == "https", parts.hostname, parts.port, path)
    raise ValueError(f"{_URL}: no address of a worker's API; write http://rotator:8421")
