"""A shell in a sandbox: job files, seeds and AWS are there, and `rotator` is whoever uses it."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rotator.clock import Clock
from rotator.sandbox.orphans import nobody_left
from rotator.sandbox.stage import JOBS, Stage, ended_by_signals

_WELCOME = """\
A sandbox on 127.0.0.1: the providers and Secrets Manager, with seeds for the job files in {jobs}.
Try `rotator check`, `rotator worker 2>worker.log &`, `rotator status`. `exit` ends all of it.
In another terminal: . {variables}
"""


def shell(command: Sequence[str]) -> int:
    """Run the command, unset: the user's shell, and end the sandbox with it; its exit code.

    Raises OSError where it cannot be started.
    """
    with ended_by_signals(), TemporaryDirectory(prefix="rotator-jobs-") as folder:
        jobs = Path(folder, "jobs")
        jobs.mkdir()
        for file in JOBS.glob("*.toml"):
            shutil.copy(file, jobs)
        with Stage(Clock(), jobs=jobs) as stage, nobody_left():
            environ = {**stage.environ, "PATH": _with_rotator(stage.environ)}
            variables = Path(folder, "variables.sh")
            variables.write_text(_exported(environ))
            if not command:
                sys.stderr.write(_WELCOME.format(jobs=jobs, variables=variables))
                sys.stderr.flush()
            return _ran(command or [os.environ.get("SHELL", "/bin/sh")], environ)


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


@contextmanager
def _left_to_the_command() -> Iterator[None]:
    """Ctrl-C is for what runs in the shell: a handler that does nothing is not handed down."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
