"""The door against real sockets: every failure has its class, and none says a secret."""

import gzip
import ipaddress
import logging
import socket
import ssl
import threading
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
from cryptography.hazmat.primitives import serialization

from rotator.clock import Clock
from rotator.errors import BadSettings, Misconfigured, ProviderError, Unanswered, Unreachable
from rotator.model import Secret
from rotator.providers.base import Answer, Request
from rotator.providers.http import LARGEST_ANSWER, Door
from rotator.providers.tls import Trust
from rotator.providers.wire import Failed, check
from rotator.sandbox.fakes import LOST_ANSWER, Fake, Reply, dripping, html, huge, json_reply, parsed
from rotator.sandbox.server import served

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SHORT = timedelta(milliseconds=200)
AMPLE = timedelta(seconds=20)
HEADER, BODY, QUERY = "planted-in-header", "planted-in-body", "planted-in-query"
SECRETS = (HEADER, BODY, QUERY)


class StillClock(Clock):
    """The calendar stands still; real time passes on the wire."""

    def now(self) -> datetime:
        return NOW


class Echo(Fake):
    """Answers with the fields that it was sent."""

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if path.startswith("/old"):
            return Reply(301, {"location": "/new"}, b"")
        return json_reply(200, parsed(headers, body), x_method=method)


@pytest.fixture
def clock() -> Clock:
    return StillClock()


@pytest.fixture
def door(clock: Clock) -> Iterator[Door]:
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
            "no_proxy",
            "NO_PROXY",
        ):
            patch.delenv(name, raising=False)
        door = Door(clock, AMPLE)
        yield door
        door.close()


@pytest.fixture
def hasty(door: Door, clock: Clock) -> Iterator[Door]:
    """One that soon gives up."""
    del door  # whose patched environment it shares
    hasty = Door(clock, SHORT)
    yield hasty
    hasty.close()


@pytest.fixture
def fake() -> Echo:
    return Echo(now=lambda: NOW)


@pytest.fixture
def url(fake: Echo) -> Iterator[str]:
    with served(fake) as url:
        yield url


def ask(url: str, body: str = f'{{"password": "{BODY}"}}') -> Request:
    """A request with a secret in every place that may hold one."""
    return Request(
        url=f"{url}?key={QUERY}",
        headers={"Authorization": Secret(HEADER)},
        body=Secret(body),
        content_type="application/json",
    )


