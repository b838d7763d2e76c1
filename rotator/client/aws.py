"""Reading a secret with boto3, which is imported when the first secret is read.

Nothing of AWS's own message is repeated: the error that it came in is the `__cause__`.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rotator.client.errors import AccessDenied, SecretNotFound, TokenError, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CURRENT = "AWSCURRENT"

_CONNECT_TIMEOUT, _READ_TIMEOUT, _ATTEMPTS = 2, 5, 2
"""Seconds. A hit waits for a read only while no living token is held, or after a long freeze."""

_GONE = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_BAD_KEY = frozenset({"DecryptionFailure", "DisabledException"})

_FIND = "check its name and AWS_REGION, and that the worker has published it: rotator status"
_ALLOW = "allow secretsmanager:GetSecretValue on it, and kms:Decrypt where it has a key of its own"
_RENEW = "renew the AWS credentials of this process, or give it a role; check its clock"
_GIVE = "give this process AWS credentials: a role, AWS_PROFILE, or AWS_ACCESS_KEY_ID"
_REACH = "check the network, the proxy, and AWS_ENDPOINT_URL_SECRETS_MANAGER where it is set"
_LATER = "it is read again by itself"


def default_client() -> "SecretsManagerClient":
    """With boto3's usual credentials and Region, and timeouts that a caller can bear."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        user_agent_extra="rotator-client",
    )
    # AWS's other SDKs, ECS and Lambda say AWS_REGION; boto3 alone does not read it.
    region = os.environ.get("AWS_REGION") or None
    return boto3.Session(region_name=region).client("secretsmanager", config=config)


class SecretsManager:
    """Reads secrets by name or ARN: the `fetch` of a `Token`.

        Token("rotator/token/alation/etl", fetch=SecretsManager(
            lambda: boto3.Session(region_name="eu-west-1").client("secretsmanager")))

    `client` is called when the first secret is read, and anew in a forked child, which must not use
    its parent's connections. Thread-safe.
    """

    def __init__(self, client: "Callable[[], SecretsManagerClient]" = default_client) -> None:
        self._make = client
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._client: SecretsManagerClient | None = None

    def __call__(self, secret: str) -> str | None:
        """The current SecretString, None where it is binary. Raises TokenError."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            told = self._opened().get_secret_value(SecretId=secret, VersionStage=CURRENT)
        except ClientError as error:
            raise _refusal(secret, dict(error.response)) from error
        except BotoCoreError as error:
            raise _trouble(secret, type(error).__name__) from error
        return told.get("SecretString")

    def _opened(self) -> "SecretsManagerClient":
        with self._lock:
            if self._client is None:
                self._client = self._make()
            return self._client


def _refusal(secret: str, answer: dict[str, Any]) -> TokenError:
    told = answer.get("Error", {})
    code = str(told.get("Code", "")).rpartition("#")[2]
    if code in _GONE:
        return SecretNotFound(secret, f"no such secret, or it is being deleted ({code})", _FIND)
    if code in _BAD_CREDENTIALS:
        return AccessDenied(secret, f"AWS does not accept our credentials ({code})", _RENEW)
    if code in _DENIED or code in _BAD_KEY or code.startswith("KMS"):
        return AccessDenied(secret, f"AWS does not let us read it ({code})", _ALLOW)
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return Unavailable(secret, f"AWS fails or throttles (HTTP {status})", _LATER)


def _trouble(secret: str, kind: str) -> TokenError:
    """What botocore says when no answer came."""
    if kind in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"):
        return AccessDenied(secret, f"there are no AWS credentials ({kind})", _GIVE)
    if kind == "NoRegionError":
        return Unavailable(secret, "no AWS Region is set", "set AWS_REGION")
    return Unavailable(secret, f"no answer from Secrets Manager ({kind})", _REACH)


_all: "weakref.WeakSet[SecretsManager]" = weakref.WeakSet()
_shared = SecretsManager()
"""A client costs some 60 ms and some MiB, so that all tokens of a process share one."""


_source: list[Callable[[str], str | None]] = [_shared]


def read(secret: str) -> str | None:
    """The `fetch` of every `Token` that is given none."""
    return _source[-1](secret)


@contextmanager
def replaced(fetch: Callable[[str], str | None]) -> Iterator[None]:
    """`read` asks `fetch` meanwhile: for `rotator.client.testing`."""
    _source.append(fetch)
    try:
        yield
    finally:
        _source.remove(fetch)


def _after_fork() -> None:
    for reader in tuple(_all):
        reader._begin()  # noqa: SLF001 - of this module


os.register_at_fork(after_in_child=_after_fork)
