"""The API's listener: waitress, bounded in all that somebody outside may choose.

Waitress reads each request to its end before a thread sees it, so slow senders hold up nobody but
one another. Whatever goes wrong here is said, and the worker goes on.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from waitress.server import create_server
from waitress.wasyncore import close_all

from rotator.clock import Clock
from rotator.engine import logs
from rotator.jobs.job import JobBook
from rotator.ledger.base import Ledger
from rotator.notation import Listen
from rotator.settings import Settings
from rotator.web.api import LARGEST, Api
from rotator.web.reports import Reports

LIMITS: Mapping[str, Any] = {
    "threads": 2,
    "connection_limit": 200,
    "channel_timeout": 10,  # seconds without a byte, between requests and within one
    "cleanup_interval": 5,
    "max_request_header_size": 8192,
    "max_request_body_size": LARGEST,
    "asyncore_use_poll": True,  # select() ends at file descriptor 1024
    "ident": None,
}


class _Names:
    """Secret name -> credential, as the job files have it now."""

    def __init__(self, book: Callable[[], JobBook]) -> None:
        self._book = book
        self._known: tuple[JobBook | None, Mapping[str, str]] = (None, {})

    def __call__(self, secret: str) -> str | None:
        book, names = self._book(), self._known[1]
        if book is not self._known[0]:
            names = {each.token_secret.name: each.qualified for each in book.credentials.values()}
            self._known = book, names
        return names.get(secret)


def _bound(listen: Listen) -> socket.socket:
    """Waitress would leave a socket open that it cannot bind. [::] means IPv4 too."""
    if listen.host.version == 4:
        return socket.create_server((str(listen.host), listen.port))
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6
    return socket.create_server((str(listen.host), listen.port), family=family, dualstack_ipv6=both)


class Listener:
    """A socket and the thread that serves it. Raises OSError where it cannot listen."""

    def __init__(self, listen: Listen, api: Api) -> None:
        bound = _bound(listen)
        self.port: int = bound.getsockname()[1]
        self._server: Any = create_server(api, sockets=[bound], **LIMITS)  # its stubs are wrong
        self._thread = threading.Thread(target=self._server.run, name="api", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Whoever wakes the thread writes to a pipe, whose number is another file's once closed.

        So the answering threads, which do, end first; and the thread, which holds this lock while
        it does what it was woken for, cannot close the pipe before it has been written to.
        """
        server, trigger = self._server, self._server.trigger
        server.task_dispatcher.shutdown()
        with trigger.lock:
            trigger.thunks.append(lambda: close_all(server._map))  # noqa: SLF001 - in its thread
            trigger.pull_trigger()
        self._thread.join(seconds)


@contextmanager
def serving(
    settings: Settings, ledger: Ledger, clock: Clock, book: Callable[[], JobBook]
) -> Iterator[None]:
    """The API for as long as the block runs, where the settings ask for it."""

    def revokes(name: str) -> bool:
        credential = book().credentials.get(name)
        return credential is not None and credential.provider.revocation is not None

    reports = Reports(ledger, clock, logs.logger(), revokes)
    listener = _opened(settings, Api(settings.api_key, _Names(book), reports.put))
    if listener is None:
        yield
        return
    reports.start()
    listener.start()
    try:
        yield
    finally:
        listener.close()
        reports.close()


def _opened(settings: Settings, api: Api) -> Listener | None:
    """None where nobody asked for it, or where it cannot be: tokens matter more."""
    listen, log = settings.api_listen, logs.logger()
    if listen is None:
        return None
    where = {"address": str(listen.host), "port": listen.port}
    try:
        found = Listener(listen, api)
    except OSError as error:
        log.warning("the API is off: it cannot listen", **where, text=error.strerror)
        return None
    log.info("the API listens", **where)
    return found
