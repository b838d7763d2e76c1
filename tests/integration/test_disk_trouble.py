"""A worker whose ledger cannot be written, is taken away, or is no ledger any more."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.cli.exits import Exit
from rotator.clock import new_id
from rotator.ledger.facts import Manual, Row
from rotator.model import REFRESH_TOKEN, State
from rotator.sandbox.fakes import late
from rotator.sandbox.oauth2 import TOKEN
from rotator.sandbox.stage import Worker
from tests.integration import test_worker
from tests.integration.test_worker import ALBATO, OAUTH, Play, play, started

HELD = timedelta(seconds=1)
"""How long the provider keeps an answer back: time to take the disk away."""
TIMEOUTS = {"ROTATOR_REQUEST_TIMEOUT": "3s", "ROTATOR_PUT_TIMEOUT": "1s"}
"""An answer may take so long that HELD is well within."""
LIVES = timedelta(days=30)
CLOSED = (0, resource.RLIM_INFINITY)
OPEN = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_worker, "PATIENCE", 60.0)


@contextmanager
def chain(tmp_path: Path, *more: str) -> Iterator[tuple[Play, Worker]]:
    """A chain whose refresh token is used once and cannot be asked about; it is at rest."""
    with play(tmp_path, "oauth2", *more, **TIMEOUTS) as played:
        fake = played.stage.cast.oauth2
        fake.access_lifespan = fake.refresh_lifespan = LIVES
        worker = started(played)
        played.until(lambda: played.stored(OAUTH), "a token")
        played.until(lambda: _row(played).state is State.FRESH, "it rests")
        yield played, worker


def _row(played: Play, name: str = OAUTH) -> Row:
    return played.row(name)


def asked(played: Play, name: str = OAUTH) -> None:
    """As `rotator rotate` does."""
    wish = Manual(
        id=new_id(), credential=name, asked_at=played.stage.clock.now(), by="ada", why="drill",
        tokens=frozenset(),
    )  # fmt: skip
    with played.ledger() as ledger:
        ledger.ask(wish)


def in_flight(played: Play) -> int:
    """The provider has spent a refresh token and keeps its answer back; tokens kept so far."""
    fake = played.stage.cast.oauth2
    fake.fail_next(TOKEN, late(HELD))
    before, kept = fake.counts[TOKEN], played.stored(OAUTH, REFRESH_TOKEN)
    asked(played)
    played.until(lambda: fake.counts[TOKEN] > before, "a request")
    return kept


def goes_on(played: Play) -> None:
    """One more renewal, by the chain's own newest token."""
    before = played.stored(OAUTH)
    asked(played)
    played.until(lambda: played.stored(OAUTH) > before, "another token")


def _may_write(worker: Worker, limit: tuple[int, int]) -> None:
    """No file of that process may grow: what a full disk is to it (EFBIG for ENOSPC)."""
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, limit)


def test_an_answer_that_the_disk_does_not_take_is_kept_in_aws(tmp_path: Path) -> None:
    with chain(tmp_path) as (played, worker):
        kept = in_flight(played)
        _may_write(worker, CLOSED)
        played.until(lambda: played.stored(OAUTH, REFRESH_TOKEN) > kept, "kept from memory")
        worker.kill()  # with nothing of the answer in its ledger
        started(played, 2)
        goes_on(played)


def test_an_answer_that_nobody_takes_waits_for_the_disk(tmp_path: Path) -> None:
    with chain(tmp_path) as (played, worker):
        kept = in_flight(played)
        _may_write(worker, CLOSED)
        played.stage.aws.faults.go_dark()
        _pass(played, 2 * HELD)
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.is_alive
        assert played.stored(OAUTH, REFRESH_TOKEN) == kept
        _may_write(worker, OPEN)
        played.until(lambda: not worker.is_alive, "sealed, it ends as it was told to")
        played.stage.aws.faults.go_dark("")
        started(played, 2)
        played.until(lambda: played.stored(OAUTH, REFRESH_TOKEN) > kept, "kept by the next worker")
        goes_on(played)


