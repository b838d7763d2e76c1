"""The fakes behind real boto3 without a socket: serializer, signer, parser and retries all run.

    client = client_for(service, access_key_id="worker"), or kms_client_for(kms)

or, for a client or session that somebody else made, `attach(client.meta.events, service)`.
"""

import io
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from rotator.sandbox.kms import Kms
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_rules import NoAnswer
from rotator.sandbox.secrets_manager_wire import AwsService, respond

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_PLAIN = Config(user_agent="sandbox")
"""botocore's own name for itself is put together anew for each call, which is most of a call."""
_EVENTS = {"secretsmanager": "before-send.secrets-manager", "kms": "before-send.kms"}


class _Events(Protocol):
    def register(self, event_name: str, handler: Any) -> None: ...


class _Raw(io.BytesIO):
    """A body in the shape in which botocore reads one."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def attach(events: _Events, service: AwsService) -> None:
    """Every call of that client or session to a service of this kind goes to `service`."""

    def send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        try:
            response = respond(service, headers, _bytes(request.body))
        except NoAnswer:
            raise ConnectionClosedError(endpoint_url=request.url) from None
        answered = HTTPHeaders.from_dict(response.headers)
        return AWSResponse(request.url, response.status, answered, _Raw(response.body))

    events.register(_EVENTS[service.signs_as], send)


def client_for(
    service: SecretsManager,
    access_key_id: str = "SANDBOX",
    *,
    region: str = "eu-central-1",
    config: Config | None = None,
) -> "SecretsManagerClient":
    """A client with that access key, which is who `authorize` and the log say it is."""
    client: SecretsManagerClient = _client(service, access_key_id, region, config)
    return client


def kms_client_for(service: Kms, access_key_id: str = "SANDBOX") -> Any:
    """Likewise, trying once."""
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    return _client(service, access_key_id, "eu-central-1", once)


def _client(service: AwsService, access_key_id: str, region: str, config: Config | None) -> Any:
    session: Any = _session()
    client = session.client(
        service.signs_as,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key="sandbox",  # noqa: S106 - signs for nobody
        config=_PLAIN.merge(config) if config else _PLAIN,
    )
    attach(client.meta.events, service)
    return client


@cache
def _session() -> boto3.Session:
    """One for all: a session costs 60 ms, a further client of it 3."""
    return boto3.Session()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else str(body or "").encode()
