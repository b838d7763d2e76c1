"""POST /v1/holders: a consumer says which generation it holds. A plain WSGI application.

An answer is a status and nothing else, so none can tell a secret; a request is never logged. JSON
that names another content type is refused: a page in somebody's browser can send all others here
without asking.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rotator.client.reports import CONSUMER, PATH
from rotator.model import Secret

LARGEST = 2048
"""Bytes of a body: an ARN has some 600 at most."""
_SECRET = r"^[A-Za-z0-9/_+=.@:-]+$"
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: [("WWW-Authenticate", "Bearer")],
    HTTPStatus.METHOD_NOT_ALLOWED: [("Allow", "POST")],
}
_ARN = ":secret:"
_SUFFIX = 7
"""AWS ends an ARN with a dash and six letters of its own."""


class _Said(BaseModel):
    """One report."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    consumer: Annotated[str, Field(pattern=f"^{CONSUMER}$")]
    secret: Annotated[str, Field(pattern=_SECRET, max_length=700)]
    generation: Annotated[int, Field(ge=1, lt=2**53)]


Put = Callable[[str, str, int], bool]
"""Takes credential, consumer and generation; False where it cannot."""


class Api:
    """`credential_of`: whose secret that is, by its name; None where it is nobody's."""

    def __init__(
        self, key: Secret | None, credential_of: Callable[[str], str | None], put: Put
    ) -> None:
        self._authorization = Secret(f"Bearer {key.reveal()}") if key else None
        self._credential_of, self._put = credential_of, put

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        status = self._status(environ)
        length = [] if status is HTTPStatus.NO_CONTENT else [("Content-Length", "0")]
        start_response(f"{status.value} {status.phrase}", [*length, *_HEADERS.get(status, ())])
        return []

    def _status(self, environ: dict[str, Any]) -> HTTPStatus:
        if environ.get("PATH_INFO") != PATH:
            return HTTPStatus.NOT_FOUND
        if environ.get("REQUEST_METHOD") != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED
        given = Secret(environ.get("HTTP_AUTHORIZATION", ""))
        if self._authorization is not None and given != self._authorization:  # in constant time
            return HTTPStatus.UNAUTHORIZED
        if environ.get("CONTENT_TYPE", "").partition(";")[0].strip() != "application/json":
            return HTTPStatus.BAD_REQUEST
        body = environ["wsgi.input"].read(LARGEST + 1)
        return self._taken(body) if len(body) <= LARGEST else HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def _taken(self, body: bytes) -> HTTPStatus:
        try:
            said = _Said.model_validate_json(body)
        except ValidationError:
            return HTTPStatus.BAD_REQUEST
        credential = named(said.secret, self._credential_of)
        if credential is None:
            return HTTPStatus.NOT_FOUND
        if self._put(credential, said.consumer, said.generation):
            return HTTPStatus.NO_CONTENT
        return HTTPStatus.SERVICE_UNAVAILABLE


def named(secret: str, credential_of: Callable[[str], str | None]) -> str | None:
    """Whose secret this is, given as a consumer names it: by name or by ARN."""
    _, arn, name = secret.rpartition(_ARN)
    found = credential_of(name)
    if found is None and arn and name[-_SUFFIX : 1 - _SUFFIX] == "-":
        return credential_of(name[:-_SUFFIX])
    return found