def refusal(door: Door, request: Request, *, spending: bool = False) -> ProviderError:
    """The error that sending ends in, after a look for secrets in all that it says."""
    with pytest.raises(ProviderError) as caught:
        door.send(request, spending=spending)
    error = caught.value
    told = [str(error), repr(error), *traceback.format_exception(error)]
    assert not any(secret in line for secret in SECRETS for line in told)
    assert error.__context__ is None, "a chained exception leads to frames that hold the request"
    return error


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A loopback port whose every connection is given to `serve`, then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def one(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(2)
                try:
                    serve(connection)
                except OSError:
                    return  # the door hung up: that is its right

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def says(answer: bytes) -> Callable[[socket.socket], None]:
    """Reads a request and speaks these bytes, whatever they are."""

    def serve(connection: socket.socket) -> None:
        heard = b""
        while not heard.endswith(b"}"):
            heard += connection.recv(65536) or b"}"
        connection.sendall(answer)

    return serve


def reply(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answer_to(door: Door, spoken: bytes) -> Answer:
    with listening(says(spoken)) as port:
        return door.send(ask(f"http://127.0.0.1:{port}/"), spending=True)


def error_after(door: Door, spoken: bytes) -> ProviderError:
    with listening(says(spoken)) as port:
        return refusal(door, ask(f"http://127.0.0.1:{port}/"))


# What comes back


def test_an_answer_comes_back_whole(door: Door, url: str) -> None:
    answer = door.send(ask(f"{url}/x"))
    assert (answer.status, answer.json()) == (200, {"password": BODY})
    assert answer.headers["content-type"] == "application/json"
    assert answer.received_at == NOW
    assert answer.date == NOW


def test_any_status_is_an_answer(door: Door, fake: Echo, url: str) -> None:
    fake.fail_next("/x", html(502))
    assert door.send(ask(f"{url}/x")).status == 502


def test_a_redirect_is_not_followed(door: Door, fake: Echo, url: str) -> None:
    assert door.send(ask(f"{url}/old")).status == 301
    assert [seen.path for seen in fake.log] == ["/old"]


def test_a_get_has_no_body(door: Door, url: str, fake: Echo) -> None:
    assert door.send(Request(url=f"{url}/old", method="GET")).status == 301
    assert fake.log[0].method == "GET"


def test_a_compressed_answer_is_unpacked(door: Door) -> None:
    for packed, name in ((gzip.compress(b"{}"), "gzip"), (zlib.compress(b"{}"), "deflate")):
        assert answer_to(door, reply(packed, f"Content-Encoding: {name}")).body == b"{}"


def test_what_does_not_unpack_stays_as_it_came(door: Door) -> None:
    assert answer_to(door, reply(b"{}", "Content-Encoding: gzip")).body == b"{}"
    assert answer_to(door, reply(b"\x0b\x00", "Content-Encoding: br")).body == b"\x0b\x00"


def test_headers_are_bounded(door: Door) -> None:
    many = [f"X-{i}: y" for i in range(400)]
    assert len(answer_to(door, reply(b"{}", *many)).headers) == 100
    assert "x-long" not in answer_to(door, reply(b"{}", f"X-Long: {'y' * 9000}")).headers


# What was never sent


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


# What was sent and not answered


def test_an_answer_that_never_comes_is_unanswered(hasty: Door) -> None:
    def silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with listening(silent) as port:
        error = refusal(hasty, ask(f"http://127.0.0.1:{port}/"))
    assert type(error) is Unanswered
    assert str(error) == "127.0.0.1: no complete answer in time"


@pytest.mark.parametrize("path", ["/x", "/old"], ids=["in the body", "in the headers"])
def test_a_dripping_answer_ends_with_the_deadline(
    hasty: Door, fake: Echo, url: str, clock: Clock, path: str
) -> None:
    fake.fail_next(path, dripping(timedelta(milliseconds=5)))
    before = clock.monotonic()
    error = refusal(hasty, ask(f"{url}{path}", '{"a": "' + "y" * 400 + '"}'))
    assert type(error) is Unanswered
    assert clock.monotonic() - before < 1, "the drip alone would take longer"


def test_a_lost_answer_is_unanswered(door: Door, fake: Echo, url: str) -> None:
    fake.fail_next("/x", LOST_ANSWER)
    assert type(refusal(door, ask(f"{url}/x"))) is Unanswered
    assert fake.counts["/x"] == 2, "once acted, once lost: nobody sent it again"


@pytest.mark.parametrize(
    "spoken",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Len", id="half a header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", id="half a body"),
        pytest.param(b"planted-in-body\r\n\r\n", id="no HTTP at all"),
        pytest.param(b"\x16\x03\x01\x02\x00planted-in-body", id="TLS on a plain port"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"planted-in-body" * 9000, id="endless header"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nplanted-in-body", id="odd chunk"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: planted-in-body\r\n\r\n", id="odd length"
        ),
    ],
)
def test_a_broken_answer_is_unanswered(door: Door, spoken: bytes) -> None:
    assert type(error_after(door, spoken)) is Unanswered


def test_a_huge_answer_is_unanswered(door: Door, fake: Echo, url: str) -> None:
    fake.fail_next("/x", huge())
    error = refusal(door, ask(f"{url}/x"))
    assert type(error) is Unanswered
    assert "too large" in str(error)


def test_a_small_answer_that_unpacks_to_a_huge_one_is_unanswered(door: Door) -> None:
    bomb = gzip.compress(b"\x00" * (LARGEST_ANSWER * 8))
    assert type(error_after(door, reply(bomb, "Content-Encoding: gzip"))) is Unanswered


def test_the_door_works_on_after_a_failure(door: Door, fake: Echo, url: str) -> None:
    fake.fail_next("/x", LOST_ANSWER)
    refusal(door, ask(f"{url}/x"))
    assert door.send(ask(f"{url}/x")).ok


# Connections


def count_connections(door: Door, *, spending: bool) -> int:
    made: list[socket.socket] = []

    def keep_alive(connection: socket.socket) -> None:
        made.append(connection)
        while received := connection.recv(65536):
            if received.endswith(b"}"):
                connection.sendall(reply(b"{}"))

    with listening(keep_alive) as port:
        for _ in range(3):
            door.send(ask(f"http://127.0.0.1:{port}/"), spending=spending)
        door.close()
    return len(made)


def test_a_spending_request_has_a_connection_of_its_own(door: Door) -> None:
    assert count_connections(door, spending=True) == 3
    assert count_connections(door, spending=False) == 1


def test_threads_share_a_door(door: Door, url: str) -> None:
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(door.send(ask(f"{url}/x"))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 8


def test_nothing_is_logged(
    door: Door, fake: Echo, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        door.send(ask(f"{url}/x"))
        fake.fail_next("/x", LOST_ANSWER)
        refusal(door, ask(f"{url}/x"))
    assert caplog.records == []


# TLS and proxies


def over_tls(certificate: Path, answer: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with context.wrap_socket(connection, server_side=True) as secured:
            says(answer)(secured)

    return serve


def through_proxy(
    heard: list[bytes], answer: bytes, beyond: Callable[[socket.socket], None] | None = None
) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(answer)
        if beyond:
            beyond(connection)

    return serve


@pytest.fixture
def proxied(
    clock: Clock, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Door]:
    def make(port: int) -> Door:
        monkeypatch.setenv("https_proxy", f"http://me:{HEADER}@127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")
        return Door(clock, AMPLE, trust=Trust(certificate))

    return make


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


# Mutual TLS, and how old a protocol may be.


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


def test_a_metadata_address_may_be_allowed(hasty: Door, clock: Clock) -> None:
    assert type(refusal(hasty, ask("https://169.254.1.2/"))) is Misconfigured
    allowed = [ipaddress.ip_network("169.254.1.2/32")]
    check(ipaddress.ip_address("169.254.1.2"), allowed)
    with pytest.raises(Failed):
        check(ipaddress.ip_address("169.254.1.3"), allowed)
    door = Door(clock, SHORT, allowed=allowed)
    assert type(refusal(door, ask("https://169.254.1.3/"))) is Misconfigured
