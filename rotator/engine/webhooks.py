"""Tells other machines that a token was published: a signed request, with nothing secret in it.

It is a hint, and the secret is the truth: what could not be delivered in three attempts, or was
waiting when the worker died, is not told again, and what was delivered may come twice under the
same id. A receiver that was told of one generation may have missed others.

Each receiver has a thread of its own, so that one that hangs delays no other, and none a rotation.
Of each credential only the newest is told: no queue grows longer than there are credentials.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from rotator.clock import Clock
from rotator.engine.notices import Address, body_of, signed
from rotator.errors import LedgerError, ProviderError
from rotator.jobs.job import Credential
from rotator.ledger.base import Ledger
from rotator.ledger.facts import OnRecord
from rotator.model import Shelf
from rotator.plan.table import Verb
from rotator.providers.base import Answer, Request
from rotator.providers.http import Door
from rotator.providers.tls import Trust
from rotator.rotation.telling import Outcome

TIMEOUT = timedelta(seconds=10)
"""For one attempt, real time."""
_PAUSES = (1.0, 10.0)
"""Seconds between the attempts."""
Send = Callable[[Request], Answer]


def published(walk: Outcome) -> bool:
    """Whether consumers can read another token since; the ledger knows it when a walk is over."""
    return any(step.step is Verb.PUBLISH and step.outcome == "ok" for step in walk.steps)


class Webhooks:
    """All receivers. Without any it does nothing."""

    def __init__(
        self, receivers: "Sequence[Receiver]", then: Callable[[], None] = lambda: None
    ) -> None:
        """`then`: done when all are closed."""
        self._receivers, self._then = receivers, then

    def start(self) -> None:
        for receiver in self._receivers:
            receiver.start()

    def tell(self, credential: Credential) -> None:
        """That its newest token was published."""
        for receiver in self._receivers:
            receiver.put(credential.qualified, credential.token_secret.name)

    def close(self, seconds: float = 5.0) -> None:
        """What waits is tried once more, for so long."""
        for receiver in self._receivers:
            receiver.stop()
        for receiver in self._receivers:
            receiver.join(seconds)
        self._then()


class Receiver:
    """One address."""

    def __init__(
        self, address: Address, send: Send, ledger: Ledger, clock: Clock, log: Any
    ) -> None:
        self._to, self._send = address, send
        self._ledger, self._clock, self._log = ledger, clock, log
        self._waiting: dict[str, str] = {}
        self._lock = threading.Lock()
        self._some, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"webhook-{address.number}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def put(self, credential: str, secret: str) -> None:
        with self._lock:
            self._waiting[credential] = secret
        self._some.set()

    def stop(self) -> None:
        self._stopped.set()
        self._some.set()

    def join(self, seconds: float) -> None:
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            while (taken := self._take()) is not None:
                self._deliver(*taken)
            if self._stopped.is_set():
                return

    def _take(self) -> tuple[str, str] | None:
        with self._lock:
            oldest = next(iter(self._waiting), None)
            return None if oldest is None else (oldest, self._waiting.pop(oldest))

    def _deliver(self, credential: str, secret: str) -> None:
        try:
            record = self._record(credential)
        except LedgerError as error:
            self._missed(credential, type(error).__name__)
            return
        if record is None:  # forgotten meanwhile
            return
        body = body_of(credential, secret, record)
        problem = self._attempt(record.version_id, body)
        for pause in _PAUSES:
            if not problem or self._stopped.wait(pause):
                break
            problem = self._attempt(record.version_id, body)
        if problem:
            self._missed(credential, problem)

    def _record(self, credential: str) -> OnRecord | None:
        rows = self._ledger.rows([credential])
        return rows[0].records.get(Shelf.TOKEN) if rows else None

    def _attempt(self, identity: str, body: str) -> str:
        """What was wrong; empty: it was delivered."""
        try:
            answer = self._send(signed(self._to, identity, self._clock.now(), body))
        except ProviderError as error:
            return type(error).__name__
        return "" if answer.ok else f"HTTP {answer.status}"

    def _missed(self, credential: str, problem: str) -> None:
        self._log.warning(
            "a receiver was not told of a new token",
            receiver=self._to.number,
            credential=credential,
            problem=problem,
        )


def opened(
    to: Sequence[Address], ledger: Ledger, clock: Clock, log: Any, trust: Trust | None = None
) -> Webhooks:
    """With a door of their own: what becomes of receivers says nothing about providers.

    Raises BadSettings where a file of `trust` is of no use.
    """
    if not to:
        return Webhooks(())
    door = Door(Clock(), TIMEOUT, trust=trust)
    receivers = [Receiver(address, door.send, ledger, clock, log) for address in to]
    return Webhooks(receivers, door.close)
