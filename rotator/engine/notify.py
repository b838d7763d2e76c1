"""What systemd is told: ready, reloading, stopping, and that we still live (`sd_notify`).

Without systemd every call does nothing. A message that cannot be sent is no reason to fail.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from time import CLOCK_MONOTONIC, clock_gettime_ns

from rotator.clock import Clock

_PATIENCE = 0.5
"""Seconds that a message may wait for systemd to take it."""


class Notifier:
    """The socket that the environment names, if it names one. Thread-safe."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._clock = clock
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._every = _interval(environ)
        self._fed = float("-inf")

    def ready(self, status: str = "") -> None:
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """`ready` ends it."""
        now = clock_gettime_ns(CLOCK_MONOTONIC) // 1000  # the clock that systemd compares with
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """What `systemctl status` shows."""
        self._send(*_status(text))

    def alive(self) -> None:
        """Feed the watchdog, no more often than it wants."""
        now = self._clock.monotonic()
        if self._every is not None and now - self._fed >= self._every:
            self._fed = now
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(_PATIENCE)
            out.sendto("\n".join(lines).encode(), self._address)


def _status(text: str) -> list[str]:
    return [f"STATUS={text}"] if text else []


def _address(given: str) -> str | None:
    """A path, or with `@` a name in Linux's abstract namespace; None: nobody listens."""
    if given.startswith("@"):
        return "\0" + given[1:]
    return given if given.startswith("/") else None


def _interval(environ: Mapping[str, str]) -> float | None:
    """A third of what the watchdog waits, in seconds; None where there is none, or not for us."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(usec) / 3e6
