"""What a shell leaves running in the background ends with its sandbox.

A shell's job control gives each of its jobs a process group of its own, and at its end leaves them
to init. On Linux they can be left to us instead; elsewhere, and in another terminal, they go on.
"""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from rotator.clock import Clock

_PR_SET_CHILD_SUBREAPER = 36
_GRACE, _TICK = timedelta(seconds=10), timedelta(milliseconds=50)


@contextmanager
def nobody_left() -> Iterator[None]:
    """All that the block began, and did not wait for, is told to end, and after 10 s made to."""
    with suppress(AttributeError):  # a system without prctl
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = _children()
    try:
        yield
    finally:
        _end(before)


def _end(spared: set[int]) -> None:
    clock, ends = Clock(), Clock().monotonic() + _GRACE.total_seconds()
    _tell(_children() - spared, signal.SIGTERM)
    while _children() - spared and clock.monotonic() < ends:
        clock.sleep(_TICK)
    _tell(_children() - spared, signal.SIGKILL)


def _tell(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children() -> set[int]:
    """Those that are still running; who has ended is buried."""
    found = set()
    for each in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found |= {int(pid) for pid in each.read_text().split()}
    return {pid for pid in found if not _is_over(pid)}


def _is_over(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
