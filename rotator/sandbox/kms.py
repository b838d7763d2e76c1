"""AWS KMS as a state machine, as far as envelope encryption goes: strict where AWS is strict.

    kms = Kms(clock.now, clock.monotonic)
    arn = kms.create("alias/rotator")
    kms.call("GenerateDataKey", {"KeyId": "alias/rotator", "KeySpec": "AES_256", …})

Reached with real boto3 as the fake of Secrets Manager is, and with the same faults on request. What
it wraps is really encrypted, bound to key and encryption context: another context opens nothing.
"""

import base64
import binascii
import hashlib
import json
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rotator.sandbox.secrets_manager_faults import Call, Faults, Stats
from rotator.sandbox.secrets_manager_rules import AwsError, NoAnswer, Params

Authorize = Callable[[str, str, str, Mapping[str, Any]], bool]
_ACCOUNT = "111122223333"
_SIZES = {"AES_256": 32, "AES_128": 16}
_MOST_CONTEXT = 8192
_STATES = {
    "Disabled": ("DisabledException", "{arn} is disabled."),
    "PendingDeletion": ("KMSInvalidStateException", "{arn} is pending deletion."),
}


@dataclass
class Key:
    """One symmetric key. `state`: Enabled, Disabled or PendingDeletion."""

    arn: str
    state: str = "Enabled"
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


class Kms:
    """One account in one Region. Thread-safe."""

    target: ClassVar[str] = "TrentService"
    signs_as: ClassVar[str] = "kms"

    def __init__(
        self,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] | None = None,
        *,
        authorize: Authorize | None = None,
        region: str = "eu-central-1",
    ) -> None:
        seconds = monotonic or (lambda: now().timestamp())
        self._now, self._region = now, region
        self.authorize = authorize
        self.faults, self.stats = Faults(now, seconds), Stats(seconds)
        self.lock = threading.RLock()
        self.keys: dict[str, Key] = {}
        """By ARN."""
        self._aliases: dict[str, str] = {}

    def create(self, alias: str = "") -> str:
        """A new key's ARN; the alias leads to it from now on."""
        with self.lock:
            number = hashlib.sha256(str(len(self.keys)).encode()).digest()[:16]
            arn = f"arn:aws:kms:{self._region}:{_ACCOUNT}:key/{uuid.UUID(bytes=number)}"
            self.keys[arn] = Key(arn)
            if alias:
                self._aliases[alias] = arn
            return arn

    def call(self, operation: str, params: Params, principal: str = "") -> dict[str, Any]:
        """The answer as JSON would carry it. Raises AwsError, or NoAnswer where none comes."""
        with self.lock:
            self.stats.count(operation)
            outcome = "ok"
            try:
                answer = self._carry_out(operation, params, principal)
            except (AwsError, NoAnswer) as error:
                outcome = error.code if isinstance(error, AwsError) else str(error)
                raise
            finally:
                key = str(params.get("KeyId", ""))
                self.stats.log.append(Call(operation, key, self._now(), principal, outcome))
            return answer

    def _carry_out(self, operation: str, params: Params, principal: str) -> dict[str, Any]:
        run = {"GenerateDataKey": self._generate, "Decrypt": self._decrypt}.get(operation)
        if run is None:
            raise AwsError("UnknownOperationException", "There is no such operation.")
        self.faults.before(operation)
        answer = run(params, principal)
        self.faults.after(operation)
        return answer

    def _generate(self, params: Params, principal: str) -> dict[str, Any]:
        key = self._usable(params, principal, "kms:GenerateDataKey")
        size = _SIZES.get(params.get("KeySpec", ""))
        if size is None or "NumberOfBytes" in params:
            raise AwsError("ValidationException", "Please specify either number of bytes or spec.")
        plain, nonce = secrets.token_bytes(size), secrets.token_bytes(12)
        sealed = AESGCM(key.secret).encrypt(nonce, plain, _bound(params))
        wrapped = key.arn.encode() + b"\0" + nonce + sealed
        return {"KeyId": key.arn, "Plaintext": _text(plain), "CiphertextBlob": _text(wrapped)}

    def _decrypt(self, params: Params, principal: str) -> dict[str, Any]:
        arn, _, sealed = _bytes(params.get("CiphertextBlob", "")).partition(b"\0")
        wrapped_by = arn.decode("ascii", "replace")
        if wrapped_by not in self.keys:
            raise AwsError("InvalidCiphertextException", "")
        key = self._usable({"KeyId": wrapped_by, **params}, principal, "kms:Decrypt")
        if key.arn != wrapped_by:
            raise AwsError("IncorrectKeyException", "The key ID in the request does not identify…")
        try:
            plain = AESGCM(key.secret).decrypt(sealed[:12], sealed[12:], _bound(params))
        except (InvalidTag, ValueError):
            raise AwsError("InvalidCiphertextException", "") from None
        return {"KeyId": key.arn, "Plaintext": _text(plain)}

    def _usable(self, params: Params, principal: str, action: str) -> Key:
        """The key that a call names, if it may be used by whoever calls, and at all."""
        key = self._named(params.get("KeyId"))
        if self.authorize and not self.authorize(principal, action, key.arn, params):
            raise AwsError(
                "AccessDeniedException",
                f"User: arn:aws:iam::{_ACCOUNT}:user/{principal} is not authorized to perform: "
                f"{action} on resource: {key.arn} because no identity-based policy allows the "
                f"{action} action",
            )
        if key.state in _STATES:
            code, text = _STATES[key.state]
            raise AwsError(code, text.format(arn=key.arn))
        return key

    def _named(self, name: object) -> Key:
        """By alias, id, or the ARN of either."""
        if not isinstance(name, str) or not 1 <= len(name) <= 2048:
            raise AwsError("ValidationException", "1 validation error detected: Value at 'keyId'")
        start = f"arn:aws:kms:{self._region}:{_ACCOUNT}:"
        short = name.removeprefix(start)
        arn = self._aliases.get(short, f"{start}key/{short.removeprefix('key/')}")
        if arn not in self.keys:
            kind = "Alias" if short.startswith("alias/") else "Key"
            raise AwsError("NotFoundException", f"{kind} {start}{short} is not found.")
        return self.keys[arn]


def _bound(params: Params) -> bytes:
    """The encryption context, whatever the order of its pairs."""
    context = params.get("EncryptionContext", {})
    if not all(isinstance(text, str) for text in context.values()):
        raise AwsError("SerializationException", "")
    bound = json.dumps(context, sort_keys=True).encode()
    if len(bound) > _MOST_CONTEXT:
        raise AwsError("ValidationException", "The encryption context is too long.")
    return bound


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise AwsError("SerializationException", "A blob is not valid base64.") from None