def test_a_ledger_that_somebody_else_writes_to_is_waited_for(tmp_path: Path) -> None:
    with chain(tmp_path) as (played, worker):
        kept = in_flight(played)
        with closing(sqlite3.connect(played.stage.ledger_file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            _pass(played, 3 * HELD)
            assert played.stored(OAUTH, REFRESH_TOKEN) == kept
            other.execute("ROLLBACK")
        played.until(lambda: played.stored(OAUTH, REFRESH_TOKEN) > kept, "sealed, read and kept")
        goes_on(played)
        assert worker.is_alive


def test_a_ledger_that_is_deleted_beneath_the_worker_ends_it_and_is_made_anew(
    tmp_path: Path,
) -> None:
    with chain(tmp_path, "albato") as (played, worker):
        played.until(lambda: played.stored(ALBATO), "a token")
        kept = in_flight(played)
        _delete(played)
        played.until(lambda: played.stored(OAUTH, REFRESH_TOKEN) > kept, "kept from memory")
        assert _ends(played, worker) == Exit.LEDGER
        assert f"deleted or replaced while it was in use: {played.stage.ledger_file}" in _log(
            played
        )
        _is_rebuilt(played)


def test_a_ledger_that_is_deleted_between_two_workers_is_made_anew(tmp_path: Path) -> None:
    with chain(tmp_path, "albato") as (played, worker):
        assert worker.end() == 0
        _delete(played)
        _is_rebuilt(played)


def _is_rebuilt(played: Play) -> None:
    """Nothing is burnt: what is no chain goes on, a chain when a person says whose it is."""
    spent = played.stage.cast.oauth2.counts[TOKEN]
    published = played.stored(ALBATO)
    started(played, 2)
    played.until(lambda: _row(played).state is State.NEEDS_A_PERSON, "the chain is in doubt")
    assert "another ledger owns the chain" in _row(played).text
    asked(played, ALBATO)
    played.until(lambda: played.stored(ALBATO) > published, "what is no chain goes on")
    assert played.stage.cast.oauth2.counts[TOKEN] == spent
    said = _verb(played, "adopt", OAUTH, "--yes")
    assert said.returncode == 0, said.stderr
    goes_on(played)


def test_a_log_that_is_deleted_beneath_the_worker_loses_nothing(tmp_path: Path) -> None:
    """SQLite still has it open, and writes all of it into the ledger when it closes."""
    with chain(tmp_path) as (played, worker):
        kept = in_flight(played)
        Path(f"{played.stage.ledger_file}-wal").unlink()
        played.until(lambda: played.stored(OAUTH, REFRESH_TOKEN) > kept, "kept from memory")
        assert _ends(played, worker) == Exit.LEDGER
        started(played, 2)
        goes_on(played)


def test_a_damaged_ledger_is_copied_and_left_alone(tmp_path: Path) -> None:
    with chain(tmp_path) as (played, worker):
        assert worker.end() == 0
        file = played.stage.ledger_file
        content = file.read_bytes()
        spoilt = content[:8192] + b"\xa5" * 4096 + content[12288:]
        file.write_bytes(spoilt)
        said = _verb(played, "worker")
        assert said.returncode == Exit.LEDGER
        assert f"the ledger is damaged: {file}" in said.stderr
        assert "a copy is in ledger.db.damaged" in said.stderr
        assert "rotator adopt" in said.stderr
        assert file.read_bytes() == spoilt
        copy = file.with_name("ledger.db.damaged")
        assert copy.read_bytes() == spoilt
        assert copy.stat().st_mode & 0o777 == 0o600
        file.write_bytes(content)  # a copy of which nothing is missing is put back
        started(played, 2)
        goes_on(played)


def test_a_ledger_that_is_no_database_is_told_by_every_verb(tmp_path: Path) -> None:
    with chain(tmp_path) as (played, worker):
        assert worker.end() == 0
        file = played.stage.ledger_file
        file.write_bytes(b"A letter to a friend, and not a database at all. " * 400)
        for verb in ("worker", "status"):
            said = _verb(played, verb)
            assert (said.returncode, str(file) in said.stderr) == (Exit.LEDGER, True), verb
            assert "restore a copy" in said.stderr
        health = _verb(played, "health")
        assert health.returncode == 1
        assert str(file) in health.stdout


def test_a_disk_that_is_full_at_the_start_is_told(tmp_path: Path) -> None:
    with chain(tmp_path) as (played, worker):
        assert worker.end() == 0
        with _tmpfs(played.stage.folder / "state") as folder:
            (folder / "ballast").write_bytes(b"")
            with suppress(OSError), (folder / "ballast").open("wb") as ballast:
                while True:
                    ballast.write(bytes(4096))
            said = _verb(played, "worker")
            assert said.returncode == Exit.FAILED
            assert f"the ledger's disk is full: {folder / 'ledger.db'}" in said.stderr


def test_a_ledger_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    with chain(tmp_path) as (played, worker):
        assert worker.end() == 0
        with _tmpfs(played.stage.folder / "state") as folder:
            _mount("-o", "remount,ro", str(folder))
            said = _verb(played, "worker")
            assert said.returncode == Exit.FAILED
            assert str(folder) in said.stderr
            assert "worker's user" in said.stderr
            assert "Traceback" not in said.stderr


@contextmanager
def _tmpfs(folder: Path) -> Iterator[Path]:
    """A small disk with what lies in that folder, in its place."""
    kept = folder.with_name("kept")
    folder.rename(kept)
    folder.mkdir()
    if os.geteuid() or _mount("-t", "tmpfs", "-o", "size=1m", "none", str(folder)).returncode:
        folder.rmdir()
        kept.rename(folder)
        pytest.skip("only root may mount a small disk, and not in every container")
    try:
        for file in kept.iterdir():
            shutil.copy(file, folder)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - the system's
        folder.rmdir()
        kept.rename(folder)


def _mount(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["mount", *arguments], check=False, capture_output=True)  # noqa: S607


def _pass(played: Play, real: timedelta) -> None:
    ends = played.stage.clock.now() + played.stage.clock.stretch(real)
    played.until(lambda: played.stage.clock.now() > ends, "time passes")


def _delete(played: Play) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{played.stage.ledger_file}{suffix}").unlink(missing_ok=True)


def _ends(played: Play, worker: Worker) -> int:
    played.until(lambda: not worker.is_alive, "it ends by itself")
    return worker.end()


def _log(played: Play) -> str:
    return played.stage.log.read_text()


def _verb(played: Play, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rotator", *words], env={**played.stage.environ, "COLUMNS": "500"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
