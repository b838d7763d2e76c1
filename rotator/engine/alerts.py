"""Tells people what changed: a credential needs somebody or no longer does, a chain runs out.

Sending has a thread of its own and never holds up a rotation. What was told is in the ledger, so
that a restart does not tell it again; what could not be sent is tried again an hour later.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import Any

from rotator.clock import Clock
from rotator.engine import messages
from rotator.engine.messages import Message
from rotator.errors import BadSettings
from rotator.ledger.base import Ledger
from rotator.ledger.facts import Row
from rotator.ledger.writes import Rest
from rotator.model import Secret, State
from rotator.rotation.telling import Event
from rotator.settings import variable

_SINGLY = 5
"""More messages than this at once become one."""

Send = Callable[[str, str], bool]
"""Title and body; whether it went out to everybody."""


class Alerts:
    """Watches what walks come to. Without anybody to tell it does nothing."""

    def __init__(
        self, send: Send | None, ledger: Ledger, clock: Clock, log: Any, place: str = ""
    ) -> None:
        """`place`: which of several rotators this is."""
        self._send, self._ledger, self._clock, self._log = send, ledger, clock, log
        self._place = f" ({place})" if place else ""
        self._open: set[str] = set()
        self._queue: SimpleQueue[Message | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        if self._send:
            self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Send what waits, for so long."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(seconds)

    def observe(self, event: Event) -> None:
        """The end of a walk."""
        if self._send and event.rest is not None:
            self._consider(event.credential, event.rest, event.rest.at)

    def survey(self, rows: Iterable[Row]) -> None:
        """All credentials: what a walk in another process changed, and what only time changes."""
        if not self._send:
            return
        now = self._clock.now()
        for row in rows:
            if row.state is State.FRESH and row.credential not in self._open:
                self._ledger.clear_alerts(row.credential, messages.NEEDS)
            if row.due_at is not None and row.state is not State.PAUSED:
                self._consider(row.credential, row, now)

    def _consider(self, credential: str, standing: Rest | Row, now: datetime) -> None:
        if standing.state is State.NEEDS_A_PERSON:
            self._open.add(credential)
            self._queue.put(messages.needs(credential, standing))
        elif standing.state is State.FRESH and credential in self._open:
            self._open.discard(credential)
            self._queue.put(messages.mended(credential))
        days = messages.running_out(standing, now)
        if days is not None:
            self._queue.put(messages.runs_out(credential, standing, days))

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            waiting = [first]
            ended = False
            while not ended:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                ended = more is None
                waiting += [more] if more else []
            self._tell(waiting)
            if ended:
                return

    def _tell(self, waiting: Sequence[Message]) -> None:
        fresh = [message for message in waiting if self._is_new(message)]
        if len(fresh) > _SINGLY:
            self._try(messages.together(fresh), fresh)
        else:
            for message in fresh:
                self._try(message, [message])

    def _is_new(self, message: Message) -> bool:
        try:
            if message.key:
                now = self._clock.now()
                return self._ledger.first_alert(message.credential, message.key, now)
            self._ledger.clear_alerts(message.credential, messages.NEEDS)
        except Exception as error:  # noqa: BLE001 - rather twice than never
            self._failed(message, error)
        return True

    def _try(self, message: Message, of: Sequence[Message]) -> None:
        try:
            sent = self._send is not None and self._send(message.title + self._place, message.body)
        except Exception as error:  # noqa: BLE001 - its text may hold an address: only its class
            sent = False
            self._failed(message, error)
        if sent:
            self._log.info("alerted", credential=message.credential, text=message.title)
            return
        self._log.warning("an alert was not sent", credential=message.credential)
        for each in of:
            self._forget(each)

    def _forget(self, message: Message) -> None:
        """So that it is told when it is looked at again."""
        try:
            if message.key:
                self._ledger.clear_alerts(message.credential, message.key)
        except Exception as error:  # noqa: BLE001 - it is lost, and the log says so
            self._failed(message, error)

    def _failed(self, message: Message, error: Exception) -> None:
        self._log.warning(
            "an alert failed", credential=message.credential, error=type(error).__name__
        )


def sender(urls: Sequence[Secret]) -> Send | None:
    """By way of Apprise; None where there is nobody to tell. Raises BadSettings."""
    if not urls:
        return None
    name = variable("alert_urls")
    if find_spec("apprise") is None:
        raise BadSettings(
            f"{name} is set, and Apprise is not installed",
            remedy="install it beside rotator: pip install apprise",
        )
    import apprise  # noqa: PLC0415 - an extra, and slow to load

    notifier = apprise.Apprise()
    for number, url in enumerate(urls, 1):
        if not notifier.add(url.reveal()):
            raise BadSettings(
                f"{name}: Apprise does not understand address {number} of {len(urls)}",
                remedy="see https://appriseit.com/services/ for how they are written",
            )

    def send(title: str, body: str) -> bool:
        return bool(notifier.notify(title=title, body=body))

    return send
