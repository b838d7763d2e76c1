"""A worker that is killed, suspended or frozen at one of its effects."""

import threading
from collections.abc import Callable
from contextlib import suppress

from tests.crash.doors import Effects, Killed


class Struck(Effects):
    """Something happens before or after the effect that was named, once."""

    def __init__(self, point: tuple[int, str], strike: Callable[["Struck", str], None]) -> None:
        """`strike` is told where, in words."""
        super().__init__(kill_at=point)
        self.struck = ""
        self._strike = strike

    def _die_if(self, here: tuple[int, str], name: str) -> None:
        if self.kill_at == here and not self.struck:
            self.struck = f"{here[1]} {name}"
            self._strike(self, self.struck)

    def die(self, where: str) -> None:
        """Nothing goes through its doors any more. Raises Killed."""
        self.died = where
        raise Killed(where)

    @property
    def unsealed(self) -> str:
        """The grant of a request that was written down and not yet sealed, or empty.

        Whatever else follows a request but its seal is no gap that anybody has named.
        """
        marks = [n for n, name in enumerate(self.names) if name.startswith("ledger.write intent")]
        if not marks or self.struck.startswith("before ledger.write intent"):
            return ""
        since = [name.partition(" ")[0] for name in self.names[marks[-1] + 1 :]]
        if self.struck in ("before ledger.seal", "before ledger.write"):
            since.pop()
        within = set(since) <= {"ledger.check", "provider.send"}
        return self.names[marks[-1]].partition("[")[2].rstrip("]") if within else ""


class Baton:
    """A walk in a thread of its own that can be stopped and woken: only one of us ever runs."""

    def __init__(self, walk: Callable[[], object]) -> None:
        self._walk = walk
        self._ours, self._its = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="frozen walk")
        self._failure: BaseException | None = None
        self._ended = False
        self.over = False

    def start(self) -> None:
        """Until it ends or freezes. Raises what the walk raises."""
        self._thread.start()
        self._wait()

    def freeze(self) -> None:
        """Called within the walk. Raises Killed where it is never woken."""
        self._ours.set()
        self._its.wait()
        if self._ended:
            raise Killed("the simulation is over")

    def wake(self) -> None:
        """Go on, to its end. Raises what the walk raises."""
        self._its.set()
        self._wait()

    def end(self) -> None:
        """It never wakes: leave no thread behind."""
        self._ended = True
        with suppress(Killed):
            self.wake()

    def _wait(self) -> None:
        self._ours.wait()
        self._ours.clear()
        if self.over:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._walk()
        except BaseException as failure:  # noqa: BLE001 - raised again where it was started
            self._failure = failure
        self.over = True
        self._ours.set()
