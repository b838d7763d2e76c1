"""What `check` says where a worker could not start: of folders, and whose they are."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rotator.cli.checks import folders
from rotator.cli.checks.findings import Finding
from rotator.cli.exits import Exit
from rotator.cli.opening import House
from rotator.settings import Settings
from tests.integration.town import Town

NOBODY = 65534


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who is not root, for whom the kernel would make an exception of every rule."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def home() -> Iterator[Path]:
    """Open to any user, as pytest's own folders are not."""
    with TemporaryDirectory() as made:
        folder = Path(made).resolve()
        folder.chmod(0o755)
        yield folder
        for each in [folder, *folder.rglob("*")]:
            each.chmod(0o700)


def told(home: Path) -> list[Finding]:
    settings = Settings(state_dir=home / "state", key_file=home / "keys" / "seal.key")
    with without_rights():
        return list(folders.barred(House(settings, {})))


def barred(folder: Path, mode: int = 0o555) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)


def open_to_all(folder: Path) -> None:
    barred(folder, 0o777)


def test_folders_that_can_be_made_are_not_made(home: Path) -> None:
    open_to_all(home)
    assert told(home) == []
    assert list(home.iterdir()) == []


def test_a_folder_that_may_not_be_made_is_told_with_who_should_own_it(home: Path) -> None:
    barred(home)
    state, key = told(home)
    assert (state.level, state.what, key.what) == ("fail", "state folder", "sealing key")
    assert state.text.startswith(f"{home}/state cannot be made: {home} may not be written by ")
    assert state.remedy.startswith(f"make {home}/state, let the worker's user own it, and run")
    assert "or set ROTATOR_STATE_DIR to another path" in state.remedy
    assert key.text.startswith(f"{home}/keys cannot be made: {home} may not be written by ")
    assert "ROTATOR_KEY_FILE" in key.remedy


@pytest.mark.parametrize("mode", [0o555, 0o666, 0o000])
def test_a_folder_must_be_writable_and_open_to_passage(home: Path, mode: int) -> None:
    open_to_all(home)
    barred(home / "state", mode)
    barred(home / "keys", mode)
    state, key = told(home)
    assert state.text.startswith(f"{home}/state may not be written by ")
    assert state.remedy.startswith("let the worker's user own it")
    assert key.text.startswith(f"{home}/keys may not be written by ")


@pytest.mark.parametrize("name", ["ledger.db", "ledger.db-wal", "ledger.db-shm", "worker.lock"])
def test_another_users_file_in_a_folder_of_ones_own_is_told(home: Path, name: str) -> None:
    open_to_all(home)
    open_to_all(home / "state")
    file = home / "state" / name
    file.touch(mode=0o444)
    (found,) = told(home)
    assert found.text.startswith(f"{file} may not be read and written by ")
    file.unlink()
    file.mkdir()
    (found,) = told(home)
    assert found.text == f"{file} is no regular file"


def test_a_key_that_is_there_need_not_be_writable_nor_one_that_a_ledger_misses(home: Path) -> None:
    open_to_all(home)
    open_to_all(home / "state")
    (home / "keys").mkdir()
    (home / "keys" / "seal.key").touch()
    barred(home / "keys")
    assert told(home) == []
    (home / "keys").chmod(0o755)
    (home / "keys" / "seal.key").unlink()
    (home / "state" / "ledger.db").touch()
    (home / "state" / "ledger.db").chmod(0o666)
    barred(home / "keys")
    assert told(home) == []
    barred(home / "keys", 0o000)
    assert [found.what for found in told(home)] == ["sealing key"]


def test_a_user_who_has_no_name_is_told_by_number(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    barred(home)

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert " by user " in told(home)[0].text


def test_with_a_key_in_kms_no_folder_is_wanted_for_one(home: Path) -> None:
    open_to_all(home)
    barred(home / "keys")
    open_to_all(home / "state")
    settings = Settings(
        state_dir=home / "state", key_file=home / "keys" / "k", seal_kms_key="alias/rotator"
    )
    with without_rights():
        assert list(folders.barred(House(settings, {}))) == []


@pytest.mark.parametrize("names", [(), ("oauth",)])
def test_check_fails_where_a_file_lies_in_the_place_of_a_folder(
    here: Town, names: tuple[str, ...]
) -> None:
    (here.home / "file").touch()
    said = here.run("check", "--offline", *names, ROTATOR_STATE_DIR=f"{here.home}/file/state")
    assert said.code == Exit.WRONG
    told = f"fail  this machine: {here.home}/file/state cannot be made: {here.home}/file is no"
    assert told in said.out
    assert "ok    oauth" in said.out
    assert said.out.splitlines()[-1].startswith("1 to mend; ")


def test_check_fails_where_even_root_can_make_no_folder(here: Town) -> None:
    said = here.run("check", "--offline", ROTATOR_STATE_DIR="/proc/x")
    assert said.code == Exit.WRONG
    assert "fail  this machine: /proc/x cannot be made: /proc lies on proc" in said.out
    assert "set ROTATOR_STATE_DIR to a path on a disk that stays" in said.out
