"""When a token ends by its own word, where it is a JWT: read without trust, and never raising."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import jwt
import pytest

from rotator.model import Secret
from rotator.providers.shapes import jwt_expiry

END = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNIX = int(END.timestamp())


def signed(**claims: object) -> str:
    return jwt.encode(claims, b"k" * 64, algorithm="HS256")


def three_parts(payload: bytes) -> str:
    return f"head.{urlsafe_b64encode(payload).decode().rstrip('=')}.signature"


@pytest.mark.parametrize("more", ["", "a", "ab", "abc"])
def test_the_end_is_read_whatever_the_length_of_the_claims(more: str) -> None:
    assert jwt_expiry(Secret(signed(exp=UNIX, sub=more))) == END


def test_letters_that_only_urls_have_are_read() -> None:
    token = signed(sub="\N{PILE OF POO}" * 3 + "???>>>", exp=UNIX)
    assert {"-", "_"} & set(token.split(".")[1])
    assert jwt_expiry(Secret(token)) == END


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "two.parts",
        "a.b.c",
        "one.two.three.four",
        "a.\u00e4\u00f6.c",
        signed(sub="no end"),
        signed(exp=UNIX * 1000),
        signed(exp=True),
        three_parts(b'{"exp": "soon"}'),
        three_parts(b'{"exp": 1e400}'),
        three_parts(b'["exp"]'),
        three_parts(b"\xff\xfe"),
        three_parts(b"[" * 100_000),
    ],
    ids=range(14),
)
def test_what_is_no_jwt_with_an_end_tells_none(token: str) -> None:
    assert jwt_expiry(Secret(token)) is None
