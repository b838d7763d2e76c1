"""What a read gives, and what it tells beside the value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.contract.secrets_manager.stage import aws_only, promote, put, read, token

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def test_a_version_is_read_by_id_and_label_if_they_agree(sm: SecretsManagerClient) -> None:
    assert read(sm, VersionId=token(1), VersionStage="AWSCURRENT") == "one"


def test_a_read_tells_the_version_its_labels_and_the_arn(sm: SecretsManagerClient) -> None:
    found = sm.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")
    assert (found["VersionId"], found["VersionStages"]) == (token(1), ["AWSCURRENT"])
    assert (found["Name"], found["ARN"]) == ("app", sm.describe_secret(SecretId="app")["ARN"])


def test_bytes_come_back_as_bytes(sm: SecretsManagerClient) -> None:
    sm.put_secret_value(SecretId="app", SecretBinary=b"\x00\xff")
    found = sm.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")
    assert found["SecretBinary"] == b"\x00\xff"
    assert set(found) & {"SecretString", "SecretBinary"} == {"SecretBinary"}


def test_text_comes_back_as_it_was(sm: SecretsManagerClient) -> None:
    put(sm, 2, value='{"clé": "…\\n"}')
    assert read(sm, VersionStage="AWSCURRENT") == '{"clé": "…\\n"}'


@aws_only("never tells when a secret was read")
def test_a_read_is_noted_by_the_day(sm: SecretsManagerClient) -> None:
    assert "LastAccessedDate" not in sm.describe_secret(SecretId="app")
    read(sm)
    assert sm.describe_secret(SecretId="app")["LastAccessedDate"] == datetime(
        2026, 1, 1, tzinfo=UTC
    )


@aws_only("a batch gives the old value after a promotion")
def test_a_batch_tells_what_it_could_not_read(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")
    promote(sm, 2, over=1)
    found = sm.batch_get_secret_value(SecretIdList=["app", "nowhere"])
    assert [value["SecretString"] for value in found["SecretValues"]] == ["value 2"]
    assert [error["ErrorCode"] for error in found["Errors"]] == ["ResourceNotFoundException"]
