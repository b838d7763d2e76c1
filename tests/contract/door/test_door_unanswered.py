"""What was sent and not answered."""

import gzip
import socket
from datetime import timedelta

import pytest

from rotator.clock import Clock
from rotator.errors import Unanswered
from rotator.providers.http import LARGEST_ANSWER, Door
from rotator.sandbox.fakes import LOST_ANSWER, dripping, huge
from tests.contract.door.stage import Echo, ask, error_after, listening, refusal, reply


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
