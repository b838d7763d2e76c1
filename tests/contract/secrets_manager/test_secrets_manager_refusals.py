"""What is refused, and what just is not."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.contract.secrets_manager.refusals import REFUSALS, Refusal
from tests.contract.secrets_manager.stage import (
    AWS_ONLY,
    aws_only,
    put,
    read,
)

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def test_it_refuses(sm: SecretsManagerClient, refusal: Refusal) -> None:
    refusal.before(sm)
    with pytest.raises(ClientError, match=refusal.says) as caught:
        refusal.call(sm)
    assert caught.value.response["Error"]["Code"] == refusal.code


@aws_only("answers 404")
def test_what_is_not_there_is_a_400(sm: SecretsManagerClient) -> None:
    with pytest.raises(ClientError) as caught:
        sm.get_secret_value(SecretId="nowhere")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_value_of_65_536_bytes_is_taken(sm: SecretsManagerClient) -> None:
    put(sm, 2, value="é" * 32_768)
    assert len(read(sm, VersionStage="AWSCURRENT")) == 32_768


def test_what_moto_gets_wrong_is_counted() -> None:
    """These have no moto row; a row more without a second opinion should be noticed."""
    for module in Path(__file__).parent.glob("test_*.py"):  # also where this one runs alone
        import_module(f"{__package__}.{module.stem}")
    assert len(AWS_ONLY) == 18
    assert (len(REFUSALS), sum(not row.moto for row in REFUSALS)) == (54, 34)
