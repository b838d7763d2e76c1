import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rotator.providers.http import Door
from rotator.rotation.tools import Door as Doorway
from rotator.sandbox.fakes import Fake
from rotator.sandbox.server import InProcessDoor, served
from tests.contract.stage import TurnedClock


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> TurnedClock:
    """It shows the module's NOW; a folder has its own."""
    return TurnedClock(request.module.NOW)


@pytest.fixture
def host(request: pytest.FixtureRequest) -> str:
    """The module's HOST; a folder has its own."""
    found: str = request.module.HOST
    return found


@pytest.fixture(params=["in process", "over HTTP"])
def reached(
    request: pytest.FixtureRequest, clock: TurnedClock, fake: Fake, host: str
) -> Iterator[tuple[Doorway, str]]:
    """Both ways to the fake: a door, and where the fake is."""
    if request.param == "in process":
        yield InProcessDoor({host: fake}, clock), host
        return
    with served(fake) as url:
        door = Door(clock)
        yield door, url
        door.close()


@pytest.fixture
def wire(clock: TurnedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    for name in ("all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    door = Door(clock, timedelta(seconds=20))
    yield door
    door.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEM file: a key, and the certificate of 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sandbox")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "sandbox.pem"
    pem, nothing = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, nothing)
    path.write_bytes(secret + made.public_bytes(pem))
    path.chmod(0o600)
    return path
