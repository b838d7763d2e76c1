"""By which names and ARNs a secret is found, and which it may have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.contract.secrets_manager.stage import aws_only, code, create

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def test_an_arn_ends_in_a_hyphen_and_six_characters(sm: SecretsManagerClient) -> None:
    assert re.search(r":secret:app-[A-Za-z0-9]{6}$", sm.describe_secret(SecretId="app")["ARN"])


def test_a_secret_is_found_by_its_arn_and_by_the_arn_less_its_suffix(
    sm: SecretsManagerClient,
) -> None:
    arn = sm.describe_secret(SecretId="app")["ARN"]
    assert sm.describe_secret(SecretId=arn)["Name"] == "app"
    assert sm.describe_secret(SecretId=arn[:-7])["Name"] == "app"


def test_a_secret_is_not_found_by_an_arn_with_another_suffix(sm: SecretsManagerClient) -> None:
    arn = sm.describe_secret(SecretId="app")["ARN"][:-6] + "abcdef"
    assert code(lambda: sm.describe_secret(SecretId=arn)) == "ResourceNotFoundException"


@aws_only("finds it")
def test_a_name_that_ends_like_an_arn_is_not_found_by_the_arn_less_its_suffix(
    sm: SecretsManagerClient,
) -> None:
    arn = create(sm, "team-a1b2c3")
    assert sm.describe_secret(SecretId="team-a1b2c3")["ARN"] == arn
    assert code(lambda: sm.describe_secret(SecretId=arn[:-7])) == "ResourceNotFoundException"


def test_a_name_may_hold_every_character_that_aws_allows(sm: SecretsManagerClient) -> None:
    name = "Valid/_+=.@-Name09" + "x" * 100
    assert create(sm, name).rpartition("-")[0].endswith(f":secret:{name}")


def test_a_secret_may_be_created_empty(sm: SecretsManagerClient) -> None:
    made = sm.create_secret(Name="empty")
    assert "VersionId" not in set(made)
    assert not sm.describe_secret(SecretId="empty").get("VersionIdsToStages")
    empty = {"SecretId": "empty", "VersionStage": "AWSCURRENT"}
    assert code(lambda: sm.get_secret_value(**empty)) == "ResourceNotFoundException"
