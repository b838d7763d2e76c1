"""The worker as a process: over HTTP on both sides, on a clock that runs an hour a second."""

import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rotator.clock import Clock, new_id
from rotator.engine.health import look
from rotator.ledger.facts import Manual, Row
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.sql import SqlLedger
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Shelf
from rotator.sandbox.albato import AlbatoFake
from rotator.sandbox.fakes import late
from rotator.sandbox.stage import JOBS, Stage, Worker
from rotator.sandbox.witness import Stored

PATIENCE = 10.0
FACTOR = 3600
ALBATO, OAUTH = "albato/customer-17", "oauth2/reports"
SESSION = "/wl/acme/get-user-session-token"


class Play:
    """A stage with a folder of job files that may change, and the worker's log read as JSON."""

    def __init__(self, stage: Stage, jobs: Path) -> None:
        self.stage, self.jobs = stage, jobs
        self._real = Clock()
        self._pause = threading.Event()
        self._stored: Counter[tuple[str, str]] = Counter()
        self.versions: list[Stored] = []
        stage.aws.on_stored = self._count

    def _count(self, stored: Stored) -> None:
        self._stored[stored.credential, stored.token] += 1
        self.versions.append(stored)

    def stored(self, credential: str, token: str = ACCESS_TOKEN) -> int:
        """How many tokens have reached the store."""
        return self._stored[credential, token]

    def add(self, *names: str) -> None:
        for name in names:
            (self.jobs / f"{name}.toml").write_text((JOBS / f"{name}.toml").read_text())

    def until(self, holds: Callable[[], object], what: str) -> None:
        ends = self._real.monotonic() + PATIENCE
        while not holds():
            if self._real.monotonic() > ends:
                pytest.fail(f"not within {PATIENCE} s: {what}\n{self.stage.last_words(40)}")
            self._pause.wait(0.02)

    def lines(self, event: str, **facts: Any) -> list[dict[str, Any]]:
        """What workers logged."""
        written = self.stage.log.read_text().splitlines(keepends=True)
        found = [json.loads(line) for line in written if line.startswith("{") and "\n" in line]
        return [
            line
            for line in found
            if line["event"] == event and all(line.get(key) == facts[key] for key in facts)
        ]

    def heard(self, event: str, times: int = 1, **facts: Any) -> None:
        self.until(lambda: len(self.lines(event, **facts)) >= times, f"{times} x {event} {facts}")

    def renewed(self, credential: str, times: int, token: str = ACCESS_TOKEN) -> None:
        """Wait for so many more tokens in the store."""
        before = self.stored(credential, token)
        self.until(
            lambda: self.stored(credential, token) >= before + times,
            f"{times} new of {credential}",
        )

    @contextmanager
    def ledger(self) -> Iterator[SqlLedger]:
        ledger = SqlLedger.open(self.stage.ledger_file, create=False)
        try:
            yield ledger
        finally:
            ledger.close()

    def row(self, credential: str) -> Row:
        with self.ledger() as ledger:
            return ledger.rows([credential])[0]


@contextmanager
def play(tmp_path: Path, *names: str, **extra: str) -> Iterator[Play]:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    epoch = Clock().now()
    settings = {"ROTATOR_LOG_FORMAT": "json", **extra}
    worker = (sys.executable, "-m", "rotator", "worker")
    clock = Clock(FACTOR, epoch)
    with Stage(clock, epoch.isoformat(), jobs=jobs, extra=settings, worker=worker) as stage:
        played = Play(stage, jobs)
        played.add(*names)
        yield played
        assert stage.cast.presented_twice == 0
        _no_secret_in(played)


def _no_secret_in(played: Play) -> None:
    stage = played.stage
    said = stage.log.read_text()
    seeds = {name: value for name, value in stage.environ.items() if "TOKEN" in name}
    seeds.pop("OAUTH2_TOKEN_URL")
    assert not [name for name, value in seeds.items() if value in said]
    assert not [token for token in _tokens(played) if token in said]


def _tokens(played: Play) -> Iterator[str]:
    for name in (ALBATO, OAUTH):
        for shelf, key in ((Shelf.TOKEN, ACCESS_TOKEN), (Shelf.KEYRING, REFRESH_TOKEN)):
            if played.stored(name, key):
                found = played.stage.aws.call(
                    "GetSecretValue", {"SecretId": f"rotator/{shelf}/{name}"}
                )
                yield json.loads(found["SecretString"])[key]


