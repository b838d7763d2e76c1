"""The operations that change nothing. They answer as of a while ago, if reads are to lag."""

from rotator.sandbox import secrets_manager_listing as listing
from rotator.sandbox.secrets_manager_account import Account
from rotator.sandbox.secrets_manager_listing import Answer, named
from rotator.sandbox.secrets_manager_rules import AwsError, Params
from rotator.sandbox.secrets_manager_versions import CURRENT, AwsSecret, Version


def get_secret_value(account: Account, params: Params) -> Answer:
    secret = account.readable(params)
    version = _chosen(secret, params.get("VersionId"), params.get("VersionStage"))
    account.check_key(version.kms_key_id, "DecryptionFailure")
    account.accessed[secret.arn] = account.at.replace(hour=0, minute=0, second=0, microsecond=0)
    return listing.value_of(secret, version)


def batch_get_secret_value(account: Account, params: Params) -> Answer:
    """What can't be read is told beside what can, and fails nothing."""
    if ("SecretIdList" in params) == ("Filters" in params):
        raise AwsError("InvalidParameterException", "Give either SecretIdList or Filters.")
    wanted = params.get("SecretIdList") or [secret.name for secret in _live(account, params)]
    shown, more = listing.page(wanted, params, 20)
    values: list[Answer] = []
    errors: list[Answer] = []
    for secret_id in shown:
        one = {"SecretId": secret_id}
        try:
            account.permit("GetSecretValue", one)
            values.append(get_secret_value(account, one))
        except AwsError as error:
            errors.append({**one, "ErrorCode": error.code, "Message": error.message})
    return {"SecretValues": values, "Errors": errors, **more}


def describe_secret(account: Account, params: Params) -> Answer:
    secret = account.seen(params)
    return listing.described(secret, account.accessed.get(secret.arn))


def list_secret_version_ids(account: Account, params: Params) -> Answer:
    secret = account.readable(params)
    labelled = set(secret.labels.values())
    versions = [
        listing.version_entry(secret, version)
        for version in secret.versions.values()
        if version.id in labelled or params.get("IncludeDeprecated")
    ]
    shown, more = listing.page(versions, params, 100)
    return {**named(secret), "Versions": list(shown), **more}


def list_secrets(account: Account, params: Params) -> Answer:
    shown, more = listing.page(listing.ordered(_live(account, params), params), params, 100)
    entries = [listing.listed(secret, account.accessed.get(secret.arn)) for secret in shown]
    return {"SecretList": entries, **more}


def get_resource_policy(account: Account, params: Params) -> Answer:
    secret = account.readable(params)
    return {**named(secret), **({"ResourcePolicy": secret.policy} if secret.policy else {})}


def _chosen(secret: AwsSecret, version_id: str | None, stage: str | None) -> Version:
    """The version that a read means: by id, by label, by both if they agree, else AWSCURRENT."""
    holder = secret.labels.get(stage or CURRENT)
    meant = version_id or holder
    if meant is None or meant not in secret.versions:
        by = f"VersionId: {meant}" if version_id else f"staging label: {stage or CURRENT}"
        raise AwsError(
            "ResourceNotFoundException",
            f"Secrets Manager can't find the specified secret value for {by}",
        )
    if version_id and stage and holder != version_id:
        raise AwsError(
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        )
    return secret.versions[meant]


def _live(account: Account, params: Params) -> list[AwsSecret]:
    planned = params.get("IncludePlannedDeletion", False)
    secrets = (one for one in account.all_seen() if planned or one.deleted_at is None)
    return listing.matching(secrets, params.get("Filters", ()))
