"""The worker within this process: what signals cannot bring about."""

import io
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from rotator.clock import Clock
from rotator.engine import assembly, logs, worker
from rotator.engine.alerts import Alerts
from rotator.engine.book import load_book
from rotator.engine.notify import Notifier
from rotator.engine.webhooks import Webhooks
from rotator.engine.worker import Order, Orders, Told, Worker
from rotator.environment import load_settings
from rotator.errors import LedgerError
from rotator.model import Reason, State
from rotator.rotation.telling import Outcome
from rotator.settings import Settings

PATIENCE = 10.0
JOB = """\
provider = "oauth2"
token_url = "https://auth.example.com/token"

[[credentials]]
name = "reports"
client_id = "{client_id}"
seeds.client_secret = {{ env = "SECRET" }}
"""


class House:
    """A worker in a thread; its provider and its store are nowhere."""

    def __init__(self, settings: Settings, said: io.StringIO) -> None:
        self.settings, self.said = settings, said
        self.orders = Orders()
        self.code: int | None = None
        self.walked: list[str] = []
        self._ledger = assembly.open_ledger(settings)
        self.ledger = self._ledger.__enter__()
        self._tools = assembly.open_tools(settings, {}, ledger=self.ledger)
        tools = self._tools.__enter__()
        clock = Clock()
        self.worker = Worker(
            tools, self.ledger, lambda: load_book(settings, {}), slots=2,
            told=Told(
                Alerts(None, self.ledger, clock, logs.logger()), Webhooks(()), Notifier({}, clock)
            ),
        )  # fmt: skip
        self._thread = threading.Thread(target=self._run)

    def write(self, client_id: str = "me") -> None:
        (self.settings.jobs_dir / "oauth.toml").write_text(JOB.format(client_id=client_id))

    def _run(self) -> None:
        self.code = self.worker.run(self.orders)

    def start(self) -> None:
        self._thread.start()
        self.says("ready")

    def stop(self) -> None:
        if self._thread.is_alive():
            self.orders.put(Order.STOP)
            self._thread.join(PATIENCE)
        self._tools.__exit__(None, None, None)
        self._ledger.__exit__(None, None, None)

    def until(self, holds: Callable[[], object]) -> None:
        real, pause = Clock(), threading.Event()
        ends = real.monotonic() + PATIENCE
        while not holds():
            assert real.monotonic() < ends, self.said.getvalue()
            pause.wait(0.01)

    def says(self, what: str, times: int = 1) -> None:
        self.until(lambda: self.said.getvalue().count(f'"{what}"') >= times)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    (tmp_path / "jobs").mkdir()
    environ = {
        "HOME": str(tmp_path),
        "ROTATOR_JOBS_DIR": str(tmp_path / "jobs"),
        "ROTATOR_ALLOW_EPHEMERAL_STATE": "1",
        "ROTATOR_LOG_FORMAT": "json",
    }
    root, said = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    settings = load_settings(environ)
    logs.set_up(settings, said)
    built = House(settings, said)

    def walk(_: Any, credential: Any, __: Any) -> Outcome:
        built.walked.append(f"{credential.qualified} {credential.identity['client_id']}")
        if credential.identity["client_id"] == "broken":
            raise ValueError("hunter2-canary")
        if credential.identity["client_id"] == "unlucky":
            raise LedgerError("the disk is full")
        name = credential.qualified
        return Outcome(credential=name, state=State.FRESH, reason=Reason.MISSING)

    monkeypatch.setattr(worker, "rotate", walk)
    monkeypatch.setattr(worker, "_LOOK", 0.05)
    built.write()
    yield built
    built.stop()
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_scheduler_that_died_ends_the_worker_for_its_supervisor(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.start()
    monkeypatch.setattr(worker, "_GIVE_UP", -1.0)
    house.until(lambda: house.code is not None)
    assert house.code == 1
    assert "the scheduler has stopped" in house.said.getvalue()


def test_a_worker_that_breaks_ends_its_threads_before_it_goes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_: Orders) -> int:
        raise RuntimeError("odd")

    monkeypatch.setattr(house.worker, "_obey", breaks)
    with pytest.raises(RuntimeError, match="odd"):
        house.worker.run(house.orders)
    house.says("stopped")


def test_a_job_that_was_edited_is_looked_at_at_once(house: House) -> None:
    house.start()
    house.until(lambda: house.walked)
    house.write("another")
    house.orders.put(Order.RELOAD)
    house.until(lambda: "oauth/reports another" in house.walked)