def started(played: Play, times: int = 1) -> Worker:
    worker = played.stage.start_worker()
    played.heard("ready", times)
    return worker


def test_tokens_are_renewed_for_as_long_as_it_runs(tmp_path: Path) -> None:
    with play(tmp_path, "albato", "oauth2") as played:
        started(played)
        played.renewed(OAUTH, 4)
        assert played.stored(OAUTH, REFRESH_TOKEN) >= 4
        played.renewed(ALBATO, 1)
        lock = WorkerLock(played.stage.ledger_file.with_name("worker.lock"))
        assert look(played.stage.ledger_file, played.stage.clock, lock).code == 0


def test_a_token_is_replaced_before_it_dies(tmp_path: Path) -> None:
    with play(tmp_path, "oauth2") as played:
        played.stage.cast.oauth2.access_lifespan = timedelta(hours=4)  # half of it: two seconds
        started(played)
        played.renewed(OAUTH, 3)
        versions = [each for each in played.versions if each.token == ACCESS_TOKEN]
        for old, new in pairwise(versions):
            assert old.expires_at is not None
            assert new.at < old.expires_at


def test_sigterm_lets_what_is_in_flight_end_and_begins_nothing(tmp_path: Path) -> None:
    with play(tmp_path, "albato") as played:
        fake = played.stage.cast.albato
        fake.fail_next(SESSION, late(timedelta(seconds=1)))
        worker = started(played)
        played.until(lambda: fake.counts[SESSION], "a request")
        os.kill(worker.pid, signal.SIGTERM)
        played.heard("stopping")
        os.kill(worker.pid, signal.SIGTERM)
        os.kill(worker.pid, signal.SIGINT)
        assert worker.end() == 0
        assert played.stored(ALBATO) == 1
        assert [seen.outcome for seen in fake.log if seen.outcome != "late"] == ["200"]
        assert played.lines("rest", credential=ALBATO, state="fresh")
        assert played.lines("stopped")


def test_sighup_finds_a_new_file_and_a_broken_one_stops_only_itself(tmp_path: Path) -> None:
    with play(tmp_path, "oauth2") as played:
        worker = started(played)
        played.add("albato")
        (played.jobs / "amino.toml").write_text('provider = "amino"\nbase_url = 7\n')
        os.kill(worker.pid, signal.SIGHUP)
        played.renewed(ALBATO, 1)
        wrong = played.lines("a job file is wrong, and its job stands still")
        assert {(line["field"], line["line"]) for line in wrong} >= {("base_url", 2)}
        assert played.lines("ready", jobs=2, wrong_files=1)

        broken = (played.jobs / "oauth2.toml").read_text().replace("survive", "survives")
        (played.jobs / "oauth2.toml").write_text(broken)
        os.kill(worker.pid, signal.SIGHUP)
        played.heard("ready", jobs=1, wrong_files=2)
        assert played.row(OAUTH).due_at is None
        played.renewed(ALBATO, 1)

        played.add("oauth2")
        (played.jobs / "amino.toml").unlink()
        os.kill(worker.pid, signal.SIGHUP)
        played.heard("ready", jobs=2, wrong_files=0)
        played.renewed(OAUTH, 1)


def test_sigkill_with_a_request_in_flight_and_the_next_worker_goes_on(tmp_path: Path) -> None:
    with play(tmp_path, "albato", ROTATOR_REQUEST_TIMEOUT="1s", ROTATOR_PUT_TIMEOUT="1s") as played:
        fake = played.stage.cast.albato
        fake.fail_next(SESSION, late(timedelta(seconds=0.5)))
        worker = started(played)
        played.until(lambda: fake.counts[SESSION], "a request")
        worker.kill()
        assert played.stored(ALBATO) == 0
        started(played, 2)
        played.renewed(ALBATO, 1)
        assert played.stage.cast.albato.counts[SESSION] >= 2


def test_a_second_worker_waits_and_takes_over(tmp_path: Path) -> None:
    with play(tmp_path, "oauth2") as played:
        first = started(played)
        second = played.stage.start_worker()
        played.heard("another worker holds the ledger: standing by", holder=str(first.pid))
        played.renewed(OAUTH, 1)
        assert len(played.lines("ready")) == 1
        first.kill()
        played.heard("taking over")
        played.heard("ready", 2)
        played.renewed(OAUTH, 2)
        assert second.is_alive


