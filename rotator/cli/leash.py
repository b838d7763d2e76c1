"""A command does not outlive its `rotator exec`, however that one ended.

Run as a script, this is the other end of a pipe that `rotator exec` alone writes to. The system
closes it even after a SIGKILL, which no code of ours survives: then the group that it was last told
of is ended as ever, by SIGTERM first and by SIGKILL after the grace. So it is with the children of
a command too, and on every system; Linux's own signal for it (PR_SET_PDEATHSIG) reaches but one
process, and would have to be set between fork and exec, where a process with threads runs nothing.
What is left is the moment between the command's start and the line that tells of it.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_TICK = 0.05
"""Seconds between two looks at whether a group is gone."""
_DEAF_TO = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


@contextmanager
def leashed(grace: float) -> Iterator[Callable[[int], None]]:
    """Gives what takes the group that is to end with this process; 0: none."""
    import subprocess

    command = [sys.executable, "-I", "-S", __file__, str(grace)]
    with subprocess.Popen(  # noqa: S603 - this very file
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        bufsize=0,
    ) as holder:

        def hold(group: int) -> None:
            with suppress(BrokenPipeError):  # somebody ended it: the command goes on
                if holder.stdin is not None:
                    holder.stdin.write(f"{group}\n".encode())

        try:
            yield hold
        finally:
            hold(0)


def end(group: int, grace: float) -> None:
    """Nobody of the group is left afterwards, but for what the system has yet to bury."""
    if not _told(group, signal.SIGTERM):
        return
    for _ in range(int(grace / _TICK)):
        if not _told(group, 0):
            return
        threading.Event().wait(_TICK)
    _told(group, signal.SIGKILL)


def _told(group: int, number: int) -> bool:
    """Whether anybody was there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main() -> None:
    for each in _DEAF_TO:  # it ends with its pipe alone
        signal.signal(each, signal.SIG_IGN)
    group = 0
    for line in sys.stdin.buffer:
        group = int(line)
    if group:
        end(group, float(sys.argv[1]))


if __name__ == "__main__":
    main()
