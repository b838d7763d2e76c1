"""The one door to the providers: every request goes out here, and every failure gets its class.

It stands on httpcore, the transport beneath httpx, because two promises need the wire itself: one
deadline over a whole request (httpx bounds each read, so an answer that drips never ends), and the
check of the address that is really connected to (rotator.providers.wire).

Proxies come from the environment (HTTPS_PROXY, NO_PROXY); whom TLS trusts, and as whom it shows
itself, is in rotator.providers.tls. Behind a proxy it is the proxy that resolves
names, so only literal addresses can be checked. Plain http is for literal loopback, past any proxy.
"""

import logging
import threading
import zlib
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import timedelta
from ssl import SSLContext
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from rotator.clock import Clock
from rotator.errors import Misconfigured, ProviderError, Unanswered, Unreachable
from rotator.providers.base import Answer, Request
from rotator.providers.tls import Trust
from rotator.providers.wire import Attempt, Failed, Networks, Wire, check, literal

LARGEST_ANSWER = 1 << 20
"""Bytes of a body, as received and again as decompressed."""
_MOST_HEADERS = 100
_LONGEST_HEADER = 8192

# They log URLs and response headers.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Door:
    """Sends requests to providers. One for all threads."""

    def __init__(
        self,
        clock: Clock,
        timeout: timedelta = timedelta(seconds=30),
        *,
        allow_loopback_http: bool = True,
        trust: Trust | None = None,
        allowed: Networks = (),
    ) -> None:
        """`timeout`: real time for a whole request, from resolving the name to the last byte.

        `allowed`: link-local and metadata addresses that a provider may have all the same.
        Raises BadSettings where a file of `trust` is of no use.
        """
        self._clock = clock
        self._timeout = timeout.total_seconds()
        self._loopback_http = allow_loopback_http
        self._trust = trust or Trust()
        self._trust.ready()
        self._proxy = getproxies().get("https", "")
        self._allowed = allowed
        self._wire = Wire(clock, allowed)
        self._pools: dict[tuple[str, SSLContext], httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def send(self, request: Request, *, spending: bool = False) -> Answer:
        """The complete answer, whatever its status; a redirect is an answer too.

        `spending`: on a connection of its own, so that nothing beneath us can send it twice.
        Raises Misconfigured or Unreachable where nothing was sent, else Unanswered.
        """
        url = _split(request.url)
        host = url.hostname or ""
        deadline = self._clock.monotonic() + self._timeout
        attempt = Attempt(deadline, host, plain=url.scheme == "http")
        self._wire.begin(attempt)
        try:
            return self._exchange(request, url, spending=spending)
        except Exception as error:  # noqa: BLE001 - whatever broke, what counts is what was sent
            failure = _failure(error, attempt)
        finally:
            self._wire.begin(None)
        # Outside of `except`: a chained exception would lead to frames that hold the request.
        raise failure

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _exchange(self, request: Request, url: SplitResult, *, spending: bool) -> Answer:
        self._admit(url)
        path = url.path or "/"
        body = request.body.reveal().encode() if request.body else b""
        exchange = {
            "url": httpcore.URL(
                scheme=url.scheme,
                host=url.hostname or "",
                port=url.port,
                target=f"{path}?{url.query}" if url.query else path,
            ),
            "headers": _headers(request, url, len(body), spending=spending),
            "content": body,
            "extensions": {"timeout": {"pool": self._timeout}},
        }
        with (
            self._pool(url, spending=spending) as pool,
            pool.stream(request.method, **exchange) as response,
        ):
            return self._complete(response)

    def _admit(self, url: SplitResult) -> None:
        address = literal(url.hostname or "")
        if url.scheme == "http" and not (self._loopback_http and address and address.is_loopback):
            raise Failed("plain http is for literal loopback only", ours=True)
        if address:
            check(address, self._allowed)

    def _complete(self, response: httpcore.Response) -> Answer:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers[:_MOST_HEADERS]
            if len(value) <= _LONGEST_HEADER
        }
        body = _decompressed(_bounded(response.iter_stream()), headers)
        return Answer(
            status=response.status, headers=headers, body=body, received_at=self._clock.now()
        )

    def _pool(self, url: SplitResult, *, spending: bool) -> Any:
        proxy = "" if url.scheme == "http" or proxy_bypass(url.hostname or "") else self._proxy
        secured = self._trust.context(url.hostname or "")
        if spending:
            return self._opened(proxy, secured)
        with self._lock:
            if (proxy, secured) not in self._pools:
                self._pools[proxy, secured] = self._opened(proxy, secured)
            return nullcontext(self._pools[proxy, secured])

    def _opened(self, proxy: str, secured: SSLContext) -> httpcore.ConnectionPool:
        common: dict[str, Any] = {
            "ssl_context": secured,
            "network_backend": self._wire,
            "max_connections": 64,
            "keepalive_expiry": 5.0,
        }
        if not proxy:
            return httpcore.ConnectionPool(**common)
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if parts.scheme not in ("http", "https"):
            raise Failed(f"HTTPS_PROXY names a {parts.scheme} proxy: http or https", ours=True)
        login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return httpcore.HTTPProxy(address, proxy_auth=login, **common)


def _split(url: str) -> SplitResult:
    """The URL's parts. Raises Misconfigured where nobody could send a request there."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        parts, known = SplitResult("", "", "", "", ""), False
    clean = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    if not (known and clean and parts.hostname):
        raise Misconfigured("the address is not a URL", remedy="https://host[:port]/path, no login")
    return parts


def _headers(
    request: Request, url: SplitResult, length: int, *, spending: bool
) -> list[tuple[str, str]]:
    headers = {name.lower(): value.reveal() for name, value in request.headers.items()}
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise Failed(
            "a header holds what HTTP cannot carry: look for a line break in a seed", ours=True
        )
    headers |= {"host": url.netloc, "user-agent": "rotator", "accept-encoding": "identity"}
    if request.content_type:
        headers["content-type"] = request.content_type
    if length or request.method != "GET":
        headers["content-length"] = str(length)
    if spending:
        headers["connection"] = "close"
    return list(headers.items())


def _bounded(chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise _TooLarge
    return bytes(body)


def _decompressed(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body as meant. What does not decompress stays as it is, for it may hold a token."""
    if headers.get("content-encoding", "").strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either header, found by itself
    try:
        plain = unzip.decompress(body, LARGEST_ANSWER)
    except zlib.error:
        return body
    if unzip.unconsumed_tail:
        raise _TooLarge
    return plain if unzip.eof else body


class _TooLarge(Exception):
    """An answer beyond LARGEST_ANSWER."""


_WORDS: Mapping[type[Exception], str] = {
    _TooLarge: "the answer is too large",
    httpcore.ConnectTimeout: "connecting took too long",
    httpcore.ConnectError: "connecting failed",
    httpcore.ProxyError: "the proxy refused to connect",
    httpcore.PoolTimeout: "no connection was free",
    httpcore.ReadTimeout: "no complete answer in time",
    httpcore.WriteTimeout: "sending took too long",
    httpcore.RemoteProtocolError: "the answer broke off, or is no HTTP",
}


def _failure(error: Exception, attempt: Attempt) -> ProviderError:
    """What to raise instead: host and kind, nothing of what was sent or received."""
    words = (
        str(error) if isinstance(error, Failed) else _WORDS.get(type(error), "the connection broke")
    )
    text = f"{attempt.host}: {words}"
    if attempt.sent:
        return Unanswered(text)
    return Misconfigured(text) if isinstance(error, Failed) and error.ours else Unreachable(text)
