import base64
import os
import stat
from pathlib import Path

import pytest

from rotator.errors import SealError
from rotator.ledger.keyfile import make_key, read_key


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "seal.key"


def test_a_key_file_is_made_for_its_owner_alone(key_file: Path) -> None:
    make_key(key_file)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert len(read_key(key_file)) == 32
    assert [found.name for found in key_file.parent.iterdir()] == ["seal.key"]


def test_a_key_file_is_never_overwritten(key_file: Path) -> None:
    make_key(key_file)
    before = key_file.read_bytes()
    make_key(key_file)
    assert key_file.read_bytes() == before
    assert [found.name for found in key_file.parent.iterdir()] == ["seal.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o610])
def test_a_key_file_that_others_may_touch_is_refused(key_file: Path, mode: int) -> None:
    make_key(key_file)
    key_file.chmod(mode)
    with pytest.raises(SealError, match="open to others") as error:
        read_key(key_file)
    assert "chmod 600" in error.value.remedy


@pytest.mark.parametrize(("mode", "read"), [(0o440, True), (0o460, False), (0o444, False)])
def test_an_orchestrator_may_hand_over_roots_file_through_its_group(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, mode: int, *, read: bool
) -> None:
    make_key(key_file)
    key_file.chmod(mode)
    status = list(key_file.stat())
    status[stat.ST_UID] = 0
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result(status))
    if read:
        assert len(read_key(key_file)) == 32
    else:
        with pytest.raises(SealError, match="open to others"):
            read_key(key_file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"rotator-key-1:",
        b"rotator-key-1:AAAA\n",
        b"rotator-key-1:not base64!\n",
        b"rotator-key-2:" + base64.b64encode(bytes(32)),
        base64.b64encode(bytes(32)),
        bytes(range(128, 192)),
    ],
)
def test_a_file_without_a_key_is_refused(key_file: Path, content: bytes) -> None:
    make_key(key_file)
    key_file.write_bytes(content)
    with pytest.raises(SealError, match="no key of rotator's"):
        read_key(key_file)


def test_a_folder_in_the_key_files_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="cannot be read: Is a directory"):
        read_key(tmp_path)


def test_a_key_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SealError, match="cannot be made"):
        make_key(tmp_path / "file" / "seal.key")
