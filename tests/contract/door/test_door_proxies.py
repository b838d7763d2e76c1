"""Through a proxy, past it, and where it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rotator.clock import Clock
from rotator.errors import Misconfigured, Unanswered, Unreachable
from rotator.providers.http import Door
from rotator.providers.tls import Trust
from tests.contract.door.stage import (
    AMPLE,
    HEADER,
    ask,
    listening,
    over_tls,
    refusal,
    reply,
    through_proxy,
)


@pytest.fixture
def proxied(
    clock: Clock, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Door]:
    def make(port: int) -> Door:
        monkeypatch.setenv("https_proxy", f"http://me:{HEADER}@127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")
        return Door(clock, AMPLE, trust=Trust(certificate))

    return make


def test_a_proxy_that_refuses_makes_the_provider_unreachable(
    proxied: Callable[[int], Door],
) -> None:
    heard: list[bytes] = []
    with listening(through_proxy(heard, b"HTTP/1.1 403 planted-in-body\r\n\r\n")) as port:
        error = refusal(proxied(port), ask("https://provider.example/path"))
    assert str(error) == "provider.example: the proxy refused to connect"
    assert type(error) is Unreachable
    assert heard[0].startswith(b"CONNECT provider.example:443 HTTP/1.1\r\n")


@pytest.mark.parametrize("answer", [b"", b"odd\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_broken_proxy_makes_the_provider_unreachable(
    proxied: Callable[[int], Door], answer: bytes
) -> None:
    with listening(through_proxy([], answer)) as port:
        error = refusal(proxied(port), ask("https://provider.example/path"), spending=True)
    assert type(error) is Unreachable


@pytest.mark.parametrize(("answer", "sent"), [(reply(b"{}"), True), (b"", False)])
def test_a_request_goes_through_a_proxys_tunnel(
    proxied: Callable[[int], Door], certificate: Path, answer: bytes, *, sent: bool
) -> None:
    tls = over_tls(certificate, answer)
    with listening(through_proxy([], b"HTTP/1.1 200 OK\r\n\r\n", tls)) as port:
        door, request = proxied(port), ask("https://127.0.0.1:1/path")
        if sent:
            assert door.send(request, spending=True).ok
        else:
            assert type(refusal(door, request, spending=True)) is Unanswered


def test_loopback_http_passes_the_proxy_by(proxied: Callable[[int], Door], url: str) -> None:
    door = proxied(1)
    assert door.send(ask(f"{url}/x")).ok
    door.close()


def test_no_proxy_is_heeded(
    proxied: Callable[[int], Door], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(over_tls(certificate, reply(b"{}"))) as port:
        door = proxied(1)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert door.send(ask(f"https://127.0.0.1:{port}/"), spending=True).ok


def test_a_socks_proxy_is_our_mistake(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert type(refusal(Door(clock, AMPLE), ask("https://provider.example/"))) is Misconfigured
