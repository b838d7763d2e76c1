"""What a consumer tells a worker of itself: nothing unless asked, and never at a read's expense."""

import json
import logging
import os
import pickle
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from rotator.client import Token, Unavailable
from rotator.client.reports import EVERY, PATH, RETRY
from rotator.client.testing import FakeClock, FakeSecret
from rotator.clock import Clock
from rotator.sandbox.fakes import Fake, Reply
from rotator.sandbox.server import served
from tests.client.plays import NAME, eventually

KEY = "canary-of-the-report-key"
SECOND = timedelta(seconds=1)
LATER = timedelta(seconds=EVERY)


@dataclass
class Worker(Fake):
    """The worker's API, as a consumer sees it."""

    status: int = 204
    location: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        assert method == "POST"
        self.paths.append(path)
        self.headers.append(headers)
        self.got.append(json.loads(body))
        return Reply(self.status, {"location": self.location} if self.location else {}, b"")

    def heard(self, *generations: int) -> None:
        """These, one after another, and no others until now."""
        eventually(lambda: len(self.got) >= len(generations))
        assert [each["generation"] for each in self.got] == list(generations)


class Stepping(FakeClock):
    """Knows when the thread that looks ahead waits, and until when."""

    def __init__(self) -> None:
        super().__init__()
        self.parked: tuple[float, threading.Event] | None = None

    def wait(self, event: threading.Event, until: float) -> None:
        self.parked = until, event
        super().wait(event, until)
        self.parked = None

    def rest(self) -> float:
        """Wait until that thread does; the instant that it waits for."""
        found: list[float] = []

        def waits() -> bool:
            parked = self.parked
            if parked is None or parked[0] <= self.now() or parked[1].is_set():
                return False
            found.append(parked[0])
            return True

        eventually(waits)
        return found[-1]


@contextmanager
def reporting(worker: Worker, **options: Any) -> Iterator[tuple[Token, FakeSecret, Stepping]]:
    clock = Stepping()
    secret = FakeSecret(NAME, clock=clock)
    with served(worker) as url:
        yield secret.token(report_to=url, **options), secret, clock


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    for name in ("ROTATOR_REPORT_URL", "ROTATOR_REPORT_KEY", "ROTATOR_CONSUMER"):
        monkeypatch.delenv(name, raising=False)
    return Worker(Clock().now)


def quiet(token: Token) -> None:
    """Wait until nothing is being sent."""
    reports = token._cache._reports  # noqa: SLF001
    assert reports is not None
    sending = reports._sending  # noqa: SLF001
    assert sending is not None
    sending.join()


def pass_time(clock: Stepping, by: timedelta) -> None:
    """In steps, so that each look ahead comes when it is due."""
    end = clock.now() + by.total_seconds()
    while clock.now() < end:
        step = min(clock.rest() - clock.now(), end - clock.now())
        clock.advance(timedelta(seconds=step))
    clock.rest()


def test_it_tells_name_secret_and_generation_once_the_token_is_used(worker: Worker) -> None:
    with reporting(worker, consumer="billing-7d9f") as (token, _, _):
        assert worker.got == []
        assert token.generation == 1
        worker.heard(1)
    assert worker.got == [{"consumer": "billing-7d9f", "secret": NAME, "generation": 1}]
    assert worker.paths == [PATH]
    assert worker.headers[0]["content-type"] == "application/json"
    assert "authorization" not in worker.headers[0]
    assert "fake-token" not in str(worker.headers)


def test_a_new_generation_is_told_as_soon_as_it_is_held(worker: Worker) -> None:
    with reporting(worker) as (token, secret, _):
        held = token.value
        worker.heard(1)
        quiet(token)
        secret.rotate()
        assert token.refused(held)
        worker.heard(1, 2)


def test_what_is_held_is_told_again_every_ten_minutes_and_not_oftener(worker: Worker) -> None:
    with reporting(worker) as (token, _, clock):
        assert token.generation == 1
        worker.heard(1)
        quiet(token)
        pass_time(clock, LATER - SECOND)
        worker.heard(1)
        pass_time(clock, 2 * SECOND)
        worker.heard(1, 1)


