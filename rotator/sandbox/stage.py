"""A small world on loopback: providers, Secrets Manager, and workers in processes of their own.

    with Stage(Clock(3600, epoch)) as stage:
        worker = stage.start_worker()
        …

Everything that it started is gone when the block ends. The demo, the tests that want a real worker
and `make bench` stand on it.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from rotator.clock import Clock
from rotator.engine.assembly import ledger_path
from rotator.environment import load_settings
from rotator.jobs.files import load
from rotator.jobs.job import JobBook
from rotator.sandbox.cast import Cast
from rotator.sandbox.secrets_manager_http import serve
from rotator.sandbox.server import served
from rotator.sandbox.witness import WatchedSecretsManager
from rotator.settings import Settings

WORKER = (sys.executable, "-m", "rotator.sandbox.tethered", "worker")
PACKED = Path(__file__).parent / "jobs"
"""Where a wheel has them."""
JOBS = PACKED if PACKED.is_dir() else Path(__file__).parents[2] / "jobs"
"""Those that we ship."""
_GRACE = 10.0
"""Seconds that a worker has to end what it is at."""
_FOREIGN = ("AWS_", "ROTATOR_", "NOTIFY_SOCKET", "WATCHDOG_", "BOTO_")


class Worker:
    """One worker process. A Ctrl-C is not for it: whoever started it ends it in good order.

    Should that one die first, the pipe that is the worker's standard input ends, and so does it.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, our own arguments
                command,
                env=dict(environ),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        self._process.kill()
        self._process.wait()
        self._let_go()

    def end(self) -> int:
        """SIGTERM, and SIGKILL if that takes too long; its exit code."""
        if self.is_alive:
            self._process.terminate()
        try:
            return self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


class Stage:
    """The fakes and Secrets Manager, listening; and what a worker needs to find them."""

    def __init__(
        self,
        clock: Clock,
        epoch: str = "",
        *,
        jobs: Path = JOBS,
        extra: Mapping[str, str] | None = None,
        worker: Sequence[str] = WORKER,
    ) -> None:
        """`epoch`: of the clock, as ISO 8601; `extra`: more variables for the worker."""
        self.clock = clock
        self.cast = Cast(clock.now)
        self.aws = WatchedSecretsManager(clock)
        self.workers: list[Worker] = []
        self.urls: dict[str, str] = {}
        self.environ: dict[str, str] = {}
        """The whole environment of a worker, and of a consumer."""
        self.keeps_log = False
        """Set where something failed: the workers' log then outlives the stage."""
        self._epoch, self._jobs, self._command = epoch, jobs, worker
        self._extra = extra or {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            folder = Path(opening.enter_context(tempfile.TemporaryDirectory(prefix="rotator-")))
            self.folder = folder
            self.log = _log_file()
            opening.callback(self._forget_log)
            for name, fake in self.cast.fakes.items():
                self.urls[name] = opening.enter_context(served(fake))
            aws = opening.enter_context(serve(self.aws))
            opening.callback(self._end_workers)  # while all that they talk to still listens
            self.environ = self._environment(folder, aws.url)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def settings(self) -> Settings:
        """As the worker reads them."""
        return load_settings(self.environ)

    def book(self) -> JobBook:
        """The job files, as the worker reads them."""
        return load(self._jobs, self.settings, self.environ)

    @property
    def ledger_file(self) -> Path:
        return ledger_path(self.settings)

    def start_worker(self, *arguments: str) -> Worker:
        worker = Worker([*self._command, *arguments], self.environ, self.log)
        self.workers.append(worker)
        return worker

    def last_words(self, lines: int = 15) -> str:
        """The end of what the workers wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _end_workers(self) -> None:
        try:
            for worker in reversed(self.workers):  # a standby before the one it stands by
                worker.end()
        finally:  # somebody may be impatient, and press Ctrl-C again
            for worker in self.workers:
                if worker.is_alive:
                    worker.kill()

    def _forget_log(self) -> None:
        if not self.keeps_log:
            self.log.unlink(missing_ok=True)

    def _environment(self, folder: Path, aws: str) -> dict[str, str]:
        ours = {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws,
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "SANDBOX",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "ROTATOR_JOBS_DIR": str(self._jobs),
            "ROTATOR_STATE_DIR": str(folder / "state"),
            "ROTATOR_KEY_FILE": str(folder / "key" / "seal.key"),
            "ROTATOR_ALLOW_EPHEMERAL_STATE": "true",  # it is gone when the demo ends
            "ROTATOR_REQUEST_TIMEOUT": "5s",
            "ROTATOR_PUT_TIMEOUT": "5s",
            "ROTATOR_CLOCK_FACTOR": str(self.clock.factor),
        }
        if self._epoch:
            ours["ROTATOR_CLOCK_EPOCH"] = self._epoch
        return {**_own_environment(), **ours, **self.cast.environ(self.urls), **self._extra}


def _own_environment() -> dict[str, str]:
    """This process's, without what would lead a worker astray: profiles, settings, proxies."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }


def _log_file() -> Path:
    """Outside of the stage's folder, so that it is there when something failed."""
    descriptor, path = tempfile.mkstemp(prefix="rotator-worker-", suffix=".log")
    os.close(descriptor)
    return Path(path)


@contextmanager
def only(environ: Mapping[str, str]) -> Iterator[None]:
    """This process's environment is that one for a while: boto3 reads it when a client is made."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does: in good order."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, end) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            with suppress(ValueError):
                signal.signal(each, handler)
