"""Real HTTP on loopback, from the first connection to the last thread. What is said is others'."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any


class LoopbackServer(ThreadingHTTPServer):
    """Knows its open connections, so that stopping ends them and leaves no thread behind."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        """`port`: 0 is any that is free."""
        self._open: set[socket] = set()
        super().__init__(("127.0.0.1", port), handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def listening(self, name: str, poll: float = 0.02) -> Iterator[None]:
        """Until the block ends. `name`: of its thread; `poll`: seconds until it notices the end."""
        daemon = self.daemon_threads
        thread = threading.Thread(target=self.serve_forever, args=(poll,), name=name, daemon=daemon)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            thread.join()

    def stop(self) -> None:
        """End the listening and every open connection, and wait for their threads."""
        self.shutdown()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up, or was killed in the middle of a word, is part of the game."""
