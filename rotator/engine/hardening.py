"""What a process does so that the secrets in its memory stay there.

A core file would hold every token and key. Whoever shares the worker's user could else read its
environment, where seeds may be, and attach a debugger. And what is in the environment goes on to
every child: a credential helper of AWS's, or whatever an alert's service starts.
"""

import ctypes
import os
import resource
from collections.abc import Iterable
from contextlib import suppress

_PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """No core file; on Linux neither /proc/PID/environ nor /proc/PID/mem for others than root."""
    with suppress(OSError, ValueError):  # a limit that may not be lowered further is low enough
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(AttributeError):  # a system without prctl
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def keep_files_private() -> None:
    """Whatever this process makes is its user's alone, also where nobody thought of a mode."""
    os.umask(0o077)


def hide_from_children(variables: Iterable[str]) -> None:
    """Take these out of this process's environment; who needs them has read them."""
    for name in variables:
        os.environ.pop(name, None)
