import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.clock import Clock
from rotator.engine.notify import Notifier


class StandingClock(Clock):
    at = 100.0

    def monotonic(self) -> float:
        return self.at


class Systemd:
    """The end that listens."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Systemd, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@rotator-test-{os.getpid()}"
    listening = Systemd(name.replace("@", "\0", 1))
    yield listening, name
    listening.socket.close()


def test_systemd_hears_of_every_change(systemd: tuple[Systemd, str]) -> None:
    listening, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name}, StandingClock())
    notifier.ready()
    notifier.status("4 credentials")
    notifier.ready("standing by")
    notifier.stopping()
    assert listening.heard() == [
        "READY=1", "STATUS=4 credentials", "READY=1\nSTATUS=standing by", "STOPPING=1",
    ]  # fmt: skip


def test_a_reload_says_when_it_began(systemd: tuple[Systemd, str]) -> None:
    listening, name = systemd
    Notifier({"NOTIFY_SOCKET": name}, Clock()).reloading()
    first, second = listening.heard()[0].split("\n")
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdecimal()


def test_the_watchdog_is_fed_three_times_in_its_patience(systemd: tuple[Systemd, str]) -> None:
    listening, name = systemd
    clock = StandingClock()
    given = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}
    notifier = Notifier(given, clock)
    for clock.at in (100.0, 101.0, 139.0, 140.0, 179.0, 180.0):
        notifier.alive()
    assert listening.heard() == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    "more",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"},
     {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}],
    ids=["none", "zero", "no number", "somebody else's"],
)  # fmt: skip
def test_without_a_watchdog_nobody_is_fed(
    systemd: tuple[Systemd, str], more: dict[str, str]
) -> None:
    listening, name = systemd
    Notifier({"NOTIFY_SOCKET": name, **more}, Clock()).alive()
    assert listening.heard() == []


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nowhere/at/all"])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}, Clock())
    notifier.ready("4 credentials")
    notifier.alive()
    notifier.stopping()
