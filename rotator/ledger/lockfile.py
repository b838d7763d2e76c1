"""One worker a ledger file, and a disk under it that outlives the worker.

The lock is the kernel's (`flock`): it ends with the process, however that ends. The file stays
where it is, and the pid inside is for people.
"""

import fcntl
import os
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from rotator.clock import Clock
from rotator.errors import LedgerBusy, LedgerError
from rotator.ledger.presence import is_there

_EVERY = timedelta(milliseconds=25)
"""How often a standby tries: it takes over that fast, for some 0.05 % of a core."""
_TRIES = 100
"""To take it where others merely ask: about a millisecond."""


class WorkerLock:
    """`with WorkerLock(path).take(): …`, or as a standby `wait` first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def attempt(self) -> bool:
        """Take it if it is free; True if it is ours now."""
        if self._file is not None:
            return True
        opened = self._open()
        try:
            if not self._locked(opened):
                os.close(opened)
                return False
        except (LedgerError, OSError) as error:
            os.close(opened)
            raise _untaken(self._path, error) from error
        os.ftruncate(opened, 0)
        os.write(opened, f"{os.getpid()}\n".encode())
        self._file = opened
        return True

    def _locked(self, opened: int) -> bool:
        """Whoever only asks who holds it, with `is_held`, is out of the way in a moment."""
        for _ in range(_TRIES):
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.is_held():
                    return False
            else:
                return True
        return False

    def is_held(self) -> bool:
        """Whether a process holds it; for that it is shared for a moment, and never written.

        Raises LedgerError where this user may not look.
        """
        if not is_there(self._path):
            return False  # and none is made: its owner would be whoever asked
        try:
            opened = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _unopened(self._path, error) from error
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            raise _untaken(self._path, error) from error
        finally:
            os.close(opened)
        return False

    def is_forsaken(self) -> bool:
        """Whether certainly no process holds it: False, too, where nobody here can tell."""
        try:
            return not (self.is_held() or _is_shared(self._path))
        except LedgerError:
            return False

    def take(self) -> Self:
        """Raises LedgerBusy while another worker is alive."""
        if not self.attempt():
            raise LedgerBusy(
                f"a worker holds this ledger, pid {self.holder() or 'unknown'}",
                remedy="stop it first, or let a second worker wait: `rotator worker --standby`",
            )
        return self

    def wait(self, stop: threading.Event, on_wait: Callable[[str], None] = lambda _: None,
             timeout: timedelta | None = None, clock: Clock | None = None) -> bool:  # fmt: skip
        """Stand by until the worker before us ends; False if `stop` or `timeout` came first.

        `on_wait` hears the pid of the worker that is waited for, once. All times are real.
        """
        real = clock or Clock()
        ends = None if timeout is None else real.monotonic() + timeout.total_seconds()
        if self.attempt():
            return True
        on_wait(self.holder())
        while not stop.wait(_EVERY.total_seconds()):
            if self.attempt():
                return True
            if ends is not None and real.monotonic() >= ends:
                return False
        return False

    def holder(self) -> str:
        """The pid in the file, empty if nobody left one; it may have ended."""
        try:
            found = self._path.read_text(errors="replace").strip()
        except OSError:
            return ""
        return found if found.isdecimal() else ""

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:  # fmt: skip
        self.release()

    def _open(self) -> int:
        is_there(self._path)  # tells what is wrong in better words
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unopened(self._path, error) from error


def _unopened(path: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"the worker's lock file cannot be opened: {error.strerror}: {path}",
        remedy="see that ROTATOR_STATE_DIR exists and belongs to the worker's user",
    )


def _untaken(path: Path, error: LedgerError | OSError) -> LedgerError:
    why = error.strerror if isinstance(error, OSError) else error.text
    return LedgerError(
        f"the worker's lock cannot be taken: {why}: {path}",
        remedy="put ROTATOR_STATE_DIR on a local disk",
    )


_IN_MEMORY = frozenset({"tmpfs", "ramfs", "overlay", "aufs", "devtmpfs"})
_OVER_A_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
)
_OCTAL = re.compile(r"\\([0-7]{3})")


def filesystem(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """The kind of file system that a path (or, if it is not there yet, its folder) lies on.

    Empty where the system does not tell.
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    found, depth = "", -1
    for line in lines:
        point, kind = _mount(line)
        if path.resolve().is_relative_to(point) and len(point.parts) >= depth:
            found, depth = kind, len(point.parts)
    return found


def is_ephemeral(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """What lies there may be gone after a restart, or is not locked the way SQLite needs."""
    kind = filesystem(path, mounts)
    return kind in _IN_MEMORY or _is_remote(kind)


def _is_shared(path: Path) -> bool:
    """Whether another machine may hold a lock there that this one does not see."""
    kind = filesystem(path)
    return kind == "virtiofs" or _is_remote(kind)


def _is_remote(kind: str) -> bool:
    return kind in _OVER_A_NETWORK or kind.startswith("fuse.")


def _mount(line: str) -> tuple[Path, str]:
    """Mount point and kind, of `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda rw`."""
    before, _, after = line.partition(" - ")
    point = _OCTAL.sub(lambda code: chr(int(code[1], 8)), before.split(" ")[4])
    return Path(point), after.split(" ", 1)[0]
