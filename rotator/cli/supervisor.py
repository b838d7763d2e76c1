"""A command with a token in its environment, which is restarted or told when the token was rotated.

The command runs in a session of its own. Signals that we get are passed on to it; what it leaves
running when it ends is ended too, and so is the command where we are killed (rotator.cli.leash).
Whether the token changed is watched in a thread, so that a slow Secrets Manager holds up no signal.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any

from rotator.cli.leash import leashed
from rotator.client import Reading, Token, TokenError, TokenExpired
from rotator.clock import Clock

PASSED_ON = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
_STOP = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
_LOOK = timedelta(seconds=1)
"""Between two looks at what the client library holds; it reads ahead by itself."""
_TICK = 0.05
"""Seconds between two looks at whether a group is gone: its orphans may be no children of ours."""

Environ = Callable[[Reading], Mapping[str, str]]
Say = Callable[[str], None]


class Supervisor:
    """Runs one command until it ends by itself."""

    def __init__(
        self,
        command: Sequence[str],
        token: Token,
        environ: Environ,
        *,
        on_rotation: signal.Signals | None,
        grace: timedelta,
        say: Say,
    ) -> None:
        """`on_rotation`: the signal to send, None to restart; `grace`: between TERM and KILL."""
        self._command, self._token, self._environ = command, token, environ
        self._on_rotation, self._grace = on_rotation, grace.total_seconds()
        self._say, self._clock = say, Clock()
        self._inbox: SimpleQueue[Reading | signal.Signals] = SimpleQueue()
        self._over = threading.Event()
        self._stopping = False
        self._hold: Callable[[int], None]

    def run(self) -> int:
        """Its exit code, 128 and the signal's number if one ended it.

        Raises TokenError where there is no living token to begin with, and OSError where the
        command cannot be started.
        """
        reading = self._token.get()
        with self._heard(), leashed(self._grace) as self._hold:
            child = self._start(self._environ(reading))
            watch = threading.Thread(target=self._watch, args=(reading,), daemon=True)
            watch.start()
            try:
                while child.poll() is None:
                    child = self._attend(child)
            finally:
                self._over.set()
                self._clear(child)
        return _code(child)

    def _attend(self, child: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Whatever comes next; the command that runs afterwards."""
        what = self._next(self._clock.shrink(_LOOK))
        if not isinstance(what, Reading):
            self._pass_on(child, what)
            return child
        if self._stopping:
            return child
        if self._on_rotation is not None:
            self._say(f"generation {what.generation}: {self._on_rotation.name} to {child.pid}")
            _send(child, self._on_rotation)
            return child
        return self._restart(child, what)

    def _restart(self, child: subprocess.Popen[bytes], reading: Reading) -> subprocess.Popen[bytes]:
        """The next life of the command; the present one where there is to be none."""
        try:
            environ = self._environ(reading)
        except ValueError as error:
            self._say(f"generation {reading.generation} cannot be used: {error}")
            return child
        self._say(f"generation {reading.generation}: restarting {child.pid}")
        _send(child, signal.SIGTERM)
        self._await(lambda: child.poll() is not None, child)
        self._clear(child)
        return child if self._stopping else self._start(environ)

    def _start(self, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(  # noqa: S603 - running what the user names is the whole point
            self._command, env={**os.environ, **environ}, start_new_session=True
        )
        self._hold(child.pid)
        return child

    def _clear(self, child: subprocess.Popen[bytes]) -> None:
        """Nobody of its group is left when this returns."""
        if _signal_group(child, signal.SIGTERM):
            self._await(lambda: not _signal_group(child, 0), child)
        _signal_group(child, signal.SIGKILL)
        child.kill()  # it may have left its group
        child.wait()
        self._hold(0)

    def _await(self, done: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
        """At most for the grace; signals are passed on meanwhile."""
        deadline = self._clock.monotonic() + self._grace
        while not done() and self._clock.monotonic() < deadline:
            what = self._next(_TICK)
            if not isinstance(what, Reading):
                self._pass_on(child, what)

    def _pass_on(self, child: subprocess.Popen[bytes], number: signal.Signals | None) -> None:
        if number is None or number is signal.SIGCHLD:
            _reap_others(child)
            return
        self._stopping = self._stopping or number in _STOP
        _send(child, number)

    def _next(self, seconds: float) -> Reading | signal.Signals | None:
        with suppress(Empty):
            return self._inbox.get(timeout=seconds)
        return None

    def _watch(self, reading: Reading) -> None:
        """In a thread of its own: tell of each new token, and once of each that died."""
        dead = False
        while not self._clock.wait(self._over, _LOOK):
            try:
                newer = self._token.get()
            except TokenExpired as error:
                if not dead:
                    self._say(f"the command holds a dead token: {error}")
                dead = True
            except TokenError:  # the client library has said so
                continue
            else:
                dead = False
                if newer.value != reading.value:
                    reading = newer
                    self._inbox.put(newer)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Signals come into the inbox: a handler that only puts may break into anything."""

        def hear(number: int, _: Any) -> None:
            self._inbox.put(signal.Signals(number))

        before = {each: signal.signal(each, hear) for each in (*PASSED_ON, signal.SIGCHLD)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _code(child: subprocess.Popen[bytes]) -> int:
    code = child.wait()
    return code if code >= 0 else 128 - code


def _send(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        child.send_signal(number)


def _signal_group(child: subprocess.Popen[bytes], number: int) -> bool:
    """Whether anybody of the group was there to get it. A dead leader's group keeps its number."""
    _reap_others(child)
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _reap_others(child: subprocess.Popen[bytes]) -> None:
    """As the first process of a container, the orphans of others are ours to bury."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    with suppress(ChildProcessError):
        while (gone := os.waitid(os.P_ALL, 0, flags)) is not None and gone.si_pid != child.pid:
            os.waitpid(gone.si_pid, 0)
