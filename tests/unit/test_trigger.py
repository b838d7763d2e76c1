from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from rotator.clock import Clock
from rotator.engine.trigger import LATER, NEVER, SOON, LifespanTrigger, described
from rotator.errors import LedgerError
from rotator.jobs.job import Job
from rotator.ledger.base import Ledger
from rotator.ledger.facts import OnRecord, Row
from rotator.model import Shelf
from tests.unit.acme import GOOD, loaded, only_job, written

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REAL = datetime(2026, 11, 22, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class StandingClock(Clock):
    def now(self) -> datetime:
        return NOW


class Schedule:
    """The part of a ledger that a trigger reads."""

    def __init__(self, due_at: datetime | None = None, rows: Iterable[Row] = ()) -> None:
        self.due_at, self.found, self.broken = due_at, list(rows), False

    def next_due(self, job: str = "") -> datetime | None:
        assert job == "acme"
        if self.broken:
            raise LedgerError("the disk is gone")
        return self.due_at

    def rows(self, names: Iterable[str] | None = None) -> list[Row]:
        if self.broken:
            raise LedgerError("the disk is gone")
        return [row for row in self.found if row.credential in (names or ())]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return only_job(loaded(written(tmp_path, acme=GOOD)))


def fires(job: Job, schedule: Schedule, *, factor: float = 1.0, first: bool = False) -> timedelta:
    trigger = LifespanTrigger(job, cast("Ledger", schedule), StandingClock(factor))
    at = trigger.get_next_fire_time(None if first else REAL, REAL)
    assert at is not None
    return at - REAL


def test_it_fires_at_the_earliest_due_instant_of_the_job(job: Job) -> None:
    assert fires(job, Schedule(NOW + HOUR)) == HOUR


def test_the_clock_s_time_is_turned_into_real_time(job: Job) -> None:
    assert fires(job, Schedule(NOW + 12 * HOUR), factor=3600) == timedelta(seconds=12)


def test_what_is_due_already_is_called_at_once_and_then_again_soon(job: Job) -> None:
    assert fires(job, Schedule(NOW - DAY), first=True) == timedelta(0)
    assert fires(job, Schedule(NOW - DAY)) == SOON


def test_nothing_to_do_is_far_off_but_never_none_which_would_remove_the_job(job: Job) -> None:
    assert fires(job, Schedule(None)) == NEVER
    assert fires(job, Schedule(NOW + 100 * NEVER)) == NEVER


def test_a_ledger_that_fails_is_told_and_asked_again_soon(job: Job) -> None:
    schedule, told = Schedule(NOW), list[Exception]()
    schedule.broken = True
    trigger = LifespanTrigger(job, cast("Ledger", schedule), StandingClock(), told.append)
    assert trigger.get_next_fire_time(REAL, REAL) == REAL + LATER
    assert [str(error) for error in told] == ["the disk is gone"]


def record(shelf: Shelf, lifespan: timedelta) -> OnRecord:
    return OnRecord(
        shelf=shelf, version_id="v", generation=1, issued_at=NOW, expires_at=NOW + lifespan,
        put_at=NOW,
    )  # fmt: skip


def row(name: str, **lifespans: timedelta) -> Row:
    records = {Shelf(shelf): record(Shelf(shelf), span) for shelf, span in lifespans.items()}
    return Row(credential=f"acme/{name}", job="acme", due_at=NOW, records=records)


def chain(tmp_path: Path, more: str = "") -> Job:
    text = GOOD.replace("password = ", "refresh_token = ") + more
    return only_job(loaded(written(tmp_path, acme=text)))


def test_it_is_written_with_what_the_tokens_themselves_say(tmp_path: Path) -> None:
    told = described(chain(tmp_path), [row("etl", token=DAY, keyring=60 * DAY)])
    assert told == "lifespan[access 24 h: every ~11 h; refresh 60 d: day 38]"


def test_the_shortest_lived_of_several_credentials_is_told(tmp_path: Path) -> None:
    second = (
        '\n[[credentials]]\nname = "two"\naccount = "2"\n'
        'seeds = { password = { env = "ACME_TWO_PASSWORD" } }\n'
    )
    job = chain(tmp_path, second)
    told = described(job, [row("etl", token=30 * DAY), row("two", token=2 * HOUR)])
    assert told.startswith("lifespan[access 2 h: every ~")


def test_before_the_first_token_the_job_s_own_expectation_is_told(tmp_path: Path) -> None:
    text = GOOD.replace("[secret]", '[schedule.access_token]\nlifespan = "6d"\n\n[secret]')
    stated = only_job(loaded(written(tmp_path, acme=text)))
    assert described(stated, []) == "lifespan[access 6 d: every ~3 d]"


def test_short_lives_are_told_in_short_units(job: Job) -> None:
    told = described(job, [row("etl", token=timedelta(minutes=40))])
    assert told == "lifespan[access 40 min: every ~17 min]"
    short = described(job, [row("etl", token=timedelta(seconds=90))])
    assert short.startswith("lifespan[access 90 s: every ~17 min")


def test_where_nobody_knows_it_says_so(job: Job) -> None:
    undated = OnRecord(
        shelf=Shelf.TOKEN, version_id="v", generation=1, issued_at=None, expires_at=None, put_at=NOW
    )
    known = Row(credential="acme/etl", job="acme", due_at=NOW, records={Shelf.TOKEN: undated})
    assert described(job, [known]) == "lifespan[unknown yet]"


def test_apscheduler_may_print_it_at_any_time(job: Job) -> None:
    schedule: Any = Schedule(NOW, [row("etl", token=DAY)])
    trigger = LifespanTrigger(job, schedule, StandingClock())
    assert str(trigger) == "lifespan[access 24 h: every ~11 h]"
    schedule.broken = True
    assert str(trigger) == "lifespan[unknown yet]"
