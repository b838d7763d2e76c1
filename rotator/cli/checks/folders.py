"""What `check` says of the folders that a worker writes to: whether this user could start one.

Only asked, never tried: nothing is made, and so nothing is left behind under the wrong owner.
"""
# ruff: noqa: PTH112, PTH113 - those of Path raise where this user may not look

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from rotator.cli.checks.findings import FAIL, MACHINE, Finding
from rotator.cli.opening import House
from rotator.engine import assembly
from rotator.errors import LedgerError
from rotator.ledger.connect import log_of
from rotator.ledger.lockfile import filesystem
from rotator.settings import variable

_HOLD_NO_FILES = frozenset({"proc", "sysfs"})
"""Whose folders the kernel says that root may write to, until it does."""
_OWN = "let the worker's user own it, and run `check` as that user"
_READ_AND_WRITE, _MAKE_FILES = os.R_OK | os.W_OK, os.W_OK | os.X_OK


def barred(house: House) -> Iterator[Finding]:
    """What keeps this user from the ledger, its lock and its key; nothing where all is well."""
    yield from _state(house)
    yield from _key(house)


def unreadable(house: House, error: LedgerError) -> Finding:
    """A ledger that this user may open, and that cannot be read all the same."""
    return _finding(house.ledger_path, "state folder", error.text, error.remedy)


def _state(house: House) -> Iterator[Finding]:
    settings = house.settings
    folder, setting = settings.state_dir, variable("state_dir")
    if found := _folder(folder, setting):
        yield _finding(folder, "state folder", *found)
        return
    ledger = assembly.ledger_path(settings)
    shared = ledger.with_name(f"{ledger.name}-shm")
    for path in (assembly.lock_path(settings), ledger, log_of(ledger), shared):
        if os.path.lexists(path) and (found := _file(path)):
            yield _finding(path, "state folder", *found)


def _key(house: House) -> Iterator[Finding]:
    """A key file that is there is only ever read; one that a ledger misses is not made anew."""
    settings = house.settings
    if settings.seal_kms_key or os.path.lexists(settings.key_file):
        return
    folder = settings.key_file.parent
    grown = os.path.isfile(assembly.ledger_path(settings))
    if found := _folder(folder, variable("key_file"), os.X_OK if grown else _MAKE_FILES):
        yield _finding(folder, "sealing key", *found)


def _finding(about: Path, what: str, text: str, remedy: str) -> Finding:
    return Finding(level=FAIL, part=MACHINE, about=str(about), what=what, text=text, remedy=remedy)


def _folder(folder: Path, setting: str, wanted: int = _MAKE_FILES) -> tuple[str, str] | None:
    """Text and remedy where this user cannot use a folder, or make it."""
    there = _nearest(folder)
    start = str(folder) if there == folder else f"{folder} cannot be made: {there}"
    if not os.path.isdir(there):
        return f"{start} is no folder", f"move it away, or set {setting} to another path"
    kind = filesystem(there)
    if kind in _HOLD_NO_FILES:
        return f"{start} lies on {kind}", f"set {setting} to a path on a disk that stays"
    if _may(there, wanted):
        return None
    make = "" if there == folder else f"make {folder}, "
    remedy = f"{make}{_OWN}, or set {setting} to another path"
    return f"{start} may not be written by {_user()}", remedy


def _file(path: Path) -> tuple[str, str] | None:
    if not os.path.isfile(path):
        return f"{path} is no regular file", "move it away"
    if _may(path, _READ_AND_WRITE):
        return None
    return f"{path} may not be read and written by {_user()}", _OWN


def _nearest(path: Path) -> Path:
    """The path, or the nearest above it that is there."""
    return next(each for each in (path, *path.parents) if os.path.lexists(each))


def _may(path: Path, wanted: int) -> bool:
    """Asked for the rights that opening a file would have."""
    return os.access(path, wanted, effective_ids=os.access in os.supports_effective_ids)


def _user() -> str:
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # as in a container that is told a number alone
        return f"user {number}"
