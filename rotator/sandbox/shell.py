"""A shell in a sandbox: job files, seeds and AWS are there, and `rotator` is whoever uses it."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from rotator.clock import Clock
from rotator.engine import assembly
from rotator.ledger.lockfile import WorkerLock
from rotator.sandbox.stage import JOBS, Stage, ended_by_signals

_WELCOME = """\
A sandbox on 127.0.0.1: the providers and Secrets Manager, with seeds for the job files in {jobs}.
Try `rotator check`, `rotator worker 2>worker.log &`, `rotator status`. `exit` ends all of it.
In another terminal: . {variables}
"""
_PATIENCE, _MOMENT = timedelta(seconds=10), timedelta(milliseconds=100)
"""For workers to end what they are at."""


def shell(command: Sequence[str]) -> int:
    """Run the command, unset: the user's shell, and end the sandbox with it; its exit code.

    Raises OSError where it cannot be started.
    """
    with ended_by_signals(), TemporaryDirectory(prefix="rotator-jobs-") as folder:
        jobs = Path(folder, "jobs")
        jobs.mkdir()
        for file in JOBS.glob("*.toml"):
            shutil.copy(file, jobs)
        clock = Clock()
        with Stage(clock, jobs=jobs) as stage:
            environ = {**stage.environ, "PATH": _with_rotator(stage.environ)}
            variables = Path(folder, "variables.sh")
            variables.write_text(_exported(environ))
            if not command:
                sys.stderr.write(_WELCOME.format(jobs=jobs, variables=variables))
                sys.stderr.flush()
            try:
                return _ran(command or [os.environ.get("SHELL", "/bin/sh")], environ)
            finally:
                _end_workers(assembly.worker_lock(stage.settings), clock)


def _ran(command: Sequence[str], environ: Mapping[str, str]) -> int:
    with _left_to_the_command():
        code = subprocess.run(command, env=environ, check=False).returncode  # noqa: S603 - the user's
    return code if code >= 0 else 128 - code


def _with_rotator(environ: dict[str, str]) -> str:
    """`rotator` is found there though it lies in a virtual environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])


def _exported(environ: dict[str, str]) -> str:
    """For another shell: what differs from ours."""
    return "".join(
        f"export {name}={shlex.quote(value)}\n"
        for name, value in environ.items()
        if os.environ.get(name) != value
    )


def _end_workers(lock: WorkerLock, clock: Clock) -> None:
    """SIGTERM to whoever holds the ledger, and to each standby that takes over, before it is gone.

    They may be anybody's children: in another terminal, in job control's own groups. A standby
    takes over in less than a moment, so a ledger that was free for one stays free.
    """
    told, was_free = {""}, not lock.holder()
    for _ in range(_PATIENCE // _MOMENT):
        if is_free := lock.attempt():
            lock.release()
            if was_free:
                return
        elif (holder := lock.holder()) not in told:
            told.add(holder)
            with suppress(ProcessLookupError):
                os.kill(int(holder), signal.SIGTERM)
        was_free = is_free
        clock.sleep(_MOMENT)


@contextmanager
def _left_to_the_command() -> Iterator[None]:
    """Ctrl-C is for what runs in the shell: a handler that does nothing is not handed down."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
