"""The servers that a worker talks to, each request a chance to kill it: four moments of an effect.

One gate is one address. What it answers is the fake's business; whether the worker dies before,
within or after the answer is the trap's.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from rotator.sandbox.serving import LoopbackServer


class Moment(StrEnum):
    RECEIVED = "received, nothing done"
    DONE = "done, not answered"
    HALF = "half of the answer sent"
    ANSWERED = "answered"


class Asked(NamedTuple):
    """One request; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Said(NamedTuple):
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Gate(LoopbackServer):
    daemon_threads = True

    def __init__(
        self,
        answer: Callable[[Asked], Said],
        name: Callable[[Asked], str],
        falls: Callable[[str, Moment], bool],
    ) -> None:
        """`name`: of the effect, empty for a consumer's; `falls`: whether the worker is dead."""
        self.answer, self.name, self.falls = answer, name, falls
        super().__init__(_Conversation)


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Gate

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        effect = self.server.name(asked)
        if not effect:
            self.wfile.write(_bytes_of(self.server.answer(asked)))
        elif not self._is_answered(asked, effect):
            self.close_connection = True

    do_GET = do_POST = _any  # noqa: N815 - the base's

    def _is_answered(self, asked: Asked, effect: str) -> bool:
        falls = self.server.falls
        if falls(effect, Moment.RECEIVED):
            return False
        answer = _bytes_of(self.server.answer(asked))
        if falls(effect, Moment.DONE):
            return False
        middle = len(answer) // 2
        self.wfile.write(answer[:middle])
        if falls(effect, Moment.HALF):
            return False
        self.wfile.write(answer[middle:])
        return not falls(effect, Moment.ANSWERED)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Never to stderr."""


def _bytes_of(said: Said) -> bytes:
    lines = [f"HTTP/1.1 {said.status} {responses.get(said.status, 'Odd')}"]
    length = {"content-length": str(len(said.body))}
    told = {name.lower(): value for name, value in said.headers.items()} | length
    lines += [*(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + said.body


@contextmanager
def opened(gate: Gate) -> Iterator[Gate]:
    """Listens until the block ends."""
    with gate.listening("gate", poll=0.1):
        yield gate
