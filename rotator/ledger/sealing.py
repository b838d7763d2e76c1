"""The ledger's own cryptography: what it stores sealed, and how it names secrets.

A sealed text is a version byte, a nonce of 12 bytes and AES-256-GCM's output. What it is bound to
(ledger, credential, request) is authenticated with it, so that no row can pass for another. The
key lies in a file of its own, readable by the worker alone and not beside the ledger: whoever
copies the ledger has not copied the key.

Fingerprints are HMACs under a key of the ledger's own, which the ledger holds sealed. A key file
that does not open it is the wrong one, and that shows before anything is written.
"""

import base64
import binascii
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rotator.errors import SealError
from rotator.model import Secret

_VERSION = b"\x01"
_NONCE = 12
_KEY = 32
_HEADER = "rotator-key-1:"
_FINGERPRINT_KEY = "fingerprint_key"
_RESTORE = "restore the key file that this ledger was sealed with; it is ROTATOR_KEY_FILE"


class Sealer:
    """Encryption bound to a place, under one key. Shared by all threads."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, *, bound_to: tuple[str, ...]) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _VERSION + framed(bound_to))

    def open(self, cipher: bytes, *, bound_to: tuple[str, ...]) -> bytes:
        """Raises SealError, also where it was sealed for another place."""
        if cipher[:1] != _VERSION:
            raise SealError("a sealed answer is of a kind that this rotator does not know")
        nonce, sealed = cipher[1 : 1 + _NONCE], cipher[1 + _NONCE :]
        try:
            return self._cipher.decrypt(nonce, sealed, _VERSION + framed(bound_to))
        except (InvalidTag, ValueError):
            raise SealError("a sealed answer does not open", remedy=_RESTORE) from None


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


class Keepsakes(Protocol):
    """What of a ledger is needed here."""

    ledger_id: str

    def keepsake(self, key: str) -> str | None: ...

    def keep_once(self, key: str, value: str) -> str:
        """Store it unless there is one; what is stored now."""
        ...


def unlock(ledger: Keepsakes, key_file: Path, state_dir: Path) -> tuple[Sealer, Fingerprints]:
    """Both tools of one ledger. SealError where the key file is not its own.

    The key file is made on the first use of a new ledger, and never again.
    """
    wrapped = ledger.keepsake(_FINGERPRINT_KEY)
    _refuse_beside_ledger(key_file, state_dir)
    if wrapped is None and not key_file.exists():
        make_key(key_file)
    sealer = Sealer(read_key(key_file))
    bound_to = (ledger.ledger_id, _FINGERPRINT_KEY)
    if wrapped is None:
        fresh = sealer.seal(secrets.token_bytes(_KEY), bound_to=bound_to)
        wrapped = ledger.keep_once(_FINGERPRINT_KEY, base64.b64encode(fresh).decode())
    return sealer, Fingerprints(_unwrapped(sealer, wrapped, bound_to))


def make_key(path: Path) -> None:
    """A new key, and never over an old one."""
    text = _HEADER + base64.b64encode(secrets.token_bytes(_KEY)).decode() + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_whole(path, text.encode())
    except OSError as error:
        raise SealError(
            f"the key file cannot be made: {error.strerror}",
            remedy="set ROTATOR_KEY_FILE to a path that the worker's user may write once",
        ) from error


def _write_whole(path: Path, content: bytes) -> None:
    """Appears under its name with its content, or not at all, and never over another."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    opened = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was quicker: its key is as good
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def read_key(path: Path) -> bytes:
    """The key. SealError where the file is missing, open to others, or holds none."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(1024)
    except OSError as error:
        said = error.strerror
        raise SealError(f"the key file cannot be read: {said}", remedy=_RESTORE) from error
    if _open_to_others(status):
        raise SealError("the key file is open to others", remedy="chmod 600 it")
    return _parsed(content)


def _open_to_others(status: os.stat_result) -> bool:
    """Systemd and Kubernetes hand root's file to another user through its group, to be read."""
    handed_over = status.st_uid == 0 and os.geteuid() != 0
    return bool(status.st_mode & (0o037 if handed_over else 0o077))


def _parsed(content: bytes) -> bytes:
    try:
        header, encoded = content[: len(_HEADER)], content[len(_HEADER) :].strip()
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        header = key = b""
    if header != _HEADER.encode() or len(key) != _KEY:
        raise SealError("the key file holds no key of rotator's", remedy=_RESTORE)
    return key


def _refuse_beside_ledger(key_file: Path, state_dir: Path) -> None:
    if key_file.resolve().is_relative_to(state_dir.resolve()):
        raise SealError(
            "the key file lies in the ledger's own folder, where one copy takes both",
            remedy="set ROTATOR_KEY_FILE to a path outside of ROTATOR_STATE_DIR",
        )


def _unwrapped(sealer: Sealer, wrapped: str, bound_to: tuple[str, ...]) -> bytes:
    try:
        return sealer.open(base64.b64decode(wrapped), bound_to=bound_to)
    except (SealError, ValueError):
        raise SealError("the key file is not this ledger's", remedy=_RESTORE) from None
