"""Amino's plug-in against a server that keeps its promises, and against all that may come."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from rotator.model import Keyring, Secret, Token
from rotator.providers.amino import build
from rotator.providers.amino.settings import Credential, Job
from rotator.providers.base import Answer, Provider, Request
from rotator.sandbox.amino import CHANNELS
from rotator.sandbox.server import InProcessDoor
from tests.contract.stage import answered

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
HOST = "https://tv.example.com"
PLANTED = "planted-secret"


def amino(*seeds: str, username: str = "", **settings: Any) -> Provider:
    job = Job(base_url=settings.pop("base_url", HOST), **settings)
    return build(job, Credential(username=username), frozenset(seeds))


def ring(**values: str) -> Keyring:
    return {name: Token(value=Secret(value)) for name, value in values.items()}


def ask(provider: Provider, grant: str, keyring: Keyring) -> Request:
    found = provider.grant(grant)
    assert found is not None
    return found.ask(keyring)


def read(answer: Answer, provider: Provider | None = None, sent_at: datetime = NOW) -> Keyring:
    found = (provider or amino()).grant("refresh_token")
    assert found is not None
    return found.read(answer, sent_at)


answer = partial(answered, NOW)


def consumer(token: Token, door: InProcessDoor, provider: Provider) -> int:
    name, value = provider.header(token)
    request = Request(url=HOST + CHANNELS, method="GET", headers={name: Secret(value)})
    return door.send(request).status


def renew(door: InProcessDoor, provider: Provider, keyring: Keyring) -> Keyring:
    return read(door.send(ask(provider, "refresh_token", keyring)), provider)


def resource(**attributes: Any) -> dict[str, Any]:
    return {"type": "AuthenticationTokens", "id": "1", "attributes": attributes}


def pair(**attributes: Any) -> dict[str, Any]:
    both = {"access_token": "a-1", "refresh_token": "r-1"}
    return {"data": [resource(**(both | attributes))]}
