"""The strict Secrets Manager fake against AWS's rules, through real boto3.

One suite for three back ends: the fake through the botocore hook, the fake over HTTP, and moto as
a second opinion. A row that moto is known to answer wrongly says so with `aws_only`, and then has
no moto row at all, so that nothing is skipped. What is not known of AWS is not asserted here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient

DAY = timedelta(days=1)
CONFIG = Config(
    parameter_validation=False,  # what boto3 would stop must reach the service
    retries={"mode": "standard", "total_max_attempts": 1},
)

Test = Callable[..., None]
AWS_ONLY: dict[str, str] = {}
"""Test -> in what moto is wrong."""


def aws_only(moto_is_wrong: str) -> Callable[[Test], Test]:
    def mark(test: Test) -> Test:
        AWS_ONLY[test.__name__] = moto_is_wrong
        return test

    return mark


class Ticking:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def advance(self, duration: timedelta) -> None:
        self.instant += duration


def token(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def create(sm: SecretsManagerClient, name: str = "app", **more: Any) -> str:
    given: dict[str, Any] = {"SecretString": "one", "ClientRequestToken": token(1), **more}
    return sm.create_secret(Name=name, **given)["ARN"]


def put(
    sm: SecretsManagerClient, number: int, *stages: str, value: str = "", name: str = "app"
) -> list[str]:
    more: dict[str, Any] = {"VersionStages": list(stages)} if stages else {}
    done = sm.put_secret_value(
        SecretId=name,
        SecretString=value or f"value {number}",
        ClientRequestToken=token(number),
        **more,
    )
    return done["VersionStages"]


def move(
    sm: SecretsManagerClient,
    stage: str,
    to: int | None = None,
    away_from: int | None = None,
) -> None:
    given: dict[str, Any] = {"SecretId": "app", "VersionStage": stage}
    if to is not None:
        given["MoveToVersionId"] = token(to)
    if away_from is not None:
        given["RemoveFromVersionId"] = token(away_from)
    sm.update_secret_version_stage(**given)


def promote(sm: SecretsManagerClient, number: int, over: int) -> None:
    move(sm, "AWSCURRENT", number, over)


def read(sm: SecretsManagerClient, **which: Any) -> str:
    return sm.get_secret_value(SecretId="app", **which)["SecretString"]


def labels(sm: SecretsManagerClient) -> dict[int, set[str]]:
    """Version number -> its labels, of versions that have any."""
    found = sm.describe_secret(SecretId="app")["VersionIdsToStages"]
    return {int(version[-12:]): set(stages) for version, stages in found.items() if stages}


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]
