"""What AWS Secrets Manager refuses before it looks at any secret: sizes, names, tokens, tags.

Its own words are used where they are known, and no message ever repeats a value.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Params = Mapping[str, Any]
"""An operation's parameters as they travel: JSON, binary values in base64."""

MOST_TAGS = 50
MOST_LABELS = 20
NOT_FOUND = "Secrets Manager can't find the specified secret."
MARKED = "You can't perform this operation on the secret because it was marked for deletion."

_SIZES = {
    # parameter: (least, most), in characters, entries, or for a value in bytes
    "Name": (1, 512),
    "SecretId": (1, 2048),
    "SecretString": (1, 65_536),
    "SecretBinary": (1, 65_536),
    "Description": (0, 2048),
    "KmsKeyId": (0, 2048),
    "VersionId": (32, 64),
    "MoveToVersionId": (32, 64),
    "RemoveFromVersionId": (32, 64),
    "VersionStage": (1, 256),
    "VersionStages": (1, 20),
    "SecretIdList": (1, 20),
    "Filters": (0, 10),
    "ResourcePolicy": (1, 20_480),
}
_PAGES = {"BatchGetSecretValue": 20, "ListSecrets": 100, "ListSecretVersionIds": 100}
_TAKE_A_TOKEN = frozenset({"CreateSecret", "PutSecretValue", "UpdateSecret"})
_OWN_KEY = "alias/aws/secretsmanager"
_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]+")
_SECRET_ID = re.compile(r"[A-Za-z0-9/_+=.@!-]+|arn:[A-Za-z0-9/_+=.@!:-]+")
_BAD_NAME = (
    "Invalid name. Must be a valid name containing alphanumeric characters, "
    "or any of the following: -/_+=.@!"
)


class AwsError(Exception):
    """An answer that is a refusal."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class NoAnswer(Exception):
    """The connection closed without an answer; whether anything was done is for the log to say."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a version holds; one of the two."""

    string: str | None = field(default=None, repr=False)
    binary: bytes | None = field(default=None, repr=False)

    def as_params(self) -> dict[str, str]:
        if self.string is not None:
            return {"SecretString": self.string}
        return {"SecretBinary": base64.b64encode(self.binary or b"").decode()}


def check(operation: str, params: Params) -> None:
    """All that can be told from the call alone."""
    for name, (least, most) in _SIZES.items():
        if name in params:
            _check_size(name, _size(name, params[name]), least, most)
    for stage in params.get("VersionStages", ()):
        _check_size("VersionStages", len(stage), *_SIZES["VersionStage"])
    if "MaxResults" in params:
        _check_size("MaxResults", params["MaxResults"], 1, _PAGES[operation], kind="value")
    if not _NAME.fullmatch(params.get("Name", "-")):
        raise AwsError("ValidationException", _BAD_NAME)
    if "SecretId" in params and not is_secret_id(params["SecretId"]):
        raise AwsError("ValidationException", _BAD_NAME)
    if operation in _TAKE_A_TOKEN:
        _check_token(params.get("ClientRequestToken"))


def is_secret_id(text: object) -> bool:
    """Whether it could be a name or an ARN; what could not is never logged."""
    return isinstance(text, str) and _SECRET_ID.fullmatch(text) is not None


def value_in(params: Params) -> Value | None:
    """The new value that a call brings, None if it brings none."""
    if "SecretString" in params and "SecretBinary" in params:
        raise AwsError(
            "InvalidParameterException",
            "You can't specify both a binary secret value and a string secret value "
            "in the same secret.",
        )
    if "SecretString" in params:
        return Value(string=params["SecretString"])
    if "SecretBinary" in params:
        return Value(binary=_bytes(params["SecretBinary"]))
    return None


def key_in(params: Params) -> str:
    """The KMS key of a call, empty for AWS's own by whichever name."""
    key: str = params.get("KmsKeyId", "")
    return "" if key == _OWN_KEY else key


def regions_in(params: Params) -> dict[str, str]:
    wanted = params.get("AddReplicaRegions", ())
    return {entry["Region"]: entry.get("KmsKeyId", "") for entry in wanted}


def tags_in(params: Params, already: Mapping[str, str]) -> dict[str, str]:
    """The tags that a secret with `already` has after the call."""
    brought = {tag.get("Key", ""): tag.get("Value", "") for tag in params.get("Tags", ())}
    for key, text in brought.items():
        _check_size("tags.member.key", len(key), 1, 128)
        _check_size("tags.member.value", len(text), 0, 256)
        if key.lower().startswith("aws:"):
            raise AwsError("InvalidParameterException", "Tag keys can't begin with aws:.")
    after = {**already, **brought}
    if len(after) > MOST_TAGS:
        raise AwsError("InvalidParameterException", f"A secret has at most {MOST_TAGS} tags.")
    return after


def check_deletion(params: Params) -> None:
    days = params.get("RecoveryWindowInDays")
    if days is not None and params.get("ForceDeleteWithoutRecovery"):
        raise AwsError(
            "InvalidParameterException",
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        )
    if days is not None and not 7 <= days <= 30:
        raise AwsError(
            "InvalidParameterException",
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        )


def check_policy(text: str) -> None:
    try:
        well_formed = "Statement" in json.loads(text)
    except (ValueError, TypeError):
        well_formed = False
    if not well_formed:
        raise AwsError(
            "MalformedPolicyDocumentException", "This resource policy contains an error."
        )


def check_label_count(labels: Mapping[str, str]) -> None:
    if len(labels) > MOST_LABELS:
        raise AwsError(
            "LimitExceededException", f"A secret has at most {MOST_LABELS} staging labels."
        )


def _check_token(token: str | None) -> None:
    if token is None:
        raise AwsError(
            "InvalidRequestException",
            "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
        )
    if not 32 <= len(token) <= 64:
        raise AwsError(
            "InvalidParameterException", "ClientRequestToken must be 32-64 characters long."
        )


def _check_size(name: str, size: int, least: int, most: int, kind: str = "length") -> None:
    if least <= size <= most:
        return
    member = name[0].lower() + name[1:]
    bound = f"less than or equal to {most}" if size > most else f"greater than or equal to {least}"
    raise AwsError(
        "ValidationException",
        f"1 validation error detected: Value at '{member}' failed to satisfy constraint: "
        f"Member must have {kind} {bound}",
    )


def _size(name: str, given: str | Sequence[Any]) -> int:
    if name == "SecretString" and isinstance(given, str):
        return len(given.encode())
    if name == "SecretBinary" and isinstance(given, str):
        return len(_bytes(given))
    return len(given)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise AwsError("SerializationException", "A blob is not valid base64.") from None
