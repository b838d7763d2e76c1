"""The door against real sockets: every failure has its class, and none says a secret."""

import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rotator.clock import Clock
from rotator.errors import ProviderError
from rotator.model import Secret
from rotator.providers.base import Answer, Request
from rotator.providers.http import Door
from rotator.sandbox.fakes import Fake, Reply, json_reply, parsed

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SHORT = timedelta(milliseconds=200)
AMPLE = timedelta(seconds=20)
HEADER, BODY, QUERY = "planted-in-header", "planted-in-body", "planted-in-query"
SECRETS = (HEADER, BODY, QUERY)


class StillClock(Clock):
    """The calendar stands still; real time passes on the wire."""

    def now(self) -> datetime:
        return NOW


class Echo(Fake):
    """Answers with the fields that it was sent."""

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if path.startswith("/old"):
            return Reply(301, {"location": "/new"}, b"")
        return json_reply(200, parsed(headers, body), x_method=method)


def ask(url: str, body: str = f'{{"password": "{BODY}"}}') -> Request:
    """A request with a secret in every place that may hold one."""
    return Request(
        url=f"{url}?key={QUERY}",
        headers={"Authorization": Secret(HEADER)},
        body=Secret(body),
        content_type="application/json",
    )


def refusal(door: Door, request: Request, *, spending: bool = False) -> ProviderError:
    """The error that sending ends in, after a look for secrets in all that it says."""
    with pytest.raises(ProviderError) as caught:
        door.send(request, spending=spending)
    error = caught.value
    told = [str(error), repr(error), *traceback.format_exception(error)]
    assert not any(secret in line for secret in SECRETS for line in told)
    assert error.__context__ is None, "a chained exception leads to frames that hold the request"
    return error


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A loopback port whose every connection is given to `serve`, then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def one(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(2)
                try:
                    serve(connection)
                except OSError:
                    return  # the door hung up: that is its right

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def says(answer: bytes) -> Callable[[socket.socket], None]:
    """Reads a request and speaks these bytes, whatever they are."""

    def serve(connection: socket.socket) -> None:
        heard = b""
        while not heard.endswith(b"}"):
            heard += connection.recv(65536) or b"}"
        connection.sendall(answer)

    return serve


def reply(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answer_to(door: Door, spoken: bytes) -> Answer:
    with listening(says(spoken)) as port:
        return door.send(ask(f"http://127.0.0.1:{port}/"), spending=True)


def error_after(door: Door, spoken: bytes) -> ProviderError:
    with listening(says(spoken)) as port:
        return refusal(door, ask(f"http://127.0.0.1:{port}/"))


def over_tls(certificate: Path, answer: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with context.wrap_socket(connection, server_side=True) as secured:
            says(answer)(secured)

    return serve


def through_proxy(
    heard: list[bytes], answer: bytes, beyond: Callable[[socket.socket], None] | None = None
) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(answer)
        if beyond:
            beyond(connection)

    return serve
