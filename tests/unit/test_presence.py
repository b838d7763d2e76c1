from pathlib import Path
from typing import NoReturn

import pytest

from rotator.cli.exits import UnknownName
from rotator.cli.names import matching
from rotator.clock import Clock
from rotator.engine.health import look
from rotator.errors import LedgerError, SealError
from rotator.jobs.files import load
from rotator.ledger.connect import make_file
from rotator.ledger.keyfile import KeyFile
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.presence import is_there
from rotator.settings import Settings

JOB = """\
provider = "alation"
base_url = "https://alation.example.com"
[[credentials]]
name = "etl"
user_id = 1
seeds = { refresh_token = { env = "TOKEN" } }
"""


def refuse(path: Path) -> NoReturn:
    raise PermissionError(13, "Permission denied", str(path))


def test_a_file_is_there_or_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    assert not is_there(path)
    path.touch()
    assert is_there(path)


def test_where_this_user_may_not_look_nobody_says_that_nothing_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(
        LedgerError, match=r"ledger\.db cannot be looked at: Permission denied"
    ) as it:
        is_there(tmp_path / "ledger.db")
    assert "as the worker's user, who should own ROTATOR_STATE_DIR" in it.value.remedy


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="is no regular file"):
        is_there(tmp_path)


@pytest.mark.parametrize("opening", [make_file, lambda path: WorkerLock(path).attempt()])
def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path, opening: object) -> None:
    (tmp_path / "state").touch()
    assert callable(opening)
    with pytest.raises(LedgerError, match="state is no folder") as told:
        opening(tmp_path / "state" / "ledger.db")
    assert "ROTATOR_STATE_DIR" in told.value.remedy


def test_health_tells_it_and_does_not_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "stat", refuse)
    found = look(tmp_path / "ledger.db", Clock(), WorkerLock(tmp_path / "worker.lock"))
    assert found.code == 1
    assert "ledger.db cannot be looked at: Permission denied" in found.text


def test_a_key_file_that_nobody_may_look_at_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rotator.ledger.keyfile.os.path.lexists", lambda _: False)
    monkeypatch.setattr("rotator.ledger.keyfile.os.open", lambda path, *_: refuse(path))
    with pytest.raises(SealError, match="cannot be made: Permission denied"):
        KeyFile(tmp_path / "keys" / "seal.key", tmp_path / "state").new_key(())


@pytest.mark.parametrize(("pattern", "which"), [("*", "a credential"), ("alation", "alation")])
def test_a_credential_that_no_worker_has_met_is_not_called_unknown(
    tmp_path: Path, pattern: str, which: str
) -> None:
    (tmp_path / "alation.toml").write_text(JOB)
    settings = Settings(state_dir=tmp_path / "state", key_file=tmp_path / "key")
    book = load(tmp_path, settings, {"TOKEN": "x"})
    with pytest.raises(UnknownName, match=f"no worker has met {which} yet") as told:
        matching([pattern], [], book)
    assert "rotator worker" in told.value.remedy
    assert "kill -HUP" in told.value.remedy
