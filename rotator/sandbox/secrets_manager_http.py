"""The fakes over real HTTP on loopback, for other processes and for real sockets.

    with serve(SecretsManager(clock.now, clock.monotonic)) as server:
        boto3.client("secretsmanager", endpoint_url=server.url, …)

A process finds it by AWS_ENDPOINT_URL_SECRETS_MANAGER, or KMS by AWS_ENDPOINT_URL_KMS. Beside AWS's
own protocol it answers

    POST /_sandbox/faults   {"lag_seconds": 30, "lose_replies": {"operation": "PutSecretValue"}}
    GET  /_sandbox/stats    calls by operation, versions made, the peak of writes in one second
    GET  /_sandbox/calls    every call in order: operation, secret, instant, principal, outcome
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from rotator.sandbox.secrets_manager_rules import NoAnswer
from rotator.sandbox.secrets_manager_wire import AwsService, respond
from rotator.sandbox.serving import LoopbackServer

_MOST_BYTES = 1 << 20


@contextmanager
def serve(service: AwsService, port: int = 0) -> Iterator["SecretsManagerServer"]:
    """Listens until the block ends; port 0 is any that is free."""
    server = SecretsManagerServer(service, port)
    with server.listening("secrets-manager"):
        yield server


class SecretsManagerServer(LoopbackServer):
    """`service` may be swapped for a fresh one between two tests."""

    def __init__(self, service: AwsService, port: int = 0) -> None:
        self.service = service
        super().__init__(_Conversation, port)


class _Conversation(BaseHTTPRequestHandler):
    """One connection, kept open from call to call."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: SecretsManagerServer

    def do_GET(self) -> None:
        service = self.server.service
        pages: Mapping[str, Callable[[], Any]] = {
            "/_sandbox/stats": service.stats.as_json,
            "/_sandbox/calls": service.stats.log_as_json,
        }
        page = pages.get(self.path)
        with service.lock:
            answer = page() if page else {}
        self._say(HTTPStatus.OK if page else HTTPStatus.NOT_FOUND, answer)

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if size > _MOST_BYTES:
            self.close_connection = True
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {})
            return
        body = self.rfile.read(size)
        if self.path == "/_sandbox/faults":
            self._control(body)
        else:
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            response = respond(self.server.service, headers, body)
        except NoAnswer:
            self.close_connection = True
            return
        self._send(response.status, response.headers, response.body)

    def _control(self, body: bytes) -> None:
        service = self.server.service
        try:
            with service.lock:
                service.faults.apply(json.loads(body))
        except (AttributeError, TypeError, ValueError) as error:
            self._say(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        else:
            self._say(HTTPStatus.OK, {})

    def _say(self, status: int, answer: Any) -> None:
        body = json.dumps(answer).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._send(status, headers, body)

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Never to stderr; the service keeps its own log."""
