"""Connections to providers: to addresses that were checked, and within one deadline a request.

The thread's request at hand is an `Attempt`; whatever connects, reads or writes for it spends
from the same deadline, and the first byte of the request that leaves is noted in `sent`. So
whether a token may have been spent is known, not guessed from an exception's name.
"""

import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from ssl import SSLCertVerificationError, SSLContext
from typing import Any

import httpcore

from rotator.clock import Clock

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

# Link-local is where clouds keep their metadata services; the others are metadata's too: AWS over
# IPv6, Google over IPv6, Alibaba, Azure, Oracle.
_FORBIDDEN = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ),
    )
)
_NAT64 = ip_network("64:ff9b::/96")


class Failed(Exception):
    """A failure in our own words, which hold no secret. Nothing was sent."""

    def __init__(self, text: str, *, ours: bool = False) -> None:
        """`ours`: our settings are the cause."""
        super().__init__(text)
        self.ours = ours


@dataclass(slots=True)
class Attempt:
    """What the wire must know of the request at hand, and what it learns."""

    deadline: float
    """On the clock's monotonic scale."""
    host: str
    plain: bool
    """Without TLS."""
    sent: bool = False
    """Whether a byte of the request may have left."""


def literal(host: str) -> Address | None:
    """The address that `host` is, None for a name."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def check(address: Address, allowed: Networks = ()) -> None:
    """Raise Failed for an address where no provider is: metadata, link-local, nowhere, many."""
    true = _unwrapped(address)
    if any(true in network for network in allowed):
        return
    forbidden = any(true in network for network in _FORBIDDEN)
    if forbidden or true.is_unspecified or true.is_multicast:
        raise Failed("its address is link-local, a cloud's metadata service or nobody's", ours=True)


def _unwrapped(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


class _AtHand(threading.local):
    attempt: Attempt | None = None


class Wire(httpcore.NetworkBackend):
    """The network as httpcore sees it. One for all threads."""

    def __init__(self, clock: Clock, allowed: Networks = ()) -> None:
        self._clock = clock
        self._allowed = allowed
        self._at_hand = _AtHand()
        self._plain = httpcore.SyncBackend()

    def begin(self, attempt: Attempt | None) -> None:
        """From here on this thread's traffic belongs to `attempt`."""
        self._at_hand.attempt = attempt

    @property
    def attempt(self) -> Attempt:
        attempt = self._at_hand.attempt
        if attempt is None:
            raise RuntimeError("traffic outside of a request")
        return attempt

    def left(self, error: type[Exception]) -> float:
        """Seconds to the deadline. Raises `error` where there are none."""
        seconds = self.attempt.deadline - self._clock.monotonic()
        if seconds <= 0:
            raise error
        return seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the attempt's deadline rules
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of `host` that answers; none where one is forbidden."""
        addresses = _resolve(host, port)
        if host == self.attempt.host:  # else it is the operator's own proxy
            for address in addresses:
                check(ip_address(address.partition("%")[0]), self._allowed)
        while addresses:
            share = self.left(httpcore.ConnectTimeout) / len(addresses)
            address = addresses.pop(0)
            try:
                plain = self._plain.connect_tcp(address, port, share, local_address, socket_options)
                return _Stream(plain, self, carries=self.attempt.plain)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise
        raise Failed("its name leads to no address")


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Failed("its name does not resolve") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Stream(httpcore.NetworkStream):
    """A connection that keeps the deadline, and notes that the request has begun to leave."""

    def __init__(self, stream: httpcore.NetworkStream, wire: Wire, *, carries: bool) -> None:
        """`carries`: whether what is written is the request, not a CONNECT to a proxy."""
        self._stream = stream
        self._wire = wire
        self._carries = carries

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._wire.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        left = self._wire.left(httpcore.WriteTimeout)
        self._wire.attempt.sent |= self._carries
        self._stream.write(buffer, left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        left = self._wire.left(httpcore.ConnectTimeout)
        try:
            inner = self._stream.start_tls(ssl_context, server_hostname, left)
        except httpcore.ConnectError as error:
            distrust = isinstance(error.__cause__, SSLCertVerificationError)
            raise Failed("its certificate is not trusted" if distrust else "TLS failed") from None
        return _Stream(inner, self._wire, carries=server_hostname == self._wire.attempt.host)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
