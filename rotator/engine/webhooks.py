"""Tells other machines that a token was published: a signed request, with nothing secret in it.

Signed as Standard Webhooks have it (https://www.standardwebhooks.com/), so that receivers check it
with a library of theirs. It is a hint, and the secret is the truth: what could not be delivered in
three attempts, or was waiting when the worker died, is not told again, and what was delivered may
come twice under the same id. A receiver that was told of one generation may have missed others.

Each receiver has a thread of its own, so that one that hangs delays no other, and none a rotation.
Of each credential only the newest is told: no queue grows longer than there are credentials.
"""

import hashlib
import hmac
import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rotator.clock import Clock
from rotator.errors import BadSettings, LedgerError, ProviderError
from rotator.jobs.job import Credential
from rotator.ledger.base import Ledger
from rotator.ledger.facts import OnRecord
from rotator.model import Secret, Shelf
from rotator.plan import Verb
from rotator.providers.base import Answer, Request
from rotator.providers.http import Door
from rotator.providers.wire import literal
from rotator.rotation.walk import Outcome
from rotator.settings import Settings, variable

TIMEOUT = timedelta(seconds=10)
"""For one attempt, real time."""
_PAUSES = (1.0, 10.0)
"""Seconds between the attempts."""
_SIGNING = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a key, as Standard Webhooks have it."""

Send = Callable[[Request], Answer]


def published(walk: Outcome) -> bool:
    """Whether consumers can read another token since; the ledger knows it when a walk is over."""
    return any(step.step is Verb.PUBLISH and step.outcome == "ok" for step in walk.steps)


class Address(NamedTuple):
    """One of ROTATOR_NOTIFY_URLS. Logs know its number, for it may be secret."""

    number: int
    url: Secret
    key: bytes


class Webhooks:
    """All receivers. Without any it does nothing."""

    def __init__(
        self, receivers: "Sequence[Receiver]", then: Callable[[], None] = lambda: None
    ) -> None:
        """`then`: done when all are closed."""
        self._receivers, self._then = receivers, then

    def start(self) -> None:
        for receiver in self._receivers:
            receiver.start()

    def tell(self, credential: Credential) -> None:
        """That its newest token was published."""
        for receiver in self._receivers:
            receiver.put(credential.qualified, credential.token_secret.name)

    def close(self, seconds: float = 5.0) -> None:
        """What waits is tried once more, for so long."""
        for receiver in self._receivers:
            receiver.stop()
        for receiver in self._receivers:
            receiver.join(seconds)
        self._then()


class Receiver:
    """One address."""

    def __init__(
        self, address: Address, send: Send, ledger: Ledger, clock: Clock, log: Any
    ) -> None:
        self._to, self._send = address, send
        self._ledger, self._clock, self._log = ledger, clock, log
        self._waiting: dict[str, str] = {}
        self._lock = threading.Lock()
        self._some, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"webhook-{address.number}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def put(self, credential: str, secret: str) -> None:
        with self._lock:
            self._waiting[credential] = secret
        self._some.set()

    def stop(self) -> None:
        self._stopped.set()
        self._some.set()

    def join(self, seconds: float) -> None:
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            while (taken := self._take()) is not None:
                self._deliver(*taken)
            if self._stopped.is_set():
                return

    def _take(self) -> tuple[str, str] | None:
        with self._lock:
            oldest = next(iter(self._waiting), None)
            return None if oldest is None else (oldest, self._waiting.pop(oldest))

    def _deliver(self, credential: str, secret: str) -> None:
        try:
            record = self._record(credential)
        except LedgerError as error:
            self._missed(credential, type(error).__name__)
            return
        if record is None:  # forgotten meanwhile
            return
        body = _body(credential, secret, record)
        problem = self._attempt(record.version_id, body)
        for pause in _PAUSES:
            if not problem or self._stopped.wait(pause):
                break
            problem = self._attempt(record.version_id, body)
        if problem:
            self._missed(credential, problem)

    def _record(self, credential: str) -> OnRecord | None:
        rows = self._ledger.rows([credential])
        return rows[0].records.get(Shelf.TOKEN) if rows else None

    def _attempt(self, identity: str, body: str) -> str:
        """What was wrong; empty: it was delivered."""
        try:
            answer = self._send(signed(self._to, identity, self._clock.now(), body))
        except ProviderError as error:
            return type(error).__name__
        return "" if answer.ok else f"HTTP {answer.status}"

    def _missed(self, credential: str, problem: str) -> None:
        self._log.warning(
            "a receiver was not told of a new token",
            receiver=self._to.number,
            credential=credential,
            problem=problem,
        )


def _body(credential: str, secret: str, record: OnRecord) -> str:
    """Never the token, and nothing of it."""
    return json.dumps(
        {
            "type": "token.published",
            "timestamp": _written(record.put_at),
            "data": {
                "credential": credential,
                "secret": secret,
                "version_id": record.version_id,
                "generation": record.generation,
                "expires_at": _written(record.expires_at) if record.expires_at else None,
            },
        }
    )


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def signed(to: Address, identity: str, now: datetime, body: str) -> Request:
    """The request, with the three headers of Standard Webhooks."""
    at = str(int(now.timestamp()))
    digest = hmac.digest(to.key, f"{identity}.{at}.{body}".encode(), hashlib.sha256)
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }
    return Request(
        url=to.url.reveal(),
        headers={name: Secret(value) for name, value in headers.items()},
        body=Secret(body),
        content_type="application/json",
    )


def addresses(settings: Settings) -> tuple[Address, ...]:
    """Whom the settings name. Raises BadSettings."""
    urls = settings.notify_urls
    for number, url in enumerate(urls, 1):
        if not _is_fit(url.reveal()):
            raise BadSettings(
                f"{variable('notify_urls')}: address {number} of {len(urls)} is nothing to send to",
                remedy="https://host[:port]/path, no login; http for literal loopback only",
            )
    key = _key(settings.notify_key) if urls else b""
    return tuple(Address(number, url, key) for number, url in enumerate(urls, 1))


def opened(to: Sequence[Address], ledger: Ledger, clock: Clock, log: Any) -> Webhooks:
    """With a door of their own: what becomes of receivers says nothing about providers."""
    if not to:
        return Webhooks(())
    door = Door(Clock(), TIMEOUT)
    receivers = [Receiver(address, door.send, ledger, clock, log) for address in to]
    return Webhooks(receivers, door.close)


def _is_fit(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    address = literal(parts.hostname or "")
    loopback = address is not None and address.is_loopback
    safe = parts.scheme == "https" or (parts.scheme == "http" and loopback)
    return plain and safe and bool(parts.hostname)


def _key(given: Secret | None) -> bytes:
    """The bytes of `whsec_…`. Raises BadSettings."""
    text = given.reveal() if given else ""
    try:
        key = b64decode(text.removeprefix(_SIGNING), validate=True)
    except ValueError:
        key = b""
    if text.startswith(_SIGNING) and _SHORTEST <= len(key) <= _LONGEST:
        return key
    raise BadSettings(
        f"{variable('notify_key')} is no key to sign notices with",
        remedy=f"{_SIGNING} and 24 to 64 random bytes in base64: openssl rand -base64 32",
    )
