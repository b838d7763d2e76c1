"""The OAuth 2.0 plug-in against a server that keeps to the RFCs, and against those that do not."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers.base import Answer, Grant, Provider, Request
from rotator.providers.oauth2 import build
from rotator.providers.oauth2.settings import Credential, Job
from rotator.sandbox.oauth2 import ME, TOKEN
from rotator.sandbox.server import InProcessDoor
from tests.contract.stage import answered

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOST = "https://auth.example.com"
PLANTED = "planted-secret"
BOTH = {ACCESS_TOKEN, REFRESH_TOKEN}


def oauth(*seeds: str, client_id: str = "sandbox-client", **settings: Any) -> Provider:
    job = Job.model_validate({"token_url": HOST + TOKEN, **settings})
    return build(job, Credential(client_id=client_id), frozenset(seeds or (REFRESH_TOKEN,)))


def ring(**values: str) -> Keyring:
    named = {"client_secret": "sandbox-client-secret", **values}
    return {name: Token(value=Secret(value)) for name, value in named.items()}


def only(provider: Provider) -> Grant:
    (grant,) = provider.grants
    return grant


def fields(request: Request) -> dict[str, str]:
    assert request.body is not None
    assert request.content_type == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.body.reveal(), keep_blank_values=True, strict_parsing=True))


def read(answer: Answer, provider: Provider | None = None) -> Keyring:
    return only(provider or oauth()).read(answer, NOW)


answer = partial(answered, NOW)


def obtain(door: InProcessDoor, provider: Provider, keyring: Keyring) -> Keyring:
    """What one walk leaves in the keyring."""
    return {**keyring, **read(door.send(only(provider).ask(keyring)), provider)}


def consumer(token: Token, door: InProcessDoor, provider: Provider) -> int:
    name, value = provider.header(token)
    return door.send(Request(url=HOST + ME, method="GET", headers={name: Secret(value)})).status


def pair(**more: Any) -> dict[str, Any]:
    both = {"access_token": "a-1", "refresh_token": "r-1", "token_type": "Bearer"}
    return {**both, "expires_in": 1800, **more}
