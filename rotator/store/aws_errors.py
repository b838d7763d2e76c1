"""What AWS's refusals mean for us, and what a person does about them.

Nothing of AWS's own message is repeated but which kind of policy denied: a validation message
may quote what was sent.
"""

import re
from typing import Any

from botocore import exceptions as botocore_errors
from botocore.exceptions import BotoCoreError, ClientError

from rotator.errors import (
    KeyDenied,
    StoreDenied,
    StoreError,
    StoreThrottled,
    StoreUnavailable,
    StoreUnset,
)

NOT_FOUND = "ResourceNotFoundException"
EXISTS = "ResourceExistsException"
INVALID_REQUEST = "InvalidRequestException"
INVALID_PARAMETER = "InvalidParameterException"
LIMIT = "LimitExceededException"

_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_BROKEN = frozenset(
    {"InternalFailure", "InternalServiceError", "RequestTimeout", "ServiceUnavailable"}
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "UnrecognizedClientException",
    }
)
_BAD_SIGNATURE = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
_BAD_KEY = frozenset({"DecryptionFailure", "DisabledException", "EncryptionFailure"})
_BAD_POLICY = frozenset({"MalformedPolicyDocumentException", "PublicPolicyException"})

_GIVE_CREDENTIALS = (
    "give the worker AWS credentials: a role (IRSA, ECS task role, instance profile), "
    "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_SET_REGION = "set AWS_REGION, or region in the AWS profile"
_RENEW_CREDENTIALS = "renew the AWS credentials that the worker runs with, or give it a role"
_USE_KEY = (
    "allow kms:GenerateDataKey and kms:Decrypt on that key to the worker's role, as in "
    "deploy/iam/worker.json, and see that the key is enabled and its own policy allows it"
)
_WHY_DENIED = re.compile(
    r"(?P<none>no [a-z-]{1,40} policy allows)|an explicit deny(?: in an? [a-z-]{1,40} policy)?"
)
_DENIED_ON = re.compile(
    r"\bon resource: (arn:aws[a-z-]{0,12}:(?:secretsmanager|kms):[a-z0-9-]{1,32}:\d{12}:"
    r"(?:secret:[A-Za-z0-9/_+=.@-]{1,519}|(?:key|alias)/[A-Za-z0-9/_-]{1,256}))(?![^\s\"'])"
)
_CODE = re.compile(r"[A-Za-z][A-Za-z.]{0,80}")


class Refused(StoreDenied):
    """AWS's answer was a documented refusal; a caller that knows what it means goes by its code."""

    def __init__(self, text: str, *, code: str, remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.code = code


def from_answer(action: str, about: str, error: ClientError) -> StoreError:
    """`action` as IAM calls it, with its service; `about`: the secret's name, or the key's."""
    answer: dict[str, Any] = dict(error.response)
    told = answer.get("Error", {})
    code = str(told.get("Code", "")).rpartition("#")[2]
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    wanted = f"{action} on {about}"
    if code in _THROTTLED or status == 429:
        return StoreThrottled(f"AWS throttles {wanted}")
    if code in _BROKEN or status >= 500:
        return StoreUnavailable(f"AWS fails at {wanted}: HTTP {status}")
    if not _CODE.fullmatch(code):
        return StoreUnavailable(f"an answer that AWS does not document to {wanted}: HTTP {status}")
    return _refusal(action, about, code, str(told.get("Message", "")))


def _refusal(action: str, about: str, code: str, message: str) -> StoreError:
    wanted = f"{action} on {about}"
    if code in _BAD_KEY or code.startswith("KMS") or (code in _DENIED and "KMS" in message):
        return KeyDenied(f"the KMS key refuses {wanted} ({code})", remedy=_USE_KEY)
    if code in _DENIED:
        refused = KeyDenied if action.startswith("kms:") else StoreDenied
        return refused(
            f"AWS denies {action} on {about}{_resource(message, about)}{_why(message)}",
            remedy=f"allow {action} to the worker's role, as in deploy/iam/worker.json",
        )
    if code in _BAD_CREDENTIALS:
        return StoreDenied(
            f"AWS does not accept our credentials ({code})", remedy=_RENEW_CREDENTIALS
        )
    if code in _BAD_SIGNATURE:
        return StoreDenied(
            f"AWS does not accept our signature ({code})",
            remedy="set this machine's clock right; then see to the worker's AWS credentials",
        )
    if code in _BAD_POLICY:
        return StoreDenied(
            f"AWS does not accept the resource policy of {about} ({code})",
            remedy="mend policy under [secret] in the job file",
        )
    return Refused(
        f"AWS refuses {wanted} ({code})",
        code=code,
        remedy="see in the AWS console what that secret is, and what the job file says of it",
    )


def _resource(message: str, about: str) -> str:
    """The ARN that was denied, where AWS names it."""
    found = _DENIED_ON.search(message)
    return f" ({found[1]})" if found and found[1] != about else ""


def _why(message: str) -> str:
    """Which kind of policy denied, where AWS says so."""
    found = _WHY_DENIED.search(message)
    return f": {found[0]}{' it' if found['none'] else ''}" if found else ""


def _reach(action: str) -> str:
    service = "KMS" if action.startswith("kms:") else "SECRETS_MANAGER"
    return f"check the network, the proxy, and AWS_ENDPOINT_URL_{service} where it is set"


def without_answer(action: str, about: str, error: BotoCoreError) -> StoreError:
    """What happened on this side of the wire, or on it."""
    kind, wanted = type(error).__name__, f"{action} on {about}"
    match error:
        case botocore_errors.NoCredentialsError():
            return StoreUnset("there are no AWS credentials", remedy=_GIVE_CREDENTIALS)
        case botocore_errors.PartialCredentialsError():
            return StoreUnset("the AWS credentials are incomplete", remedy=_GIVE_CREDENTIALS)
        case botocore_errors.NoRegionError():
            return StoreUnset("no AWS Region is set", remedy=_SET_REGION)
        case botocore_errors.InvalidRegionError():
            return StoreUnset("the AWS Region that is set is none", remedy=_SET_REGION)
        case botocore_errors.ProfileNotFound():
            return StoreUnset(
                "AWS_PROFILE names a profile that is not there", remedy=_GIVE_CREDENTIALS
            )
        case (
            botocore_errors.TokenRetrievalError()
            | botocore_errors.SSOTokenLoadError()
            | botocore_errors.UnauthorizedSSOTokenError()
        ):
            return StoreUnset("the AWS single sign-on has ended", remedy=_RENEW_CREDENTIALS)
        case botocore_errors.SSLError():
            return StoreUnavailable(
                f"no trusted connection for {wanted}",
                remedy="behind a proxy that opens TLS, set AWS_CA_BUNDLE",
            )
        case (
            botocore_errors.HTTPClientError()
            | botocore_errors.ConnectionError()
            | botocore_errors.CredentialRetrievalError()
            | botocore_errors.MetadataRetrievalError()
            | botocore_errors.IncompleteReadError()
            | botocore_errors.ChecksumError()
        ):
            return StoreUnavailable(f"no answer to {wanted} ({kind})", remedy=_reach(action))
        case _:
            return StoreDenied(
                f"{wanted} cannot be asked ({kind})", remedy="check AWS_* and the job file"
            )
