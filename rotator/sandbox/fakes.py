"""What every sandbox provider is made of: a stateful `Fake`, and the faults it can be told to have.

A fake's time is whatever `now` says, so tokens die as a test or a demo turns the clock. It is
served over sockets or called in process by `rotator.sandbox.server`; both go through
`Fake.exchange`, so both meet the same faults.
"""

import json
import threading
from base64 import urlsafe_b64encode
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from hashlib import sha512
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Reply(NamedTuple):
    """What a fake answers; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Seen(NamedTuple):
    """One line of a fake's own log: never a query, header or body."""

    at: datetime
    method: str
    path: str
    outcome: str


class Refused(Exception):
    """Raised inside a fake to end a request with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"HTTP {reply.status}")
        self.reply = reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request."""

    name: str
    acts: bool = False
    """Whether the request still has its effect."""
    reply: Reply | None = None
    """Sent in place of the real answer."""
    loses: bool = False
    """The connection closes without a byte of answer."""
    refuses: bool = False
    """Nobody listens. Only `InProcessDoor` can play this; over sockets stop the `Served`."""
    delay: timedelta = timedelta(0)
    """Before the first byte; real time over sockets, the clock's in process."""
    drip: timedelta = timedelta(0)
    """Between any two bytes of the answer."""


def json_reply(status: int, content: object, **headers: str) -> Reply:
    """An answer in JSON."""
    return Reply(
        status, {"content-type": "application/json", **headers}, json.dumps(content).encode()
    )


def html_reply(status: int) -> Reply:
    """The page that a proxy, a login wall or a broken server shows."""
    page = f"<!doctype html><title>{status}</title><h1>{HTTPStatus(status).phrase}</h1>"
    return Reply(status, {"content-type": "text/html; charset=utf-8"}, page.encode())


NONE = Fault(name="none", acts=True)
LOST_ANSWER = Fault(name="lost answer", acts=True, loses=True)
LOST_REQUEST = Fault(name="lost request", loses=True)
NOT_LISTENING = Fault(name="not listening", refuses=True)


def html(status: int, *, acts: bool = False) -> Fault:
    """An HTML page instead of the answer, e.g. 401 from a proxy or 502 from a gateway."""
    return Fault(name=f"HTML {status}", reply=html_reply(status), acts=acts)


def throttled(retry_after: str = "7") -> Fault:
    """429 with this Retry-After, none where it is empty."""
    headers = {"retry-after": retry_after} if retry_after else {}
    return Fault(name="429", reply=Reply(429, headers, b""))


def broken(status: int = 500, *, acts: bool = False) -> Fault:
    """A server error in JSON, with or without the effect."""
    return Fault(name=str(status), reply=json_reply(status, {"detail": "error"}), acts=acts)


def late(delay: timedelta) -> Fault:
    """The real answer, after `delay`."""
    return Fault(name="late", acts=True, delay=delay)


def dripping(drip: timedelta) -> Fault:
    """The real answer, a byte at a time."""
    return Fault(name="dripping", acts=True, drip=drip)


def huge(size: int = 2 << 20) -> Fault:
    """A JSON answer of more bytes than anybody should read."""
    return Fault(name="huge", acts=True, reply=json_reply(200, {"padding": "x" * size}))


@dataclass
class Fake:
    """A provider's promises, kept. A subclass overrides `respond`."""

    now: Callable[[], datetime]
    seed: str = "sandbox"
    """Makes the tokens: the same seed and the same requests give the same tokens."""
    log: list[Seen] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """What a test asserts on, e.g. `presented_twice`, and one count per path."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _faults: dict[str, deque[Fault]] = field(default_factory=dict, repr=False)
    _made: int = 0

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """What the provider answers, under the lock. May raise Refused."""
        raise NotImplementedError

    def fail_next(self, path: str, fault: Fault, times: int = 1) -> None:
        """The next `times` requests to `path` meet `fault`; `*` stands for any path."""
        with self.lock:
            self._faults.setdefault(path, deque()).extend([fault] * times)

    def heal(self) -> None:
        """Forget all faults still to come."""
        with self.lock:
            self._faults.clear()

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The answer to one request, without faults. `headers` in lower case."""
        with self.lock:
            try:
                reply = self.respond(method, path, headers, body)
            except Refused as refused:
                reply = refused.reply
            self._note(method, path, str(reply.status))
            return self._dated(reply)

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Reply | None, Fault]:
        """One request as the wire sees it: the reply, None where it is lost, and the fault met."""
        with self.lock:
            fault = self._next_fault(urlsplit(path).path)
            reply = self.handle(method, path, headers, body) if fault.acts else None
            if fault is not NONE:
                self._note(method, path, fault.name)
            if fault.loses or fault.refuses:
                return None, fault
            return (self._dated(fault.reply) if fault.reply else reply), fault

    def fresh(self, length: int = 86) -> str:
        """A new opaque token, URL-safe."""
        self._made += 1
        made = f"{type(self).__name__}:{self.seed}:{self._made}"  # no two providers make the same
        digest = sha512(made.encode()).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")[:length]

    def _next_fault(self, path: str) -> Fault:
        for key in (path, "*"):
            if waiting := self._faults.get(key):
                return waiting.popleft()
        return NONE

    def _note(self, method: str, path: str, outcome: str) -> None:
        bare = urlsplit(path).path
        self.log.append(Seen(self.now(), method, bare, outcome))
        self.counts[bare] += 1

    def _dated(self, reply: Reply) -> Reply:
        return reply._replace(
            headers={"date": format_datetime(self.now(), usegmt=True), **reply.headers}
        )


def parsed(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The fields of a JSON or form body. Raises Refused, 415 or 400, for anything else."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            found = json.loads(body)
        elif kind == "application/x-www-form-urlencoded":
            pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
            found = dict(pairs) if len(dict(pairs)) == len(pairs) else None
        else:
            raise Refused(json_reply(415, {"detail": "Unsupported media type"}))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(json_reply(400, {"detail": "Malformed request"}))
    return found
