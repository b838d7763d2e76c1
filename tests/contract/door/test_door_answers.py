"""What comes back."""

import gzip
import zlib

from rotator.providers.base import Request
from rotator.providers.http import Door
from rotator.sandbox.fakes import html
from tests.contract.door.stage import BODY, NOW, Echo, answer_to, ask, reply


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
