"""A process that has loaded what a worker needs, and forks one whenever it is asked to.

The fork runs what `python -m rotator worker` runs, in a session of its own, and dies by SIGKILL as
any process does; it is spared the second of CPU that Python takes to import boto3 and SQLAlchemy.
Reads a line of JSON for each worker (`environ`, `log`), answers with a line that holds its pid.
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rotator.cli import main as rotator
from rotator.engine import assembly, run  # noqa: F401 - the fork finds it loaded
from rotator.environment import load_settings
from tests.crash import breaks


def main(broken: str) -> None:
    """`broken`: the name of a deliberate break of tests/crash, empty for the real thing."""
    if broken:
        patch: Callable[[pytest.MonkeyPatch], None] = getattr(breaks, broken)
        patch(pytest.MonkeyPatch())
    warm = False
    for line in sys.stdin:
        wanted = json.loads(line)
        _reap()
        if not warm:
            assembly.warm(load_settings(wanted["environ"]), wanted["environ"])
            gc.collect()
            gc.freeze()
            warm = True
        pid = os.fork()
        if not pid:
            _be_a_worker(wanted)
        print(pid, flush=True)
    _leave_nobody()


def _reap() -> None:
    """Whoever was killed since."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _leave_nobody() -> None:
    """Whoever asked is gone, perhaps killed itself: so are the workers."""
    _reap()
    for pid in _children():
        os.kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]


def _be_a_worker(wanted: Mapping[str, Any]) -> None:
    code = 1
    try:
        os.setsid()
        log = os.open(Path(wanted["log"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, opened in ((0, nothing), (1, log), (2, log)):
            os.dup2(opened, number)
        os.environ.clear()
        os.environ.update(wanted["environ"])
        sys.argv = ["rotator", "worker"]
        rotator()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
