"""What the tests of the consumers' library share."""

import threading
from collections.abc import Callable
from datetime import timedelta

from rotator.client.testing import FakeClock, FakeSecret

NAME = "rotator/token/alation/etl"
MINUTE = timedelta(minutes=1)
_PATIENCE = 20.0


class Frozen(FakeClock):
    """The thread that looks ahead never gets its turn, as in a process that is frozen."""

    def wait(self, event: threading.Event, until: float) -> None:
        del event, until
        threading.Event().wait()


class Gated(FakeSecret):
    """Reads begin, and end when the test lets them."""

    def __init__(self, *, clock: FakeClock) -> None:
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        super().__init__(NAME, clock=clock)

    def __call__(self, secret: str) -> str | None:
        text = super().__call__(secret)
        self.begun.release()
        assert self.gate.wait(_PATIENCE)
        return text


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    pause = threading.Event()
    for _ in range(int(_PATIENCE * 1000)):
        if holds():
            return
        pause.wait(0.001)
    raise AssertionError("it never came to hold")
