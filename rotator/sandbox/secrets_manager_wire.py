"""The JSON 1.1 protocol: what boto3 sends turned into a call, and its outcome into a response."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, ClassVar, Protocol

from rotator.sandbox.secrets_manager_faults import Faults, Stats
from rotator.sandbox.secrets_manager_rules import AwsError, Params

CONTENT_TYPE = "application/x-amz-json-1.1"
_TARGET = re.compile(r"(\w+)\.(\w+)")
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,]+)/[0-9]{8}/[^/,]+/(\w+)/")


class AwsService(Protocol):
    """A fake of one service that speaks this protocol."""

    target: ClassVar[str]
    """What its operations are named under."""
    signs_as: ClassVar[str]
    """Its name in signatures, and in boto3."""
    faults: Faults
    stats: Stats

    @property
    def lock(self) -> RLock: ...

    def call(self, operation: str, params: Params, principal: str = "") -> dict[str, Any]:
        """The answer as JSON would carry it. Raises AwsError or NoAnswer."""
        ...


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def respond(service: AwsService, headers: Mapping[str, str], body: bytes) -> Response:
    """One request answered; `headers` in lower case. Raises NoAnswer where none is to be sent."""
    try:
        operation, principal, params = _understood(service, headers, body)
        status, answer = 200, service.call(operation, params, principal)
    except AwsError as error:
        status, answer = error.status, {"__type": error.code, "Message": error.message}
    return _packed(status, answer, service.stats.calls.total())


def _understood(
    service: AwsService, headers: Mapping[str, str], body: bytes
) -> tuple[str, str, dict[str, Any]]:
    target = _TARGET.fullmatch(headers.get("x-amz-target", ""))
    known = target is not None and target[1] == service.target
    if target is None or not known or headers.get("content-type") != CONTENT_TYPE:
        raise AwsError("UnknownOperationException", "There is no such operation.")
    signed = _CREDENTIAL.match(headers.get("authorization", ""))
    if signed is None or signed[2] != service.signs_as:
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
    try:
        params = json.loads(body)
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise AwsError("SerializationException", "The body is no JSON object.")
    given = {name: value for name, value in params.items() if value is not None}
    return target[2], signed[1], given


def _packed(status: int, answer: Mapping[str, Any], number: int) -> Response:
    body = json.dumps(answer).encode()
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        "x-amzn-RequestId": f"{number:032x}",
    }
    return Response(status, headers, body)
