"""The operations on a secret as a whole: deletion, tags, policy, replicas."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from rotator.sandbox import secrets_manager_rules as rules
from rotator.sandbox.secrets_manager_account import Account
from rotator.sandbox.secrets_manager_listing import Answer, named, replication
from rotator.sandbox.secrets_manager_rules import AwsError, Params, regions_in
from rotator.sandbox.secrets_manager_versions import AwsSecret


def delete_secret(account: Account, params: Params) -> Answer:
    rules.check_deletion(params)
    if params.get("ForceDeleteWithoutRecovery"):
        return _delete_at_once(account, params)
    secret = _without_replicas(account.found(params["SecretId"]))
    if secret.deleted_at is not None:
        raise AwsError(
            "InvalidRequestException",
            "You tried to perform the operation on a secret that's currently marked deleted.",
        )
    purge_at = account.at + timedelta(days=params.get("RecoveryWindowInDays", 30))
    account.save(replace(secret, deleted_at=account.at, purge_at=purge_at))
    return {**named(secret), "DeletionDate": purge_at.timestamp()}


def restore_secret(account: Account, params: Params) -> Answer:
    secret = account.found(params["SecretId"])
    return named(account.save(replace(secret, deleted_at=None, purge_at=None)))


def tag_resource(account: Account, params: Params) -> Answer:
    secret = account.usable(params)
    account.save(replace(secret, tags=rules.tags_in(params, secret.tags)))
    return {}


def untag_resource(account: Account, params: Params) -> Answer:
    secret = account.usable(params)
    left = {key: value for key, value in secret.tags.items() if key not in params["TagKeys"]}
    account.save(replace(secret, tags=left))
    return {}


def put_resource_policy(account: Account, params: Params) -> Answer:
    secret = account.usable(params)
    rules.check_policy(params["ResourcePolicy"])
    return named(account.save(replace(secret, policy=params["ResourcePolicy"])))


def replicate_secret_to_regions(account: Account, params: Params) -> Answer:
    secret = account.usable(params)
    return _replicated(account, secret, {**secret.replicas, **regions_in(params)})


def remove_regions_from_replication(account: Account, params: Params) -> Answer:
    secret, gone = account.usable(params), params["RemoveReplicaRegions"]
    left = {region: key for region, key in secret.replicas.items() if region not in gone}
    return _replicated(account, secret, left)


def _delete_at_once(account: Account, params: Params) -> Answer:
    secret = account.now(account.name_in(params["SecretId"]))
    if secret is None:  # gone already is as good
        name = account.name_in(params["SecretId"])
        gone = {"ARN": account.new_arn(name), "Name": name}
    else:
        gone = named(account.found(params["SecretId"]))
        account.forget(_without_replicas(secret))
    return {**gone, "DeletionDate": account.at.timestamp()}


def _without_replicas(secret: AwsSecret) -> AwsSecret:
    if secret.replicas:
        raise AwsError(
            "InvalidParameterException",
            f"You can't delete secret {secret.name} that still has replica regions "
            f"[{', '.join(secret.replicas)}]",
        )
    return secret


def _replicated(account: Account, secret: AwsSecret, replicas: Mapping[str, str]) -> Answer:
    changed = account.save(replace(secret, replicas=replicas))
    return {"ARN": changed.arn, "ReplicationStatus": replication(changed)}
