"""httpx and requests with a `TokenAuth`, against a real HTTP server that refuses old tokens."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
import requests

from rotator.client import Token, TokenExpired, Unavailable
from rotator.client.httpx_auth import TokenAuth as HttpxAuth
from rotator.client.requests_auth import TokenAuth as RequestsAuth
from rotator.client.testing import FakeClock, FakeSecret
from tests.client.api import Api, api
from tests.client.plays import NAME

Post = Callable[[str, Token, object], int]
"""Gives the status of a POST that follows redirects."""


def by_httpx(url: str, token: Token, body: object = b"body") -> int:
    with httpx.Client(auth=HttpxAuth(token), trust_env=False, follow_redirects=True) as client:
        return client.post(url, content=body).status_code  # type: ignore[arg-type]


def by_async_httpx(url: str, token: Token, body: object = b"body") -> int:
    async def post() -> int:
        auth = HttpxAuth(token)
        async with httpx.AsyncClient(auth=auth, trust_env=False, follow_redirects=True) as client:
            return (await client.post(url, content=body)).status_code  # type: ignore[arg-type]

    return asyncio.run(post())


def by_requests(url: str, token: Token, body: object = b"body") -> int:
    with requests.Session() as session:
        session.trust_env = False
        session.auth = RequestsAuth(token)
        return session.post(url, data=body, timeout=20).status_code  # type: ignore[arg-type]


CLIENTS: dict[str, Post] = {
    "httpx": by_httpx,
    "httpx in asyncio": by_async_httpx,
    "requests": by_requests,
}


@pytest.fixture(params=CLIENTS)
def post(request: pytest.FixtureRequest) -> Post:
    return CLIENTS[request.param]


@pytest.fixture
def apis() -> Iterator[Callable[[], tuple[Api, str]]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(api())


@pytest.fixture
def secret() -> FakeSecret:
    return FakeSecret(NAME, clock=FakeClock())


Apis = Callable[[], tuple[Api, str]]


def test_the_token_is_sent_and_read_once(apis: Apis, secret: FakeSecret, post: Post) -> None:
    there, url = apis()
    there.accepts = "Bearer fake-token-1"
    token = secret.token()
    assert [post(url, token, b"body") for _ in range(3)] == [200, 200, 200]
    assert secret.reads == 1


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_refused_call_is_repeated_once_with_the_new_token(
    apis: Apis, secret: FakeSecret, post: Post, refusal: int
) -> None:
    there, url = apis()
    token = secret.token()
    assert token.value
    there.accepts = f"Bearer {secret.rotate()}"
    there.refusal = refusal
    assert post(url, token, b"body") == 200
    assert there.sent == ["Bearer fake-token-1", "Bearer fake-token-2"]
    assert there.bodies == [b"body", b"body"]
    assert secret.reads == 2


def test_a_header_of_another_name_is_replaced(apis: Apis, post: Post) -> None:
    there, url = apis()
    there.header, there.accepts = "token", "t2"
    secret = FakeSecret(NAME, header=("TOKEN", "{}"), clock=FakeClock())
    secret.rotate("t1")
    token = secret.token()
    assert token.value == "t1"
    secret.rotate("t2")
    assert post(url, token, b"body") == 200
    assert there.sent == ["t1", "t2"]


def test_a_call_that_stays_refused_is_handed_to_the_caller_and_reads_once(
    apis: Apis, secret: FakeSecret, post: Post
) -> None:
    there, url = apis()
    there.refusal = 403
    token = secret.token()
    assert [post(url, token, b"body") for _ in range(3)] == [403] * 3
    assert len(there.sent) == 3
    assert secret.reads == 2


def test_other_answers_are_nobodys_business(apis: Apis, secret: FakeSecret, post: Post) -> None:
    there, url = apis()
    there.refusal = 500
    assert post(url, secret.token(), b"body") == 500
    assert secret.reads == 1


def test_a_refusal_while_secrets_manager_is_down_is_handed_to_the_caller(
    apis: Apis, secret: FakeSecret, post: Post
) -> None:
    _, url = apis()
    token = secret.token()
    assert token.value
    secret.fail(Unavailable)
    assert post(url, token, b"body") == 401


def test_without_a_living_token_nothing_is_sent(apis: Apis, post: Post) -> None:
    there, url = apis()
    clock = FakeClock()
    secret = FakeSecret(NAME, clock=clock)
    clock.advance(secret.lifespan)
    with pytest.raises(TokenExpired):
        post(url, secret.token(), b"body")
    assert there.sent == []


def test_a_body_that_cannot_be_sent_twice_is_sent_once(
    apis: Apis, secret: FakeSecret, post: Post
) -> None:
    there, url = apis()
    token = secret.token()
    assert token.value
    there.accepts = f"Bearer {secret.rotate()}"

    async def parts() -> object:
        yield b"body"

    body = parts() if post is by_async_httpx else iter([b"body"])
    assert post(url, token, body) == 401
    assert post(url, token, b"body") == 200


def test_a_redirect_at_home_keeps_the_token(apis: Apis, secret: FakeSecret, post: Post) -> None:
    there, url = apis()
    there.target, there.accepts = f"{url}/home", f"Bearer {secret.rotate()}"
    assert post(f"{url}/moved", secret.token(), b"body") == 200


@pytest.mark.parametrize("is_stale", [False, True])
def test_another_host_never_sees_the_token(
    apis: Apis, secret: FakeSecret, post: Post, *, is_stale: bool
) -> None:
    (there, url), (other, elsewhere) = apis(), apis()
    token = secret.token()
    assert token.value
    if is_stale:  # another host's refusal is not the token's
        secret.rotate()
    there.target = f"{elsewhere}/away"
    assert post(f"{url}/moved", token, b"body") == 401
    assert other.sent == [""]
    assert secret.reads == 1


def test_requests_takes_a_header_of_any_name_off_for_another_host(apis: Apis) -> None:
    (there, url), (other, elsewhere) = apis(), apis()
    there.header = other.header = "token"
    there.target = f"{elsewhere}/away"
    secret = FakeSecret(NAME, header=("TOKEN", "{}"), clock=FakeClock())
    by_requests(f"{url}/moved", secret.token())
    assert (there.sent, other.sent) == (["fake-token-1"], [""])
