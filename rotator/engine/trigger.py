"""When APScheduler calls a job file's sweep: at the earliest `due_at` of its credentials.

The schedule is the ledger's; a trigger only reads it. APScheduler lives in real time and `due_at`
in the clock's, which a demo runs faster.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.base import BaseTrigger

from rotator.clock import Clock
from rotator.jobs.job import Credential, Job
from rotator.ledger.base import Ledger
from rotator.ledger.facts import Row
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Shelf
from rotator.rotation.wants import Newest, due

NEVER = timedelta(days=3650)
"""Nothing is scheduled. Never None, for that would make APScheduler drop the job."""
SOON = timedelta(seconds=0.2)
"""What is due already and was just swept is looked at again after this; sooner by completion."""
LATER = timedelta(seconds=5)
"""The ledger could not be read."""

Failed = Callable[[Exception], None]


class LifespanTrigger(BaseTrigger):
    """The earliest `due_at` of one job file's credentials. Never raises."""

    def __init__(
        self, job: Job, ledger: Ledger, clock: Clock, on_failure: Failed = lambda _: None
    ) -> None:
        super().__init__()
        self._job, self._ledger, self._clock = job, ledger, clock
        self._on_failure = on_failure

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """`now` and the answer are real instants."""
        return now + self._wait(SOON if previous_fire_time else timedelta(0))

    def _wait(self, least: timedelta) -> timedelta:
        try:
            due_at = self._ledger.next_due(self._job.name)
            if due_at is None:
                return NEVER
            left = timedelta(seconds=self._clock.shrink(due_at - self._clock.now()))
            return min(left, NEVER) if left else least  # what is due already waits for a slot
        except Exception as error:  # noqa: BLE001 - what is raised here ends APScheduler's thread
            self._on_failure(error)
            return LATER

    def __str__(self) -> str:
        try:
            rows = self._ledger.rows([each.qualified for each in self._job.credentials])
        except Exception:  # noqa: BLE001 - APScheduler formats jobs in its own log lines
            rows = []
        return described(self._job, rows)


def described(job: Job, rows: Iterable[Row]) -> str:
    """`lifespan[access 24 h: every ~12 h; refresh 60 d: day 40]`, of the shortest-lived tokens.

    From the dates of the tokens that are there, else from what the job file states.
    """
    known = {row.credential: row for row in rows}
    told = [
        _access(_shortest(job.credentials, known, Shelf.TOKEN)),
        _refresh(_shortest(job.credentials, known, Shelf.KEYRING)),
    ]
    return f"lifespan[{'; '.join(filter(None, told)) or 'unknown yet'}]"


_Span = tuple[timedelta, timedelta]
"""A lifespan, and how long after its issue the token is renewed."""
_NAMES = {Shelf.TOKEN: ACCESS_TOKEN, Shelf.KEYRING: REFRESH_TOKEN}


def _shortest(
    credentials: Sequence[Credential], rows: dict[str, Row], shelf: Shelf
) -> _Span | None:
    spans = (_span(each, rows.get(each.qualified), shelf) for each in credentials)
    return min((span for span in spans if span), default=None)


def _span(credential: Credential, row: Row | None, shelf: Shelf) -> _Span | None:
    if shelf not in credential.secrets:
        return None
    record = row.records.get(shelf) if row else None
    if record and record.issued_at and record.expires_at:
        issued_at, expires_at = record.issued_at, record.expires_at
    else:
        stated = credential.schedule.token(_NAMES[shelf]).lifespan
        if stated is None:
            return None
        issued_at, expires_at = _ANY, _ANY + stated
    newest = Newest(issued_at=issued_at, expires_at=expires_at)
    renewal = due(credential, _NAMES[shelf], newest)
    return None if renewal is None else (expires_at - issued_at, renewal.at - issued_at)


_ANY = datetime(2026, 1, 1, tzinfo=UTC)


def _access(span: _Span | None) -> str:
    return f"access {_long(span[0])}: every ~{_long(span[1])}" if span else ""


def _refresh(span: _Span | None) -> str:
    if span is None:
        return ""
    lifespan, after = span
    when = f"day {round(after / _DAY)}" if after >= 2 * _DAY else f"after {_long(after)}"
    return f"refresh {_long(lifespan)}: {when}"


_DAY = timedelta(days=1)
_UNITS = ((_DAY, "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def _long(duration: timedelta) -> str:
    """`12 h`, `60 d`: the largest unit that comes at least twice (24 h, not 1 d), rounded."""
    for unit, name in _UNITS:
        if duration >= 1.95 * unit:
            return f"{round(duration / unit)} {name}"
    return f"{round(duration.total_seconds())} s"
