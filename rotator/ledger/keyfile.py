"""A key file as the holder of a ledger's sealing keys: readable by the worker alone.

It does not lie beside the ledger: whoever copies the ledger has not copied the key. A file that
others can read, or that is not this ledger's, is refused before anything is written.
"""

import base64
import binascii
import os
import secrets
from contextlib import suppress
from pathlib import Path

from rotator.errors import SealError
from rotator.ledger.sealing import KEY_SIZE, Sealer

HELD_BY = "file"
_HEADER = "rotator-key-1:"
_RESTORE = "restore the key file that this ledger was sealed with; it is ROTATOR_KEY_FILE"


class KeyFile:
    """Wraps sealing keys under the key in a file. See `rotator.ledger.unlocking.KeyHolder`."""

    def __init__(self, path: Path, state_dir: Path) -> None:
        self._path = path
        self._state_dir = state_dir

    def __str__(self) -> str:
        return "the key file"

    def holds(self, held_by: str) -> bool:
        return held_by == HELD_BY

    def new_key(self, bound_to: tuple[str, ...]) -> tuple[bytes, bytes, str]:
        """The file is made where there is none. Raises SealError."""
        _refuse_beside_ledger(self._path, self._state_dir)
        if not os.path.lexists(self._path):  # False, too, where this user may not look
            make_key(self._path)
        key = secrets.token_bytes(KEY_SIZE)
        return key, Sealer(self.own_key()).seal(key, bound_to=bound_to), HELD_BY

    def unwrap(self, wrapped: bytes, held_by: str, bound_to: tuple[str, ...]) -> bytes:
        """Raises SealError where the file is not this ledger's."""
        del held_by  # a file has no name of its own
        _refuse_beside_ledger(self._path, self._state_dir)
        under_file = Sealer(self.own_key())
        try:
            return under_file.open(wrapped, bound_to=bound_to)
        except SealError:
            raise SealError(
                f"the key file {self._path} is not this ledger's", remedy=_RESTORE
            ) from None

    def own_key(self) -> bytes:
        """What the file holds. Raises SealError."""
        return read_key(self._path)


def make_key(path: Path) -> None:
    """A new key, and never over an old one."""
    text = _HEADER + base64.b64encode(secrets.token_bytes(KEY_SIZE)).decode() + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_whole(path, text.encode())
    except OSError as error:
        raise SealError(
            f"the key file cannot be made: {error.strerror}: {path}",
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
        raise SealError(f"the key file {path} cannot be read: {said}", remedy=_RESTORE) from error
    if _open_to_others(status):
        raise SealError(f"the key file {path} is open to others", remedy="chmod 600 it")
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
    if header != _HEADER.encode() or len(key) != KEY_SIZE:
        raise SealError("the key file holds no key of rotator's", remedy=_RESTORE)
    return key


def _refuse_beside_ledger(key_file: Path, state_dir: Path) -> None:
    if key_file.resolve().is_relative_to(state_dir.resolve()):
        raise SealError(
            "the key file lies in the ledger's own folder, where one copy takes both",
            remedy="set ROTATOR_KEY_FILE to a path outside of ROTATOR_STATE_DIR",
        )
