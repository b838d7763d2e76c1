"""What the worker's API takes, and all that it does not: asked as WSGI, and over real sockets."""

import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waitress.trigger import trigger

from rotator.clock import Clock
from rotator.engine import logs
from rotator.environment import load_settings
from rotator.errors import LedgerError
from rotator.jobs.job import JobBook
from rotator.ledger.base import Ledger
from rotator.ledger.facts import Holder, OnRecord
from rotator.ledger.sql import SqlLedger
from rotator.model import Secret, Shelf
from rotator.notation import Listen
from rotator.web import listener as listening
from rotator.web.api import LARGEST, Api
from rotator.web.listener import Listener, serving
from rotator.web.reports import MOST, Reports

KEY = "canary-of-the-api-key"
NAME = "rotator/token/alation/etl"
ETL = "alation/etl"
ARN = f"arn:aws:secretsmanager:eu-central-1:111122223333:secret:{NAME}"
SAID = {"consumer": "billing-7d9f", "secret": NAME, "generation": 41}
PATIENCE = 20.0
LOOPBACK = ip_address("127.0.0.1")


class Heard:
    """Whatever was let through."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, str, int]] = []
        self.full = False

    def __call__(self, credential: str, consumer: str, generation: int) -> bool:
        self.reports.append((credential, consumer, generation))
        return not self.full


@pytest.fixture
def heard() -> Heard:
    return Heard()


def api(heard: Heard, key: str = KEY) -> Api:
    return Api(Secret(key) if key else None, {NAME: ETL}.get, heard)


def ask(
    asked: Api,
    body: object = SAID,
    *,
    method: str = "POST",
    path: str = "/v1/holders",
    key: str = f"Bearer {KEY}",
    content_type: str = "application/json",
) -> tuple[int, dict[str, str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    environ = {
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "HTTP_AUTHORIZATION": key,
        "CONTENT_TYPE": content_type,
        "wsgi.input": BytesIO(raw),
    }
    answered: list[tuple[int, dict[str, str]]] = []
    said = asked(environ, lambda status, headers: answered.append((int(status[:3]), dict(headers))))
    assert b"".join(said) == b""
    assert KEY not in str(answered)
    return answered[0]


# What is let through.


@pytest.mark.parametrize("secret", [NAME, f"{ARN}-AbCdEf", ARN])
def test_a_report_is_taken_by_the_secret_s_name_or_its_arn(heard: Heard, secret: str) -> None:
    assert ask(api(heard), SAID | {"secret": secret}) == (204, {})
    assert heard.reports == [(ETL, "billing-7d9f", 41)]


def test_without_a_key_set_none_is_asked_for(heard: Heard) -> None:
    assert ask(api(heard, key=""), key="")[0] == 204


def test_who_cannot_be_heard_just_now_is_told_so(heard: Heard) -> None:
    heard.full = True
    assert ask(api(heard))[0] == 503


# What is not.


@pytest.mark.parametrize(
    ("changed", "status", "headers"),
    [
        ({"path": "/"}, 404, {}),
        ({"path": "/v1/holders/"}, 404, {}),
        ({"method": "GET"}, 405, {"Allow": "POST"}),
        ({"method": "OPTIONS"}, 405, {"Allow": "POST"}),
        ({"key": ""}, 401, {"WWW-Authenticate": "Bearer"}),
        ({"key": KEY}, 401, {"WWW-Authenticate": "Bearer"}),
        ({"key": f"Bearer {KEY}x"}, 401, {"WWW-Authenticate": "Bearer"}),
        ({"key": "Bearer \xe9\xff"}, 401, {"WWW-Authenticate": "Bearer"}),
        ({"content_type": "text/plain"}, 400, {}),
        ({"body": b" " * (LARGEST + 1)}, 413, {}),
        ({"body": SAID | {"secret": "rotator/token/alation/other"}}, 404, {}),
        ({"body": SAID | {"secret": f"{NAME}-AbCdEf"}}, 404, {}),
        ({"body": SAID | {"secret": f"{ARN}-AbCdEfG"}}, 404, {}),
    ],
)
def test_what_is_no_report_of_ours_is_told_by_its_status(
    heard: Heard, changed: dict[str, Any], status: int, headers: dict[str, str]
) -> None:
    assert ask(api(heard), **changed) == (status, headers | {"Content-Length": "0"})
    assert heard.reports == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[" * LARGEST,
        b'{"a":' * 300,
        json.dumps(SAID).encode() + b"{}",
        {},
        {key: SAID[key] for key in ("consumer", "secret")},
        SAID | {"more": 1},
        SAID | {"generation": "41"},
        SAID | {"generation": 41.0},
        SAID | {"generation": True},
        SAID | {"generation": 0},
        SAID | {"generation": -1},
        SAID | {"generation": 2**53},
        json.dumps(SAID).replace("41", "9" * 1800).encode(),
        json.dumps(SAID).replace("41", "NaN").encode(),
        json.dumps(SAID).replace("41", "1e3").encode(),
        SAID | {"consumer": ""},
        SAID | {"consumer": "x" * 101},
        SAID | {"consumer": "a\nlog line of its own"},
        SAID | {"consumer": "a\n"},
        SAID | {"consumer": "\x1b[31m"},
        SAID | {"consumer": "\ud800"},
        SAID | {"consumer": None},
        SAID | {"secret": ""},
        SAID | {"secret": f"{NAME}\n"},
        SAID | {"secret": ["x"]},
        SAID | {"secret": "x" * 701},
    ],
)
def test_odd_json_is_refused(heard: Heard, body: object) -> None:
    assert ask(api(heard), body)[0] == 400
    assert heard.reports == []


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_whatever_comes_is_answered(body: object) -> None:
    heard = Heard()
    assert ask(api(heard), body)[0] in {400, 413}
    assert heard.reports == []


# Over sockets.


@pytest.fixture
def port(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setitem(cast(dict[str, Any], listening.LIMITS), "channel_timeout", 1)
    monkeypatch.setitem(cast(dict[str, Any], listening.LIMITS), "cleanup_interval", 1)
    made = Listener(Listen(LOOPBACK, 0), api(heard))
    made.start()
    yield made.port
    made.close()


def post(port: int, body: bytes, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers}
    try:
        connection.request("POST", "/v1/holders", body, sent)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def raw(port: int, sent: bytes) -> bytes:
    """All that is answered until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        got = b""
        try:
            while some := connection.recv(4096):
                got += some
        except ConnectionResetError:
            pass
        return got


