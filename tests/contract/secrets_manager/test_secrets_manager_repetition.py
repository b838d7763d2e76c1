"""The same call again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.secrets_manager.stage import aws_only, code, create, labels, put, read, token

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def test_the_token_is_the_version_id(sm: SecretsManagerClient) -> None:
    put(sm, 2)
    assert sm.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")["VersionId"] == token(2)


@pytest.mark.parametrize("stages", [(), ("AWSPENDING",)])
def test_the_same_token_with_the_same_value_changes_nothing(
    sm: SecretsManagerClient, stages: tuple[str, ...]
) -> None:
    put(sm, 2, *stages)
    before = labels(sm)
    put(sm, 2, *stages)
    assert labels(sm) == before


def test_a_late_repetition_of_an_old_put_does_not_move_current_back(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2)
    put(sm, 3)
    assert put(sm, 2) == ["AWSPREVIOUS"]
    assert labels(sm) == {2: {"AWSPREVIOUS"}, 3: {"AWSCURRENT"}}


def test_the_same_token_with_another_value_is_refused(sm: SecretsManagerClient) -> None:
    put(sm, 2)
    assert code(lambda: put(sm, 2, value="other")) == "ResourceExistsException"
    assert read(sm, VersionStage="AWSCURRENT") == "value 2"


@aws_only("overwrites a pending version")
def test_the_same_token_with_another_value_is_refused_for_pending_too(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2, "AWSPENDING")
    assert code(lambda: put(sm, 2, "AWSPENDING", value="other")) == "ResourceExistsException"
    assert read(sm, VersionStage="AWSPENDING") == "value 2"


@aws_only("takes an update with a used token and its value")
@pytest.mark.parametrize("value", ["one", "other"])
def test_an_update_with_a_used_token_is_refused_whatever_its_value(
    sm: SecretsManagerClient, value: str
) -> None:
    given = {"SecretId": "app", "SecretString": value, "ClientRequestToken": token(1)}
    assert code(lambda: sm.update_secret(**given)) == "ResourceExistsException"


def test_creating_again_with_the_same_token_and_value_succeeds(sm: SecretsManagerClient) -> None:
    assert create(sm) == sm.describe_secret(SecretId="app")["ARN"]
    assert labels(sm) == {1: {"AWSCURRENT"}}


def test_without_a_token_boto3_makes_one_for_each_call(sm: SecretsManagerClient) -> None:
    first = sm.put_secret_value(SecretId="app", SecretString="same")["VersionId"]
    second = sm.put_secret_value(SecretId="app", SecretString="same")["VersionId"]
    assert first != second
