"""How Secrets Manager shows what it has: one secret, its versions, a page of many."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from rotator.sandbox.secrets_manager_rules import AwsError, Params
from rotator.sandbox.secrets_manager_versions import AwsSecret, Version

Answer = dict[str, Any]
Item = TypeVar("Item")

_TEXTS: Mapping[str, Callable[[AwsSecret], Iterable[str]]] = {
    "name": lambda secret: [secret.name],
    "description": lambda secret: [secret.description.lower()],
    "tag-key": lambda secret: secret.tags,
    "tag-value": lambda secret: secret.tags.values(),
    "primary-region": lambda _: [],
    "owning-service": lambda _: [],
}
_ORDERS: Mapping[str, Callable[[AwsSecret], Any]] = {
    "created-date": lambda secret: secret.created_at,
    "last-changed-date": lambda secret: secret.changed_at,
    "name": lambda secret: secret.name,
}


def named(secret: AwsSecret) -> Answer:
    return {"ARN": secret.arn, "Name": secret.name}


def described(secret: AwsSecret, accessed_at: datetime | None) -> Answer:
    """DescribeSecret's answer; ListSecrets shows the same under one other name."""
    region = secret.arn.split(":")[3]
    return _present(
        ARN=secret.arn,
        Name=secret.name,
        Description=secret.description,
        KmsKeyId=secret.kms_key_id,
        CreatedDate=_stamp(secret.created_at),
        LastChangedDate=_stamp(secret.changed_at),
        LastAccessedDate=_stamp(accessed_at),
        DeletedDate=_stamp(secret.deleted_at),
        Tags=[{"Key": key, "Value": value} for key, value in secret.tags.items()],
        VersionIdsToStages=secret.labelled(),
        PrimaryRegion=region if secret.replicas else "",
        ReplicationStatus=replication(secret),
    )


def listed(secret: AwsSecret, accessed_at: datetime | None) -> Answer:
    entry = described(secret, accessed_at)
    entry.pop("ReplicationStatus", None)
    if "VersionIdsToStages" in entry:
        entry["SecretVersionsToStages"] = entry.pop("VersionIdsToStages")
    return entry


def version_entry(secret: AwsSecret, version: Version) -> Answer:
    return _present(
        VersionId=version.id,
        VersionStages=secret.stages(version.id),
        CreatedDate=_stamp(version.created_at),
        KmsKeyIds=[version.kms_key_id or "DefaultEncryptionKey"],
    )


def value_of(secret: AwsSecret, version: Version) -> Answer:
    return _present(
        ARN=secret.arn,
        Name=secret.name,
        VersionId=version.id,
        VersionStages=secret.stages(version.id),
        CreatedDate=_stamp(version.created_at),
        **version.value.as_params(),
    )


def replication(secret: AwsSecret) -> list[Answer]:
    return [
        _present(Region=region, KmsKeyId=key, Status="InSync")
        for region, key in secret.replicas.items()
    ]


def matching(secrets: Iterable[AwsSecret], filters: Sequence[Params]) -> list[AwsSecret]:
    """Those that fit every filter; within a filter one of its values is enough."""
    return [secret for secret in secrets if all(_fits(secret, wanted) for wanted in filters)]


def ordered(secrets: Iterable[AwsSecret], params: Params) -> list[AwsSecret]:
    order = _ORDERS.get(params.get("SortBy", "created-date"), _ORDERS["created-date"])
    return sorted(secrets, key=order, reverse=params.get("SortOrder") == "desc")


def page(items: Sequence[Item], params: Params, most: int) -> tuple[Sequence[Item], Answer]:
    """The page that the call asks for, and the NextToken if there is more."""
    start = _start(params.get("NextToken"))
    end = start + params.get("MaxResults", most)
    return items[start:end], {"NextToken": _token(end)} if end < len(items) else {}


def _fits(secret: AwsSecret, wanted: Params) -> bool:
    key = wanted.get("Key", "")
    if key != "all" and key not in _TEXTS:
        raise AwsError(
            "InvalidParameterException", "A filter's key is none that can be filtered by."
        )
    return any(_says(secret, key, value) for value in wanted.get("Values", ()))


def _says(secret: AwsSecret, key: str, value: str) -> bool:
    if value.startswith("!"):
        return not _says(secret, key, value[1:])
    if key == "all":
        text = " ".join(one for texts in _TEXTS.values() for one in texts(secret)).lower()
        return all(word in text for word in value.lower().split())
    prefix = value.lower() if key == "description" else value
    return any(text.startswith(prefix) for text in _TEXTS[key](secret))


def _token(start: int) -> str:
    return base64.b64encode(f"from {start}".encode()).decode()


def _start(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.b64decode(token, validate=True).decode().removeprefix("from "))
    except (binascii.Error, ValueError):
        raise AwsError("InvalidNextTokenException", "The NextToken value is invalid.") from None


def _stamp(instant: datetime | None) -> float | None:
    return None if instant is None else round(instant.timestamp(), 3)


def _present(**members: Any) -> Answer:
    """AWS leaves out what has no value."""
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}