HEAD = b"POST /v1/holders HTTP/1.1\r\nHost: x\r\n"


def test_a_report_arrives(port: int, heard: Heard) -> None:
    answer = post(port, json.dumps(SAID).encode())
    assert answer.status == 204
    assert answer.getheader("Server") is None
    assert heard.reports == [(ETL, "billing-7d9f", 41)]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_all_of_ipv6_is_all_of_ipv4_too(heard: Heard) -> None:
    made = Listener(Listen(ip_address("::"), 0), api(heard))
    made.start()
    assert post(made.port, json.dumps(SAID).encode()).status == 204  # over 127.0.0.1
    made.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"Content-Length: 999999999\r\n\r\n", b"413"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"fff\r\n" + b"x" * 4095, b"413"),
        (HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n", b"431"),
        (b"A" * 100_000, b"431"),
        (HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    ],
)
def test_what_is_too_large_or_no_http_is_cut_off(
    port: int, heard: Heard, sent: bytes, status: bytes
) -> None:
    assert raw(port, sent).partition(b"\r\n")[0].split(b" ")[1] == status
    assert post(port, json.dumps(SAID).encode()).status == 204
    assert len(heard.reports) == 1


def test_slow_senders_hold_up_nobody_and_are_let_go(port: int, heard: Heard) -> None:
    slow = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(50)]
    try:
        for number, each in enumerate(slow):
            each.sendall(HEAD + b"Content-Length: 90\r\n\r\n{" if number % 2 else b"POST /v1")
        assert post(port, json.dumps(SAID).encode()).status == 204
        assert {each.recv(4096)[:12] for each in slow} <= {b"", b"HTTP/1.1 408", b"HTTP/1.0 408"}
    finally:
        for each in slow:
            each.close()
    assert len(heard.reports) == 1


# What waits for the ledger.


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))

    info = warning


class Book:
    """A ledger as far as it is written here."""

    def __init__(self) -> None:
        self.written: list[list[Holder]] = []
        self.let_go: dict[str, int] = {}
        self.woken: list[str] = []
        self.broken = False
        self.cannot_wake = False

    def hold(self, reports: tuple[Holder, ...]) -> dict[str, int]:
        if self.broken:
            raise LedgerError("the disk is full")
        self.written.append(list(reports))
        return self.let_go

    def wake(self, credential: str, now: datetime) -> None:
        assert now.tzinfo is not None
        if self.cannot_wake:
            raise LedgerError("the disk is full")
        self.woken.append(credential)


def reports(book: Book, log: Log) -> Reports:
    return Reports(cast(Ledger, book), Clock(), log, lambda name: name == ETL)


def test_many_reports_are_one_transaction_and_the_last_of_each_counts() -> None:
    book = Book()
    made = reports(book, Log())
    for generation in (1, 2, 3):
        assert made.put(ETL, "a", generation)
        assert made.put(ETL, "b", 7)
    made.flush()
    made.flush()
    [written] = book.written
    assert {(each.consumer, each.generation) for each in written} == {("a", 3), ("b", 7)}


def test_who_revokes_is_woken_once_for_each_generation_that_was_let_go_of() -> None:
    book = Book()
    made = reports(book, Log())
    for generation in (1, 1, 2):  # a report that goes back and forth wakes nobody twice
        book.let_go = {ETL: generation, "albato/main": generation}
        made.put(ETL, "a", generation)
        made.flush()
    assert book.woken == [ETL, ETL]


def test_more_than_can_wait_are_turned_away_and_those_that_wait_may_speak_again() -> None:
    book = Book()
    made = reports(book, Log())
    assert all(made.put(ETL, f"c{number}", 1) for number in range(MOST))
    assert not made.put(ETL, "one more", 1)
    assert made.put(ETL, "c0", 2)
    made.flush()
    assert made.put(ETL, "one more", 1)


