"""Worker processes: started cold, or forked from one that has loaded everything; and their end."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from tests.soak.town import Town

COLD = (sys.executable, "-m", "rotator", "worker")
_PATIENCE = 30.0
"""Real seconds for a worker to finish what is in flight, and for the machine to be this busy."""


class Victim:
    """One worker process, by a file descriptor that no reuse of its pid can mislead."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)
        self._turn = threading.Lock()

    def is_alive(self, seconds: float = 0.0) -> bool:
        """After waiting for so long that it ends."""
        with self._turn:
            if self._descriptor < 0:
                return False
            ended, _, _ = select.select([self._descriptor], [], [], seconds)
            return not ended

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        self._signal(signal.SIGKILL)

    def end(self) -> bool:
        """SIGTERM; whether it was gone in time without worse."""
        return self._signal(signal.SIGTERM)

    def close(self) -> None:
        with self._turn:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _signal(self, number: signal.Signals) -> bool:
        with self._turn:
            if self._descriptor >= 0:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._descriptor, number)
        return not self.is_alive(_PATIENCE)


class Nursery(Protocol):
    """Where workers come from."""

    def worker(self, town: Town) -> Victim: ...


class Zygote:
    """See `tests.soak.zygote`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def worker(self, town: Town) -> Victim:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"environ": town.environ, "log": str(town.log)}) + "\n")
        stdin.flush()
        return Victim(int(stdout.readline()))


@contextmanager
def zygote(broken: str = "") -> Iterator[Zygote]:
    command = [sys.executable, "-m", "tests.soak.zygote", broken]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield Zygote(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


class Cold:
    """`python -m rotator worker`, as an operator starts it."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def worker(self, town: Town) -> Victim:
        with town.log.open("ab") as log:
            process = subprocess.Popen(
                COLD,
                env=town.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return Victim(process.pid)

    def reap(self) -> None:
        """Whoever has ended."""
        self._processes = [each for each in self._processes if each.poll() is None]
