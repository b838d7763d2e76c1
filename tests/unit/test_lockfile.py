import fcntl
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.clock import Clock
from rotator.errors import LedgerBusy, LedgerError
from rotator.ledger.lockfile import WorkerLock, filesystem, is_ephemeral


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "worker.lock"


# One worker.


def test_the_first_worker_holds_the_lock_and_says_who_it_is(path: Path) -> None:
    with WorkerLock(path).take() as lock:
        assert path.read_text() == f"{os.getpid()}\n"
        assert lock.holder() == str(os.getpid())
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_worker_is_refused_and_told_the_pid(path: Path) -> None:
    with WorkerLock(path).take():
        second = WorkerLock(path)
        assert not second.attempt()
        with pytest.raises(LedgerBusy, match=f"pid {os.getpid()}"):
            second.take()


def test_holding_it_already_is_no_obstacle(path: Path) -> None:
    with WorkerLock(path).take() as lock:
        assert lock.take() is lock


def test_a_released_lock_is_free_and_its_file_stays(path: Path) -> None:
    WorkerLock(path).take().release()
    assert path.exists()
    with WorkerLock(path).take() as lock:
        lock.release()
        lock.release()


def test_to_ask_who_holds_it_neither_makes_nor_writes_it(path: Path) -> None:
    assert not WorkerLock(path).is_held()
    assert not path.parent.exists()
    with WorkerLock(path).take():
        assert WorkerLock(path).is_held()
    path.write_text("4194304\n")
    assert not WorkerLock(path).is_held()
    assert path.read_text() == "4194304\n"


def test_who_only_asks_is_no_worker_to_one_that_starts(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    with path.open("w") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not WorkerLock(path).attempt()  # nobody asks for that long
        asked = []

        def is_held(lock: WorkerLock) -> bool:
            fcntl.flock(asking, fcntl.LOCK_UN)
            asked.append(lock)
            return False

        monkeypatch.setattr(WorkerLock, "is_held", is_held)
        with WorkerLock(path) as lock:
            assert lock.attempt()
            assert asked == [lock]


def test_a_lock_that_others_hold_and_that_cannot_be_asked_for_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bool:
        raise LedgerError("too many open files")

    with WorkerLock(path).take():
        second = WorkerLock(path)
        monkeypatch.setattr(WorkerLock, "_open", lambda _: os.open(path, os.O_RDWR))
        monkeypatch.setattr("rotator.ledger.lockfile.is_there", refuse)
        with pytest.raises(LedgerError, match="cannot be taken: too many open files"):
            second.attempt()


def test_a_lock_that_cannot_be_asked_for_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    with WorkerLock(path).take():
        monkeypatch.setattr("rotator.ledger.lockfile.fcntl.flock", refuse)
        with pytest.raises(LedgerError, match="cannot be taken: No locks available"):
            WorkerLock(path).is_held()
        assert not WorkerLock(path).is_forsaken()


def test_an_earlier_and_longer_pid_leaves_nothing_behind(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("4194304999\n")
    with WorkerLock(path).take() as lock:
        assert lock.holder() == str(os.getpid())


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\xff\xfe", b"12 34\n"])
def test_a_file_without_a_pid_names_nobody(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert WorkerLock(path).holder() == ""


def test_a_lock_that_was_never_taken_names_nobody(path: Path) -> None:
    assert WorkerLock(path).holder() == ""


def test_a_lock_that_cannot_be_made_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("rotator.ledger.lockfile.os.open", refuse)
    with pytest.raises(LedgerError, match=f"cannot be opened: Permission denied: {path}"):
        WorkerLock(path).take()


HOLD = """
import sys
from pathlib import Path
from rotator.ledger.lockfile import WorkerLock
WorkerLock(Path(sys.argv[1])).take()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_worker_holds_nothing(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == b"held\n"
        assert WorkerLock(path).holder() == str(worker.pid)
        assert not WorkerLock(path).attempt()
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        with WorkerLock(path).take():
            pass


# Standing by.


def test_a_standby_takes_over_when_the_worker_ends(path: Path) -> None:
    first, second = WorkerLock(path).take(), WorkerLock(path)
    waits: list[str] = []

    def hear(pid: str) -> None:
        waits.append(pid)
        first.release()

    assert second.wait(threading.Event(), hear)
    assert waits == [str(os.getpid())]
    second.release()


def test_a_standby_before_a_free_lock_does_not_wait(path: Path) -> None:
    lock = WorkerLock(path)
    assert lock.wait(threading.Event(), lambda _: pytest.fail("it waited"))
    lock.release()


def test_a_standby_that_is_stopped_gives_up(path: Path) -> None:
    stop = threading.Event()
    with WorkerLock(path).take():
        assert not WorkerLock(path).wait(stop, lambda _: stop.set())


def test_a_standby_gives_up_when_its_time_is_over(path: Path) -> None:
    class Hasty(Clock):
        """An hour passes whenever somebody looks."""

        def monotonic(self) -> float:
            self.factor += 1
            return self.factor * 3600

    with WorkerLock(path).take():
        standby = WorkerLock(path)
        assert not standby.wait(threading.Event(), timeout=timedelta(hours=2), clock=Hasty())


# The disk beneath.

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - overlay overlay rw,lowerdir=/a,upperdir=/b
30 25 0:27 / /dev/shm rw,relatime - tmpfs tmpfs rw,size=24684092k
40 27 8:1 / /var/lib rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw
41 40 0:50 / /var/lib/rotator rw,relatime - nfs4 server:/export rw
42 40 0:51 / /var/lib/rotator\040two rw - ext4 /dev/sdb rw
43 27 0:52 / /mnt/over rw - tmpfs tmpfs rw
44 43 8:2 / /mnt/over rw - xfs /dev/sdc rw
45 27 0:53 / /mnt/bucket rw - fuse.s3fs s3fs rw
46 27 8:3 / /mnt/usb rw - fuseblk /dev/sdd rw
47 27 0:54 / /mnt/share rw - cifs //server/share rw
48 27 0:55 / /mnt/host rw - 9p host rw
"""


@pytest.mark.parametrize(
    ("place", "kind", "ephemeral"),
    [
        ("/", "overlay", True),
        ("/home/app/.local/state", "overlay", True),
        ("/dev/shm/rotator", "tmpfs", True),  # noqa: S108 - nothing is written there
        ("/var/lib/other", "ext4", False),
        ("/var/lib/rotator", "nfs4", True),
        ("/var/lib/rotator/deep/er", "nfs4", True),
        ("/var/lib/rotator-2", "ext4", False),
        ("/var/lib/rotator two/state", "ext4", False),
        ("/mnt/over/state", "xfs", False),
        ("/mnt/bucket", "fuse.s3fs", True),
        ("/mnt/usb", "fuseblk", False),
        ("/mnt/share/x", "cifs", True),
        ("/mnt/host/x", "9p", True),
    ],
)
def test_a_disk_is_known_by_the_mount_that_lies_uppermost(
    tmp_path: Path, place: str, kind: str, *, ephemeral: bool
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert filesystem(Path(place), mounts) == kind
    assert is_ephemeral(Path(place), mounts) is ephemeral


def test_a_system_that_tells_nothing_of_its_mounts_is_believed(tmp_path: Path) -> None:
    assert filesystem(tmp_path, tmp_path / "mountinfo") == ""
    assert not is_ephemeral(tmp_path, tmp_path / "mountinfo")
