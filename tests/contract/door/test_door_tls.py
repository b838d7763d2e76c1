"""Certificates, theirs and ours, and how old a protocol may be."""

import socket
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import certifi
import pytest
from cryptography.hazmat.primitives import serialization

from rotator.clock import Clock
from rotator.errors import BadSettings, Unanswered, Unreachable
from rotator.providers.http import Door
from rotator.providers.tls import Trust
from tests.contract.door.stage import AMPLE, ask, listening, over_tls, refusal, reply, says


def test_a_trusted_certificate_lets_the_request_through(clock: Clock, certificate: Path) -> None:
    door = Door(clock, AMPLE, trust=Trust(certificate))
    with listening(over_tls(certificate, reply(b"{}"))) as port:
        assert door.send(ask(f"https://127.0.0.1:{port}/"), spending=True).body == b"{}"
    with listening(over_tls(certificate, b"")) as port:
        assert type(refusal(door, ask(f"https://127.0.0.1:{port}/"))) is Unanswered


def test_an_untrusted_certificate_is_unreachable(door: Door, certificate: Path) -> None:
    with listening(over_tls(certificate, reply(b"{}"))) as port:
        error = refusal(door, ask(f"https://127.0.0.1:{port}/"))
    assert type(error) is Unreachable
    assert str(error) == "127.0.0.1: its certificate is not trusted"


@pytest.mark.parametrize("spoken", [b"HTTP/1.1 400 No TLS here\r\n\r\n", b""])
def test_a_failed_handshake_is_unreachable(door: Door, spoken: bytes) -> None:
    def no_tls(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(spoken)

    with listening(no_tls) as port:
        assert type(refusal(door, ask(f"https://127.0.0.1:{port}/"))) is Unreachable


def test_a_silent_handshake_is_unreachable(hasty: Door) -> None:
    def silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with listening(silent) as port:
        assert type(refusal(hasty, ask(f"https://127.0.0.1:{port}/"))) is Unreachable


def demanding(certificate: Path, newest: str = "TLSv1_3") -> Callable[[socket.socket], None]:
    """A provider that talks to nobody without a certificate."""

    def serve(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
            context.maximum_version = ssl.TLSVersion[newest]
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                says(reply(b"{}"))(secured)
        except OSError:
            return

    return serve


def test_authorities_that_the_environment_names_take_the_place_of_the_usual(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believed() -> int:
        return Trust(certificate).context("a.example").cert_store_stats()["x509"]

    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert believed() > 100  # Mozilla's, and one
    monkeypatch.setenv("SSL_CERT_DIR", str(certificate.parent))
    assert believed() == 1  # a folder's are read when they are needed
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert believed() > 100  # a file comes before a folder
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert believed() == 1


def test_a_client_certificate_opens_mutual_tls(clock: Clock, certificate: Path) -> None:
    door = Door(clock, AMPLE, trust=Trust(certificate, certificate))
    with listening(demanding(certificate)) as port:
        assert door.send(ask(f"https://127.0.0.1:{port}/"), spending=True).ok


def test_it_is_shown_to_the_hosts_that_it_is_for_and_to_no_other(
    clock: Clock, certificate: Path
) -> None:
    elsewhere = Trust(certificate, certificate, presented_to=lambda host: host == "a.example")
    with listening(demanding(certificate)) as port:
        refusal(Door(clock, AMPLE, trust=elsewhere), ask(f"https://127.0.0.1:{port}/"))
    assert elsewhere.context("a.example") is not elsewhere.context("127.0.0.1")


def test_an_old_protocol_is_not_spoken(clock: Clock, certificate: Path) -> None:
    assert Trust().context("a.example").minimum_version is ssl.TLSVersion.TLSv1_2
    assert Trust().context("a.example").verify_mode is ssl.CERT_REQUIRED
    assert Trust().context("a.example").check_hostname
    with listening(demanding(certificate, "TLSv1_1")) as port:
        door = Door(clock, AMPLE, trust=Trust(certificate, certificate))
        assert type(refusal(door, ask(f"https://127.0.0.1:{port}/"))) is Unreachable


def test_files_that_are_of_no_use_are_told_by_name(
    clock: Clock, certificate: Path, tmp_path: Path
) -> None:
    odd, shared = tmp_path / "odd.pem", tmp_path / "shared.pem"
    odd.write_text("no certificate")
    odd.chmod(0o600)
    shared.write_bytes(certificate.read_bytes())
    shared.chmod(0o644)
    for trust, told in (
        (Trust(odd), "odd.pem: no certificates"),
        (Trust(tmp_path / "none.pem"), "none.pem: no certificates"),
        (Trust(None, odd), "odd.pem: certificate and key"),
        (Trust(None, certificate, tmp_path / "none.pem"), "sandbox.pem: certificate and key"),
        (Trust(None, shared), "shared.pem: the key is open to others"),
    ):
        with pytest.raises(BadSettings, match=told):
            Door(clock, trust=trust)


def test_an_encrypted_key_is_told_and_not_asked_for(
    clock: Clock, certificate: Path, tmp_path: Path
) -> None:
    key = serialization.load_pem_private_key(certificate.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"planted"),
        )
    )
    locked.chmod(0o600)
    with pytest.raises(BadSettings, match="cannot be read"):
        Door(clock, trust=Trust(None, certificate, locked))