def test_what_was_forgotten_begins_anew_while_its_job_file_gives_it(house: House) -> None:
    house.start()
    house.until(lambda: len(house.walked) == 1)
    house.ledger.forget("oauth/reports")
    house.until(lambda: len(house.walked) == 2)
    assert [row.credential for row in house.ledger.rows()] == ["oauth/reports"]


def test_a_ledger_that_cannot_take_the_forgotten_back_ends_no_worker(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.start()
    house.until(lambda: len(house.walked) == 1)

    def fail(*_: object) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(house.ledger, "enrol", fail)
        house.ledger.forget("oauth/reports")
        house.until(lambda: "the disk is full" in house.said.getvalue())
    house.until(lambda: len(house.walked) == 2)


def test_a_job_that_waits_for_its_environment_is_named(house: House) -> None:
    text = JOB.format(client_id="me").replace('"https://auth.example.com/token"', '{ env = "URL" }')
    (house.settings.jobs_dir / "later.toml").write_text(text)
    house.start()
    house.says("a job is off")
    assert '"unset": "URL"' in house.said.getvalue()


def test_files_that_look_like_job_files_are_named_at_the_start_and_at_a_reload(
    house: House,
) -> None:
    (house.settings.jobs_dir / "alation.tml").write_text("")
    house.start()
    house.says("files that look like job files are read by nobody")
    (house.settings.jobs_dir / "albato.yaml").write_text("")
    house.orders.put(Order.RELOAD)
    house.says("files that look like job files are read by nobody", 2)
    assert "albato.yaml" in house.said.getvalue()


def test_a_folder_that_is_gone_at_a_reload_takes_no_credential_with_it(house: House) -> None:
    house.start()
    house.until(lambda: house.walked)
    jobs = house.settings.jobs_dir
    away = jobs.rename(jobs.with_name("away"))
    house.orders.put(Order.RELOAD)
    house.says("the job files could not be read, and those that are known go on")
    house.says("ready", 2)
    assert [row.due_at is None for row in house.ledger.rows()] == [False]
    assert list(house.worker.book.credentials) == ["oauth/reports"]
    away.rename(jobs)
    house.write("another")  # and nobody need ask once more
    house.until(lambda: "oauth/reports another" in house.walked)


def test_a_worker_that_starts_before_its_folder_is_mounted_begins_once_it_is(house: House) -> None:
    jobs = house.settings.jobs_dir
    house.ledger.enrol({"oauth": ["oauth/reports"]}, Clock().now())
    away = jobs.rename(jobs.with_name("away"))
    house.start()
    assert [row.due_at is None for row in house.ledger.rows()] == [False]
    away.rename(jobs)
    house.until(lambda: "oauth/reports me" in house.walked)
    house.says("ready", 2)


def test_a_ledger_that_fails_a_reload_is_asked_again_until_it_works(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.start()

    def fail(*_: object) -> None:
        raise LedgerError("the disk is full")

    house.until(lambda: house.walked)
    house.write("another")
    with monkeypatch.context() as broken:
        broken.setattr(house.ledger, "enrol", fail)
        house.orders.put(Order.RELOAD)
        house.says("ready", 2)
        assert "the disk is full" in house.said.getvalue()
    house.until(lambda: "oauth/reports another" in house.walked)


@pytest.mark.parametrize(
    ("client_id", "told"), [("broken", "ValueError"), ("unlucky", "the disk is full")]
)
def test_a_rotation_that_breaks_off_is_told_once_and_without_its_words(
    house: House, client_id: str, told: str
) -> None:
    house.write(client_id)
    house.start()
    house.says("a rotation broke off")
    house.worker._feeder.wish(["oauth/reports"])  # noqa: SLF001 - which sits this one out
    house.worker._feeder.wish(["oauth/reports"])  # noqa: SLF001
    assert told in house.said.getvalue()
    assert '"credential": "oauth/reports"' in house.said.getvalue()
    assert "canary" not in house.said.getvalue()
    assert house.said.getvalue().count("broke off") == 1


def test_upkeep_prunes_once_a_day(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    pruned: list[object] = []
    monkeypatch.setattr(house.ledger, "prune", pruned.append)
    house.worker._keep_up()  # noqa: SLF001 - APScheduler calls it each hour
    house.worker._keep_up()  # noqa: SLF001
    assert len(pruned) == 1


def test_a_credential_whose_file_went_away_after_the_claim_is_left_alone(house: House) -> None:
    house.worker._rotate("gone/away")  # noqa: SLF001 - between a claim and its turn
    assert house.walked == []
