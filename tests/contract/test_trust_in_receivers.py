"""Whom the worker believes when it tells machines of a token: real TLS on loopback."""

import ssl
from collections.abc import Callable
from pathlib import Path
from socket import socket
from types import SimpleNamespace
from typing import cast

import pytest

from rotator.clock import Clock
from rotator.engine.assembly import trust_of, trust_of_receivers
from rotator.engine.notices import addresses
from rotator.engine.webhooks import opened
from rotator.environment import load_settings
from rotator.errors import BadSettings
from rotator.jobs.job import Credential
from rotator.ledger.base import Ledger
from rotator.model import Shelf
from rotator.settings import Settings
from tests.contract.door.stage import listening, reply, says, through_proxy
from tests.unit.test_webhooks import KEY, PATIENCE, RECORD, Log, OneRow

CREDENTIAL = cast(
    Credential,
    SimpleNamespace(qualified="acme/etl", token_secret=SimpleNamespace(name="rotator/token/acme")),
)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def load(port: int, **files: Path) -> Settings:
    told = {
        "ROTATOR_NOTIFY_URLS": f"https://127.0.0.1:{port}/told",
        "ROTATOR_NOTIFY_KEY": KEY,
        "HOME": "/home/me",
    }
    return load_settings(told | {f"ROTATOR_{name}": str(path) for name, path in files.items()})


def problems(settings: Settings) -> list[str]:
    """What was wrong with telling the receiver, once; none: it was told."""
    log = Log()
    ledger = cast(Ledger, OneRow({Shelf.TOKEN: RECORD}))
    hooks = opened(addresses(settings), ledger, Clock(), log, trust_of_receivers(settings))
    hooks.start()
    hooks.tell(CREDENTIAL)
    hooks.close(PATIENCE)
    return [facts["problem"] for _, facts in log.lines]


def receiver(certificate: Path, *, demands: bool = False) -> Callable[[socket], None]:
    """Signed by an authority that no system knows; it may want to see a certificate of ours."""

    def serve(connection: socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if demands:
            context.load_verify_locations(certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        with context.wrap_socket(connection, server_side=True) as secured:
            says(reply(b"{}"))(secured)

    return serve


@pytest.mark.parametrize("name", ["NOTIFY_CA_FILE", "TLS_CA_FILE"])
def test_a_receiver_under_an_authority_of_ones_own_is_told(certificate: Path, name: str) -> None:
    with listening(receiver(certificate)) as port:
        assert problems(load(port, **{name: certificate})) == []


def test_a_receiver_that_nobody_vouches_for_is_not_told(certificate: Path) -> None:
    with listening(receiver(certificate)) as port:
        assert problems(load(port)) == ["Unreachable"]


def test_an_authority_of_receivers_is_not_believed_of_providers(certificate: Path) -> None:
    settings = load(1, NOTIFY_CA_FILE=certificate)
    assert trust_of(settings).authorities is None


def test_a_receiver_may_want_to_see_who_we_are(certificate: Path) -> None:
    files = {"NOTIFY_CA_FILE": certificate}
    with listening(receiver(certificate, demands=True)) as port:
        assert problems(load(port, **files)) != []
        assert problems(load(port, **files, TLS_CLIENT_CERT=certificate)) == []


def test_a_receiver_is_told_through_the_proxy_or_past_it(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []
    beyond = through_proxy(heard, b"HTTP/1.1 200 OK\r\n\r\n", receiver(certificate))
    with listening(beyond) as proxy, listening(receiver(certificate)) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("no_proxy", "")
        assert problems(load(port, NOTIFY_CA_FILE=certificate)) == []
        assert heard.pop().startswith(f"CONNECT 127.0.0.1:{port} ".encode())
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert problems(load(port, NOTIFY_CA_FILE=certificate)) == []
    assert heard == []


def test_a_file_without_authorities_is_told_by_the_variable_that_names_it(tmp_path: Path) -> None:
    odd = tmp_path / "odd.pem"
    odd.write_text("no certificate")
    with pytest.raises(BadSettings, match="ROTATOR_NOTIFY_CA_FILE is a PEM file"):
        problems(load(1, NOTIFY_CA_FILE=odd))