def test_a_standby_tells_what_is_wrong_with_its_own_job_files(tmp_path: Path) -> None:
    with play(tmp_path, "albato") as played:
        started(played)
        (played.jobs / "bad.toml").write_text("provider = 1\n")
        played.stage.start_worker()
        played.heard("this standby's job files have mistakes", remedy="`rotator check`")
        played.jobs.rename(played.jobs.with_name("moved"))
        played.stage.start_worker()
        played.heard("this standby's job files cannot be read", folder=str(played.jobs))


def test_a_standby_may_be_told_to_stop(tmp_path: Path) -> None:
    with play(tmp_path, "albato") as played:
        first = started(played)
        second = played.stage.start_worker()
        played.heard("another worker holds the ledger: standing by")
        assert second.end() == 0
        assert first.is_alive


def test_what_a_person_asks_for_happens_within_a_second_or_so(tmp_path: Path) -> None:
    with play(tmp_path, "albato") as played:
        started(played)
        played.renewed(ALBATO, 1)
        played.heard("rest", credential=ALBATO)
        now = played.stage.clock.now()
        wish = Manual(
            id=new_id(), credential=ALBATO, asked_at=now, by="ada", why="drill",
            tokens=frozenset(),
        )  # fmt: skip
        with played.ledger() as ledger:
            ledger.ask(wish)
        played.heard("publish", credential=ALBATO, cause="manual by ada: drill")
        played.until(lambda: _met(played, wish), "the wish is met")


def _met(played: Play, wish: Manual) -> bool:
    with played.ledger() as ledger:
        found = ledger.manual(wish.id)
    return found is not None and found.met_at is not None


def test_systemd_is_told(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(PATIENCE)
        heard: list[str] = []

        def hears(message: str) -> None:
            while not heard or message not in heard[-1]:
                heard.append(systemd.recv(4096).decode())

        with play(tmp_path, "albato", NOTIFY_SOCKET=address, WATCHDOG_USEC="3000000") as played:
            worker = played.stage.start_worker()
            hears("READY=1\nSTATUS=1 credentials of 1 jobs")
            hears("WATCHDOG=1")
            heard.clear()
            os.kill(worker.pid, signal.SIGHUP)
            hears("RELOADING=1\nMONOTONIC_USEC=")
            hears("READY=1")
            second = played.stage.start_worker()
            hears("STATUS=standing by")
            second.end()
            worker.end()
            hears("STOPPING=1")


def test_forty_customers_due_at_once_are_all_served(tmp_path: Path) -> None:
    with play(tmp_path, ROTATOR_WRITE_BUDGET="50") as played:
        albato = played.stage.cast.albato
        assert isinstance(albato, AlbatoFake)
        names = [f"customer-{number}" for number in range(40)]
        albato.users.update(names)
        table = (
            '[[credentials]]\nname = "{0}"\nuser_id = "{0}"\nseeds = {{ partner_token = {ref} }}\n'
        )
        ref = '{ env = "ALBATO_PARTNER_TOKEN" }'
        head = (JOBS / "albato.toml").read_text().partition("[[credentials]]")[0]
        tables = "".join(table.format(name, ref=ref) for name in names)
        (played.jobs / "albato.toml").write_text(head + tables)
        started(played)
        played.until(lambda: all(played.stored(f"albato/{name}") for name in names), "all 40")


def test_an_unknown_alert_address_stops_it_at_the_door(tmp_path: Path) -> None:
    with play(tmp_path, "albato", ROTATOR_ALERT_URLS="nosuch://hunter2-canary") as played:
        worker = played.stage.start_worker()
        played.until(lambda: not worker.is_alive, "it ends")
        assert worker.end() != 0
        said = played.stage.log.read_text()
        assert "ROTATOR_ALERT_URLS" in said
        assert "canary" not in said


def test_the_job_called_watch_is_a_job_like_any_other(tmp_path: Path) -> None:
    with play(tmp_path) as played:
        (played.jobs / "watch.toml").write_text((JOBS / "albato.toml").read_text())
        started(played)
        played.renewed("watch/customer-17", 1)
