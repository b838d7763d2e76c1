"""What was never sent: nobody there, or our own mistake."""

import ipaddress
import socket

import pytest

from rotator.clock import Clock
from rotator.errors import Misconfigured, Unreachable
from rotator.model import Secret
from rotator.providers.base import Request
from rotator.providers.http import Door
from rotator.providers.wire import Failed, check
from tests.contract.door.stage import AMPLE, HEADER, SHORT, Echo, ask, refusal


def test_a_closed_port_is_unreachable(door: Door) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refusal(door, ask(f"http://127.0.0.1:{port}/"))
    assert type(error) is Unreachable
    assert str(error) == "127.0.0.1: connecting failed"


def test_a_name_that_does_not_resolve_is_unreachable(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = refusal(door, ask("https://provider.example/"))
    assert type(error) is Unreachable
    assert str(error) == "provider.example: its name does not resolve"


def test_the_next_address_is_tried_where_one_does_not_answer(
    door: Door, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(url.rpartition(":")[2])
    both = [(0, 0, 0, "", ("127.1.1.1", port)), (0, 0, 0, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    real = socket.create_connection
    tried: list[str] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        tried.append(address[0])
        if address[0] == "127.1.1.1":
            raise ConnectionRefusedError
        monkeypatch.undo()
        return real(address)

    monkeypatch.setattr(socket, "create_connection", connect)
    assert door.send(ask(f"{url}/x"), spending=True).ok
    assert tried == ["127.1.1.1", "127.0.0.1"]


def test_a_name_without_addresses_is_unreachable(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    error = refusal(door, ask("https://provider.example/"))
    assert type(error) is Unreachable
    assert str(error) == "provider.example: its name leads to no address"


def test_a_resolver_that_takes_too_long_leaves_nothing_sent(
    hasty: Door, url: str, fake: Echo, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def dawdle(*_: object, **__: object) -> list[object]:
        monkeypatch.setattr(clock, "monotonic", lambda: 1e12)
        return [(0, 0, 0, "", ("127.0.0.1", int(url.rpartition(":")[2])))]

    monkeypatch.setattr(socket, "getaddrinfo", dawdle)
    error = refusal(hasty, ask(f"{url}/x"))
    assert type(error) is Unreachable
    assert str(error) == "127.0.0.1: connecting took too long"
    assert not fake.log


FORBIDDEN = [
    "169.254.169.254",
    "169.254.170.2",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "100.100.100.200",
    "0.0.0.0",  # noqa: S104 - refused, not bound to
    "[::]",
    "224.0.0.1",
]


@pytest.mark.parametrize("host", FORBIDDEN)
@pytest.mark.parametrize("named", [False, True], ids=["literal", "by name"])
def test_metadata_addresses_are_never_connected_to(
    door: Door, monkeypatch: pytest.MonkeyPatch, host: str, *, named: bool
) -> None:
    address = host.strip("[]").replace("%25", "%")
    found = [(0, 0, 0, "", ("192.0.2.1", 443)), (0, 0, 0, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    error = refusal(door, ask("https://provider.example/" if named else f"https://{host}/"))
    assert type(error) is Misconfigured
    assert "link-local" in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "http://provider.example/",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://127.0.0.1.example/",
        "ftp://127.0.0.1/",
        "https://user:planted-in-header@provider.example/",
        "https://provider.example:99999/",
        "https://provider.example:0/",
        "https://[::1/",
        "https:///path",
        "https://provider.example/a b",
        "https://provider.example/a\r\nX: y",
        "provider.example",
        "",
    ],
)
def test_an_address_that_is_not_https_is_our_mistake(door: Door, url: str) -> None:
    assert type(refusal(door, ask(url))) is Misconfigured


def test_loopback_http_can_be_forbidden(clock: Clock, url: str, fake: Echo) -> None:
    door = Door(clock, AMPLE, allow_loopback_http=False)
    assert type(refusal(door, ask(url))) is Misconfigured
    assert not fake.log


@pytest.mark.parametrize(
    "value", [f"{HEADER}\n", f"{HEADER}\r\nX: y", f"{HEADER}é", f"\x00{HEADER}"]
)
def test_a_header_that_http_cannot_carry_is_our_mistake(
    door: Door, url: str, fake: Echo, value: str
) -> None:
    error = refusal(door, Request(url=f"{url}/x", headers={"TOKEN": Secret(value)}))
    assert type(error) is Misconfigured
    assert not fake.log


def test_a_metadata_address_may_be_allowed(hasty: Door, clock: Clock) -> None:
    assert type(refusal(hasty, ask("https://169.254.1.2/"))) is Misconfigured
    allowed = [ipaddress.ip_network("169.254.1.2/32")]
    check(ipaddress.ip_address("169.254.1.2"), allowed)
    with pytest.raises(Failed):
        check(ipaddress.ip_address("169.254.1.3"), allowed)
    door = Door(clock, SHORT, allowed=allowed)
    assert type(refusal(door, ask("https://169.254.1.3/"))) is Misconfigured
