"""What references lead to: seeds in environment variables, files and other secrets.

Files and secrets are read anew at each walk, so that a person who mends one need not restart
anything. Environment variables of a running process never change: they are read once. No message
holds any part of a value.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from rotator.errors import RotatorError, SeedMissing
from rotator.model import Secret
from rotator.references import Place, SeedRef

LARGEST = 64 * 1024
"""Bytes; Secrets Manager takes no more either."""

SecretReader = Callable[[str], str | bytes | None]
"""The current value of a secret by its name; bytes: a binary one; None: there is none."""


class Seeds:
    """Reads references. Thread-safe, as it keeps nothing but the environment."""

    def __init__(
        self,
        environ: Mapping[str, str],
        read_secret: SecretReader,
        allows_file: Callable[[Path], bool] = lambda _: True,
    ) -> None:
        """`allows_file` judges where a path leads to once all its links are followed."""
        self._environ = dict(environ)
        self._read_secret = read_secret
        self._allows_file = allows_file

    def read(self, ref: SeedRef) -> Secret:
        """The seed. Raises SeedMissing, which names the reference and never the value."""
        readers = {Place.ENV: self._variable, Place.FILE: self._file, Place.SECRET: self._secret}
        text = _trimmed(readers[ref.place](ref))
        if not text:
            raise SeedMissing(f"{ref} is empty", remedy="put the seed there")
        if "\0" in text or not _is_text(text):
            raise SeedMissing(f"{ref} holds what no text does", remedy="write it anew")
        return Secret(text)

    def _variable(self, ref: SeedRef) -> str:
        if ref.name not in self._environ:
            raise SeedMissing(f"{ref} is not set", remedy="set it and start the worker anew")
        return self._environ[ref.name]

    def _file(self, ref: SeedRef) -> str:
        # Mounted secrets are links to links (Kubernetes): what counts is where they end.
        path = Path(os.path.realpath(ref.name))
        if not self._allows_file(path):
            remedy = "keep it under a folder of ROTATOR_ALLOWED_SEED_FOLDERS"
            raise SeedMissing(f"{ref} leads out of the allowed folders", remedy=remedy)
        found = _bytes(path, ref)
        if len(found) > LARGEST:
            raise SeedMissing(f"{ref} holds more than 64 KiB", remedy="put the seed alone there")
        return _decoded(found, ref)

    def _secret(self, ref: SeedRef) -> str:
        try:
            found = self._read_secret(ref.name)
        except RotatorError as error:
            raise SeedMissing(f"{ref} cannot be read: {error.text}", remedy=error.remedy) from None
        if found is None:
            raise SeedMissing(f"{ref} does not exist", remedy="create it, or correct its name")
        if isinstance(found, bytes):
            raise SeedMissing(f"{ref} is binary", remedy="store it as a string")
        return _member(found, ref) if ref.key else found


def warning(ref: SeedRef) -> str:
    """What is unwise about where a seed lies, "" for nothing: a file that everybody may read."""
    if ref.place is not Place.FILE:
        return ""
    try:
        mode = Path(ref.name).stat().st_mode
    except (OSError, ValueError):
        return ""
    return f"{ref} can be read by everybody on this machine: chmod o-r" if mode & 0o004 else ""


def _trimmed(text: str) -> str:
    """Without the one line break that editors and `echo` leave at the end."""
    return text.removesuffix("\n").removesuffix("\r")


def _is_text(text: str) -> bool:
    """Whether it has a UTF-8 form: lone surrogates, from JSON or an odd environment, have none."""
    return text.encode(errors="replace").decode() == text


def _bytes(path: Path, ref: SeedRef) -> bytes:
    try:
        # Asked before it is opened: a pipe would wait for its other end.
        if not stat.S_ISREG(path.stat(follow_symlinks=False).st_mode):
            raise SeedMissing(f"{ref} is no regular file", remedy="name the file itself")
        with open(path, "rb", opener=_without_links) as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        text, remedy = f"{ref} does not exist", "mount it there, or correct the path"
    except PermissionError:
        text, remedy = f"{ref} may not be read", "let the worker's user read it"
    except (OSError, ValueError) as error:
        text, remedy = f"{ref} cannot be read ({type(error).__name__})", "look at the path"
    raise SeedMissing(text, remedy=remedy)


def _without_links(path: str, flags: int) -> int:
    """Should a link take the file's place after its path was judged, it is not followed."""
    return os.open(path, flags | os.O_NOFOLLOW)


def _decoded(found: bytes, ref: SeedRef) -> str:
    try:
        return found.decode()
    except UnicodeDecodeError:
        pass
    # Outside of `except`: a UnicodeDecodeError holds the bytes.
    raise SeedMissing(f"{ref} is not UTF-8 text", remedy="write it anew, as text")


def _member(found: str, ref: SeedRef) -> str:
    """The string at the reference's key of a JSON object."""
    try:
        whole = json.loads(found)
    except (ValueError, RecursionError):
        whole = None
    if not isinstance(whole, dict):
        remedy = f"store an object, or name the whole secret: {ref.name}"
        raise SeedMissing(f"{ref}: the secret is no JSON object", remedy=remedy)
    if ref.key not in whole:
        raise SeedMissing(
            f"{ref}: the secret has no such key", remedy="add it, or correct its name"
        )
    if not isinstance(whole[ref.key], str):
        raise SeedMissing(f"{ref}: its value is no string", remedy="put it in quotes")
    return str(whole[ref.key])
