from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rotator.clock import Clock
from rotator.engine.health import look
from rotator.ledger.facts import OnRecord
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.sql import SqlLedger
from rotator.ledger.writes import Rest
from rotator.model import Reason, Shelf, State

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class TurnedClock(Clock):
    at = NOW

    def now(self) -> datetime:
        return self.at


class House:
    def __init__(self, folder: Path) -> None:
        self.path, self.clock = folder / "ledger.db", TurnedClock()
        self.lock = WorkerLock(folder / "worker.lock").take()
        self.ledger = SqlLedger.open(self.path, durable=False)
        self.ledger.enrol({"acme": ["acme/etl"]}, NOW)

    def rest(self, due_at: datetime, expires_at: datetime | None = None) -> None:
        lease = self.ledger.take("acme/etl", "me", self.clock.at, self.clock.at + HOUR / 2)
        assert lease is not None
        row = self.ledger.rows()[0]
        self.ledger.write(
            lease,
            OnRecord(
                shelf=Shelf.TOKEN, version_id="v", generation=1, issued_at=NOW,
                expires_at=expires_at, put_at=NOW,
            ),
            Rest(
                due_at=due_at, seen_due_at=row.due_at, state=State.FRESH, reason=Reason.FRESH,
                at=NOW,
            ),
        )  # fmt: skip
        self.ledger.release(lease)

    def sweep(self) -> list[str]:
        now = self.clock.at
        return self.ledger.sweep(now, 0, until=now + MINUTE)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.ledger.close()
    built.lock.release()


def test_a_worker_that_sweeps_and_keeps_up_is_healthy(house: House) -> None:
    house.rest(NOW + HOUR)
    house.sweep()
    house.clock.at += 20 * timedelta(seconds=1)
    found = look(house.path, house.clock, house.lock)
    assert (found.code, found.text, found.swept_at) == (0, "the last sweep was 20s ago", NOW)


def test_no_ledger_and_no_sweep_are_no_health(house: House, tmp_path: Path) -> None:
    found = look(tmp_path / "nothing.db", house.clock, house.lock)
    assert found.text.startswith("there is no ledger yet")
    assert look(house.path, house.clock, house.lock) == look(house.path, house.clock, house.lock)
    assert look(house.path, house.clock, house.lock).text == (
        "a ledger is there, but no worker has ever looked at what is due"
        " (start one: `rotator worker`)"
    )


def test_a_worker_that_went_silent_is_not_healthy(house: House) -> None:
    house.sweep()
    house.clock.at += 2 * HOUR
    found = look(house.path, house.clock, house.lock)
    assert found.code == 1
    assert found.text == (
        "no worker has looked at what is due for 2h (start it: `rotator worker`; if it runs, its"
        " log says what stops it)"
    )


def test_a_worker_that_ended_is_told_at_once(house: House) -> None:
    house.sweep()
    house.clock.at += 12 * timedelta(seconds=1)
    house.lock.release()
    found = look(house.path, house.clock, house.lock)
    assert (found.code, found.swept_at) == (1, NOW)
    assert found.text == (
        "no worker is alive; the last sweep was 12s ago (start one: `rotator worker`)"
    )


@pytest.mark.parametrize("kind", ["nfs4", "virtiofs", "fuse.sshfs"])
def test_where_another_machine_may_hold_the_lock_the_sweeps_alone_tell(
    house: House, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("rotator.ledger.lockfile.filesystem", lambda _: kind)
    house.sweep()
    house.lock.release()
    assert look(house.path, house.clock, house.lock).code == 0


def test_a_lock_that_this_user_may_not_look_at_tells_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    house.sweep()
    house.lock.release()
    monkeypatch.setattr("rotator.ledger.lockfile.os.open", refuse)
    assert look(house.path, house.clock, house.lock).code == 0


def test_silence_is_counted_in_real_time(house: House) -> None:
    house.sweep()
    house.clock.at += 2 * HOUR
    house.clock.factor = 3600.0
    assert look(house.path, house.clock, house.lock).code == 0


@pytest.mark.parametrize(
    ("due_for", "left", "code"),
    [(4, None, 0), (6, None, 1), (6, 50, 1), (6, 70, 0), (100, 900, 1), (100, 1100, 0)],
    ids=["a moment", "nothing published", "most of a margin", "a little of it", "long", "longer"],
)
def test_what_is_due_may_wait_for_a_tenth_of_its_margin(
    house: House, due_for: int, left: int | None, code: int
) -> None:
    house.clock.at = NOW + due_for * MINUTE
    expires_at = None if left is None else house.clock.at + left * MINUTE
    house.rest(NOW, expires_at)
    house.sweep()
    found = look(house.path, house.clock, house.lock)
    assert found.code == code
    if code:
        assert found.text.startswith("the worker sweeps, but acme/etl has been due for ")
        assert found.text.endswith(" (`rotator explain acme/etl`)")
        assert (found.waiting, found.due_at) == ("acme/etl", NOW)


def test_what_is_paused_or_at_work_does_not_wait(house: House) -> None:
    house.clock.at += HOUR
    house.ledger.sweep(house.clock.at, 9, until=house.clock.at + HOUR / 2)
    assert look(house.path, house.clock, house.lock).code == 0
    house.ledger.free_all()
    assert look(house.path, house.clock, house.lock).code == 1
    house.ledger.pause("acme/etl", NOW, "ada", "drill")
    assert look(house.path, house.clock, house.lock).code == 0


def test_it_works_beside_nobody_and_changes_nothing(house: House) -> None:
    house.sweep()
    house.ledger.close()
    house.lock.release()
    files = (house.path, house.path.with_name("worker.lock"))
    before = [each.read_bytes() for each in files]
    assert look(house.path, house.clock, house.lock).text.startswith("no worker is alive")
    assert [each.read_bytes() for each in files] == before


def test_a_file_that_is_no_ledger_is_told(tmp_path: Path) -> None:
    path = tmp_path / "odd ?#%.db"
    path.write_text("hello, this is no database" * 100)
    found = look(path, Clock(), WorkerLock(tmp_path / "worker.lock"))
    assert found.code == 1
    assert found.text.startswith("the ledger cannot be read: ")
