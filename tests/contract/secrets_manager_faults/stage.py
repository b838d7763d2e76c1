"""What the Secrets Manager fake can be made to do wrong, and what it counts; through real boto3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_http import SecretsManagerServer
from tests.contract.secrets_manager.stage import token

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
THRICE = Config(retries={"mode": "standard", "total_max_attempts": 3})
PLANTED = "s3cret-that-nobody-may-see"


class Ticking:
    """Two clocks that move when they are told to."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class World:
    service: SecretsManager
    clock: Ticking
    connect: Callable[..., SecretsManagerClient]
    paused: list[float] = field(default_factory=list)


def connected(
    server: SecretsManagerServer, access_key_id: str = "worker", config: Config = ONCE
) -> SecretsManagerClient:
    return boto3.client(
        "secretsmanager",
        region_name="eu-central-1",
        endpoint_url=server.url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key="sandbox",
        config=config,
    )


def put(sm: SecretsManagerClient, number: int = 2) -> None:
    value = f"value {number}"
    sm.put_secret_value(SecretId="app", SecretString=value, ClientRequestToken=token(number))


def read(sm: SecretsManagerClient) -> str:
    return sm.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")["SecretString"]


def versions(world: World, name: str = "app") -> list[str]:
    secret = world.service.secret(name)
    return list(secret.versions) if secret else []
