"""For httpx: `httpx.Client(auth=TokenAuth(token))`, and likewise `httpx.AsyncClient` (asyncio).

httpx takes only `Authorization` off a request that is redirected to another host. With a header of
another name, leave `follow_redirects` off, which is its default.
"""

from collections.abc import AsyncGenerator, Generator

import httpx

from rotator.client.reading import Reading
from rotator.client.token import Token


class TokenAuth(httpx.Auth):
    """Sends the token. Where it is refused, reads the secret once and, if that helps, calls again.

    Refused is 401, and 403: Alation answers an expired token with it. A request whose body cannot
    be sent twice is not repeated; the next one has the new token.
    """

    def __init__(self, token: Token) -> None:
        self._token = token

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        reading = self._token.get()
        request.headers.update(reading.header)
        response = yield request
        if _refuses(response, reading) and self._token.refused(reading.value) and _again(request):
            _replace(request, reading, self._token.get())
            yield request

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        reading = await self._token.aget()
        request.headers.update(reading.header)
        response = yield request
        if not _refuses(response, reading):
            return
        if await self._token.arefused(reading.value) and _again(request):
            _replace(request, reading, await self._token.aget())
            yield request


def _refuses(response: httpx.Response, reading: Reading) -> bool:
    """Whether this very token was: after a redirect, another request was answered."""
    sent = response.request.headers
    return response.status_code in (401, 403) and all(
        sent.get(name) == value for name, value in reading.header.items()
    )


def _again(request: httpx.Request) -> bool:
    return isinstance(request.stream, httpx.ByteStream)


def _replace(request: httpx.Request, old: Reading, new: Reading) -> None:
    for name in old.header:
        request.headers.pop(name, None)
    request.headers.update(new.header)
