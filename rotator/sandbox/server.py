"""Two ways to reach a sandbox fake: over real HTTP on loopback, or in process without sockets."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import urlsplit

from rotator.clock import Clock
from rotator.errors import Unanswered, Unreachable
from rotator.providers.base import Answer, Request
from rotator.providers.shapes import origin
from rotator.sandbox.fakes import Fake, Fault, Reply
from rotator.sandbox.serving import LoopbackServer


class InProcessDoor:
    """A `rotator.providers.http.Door` to fakes in this process: no sockets, no real time."""

    def __init__(
        self, fakes: Mapping[str, Fake], clock: Clock, timeout: timedelta = timedelta(seconds=30)
    ) -> None:
        """`fakes`: by origin, scheme://host[:port], as `shapes.origin` writes it."""
        self.fakes = fakes
        self._clock = clock
        self._timeout = timeout

    def send(self, request: Request, *, spending: bool = False) -> Answer:
        """The fake's answer. Raises Unreachable or Unanswered as the real door does."""
        del spending  # in process no connection is ever shared
        where = origin(request.url)
        fake = self.fakes.get(where)
        if fake is None:
            raise Unreachable(f"{urlsplit(where).netloc}: nobody is there")
        reply, fault = fake.exchange(request.method, *_wire_form(request))
        if fault.refuses:
            raise Unreachable(f"{urlsplit(where).netloc}: connecting failed")
        self._pass(fault)
        if reply is None or fault.delay + fault.drip * len(reply.body) > self._timeout:
            raise Unanswered(f"{urlsplit(where).netloc}: no complete answer")
        return Answer(
            status=reply.status,
            headers=reply.headers,
            body=reply.body,
            received_at=self._clock.now(),
        )

    def close(self) -> None:
        """Nothing to close."""

    def _pass(self, fault: Fault) -> None:
        if fault.delay:
            self._clock.sleep(min(fault.delay, self._timeout))


def _wire_form(request: Request) -> tuple[str, dict[str, str], bytes]:
    parts = urlsplit(request.url)
    headers = {name.lower(): value.reveal() for name, value in request.headers.items()}
    if request.content_type:
        headers["content-type"] = request.content_type
    path = parts.path or "/"
    body = request.body.reveal().encode() if request.body else b""
    return (f"{path}?{parts.query}" if parts.query else path), headers, body


class _Server(LoopbackServer):
    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self.closing = threading.Event()
        super().__init__(_Handler)

    def stop(self) -> None:
        self.closing.set()
        super().stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    timeout: ClassVar[float] = 60

    def _any(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(size)
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply, fault = self.server.fake.exchange(self.command, self.path, headers, body)
        if fault.delay:
            self.server.closing.wait(fault.delay.total_seconds())
        if reply is None:
            self.close_connection = True
            return
        self._write(_bytes_of(reply), fault.drip)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _any  # noqa: N815 - the base's

    def _write(self, answer: bytes, drip: timedelta) -> None:
        if not drip:
            self.wfile.write(answer)
            return
        for byte in answer:
            if self.server.closing.wait(drip.total_seconds()):
                return
            self.wfile.write(bytes([byte]))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Never to stderr: a path may hold a secret. The fake has its own log."""


def _bytes_of(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Odd')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += [f"content-length: {len(reply.body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + reply.body


@contextmanager
def served(fake: Fake) -> Iterator[str]:
    """The fake on a loopback port of its own while the context lasts: gives its base URL."""
    server = _Server(fake)
    with server.listening("sandbox"):
        yield server.url
