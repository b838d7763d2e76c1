"""The ledger's own cryptography: what it stores sealed, and how it names secrets.

A sealed text is a version byte, the sealing key's id, a nonce of 12 bytes and AES-256-GCM's output.
What it is bound to (ledger, credential, request) is authenticated with it, so that no row can pass
for another. Sealing asks nobody: the keys are in hand from the start (`rotator.ledger.unlocking`).

Fingerprints are HMACs under a key of the ledger's own, which the ledger holds sealed.
"""

import hmac
import secrets
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rotator.errors import SealError
from rotator.model import Secret

KEY_SIZE = 32
FIRST_KEY = str(UUID(int=0))
"""What rotator 0.1 sealed with: its texts name no key."""
_NAMED = b"\x02"
_ID = 16
_NONCE = 12
_RESTORE = "restore a copy of the ledger that has the key, then `rotator adopt`"


class Sealer:
    """Encryption bound to a place: seals under one key, opens under every one. For all threads."""

    def __init__(
        self, key: bytes, key_id: str = FIRST_KEY, older: Mapping[str, bytes] | None = None
    ) -> None:
        """`older`: by their ids, the keys that open and no longer seal."""
        self._current = UUID(key_id).bytes
        self._ciphers = {UUID(each).bytes: AESGCM(old) for each, old in (older or {}).items()}
        self._ciphers[self._current] = AESGCM(key)

    def seal(self, plain: bytes, *, bound_to: tuple[str, ...]) -> bytes:
        head, nonce = _NAMED + self._current, secrets.token_bytes(_NONCE)
        sealed = self._ciphers[self._current].encrypt(nonce, plain, head + framed(bound_to))
        return head + nonce + sealed

    def open(self, cipher: bytes, *, bound_to: tuple[str, ...]) -> bytes:
        """Raises SealError, also where it was sealed for another place."""
        head, rest = _split(cipher)
        key = self._ciphers.get(head[1:] or bytes(_ID))
        if key is None:
            raise SealError("the key of a sealed answer is not in the ledger", remedy=_RESTORE)
        nonce, sealed = rest[:_NONCE], rest[_NONCE:]
        try:
            return key.decrypt(nonce, sealed, head + framed(bound_to))
        except (InvalidTag, ValueError):
            raise SealError("a sealed answer does not open", remedy=_RESTORE) from None


def _split(cipher: bytes) -> tuple[bytes, bytes]:
    """What says how it was sealed, and the rest."""
    match cipher[:1]:
        case b"\x01":
            return cipher[:1], cipher[1:]
        case b"\x02":
            return cipher[: 1 + _ID], cipher[1 + _ID :]
        case _:
            raise SealError("a sealed answer is of a kind that this rotator does not know")


class Fingerprints:
    """Names for secrets that tell nothing about them, the same for the ledger's whole life."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def fingerprint(self, secret: Secret) -> str:
        return self._hmac(b"fingerprint\0" + secret.reveal().encode())

    def digest(self, *parts: str) -> str:
        """For keys of several parts, of which none can run into the next."""
        return self._hmac(b"digest\0" + framed(parts))

    def _hmac(self, message: bytes) -> str:
        return hmac.new(self._key, message, "sha256").hexdigest()


def framed(parts: tuple[str, ...]) -> bytes:
    """Each part behind its length."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
