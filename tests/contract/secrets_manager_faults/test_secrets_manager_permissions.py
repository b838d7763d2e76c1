"""Keys that do not work, and principals that may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.secrets_manager.stage import code, token
from tests.contract.secrets_manager_faults.stage import PLANTED, World, put, read

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def test_a_key_that_does_not_work_encrypts_nothing(world: World, sm: SecretsManagerClient) -> None:
    sm.create_secret(Name="other", KmsKeyId="alias/rotator")
    world.service.account.unusable_keys.add("alias/rotator")
    assert code(lambda: sm.put_secret_value(SecretId="other", SecretString="x")) == (
        "EncryptionFailure"
    )
    put(sm)


def test_a_key_that_stops_working_hides_what_it_encrypted(
    world: World, sm: SecretsManagerClient
) -> None:
    given: dict[str, Any] = {"SecretString": "x", "ClientRequestToken": token(7)}
    sm.create_secret(Name="other", KmsKeyId="alias/rotator", **given)
    world.service.account.unusable_keys.add("alias/rotator")
    assert code(lambda: sm.get_secret_value(SecretId="other")) == "DecryptionFailure"
    assert code(lambda: sm.put_secret_value(SecretId="other", **given)) == "DecryptionFailure"
    assert sm.describe_secret(SecretId="other")["KmsKeyId"] == "alias/rotator"


def test_another_key_is_for_the_current_version_too(world: World, sm: SecretsManagerClient) -> None:
    sm.update_secret(SecretId="app", KmsKeyId="alias/new")
    world.service.account.unusable_keys.add("alias/new")
    assert code(lambda: read(sm)) == "DecryptionFailure"


def test_a_principal_is_denied_in_the_words_of_aws(world: World, sm: SecretsManagerClient) -> None:
    arn = sm.describe_secret(SecretId="app")["ARN"]
    world.service.account.authorize = lambda principal, *_: principal != "reader"
    with pytest.raises(ClientError) as caught:
        put(world.connect("reader"))
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert error["Message"] == (
        "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: "
        f"secretsmanager:PutSecretValue on resource: {arn} because no identity-based policy "
        "allows the secretsmanager:PutSecretValue action"
    )
    put(world.connect("worker"))


def test_permission_is_asked_for_all_that_a_call_does(
    world: World, sm: SecretsManagerClient
) -> None:
    asked: list[tuple[str, str]] = []

    def authorize(_principal: str, action: str, arn: str, params: Any) -> bool:
        assert PLANTED not in str(params)
        asked.append((action.removeprefix("secretsmanager:"), arn.rpartition(":")[2]))
        return True

    world.service.account.authorize = authorize
    tags: list[Any] = [{"Key": "a", "Value": "b"}]
    sm.create_secret(Name="new", SecretString=PLANTED, Tags=tags)
    sm.list_secrets()
    sm.batch_get_secret_value(SecretIdList=["nowhere"])
    assert asked == [
        ("CreateSecret", "new"),
        ("TagResource", "new"),
        ("ListSecrets", "*"),
        ("BatchGetSecretValue", "*"),
        ("GetSecretValue", "nowhere"),
    ]


def test_denied_comes_before_not_found(world: World, sm: SecretsManagerClient) -> None:
    world.service.account.authorize = lambda *_: False
    assert code(lambda: sm.describe_secret(SecretId="nowhere")) == "AccessDeniedException"
