"""For requests: `requests.get(url, auth=TokenAuth(token))`, or as the `auth` of a session."""

from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from rotator.client.reading import Reading
from rotator.client.token import Token


class TokenAuth(AuthBase):
    """Sends the token. Where it is refused, reads the secret once and, if that helps, calls again.

    Refused is 401, and 403: Alation answers an expired token with it. A request whose body cannot
    be sent twice is not repeated; the next one has the new token. Whatever the header's name, it is
    taken off a request that is redirected to another origin: requests does it for `Authorization`
    alone.
    """

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        reading = self._token.get()
        request.headers.update(reading.header)
        request.hooks["response"].append(partial(self._answered, reading))
        return request

    def _answered(
        self, reading: Reading, response: requests.Response, **options: Any
    ) -> requests.Response:
        sent = reading
        if _refuses(response, reading) and self._token.refused(reading.value) and _again(response):
            sent = self._token.get()
            response = _repeated(response, reading, sent, options)
        if _leaves(response):
            _take_off(response.request, sent)
        return response


def _refuses(response: requests.Response, reading: Reading) -> bool:
    """Whether this very token was: after a redirect, another request was answered."""
    sent = response.request.headers
    return response.status_code in (401, 403) and all(
        sent.get(name) == value for name, value in reading.header.items()
    )


def _again(response: requests.Response) -> bool:
    return isinstance(response.request.body, bytes | str | None)


def _repeated(
    response: requests.Response, old: Reading, new: Reading, options: dict[str, Any]
) -> requests.Response:
    """The same request, as it is the one that a redirect would go on from."""
    response.content  # noqa: B018 - read to its end, the connection serves again
    response.close()
    request = response.request
    _take_off(request, old)
    request.headers.update(new.header)
    adapter: Any = response.connection  # set by every adapter
    again: requests.Response = adapter.send(request, **options)
    again.history.append(response)
    return again


def _take_off(request: requests.PreparedRequest, reading: Reading) -> None:
    for name in reading.header:
        request.headers.pop(name, None)


def _leaves(response: requests.Response) -> bool:
    """Whether it sends the request on to another origin."""
    if not response.is_redirect:
        return False
    target = urljoin(response.url, response.headers["location"])
    return _origin(target) != _origin(response.url)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
