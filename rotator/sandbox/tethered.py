"""The command line in a process that ends with the one that started it, however that one ends.

    python -m rotator.sandbox.tethered worker --standby

Its standard input is a pipe that says nothing and whose other end the starter alone holds: the
system closes it even after a SIGKILL, which no code of the starter survives. Then the worker is
told to end.
"""

import os
import runpy
import signal
import sys
import threading

_GRACE = 10.0
"""Real seconds to end in good order, with nobody left to talk to."""


def _end_with(descriptor: int) -> None:
    """Wait for the end of a pipe, then end this process: SIGTERM, or SIGKILL if that takes long."""
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    watched = (sys.stdin.fileno(),)
    threading.Thread(target=_end_with, args=watched, daemon=True, name="tether").start()
    sys.argv[0] = "rotator"
    runpy.run_module("rotator", run_name="__main__")


if __name__ == "__main__":
    main()