def test_a_ledger_that_fails_is_told_once_until_it_works_again() -> None:
    book, log = Book(), Log()
    made = reports(book, log)
    for broken in (True, True, False, True):
        book.broken = broken
        made.put(ETL, "a", 1)
        made.flush()
    assert [event for event, _ in log.lines] == ["reports are lost"] * 2
    assert log.lines[0][1] == {
        "error": "LedgerError",
        "text": "the disk is full",
        "action": "consumers repeat theirs within ten minutes",
    }


def test_what_a_ledger_could_not_be_told_it_is_told_with_the_next_report() -> None:
    book, log = Book(), Log()
    made = reports(book, log)
    book.let_go, book.cannot_wake = {ETL: 1}, True
    made.put(ETL, "a", 2)
    made.flush()
    assert (len(book.written), book.woken) == (1, [])
    [(event, facts)] = log.lines
    assert event == "nobody holds an old token any more, and the ledger could not be told"
    assert facts["action"].startswith("it is told with the next report")
    book.let_go, book.cannot_wake = {}, False  # the ledger says once who let go
    made.put("albato/main", "b", 1)
    made.flush()
    made.flush()
    assert book.woken == [ETL]


def test_closing_writes_what_waits() -> None:
    book = Book()
    made = reports(book, Log())
    made.start()
    made.put(ETL, "a", 1)
    made.close()
    assert len(book.written) == 1


# The whole.


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def book_of(*names: str, revocation: str | None = None) -> JobBook:
    made = {
        name: SimpleNamespace(
            qualified=name,
            token_secret=SimpleNamespace(name=f"rotator/token/{name}"),
            provider=SimpleNamespace(revocation=revocation),
        )
        for name in names
    }
    return cast(JobBook, SimpleNamespace(credentials=made))


def settings(**given: str) -> Any:
    return load_settings({"HOME": "/home/me"} | given)


def test_a_report_comes_into_the_ledger_also_of_a_job_that_came_later() -> None:
    ledger = SqlLedger.in_memory()
    now = datetime(2026, 3, 1, tzinfo=UTC)
    ledger.enrol({"alation": [ETL]}, now)
    book, at = book_of(), free_port()
    given = settings(ROTATOR_API_LISTEN=f"127.0.0.1:{at}", ROTATOR_API_KEY=KEY)
    with serving(given, ledger, Clock(), lambda: book):
        assert post(at, json.dumps(SAID).encode()).status == 404
        book = book_of(ETL)
        assert post(at, json.dumps(SAID).encode()).status == 204
        assert post(at, json.dumps(SAID).encode()).status == 204
    [found] = ledger.holders(now - timedelta(days=1))
    assert (found.credential, found.consumer, found.generation) == (ETL, "billing-7d9f", 41)
    ledger.close()


@pytest.mark.parametrize("revocation", ["there is one", None])
def test_the_last_word_of_a_holder_wakes_who_revokes(revocation: str | None) -> None:
    ledger = SqlLedger.in_memory()
    now = datetime(2026, 3, 1, tzinfo=UTC)
    ledger.enrol({"alation": [ETL]}, now)
    lease = ledger.take(ETL, "test", now, now + timedelta(minutes=1))
    assert lease is not None
    published = OnRecord(
        shelf=Shelf.TOKEN, version_id="v", generation=42, issued_at=now, expires_at=None, put_at=now
    )
    ledger.write(lease, published)
    book, at = book_of(ETL, revocation=revocation), free_port()
    given = settings(ROTATOR_API_LISTEN=f"127.0.0.1:{at}", ROTATOR_API_KEY=KEY)
    for generation in (41, 42):
        assert ledger.rows([ETL])[0].due_at == now
        with serving(given, ledger, Clock(), lambda: book):
            said = json.dumps({**SAID, "generation": generation}).encode()
            assert post(at, said).status == 204
    assert (ledger.rows([ETL])[0].due_at != now) is (revocation is not None)
    ledger.close()


def test_a_port_that_is_taken_stops_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    monkeypatch.setattr(logs, "logger", lambda: log)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = taken.getsockname()[1]
        with serving(
            settings(ROTATOR_API_LISTEN=f"127.0.0.1:{at}"),
            cast(Ledger, Book()), Clock(), book_of,
        ):  # fmt: skip
            pass
    assert log.lines[0][0] == "the API is off: it cannot listen"


def test_closing_writes_to_no_pipe_that_is_closed_already(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def late(pipe: Any) -> None:
        os.write(pipe.trigger, b"x")  # another wakes the thread a moment before
        thread.join(0.3)
        written.append(os.write(pipe.trigger, b"x"))

    made = Listener(Listen(LOOPBACK, 0), api(heard))
    made.start()
    thread = next(each for each in threading.enumerate() if each.name == "api")
    monkeypatch.setattr(trigger, "_physical_pull", late)
    made.close()
    assert written == [1]
    assert not thread.is_alive()


def test_unless_asked_for_nothing_listens() -> None:
    with serving(settings(), cast(Ledger, Book()), Clock(), book_of):
        pass
