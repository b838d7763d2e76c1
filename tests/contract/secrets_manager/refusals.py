"""What AWS refuses: one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.contract.secrets_manager.stage import labels, move, promote, put, token

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


@dataclass(frozen=True)
class Refusal:
    what: str
    call: Callable[[SecretsManagerClient], object]
    code: str
    says: str | None = None
    before: Callable[[SecretsManagerClient], object] = labels
    """What leads up to it; by default nothing that changes anything."""
    moto: bool = False
    """Whether moto refuses it with that code as well."""


def _put(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.put_secret_value(SecretId="app", **given)


def _stage(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.update_secret_version_stage(SecretId="app", **given)


def _create(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.create_secret(**{"Name": "new", "SecretString": "x", **given})


def _get(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.get_secret_value(**{"SecretId": "app", **given})


def _delete(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.delete_secret(**{"SecretId": "app", **given})


def _tag(*keys: str, value: str = "v") -> Callable[[SecretsManagerClient], object]:
    brought: list[Any] = [{"Key": key, "Value": value} for key in keys]
    return lambda sm: sm.tag_resource(SecretId="app", Tags=brought)


def _pending(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")


def _promoted(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")
    promote(sm, 2, over=1)


VALIDATION, PARAMETER = "ValidationException", "InvalidParameterException"
REQUEST, MISSING = "InvalidRequestException", "ResourceNotFoundException"
EXISTS, LIMIT = "ResourceExistsException", "LimitExceededException"

REFUSALS = [
    # values
    Refusal("65,537 bytes", _put(SecretString="x" * 65_537), VALIDATION, "'secretString'"),
    Refusal("65,538 bytes in half as many letters", _put(SecretString="é" * 32_769), VALIDATION),
    Refusal("65,537 bytes of binary", _put(SecretBinary=b"x" * 65_537), VALIDATION),
    Refusal("65,537 bytes at creation", _create(SecretString="x" * 65_537), VALIDATION),
    Refusal("an empty string", _put(SecretString=""), VALIDATION, "greater than or equal to 1"),
    Refusal("no value", _put(), REQUEST, "You must provide either", moto=True),
    Refusal("both values", _put(SecretString="x", SecretBinary=b"x"), PARAMETER),
    # tokens
    Refusal(
        "no token",
        _put(SecretString="x", ClientRequestToken=None),
        REQUEST,
        "You must provide a ClientRequestToken value",
    ),
    Refusal("no token at creation", _create(ClientRequestToken=None), REQUEST, "You must provide"),
    Refusal(
        "a token of 31", _put(SecretString="x", ClientRequestToken="t" * 31), PARAMETER, moto=True
    ),
    Refusal(
        "a token of 65", _put(SecretString="x", ClientRequestToken="t" * 65), PARAMETER, moto=True
    ),
    # names
    Refusal("a name that is taken", _create(Name="app"), EXISTS, "app already exists", moto=True),
    Refusal("a space in a name", _create(Name="a b"), VALIDATION, "Invalid name"),
    Refusal("an umlaut in a name", _create(Name="ä"), VALIDATION, "Invalid name"),
    Refusal("an empty name", _create(Name=""), VALIDATION),
    Refusal("a name of 513", _create(Name="n" * 513), VALIDATION),
    Refusal("a space in a secret id", _get(SecretId="a b"), VALIDATION, "Invalid name"),
    Refusal(
        "a secret that is not there",
        _get(SecretId="nowhere"),
        MISSING,
        r"^.*Secrets Manager can't find the specified secret\.$",
        moto=True,
    ),
    Refusal(
        "describing none", lambda sm: sm.describe_secret(SecretId="nowhere"), MISSING, moto=True
    ),
    Refusal("putting to none", lambda sm: put(sm, 2, name="nowhere"), MISSING, moto=True),
    # reading
    Refusal(
        "a version that is not there",
        _get(VersionId=token(9)),
        MISSING,
        f"can't find the specified secret value for VersionId: {token(9)}",
        moto=True,
    ),
    Refusal(
        "a label that is not there",
        _get(VersionStage="AWSPENDING"),
        MISSING,
        "can't find the specified secret value for staging label: AWSPENDING",
    ),
    Refusal(
        "a version under a label it has not",
        _get(VersionId=token(1), VersionStage="AWSPENDING"),
        REQUEST,
        "not associated to the provided VersionId",
        moto=True,
    ),
    # moving labels
    Refusal(
        "a promotion without a fence",
        lambda sm: move(sm, "AWSCURRENT", 2),
        PARAMETER,
        f"Staging label AWSCURRENT is currently attached to version {token(1)}",
        before=_pending,
        moto=True,
    ),
    Refusal(
        "a promotion with a wrong fence",
        lambda sm: promote(sm, 2, over=2),
        PARAMETER,
        before=_pending,
        moto=True,
    ),
    Refusal(
        "a promotion twice",
        lambda sm: promote(sm, 2, over=1),
        PARAMETER,
        before=_promoted,
        moto=True,
    ),
    Refusal("a promotion of none", lambda sm: promote(sm, 9, over=1), PARAMETER, moto=True),
    Refusal(
        "a label onto none",
        _stage(VersionStage="mine", MoveToVersionId=token(9)),
        PARAMETER,
        moto=True,
    ),
    Refusal("current taken off", lambda sm: move(sm, "AWSCURRENT", away_from=1), PARAMETER),
    Refusal("a label moved without a word where", lambda sm: move(sm, "mine"), PARAMETER),
    Refusal(
        "a label taken off where it is not",
        lambda sm: move(sm, "mine", away_from=1),
        PARAMETER,
        moto=True,
    ),
    Refusal(
        "a label of one's own moved without a fence",
        lambda sm: move(sm, "mine", 1),
        PARAMETER,
        "RemoveFromVersionId can't be empty",
        before=lambda sm: put(sm, 2, "mine"),
    ),
    Refusal(
        "21 labels in a call", lambda sm: put(sm, 2, *(f"l{n}" for n in range(21))), VALIDATION
    ),
    Refusal(
        "the 21st label on a secret",
        lambda sm: put(sm, 3, *(f"b{n}" for n in range(5))),
        LIMIT,
        before=lambda sm: put(sm, 2, *(f"a{n}" for n in range(15))),
    ),
    Refusal("a label of 257", lambda sm: put(sm, 2, "l" * 257), VALIDATION),
    # deletion
    Refusal("a window of 6 days", _delete(RecoveryWindowInDays=6), PARAMETER, moto=True),
    Refusal("a window of 31 days", _delete(RecoveryWindowInDays=31), PARAMETER, moto=True),
    Refusal(
        "a window and force",
        _delete(RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True),
        PARAMETER,
        moto=True,
    ),
    Refusal("deleting twice", _delete(), REQUEST, before=_delete(), moto=True),
    Refusal("deleting what is not there", _delete(SecretId="nowhere"), MISSING, moto=True),
    # tags
    Refusal("51 tags", _tag(*(f"k{n}" for n in range(51))), PARAMETER),
    Refusal(
        "51 tags at creation",
        _create(Tags=[{"Key": f"k{n}", "Value": ""} for n in range(51)]),
        PARAMETER,
    ),
    Refusal("a tag of AWS's own", _tag("aws:team"), PARAMETER),
    Refusal("a tag key of 129", _tag("k" * 129), VALIDATION),
    Refusal("a tag value of 257", _tag("k", value="v" * 257), VALIDATION),
    # the rest
    Refusal("a page of 101", lambda sm: sm.list_secrets(MaxResults=101), VALIDATION),
    Refusal("a page of 0", lambda sm: sm.list_secrets(MaxResults=0), VALIDATION),
    Refusal(
        "a page that is none",
        lambda sm: sm.list_secrets(NextToken="?"),
        "InvalidNextTokenException",
    ),
    Refusal("a batch of nothing", lambda sm: sm.batch_get_secret_value(), PARAMETER),
    Refusal(
        "a filter by what is no filter",
        lambda sm: sm.list_secrets(Filters=[{"Key": "colour", "Values": ["red"]}]),  # type: ignore[typeddict-item]
        PARAMETER,
    ),
    Refusal(
        "a batch of 21", lambda sm: sm.batch_get_secret_value(SecretIdList=["app"] * 21), VALIDATION
    ),
    Refusal("a description of 2049", _create(Description="d" * 2049), VALIDATION),
    Refusal(
        "a policy that is none",
        lambda sm: sm.put_resource_policy(SecretId="app", ResourcePolicy="{"),
        "MalformedPolicyDocumentException",
    ),
    Refusal("versions of none", lambda sm: sm.list_secret_version_ids(SecretId="nowhere"), MISSING),
]
