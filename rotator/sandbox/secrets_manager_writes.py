"""The operations that make versions and move labels; the publishing path of rotator."""

from collections.abc import Iterable
from dataclasses import replace

from rotator.sandbox import secrets_manager_rules as rules
from rotator.sandbox.secrets_manager_account import Account
from rotator.sandbox.secrets_manager_listing import Answer, named, replication
from rotator.sandbox.secrets_manager_rules import AwsError, Params, Value, key_in, regions_in
from rotator.sandbox.secrets_manager_versions import CURRENT, AwsSecret, Version


def create_secret(account: Account, params: Params) -> Answer:
    name, value = params["Name"], rules.value_in(params)
    secret = account.now(name)
    if secret is not None:
        _check_created_again(account, secret, params, value)
    else:
        secret = AwsSecret(
            name=name,
            arn=account.new_arn(name),
            created_at=account.at,
            changed_at=account.at,
            description=params.get("Description", ""),
            kms_key_id=key_in(params),
            tags=rules.tags_in(params, {}),
            replicas=regions_in(params),
        )
        secret = account.save(_with_value(account, secret, params, value, [CURRENT]))
    copies = replication(secret)
    return {**_written(secret, params, value), **({"ReplicationStatus": copies} if copies else {})}


def put_secret_value(account: Account, params: Params) -> Answer:
    secret, value = account.usable(params), rules.value_in(params)
    if value is None:
        raise AwsError(
            "InvalidRequestException", "You must provide either SecretString or SecretBinary."
        )
    token = params["ClientRequestToken"]
    if token in secret.versions:
        _check_same(account, secret, token, value)
    else:
        stages = params.get("VersionStages", [CURRENT])
        secret = account.save(_with_value(account, secret, params, value, stages))
    return {**_written(secret, params, value), "VersionStages": secret.stages(token)}


def update_secret(account: Account, params: Params) -> Answer:
    secret, value = account.usable(params), rules.value_in(params)
    token = params["ClientRequestToken"]
    if value is not None and token in secret.versions:
        raise _token_taken(secret, token)
    secret = replace(secret, description=params.get("Description", secret.description))
    if "KmsKeyId" in params:
        account.check_key(key_in(params), "EncryptionFailure")
        secret = secret.under_key(key_in(params))
    account.save(_with_value(account, secret, params, value, [CURRENT]))
    return _written(secret, params, value)


def update_secret_version_stage(account: Account, params: Params) -> Answer:
    secret, stage = account.usable(params), params["VersionStage"]
    move_to, take_from = params.get("MoveToVersionId"), params.get("RemoveFromVersionId")
    return named(account.save(secret.with_label(stage, move_to, take_from)))


def _with_value(
    account: Account, secret: AwsSecret, params: Params, value: Value | None, stages: Iterable[str]
) -> AwsSecret:
    if value is None:
        return secret
    account.check_key(secret.kms_key_id, "EncryptionFailure")
    version = Version(
        id=params["ClientRequestToken"],
        value=value,
        created_at=account.at,
        kms_key_id=secret.kms_key_id,
    )
    secret = secret.with_version(version, stages)
    account.versions_made += 1
    return secret


def _check_created_again(
    account: Account, secret: AwsSecret, params: Params, value: Value | None
) -> None:
    """The very same call again is answered as the first; any other refused."""
    if secret.deleted_at is not None:
        raise AwsError(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled "
            "for deletion.",
        )
    token = params["ClientRequestToken"]
    if value is None or token not in secret.versions:
        raise AwsError(
            "ResourceExistsException",
            f"The operation failed because the secret {secret.name} already exists.",
        )
    _check_same(account, secret, token, value)


def _check_same(account: Account, secret: AwsSecret, token: str, value: Value) -> None:
    """A token that was used is good for the same value again; AWS decrypts to compare."""
    version = secret.versions[token]
    account.check_key(version.kms_key_id, "DecryptionFailure")
    if version.value != value:
        raise _token_taken(secret, token)


def _token_taken(secret: AwsSecret, token: str) -> AwsError:
    return AwsError(
        "ResourceExistsException",
        f"You can't use ClientRequestToken {token} because that value is already in use for a "
        f"version of secret {secret.arn}.",
    )


def _written(secret: AwsSecret, params: Params, value: Value | None) -> Answer:
    made = {} if value is None else {"VersionId": params["ClientRequestToken"]}
    return {**named(secret), **made}
