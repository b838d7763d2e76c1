"""A KMS key as the holder of a ledger's sealing keys: AWS makes each key, and wraps it.

Envelope encryption: KMS never sees what is sealed. A wrapped key is bound to its ledger by the
encryption context, which CloudTrail shows and key policies may demand:

    purpose = rotator-seal, ledger = <the ledger's id>, key = <the sealing key's id>

KMS is asked when a ledger is opened, and never for a seal. A sealing key is unwrapped by the very
KMS key that wrapped it, also after an alias was moved to another one.
"""

from datetime import timedelta
from typing import Any

from rotator.errors import SealError, StoreDenied
from rotator.store.aws_client import AwsClient
from rotator.store.aws_errors import Refused

PURPOSE = "rotator-seal"
TIMEOUT = timedelta(seconds=15)
_ARN = "arn:"
_SPEC = "AES_256"
_NOT_THERE = (
    "see that ROTATOR_SEAL_KMS_KEY names a symmetric key in AWS_REGION that is enabled; one that is"
    " scheduled for deletion can be kept by `aws kms cancel-key-deletion`"
)
_NOT_OURS = "restore the copy of the ledger that belongs to this key, then `rotator adopt`"


class KmsKey:
    """See `rotator.ledger.unlocking.KeyHolder`. Thread-safe."""

    def __init__(self, name: str, *, timeout: timedelta = TIMEOUT, client: Any = None) -> None:
        """`name`: alias/…, an id or an ARN, which new keys are wrapped by."""
        self._name = name
        self._aws = AwsClient("kms", threads=1, timeout=timeout, client=client)

    def __str__(self) -> str:
        return f"the KMS key {self._name}"

    def close(self) -> None:
        self._aws.close()

    def holds(self, held_by: str) -> bool:
        return held_by.startswith(_ARN)

    def new_key(self, bound_to: tuple[str, ...]) -> tuple[bytes, bytes, str]:
        """A fresh key: plain, wrapped, and the KMS key's ARN. Raises StoreError."""
        answer = self._ask(
            "GenerateDataKey",
            self._name,
            KeyId=self._name,
            KeySpec=_SPEC,
            EncryptionContext=_context(bound_to),
        )
        return answer["Plaintext"], answer["CiphertextBlob"], answer["KeyId"]

    def unwrap(self, wrapped: bytes, held_by: str, bound_to: tuple[str, ...]) -> bytes:
        """Raises SealError where it was wrapped for another ledger, else StoreError."""
        answer = self._ask(
            "Decrypt",
            held_by,
            KeyId=held_by,
            CiphertextBlob=wrapped,
            EncryptionContext=_context(bound_to),
        )
        plain: bytes = answer["Plaintext"]
        return plain

    def _ask(self, action: str, key: str, **params: Any) -> dict[str, Any]:
        try:
            return self._aws.ask(action, key, **params)
        except Refused as refusal:
            if refusal.code in ("InvalidCiphertextException", "IncorrectKeyException"):
                problem: Exception = SealError(
                    f"{key} did not wrap this ledger's sealing key", remedy=_NOT_OURS
                )
            else:
                problem = StoreDenied(refusal.text, remedy=_NOT_THERE)
        raise problem


def _context(bound_to: tuple[str, ...]) -> dict[str, str]:
    ledger, key = bound_to
    return {"purpose": PURPOSE, "ledger": ledger, "key": key}