def test_a_report_that_fails_is_tried_again_after_a_minute_and_harms_nothing(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    worker.status = 503
    with caplog.at_level(logging.INFO), reporting(worker) as (token, _, clock):
        assert token.value == "fake-token-1"
        worker.heard(1)
        quiet(token)
        pass_time(clock, timedelta(seconds=RETRY + 1))
        worker.heard(1, 1)
    assert caplog.records == []


def test_nobody_there_is_said_at_debug_alone(
    worker: Worker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(worker) as url:
        pass  # and gone
    monkeypatch.setenv("ROTATOR_REPORT_KEY", KEY)
    with caplog.at_level(logging.DEBUG, "rotator.client"):
        clock = Stepping()
        token = FakeSecret(NAME, clock=clock).token(report_to=url)
        assert token.value == "fake-token-1"
        clock.rest()
        quiet(token)
    assert [each.getMessage() for each in caplog.records] == [
        f"{NAME}: not reported (ConnectionRefusedError)"
    ]
    assert KEY not in caplog.text + repr(token)


def test_a_listener_that_never_answers_holds_up_no_read(worker: Worker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        clock = Stepping()
        secret = FakeSecret(NAME, clock=clock)
        token = secret.token(report_to=f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert token.value == "fake-token-1"
        clock.rest()
        secret.rotate()
        pass_time(clock, timedelta(minutes=5))
        assert token._cache.kept.reading is not None  # noqa: SLF001 - without a hit's own read
        assert token._cache.kept.reading.generation == 2  # noqa: SLF001
    del worker


def test_the_key_is_shown_and_is_sent_on_by_no_redirect(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATOR_REPORT_KEY", KEY)
    other = Worker(Clock().now)
    with served(other) as elsewhere:
        worker.status, worker.location = 307, elsewhere
        with reporting(worker) as (token, _, _):
            assert token.generation == 1
            worker.heard(1)
            quiet(token)
    assert worker.headers[0]["authorization"] == f"Bearer {KEY}"
    assert other.got == []


def test_no_proxy_of_the_environment_sees_it(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with reporting(worker) as (token, _, _):
        assert token.generation == 1
        worker.heard(1)


def test_the_environment_may_ask_for_it(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(worker) as url:
        monkeypatch.setenv("ROTATOR_REPORT_URL", f"{url}/behind/a/proxy/")
        monkeypatch.setenv("ROTATOR_CONSUMER", "etl-0")
        token = FakeSecret(NAME, clock=FakeClock()).token()
        assert token.generation == 1
        worker.heard(1)
    assert worker.got[0]["consumer"] == "etl-0"
    assert worker.paths == [f"/behind/a/proxy{PATH}"]


def test_unless_named_a_consumer_is_its_host_and_process(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = os.uname_result(("Linux", "-the_host name.example", "6", "#1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: host)
    with reporting(worker) as (token, _, _):
        assert token.generation == 1
        worker.heard(1)
    assert worker.got[0]["consumer"] == f"the_host-name.example-{os.getpid()}"


def test_a_copy_of_a_token_reports_to_the_same_worker(worker: Worker) -> None:
    with served(worker) as url:
        made = Token(NAME, report_to=url, consumer="etl-0")
        copy = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own
    assert copy._cache._reports._consumer == "etl-0"  # noqa: SLF001
    assert copy._cache._reports._to == made._cache._reports._to  # type: ignore[union-attr]  # noqa: SLF001


def test_a_forked_child_tells_for_itself(worker: Worker) -> None:
    with reporting(worker) as (token, _, clock):
        assert token.generation == 1
        worker.heard(1)
        clock.rest()
        quiet(token)
        token._cache._begin()  # noqa: SLF001 - what os.fork has run in the child
        assert token.generation == 1
        worker.heard(1, 1)


def test_a_token_that_is_dead_or_was_never_read_is_not_held(worker: Worker) -> None:
    with reporting(worker) as (token, secret, clock):
        secret.fail(Unavailable)
        with pytest.raises(Unavailable):
            token.get()
        clock.rest()
        secret.fail(None)
        clock.advance(timedelta(minutes=2))
        assert token.generation == 1
        worker.heard(1)
        secret.fail(Unavailable)
        quiet(token)
        clock.rest()
        clock.advance(secret.lifespan)
        clock.rest()
        worker.heard(1)


@pytest.mark.parametrize(
    "url",
    [
        "rotator:8421",
        "ftp://rotator",
        "http://",
        "http://u:p@rotator",
        "http://rotator:x",
        "http://a b",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"ROTATOR_REPORT_URL.* http://rotator:8421") as error:
        Token(NAME, report_to=url)
    assert url not in str(error.value).removesuffix("http://rotator:8421")


@pytest.mark.parametrize("name", ["two words", "-begins-so", "x" * 101, "line\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="ROTATOR_CONSUMER"):
        Token(NAME, report_to="http://rotator:8421", consumer=name)


def test_a_key_with_a_line_break_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTATOR_REPORT_KEY", f"{KEY}\n")
    with pytest.raises(ValueError, match="line break") as error:
        Token(NAME, report_to="https://rotator.example")
    assert KEY not in str(error.value)
