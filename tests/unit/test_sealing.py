import base64
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator.errors import SealError
from rotator.ledger.sealing import Fingerprints, Sealer, make_key, read_key, unlock
from rotator.ledger.sql import SqlLedger
from rotator.model import Secret

HERE = ("ledger-1", "alation/etl", "request-1")
PLAIN = b'{"refresh_token": "planted"}'


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(bytes(range(32)))


@pytest.fixture
def ledger() -> Iterator[SqlLedger]:
    made = SqlLedger.in_memory()
    yield made
    made.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "seal.key"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


# Sealing.


def test_what_was_sealed_opens_where_it_was_bound_to(sealer: Sealer) -> None:
    for plain in (b"", PLAIN, os.urandom(100_000)):
        assert sealer.open(sealer.seal(plain, bound_to=HERE), bound_to=HERE) == plain


def test_a_sealed_text_shows_nothing_and_never_looks_the_same(sealer: Sealer) -> None:
    sealed = {sealer.seal(PLAIN, bound_to=HERE) for _ in range(100)}
    assert len(sealed) == 100
    assert not any(b"planted" in one for one in sealed)
    assert {len(one) for one in sealed} == {1 + 12 + len(PLAIN) + 16}


@pytest.mark.parametrize(
    "elsewhere",
    [
        ("ledger-2", "alation/etl", "request-1"),
        ("ledger-1", "alation/bi", "request-1"),
        ("ledger-1", "alation/etl", "request-2"),
        ("ledger-1", "alation/etl", "request-1", ""),
        ("ledger-1", "alation/etlrequest-1"),
        ("ledger-1alation", "/etl", "request-1"),
        (),
    ],
)
def test_a_sealed_text_does_not_open_elsewhere(sealer: Sealer, elsewhere: tuple[str, ...]) -> None:
    sealed = sealer.seal(PLAIN, bound_to=HERE)
    with pytest.raises(SealError, match="does not open"):
        sealer.open(sealed, bound_to=elsewhere)


def test_no_byte_of_a_sealed_text_may_change(sealer: Sealer) -> None:
    sealed = sealer.seal(PLAIN, bound_to=HERE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealError):
            sealer.open(bytes(changed), bound_to=HERE)


@pytest.mark.parametrize("cut", [b"", b"\x01", b"\x01" + bytes(12), b"\x01" + bytes(27)])
def test_a_stump_is_a_seal_error(sealer: Sealer, cut: bytes) -> None:
    with pytest.raises(SealError):
        sealer.open(cut, bound_to=HERE)


def test_another_key_opens_nothing_and_the_error_says_what_to_do(sealer: Sealer) -> None:
    sealed = Sealer(bytes(32)).seal(PLAIN, bound_to=HERE)
    with pytest.raises(SealError) as error:
        sealer.open(sealed, bound_to=HERE)
    assert "restore the key file" in error.value.remedy
    assert error.value.__cause__ is None


# Fingerprints.


def test_a_fingerprint_is_of_the_secret_and_the_key_alone() -> None:
    one, other = Fingerprints(b"k" * 32), Fingerprints(b"l" * 32)
    assert one.fingerprint(Secret("s")) == Fingerprints(b"k" * 32).fingerprint(Secret("s"))
    assert one.fingerprint(Secret("s")) != one.fingerprint(Secret("t"))
    assert one.fingerprint(Secret("s")) != other.fingerprint(Secret("s"))
    assert len(bytes.fromhex(one.fingerprint(Secret("s")))) == 32


def test_no_part_of_a_digest_runs_into_the_next() -> None:
    digest = Fingerprints(b"k" * 32).digest
    every = [digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", ""), digest()]
    assert len(set(every)) == 5
    assert digest("ab", "c") == digest("ab", "c")


def test_a_digest_is_never_a_fingerprint() -> None:
    prints = Fingerprints(b"k" * 32)
    assert prints.digest("s") != prints.fingerprint(Secret("s"))


# The key file.


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


# Unlocking a ledger.


def test_a_new_ledger_makes_its_key_file(
    ledger: SqlLedger, key_file: Path, state_dir: Path
) -> None:
    unlock(ledger, key_file, state_dir)
    assert len(read_key(key_file)) == 32


def test_a_key_file_that_is_there_serves_a_new_ledger(
    ledger: SqlLedger, key_file: Path, state_dir: Path
) -> None:
    make_key(key_file)
    before = key_file.read_bytes()
    unlock(ledger, key_file, state_dir)
    assert key_file.read_bytes() == before


def test_a_ledger_gives_the_same_names_all_its_life(
    ledger: SqlLedger, key_file: Path, state_dir: Path
) -> None:
    sealer, prints = unlock(ledger, key_file, state_dir)
    again, same = unlock(ledger, key_file, state_dir)
    assert same.fingerprint(Secret("s")) == prints.fingerprint(Secret("s"))
    assert again.open(sealer.seal(PLAIN, bound_to=HERE), bound_to=HERE) == PLAIN


def test_two_ledgers_under_one_key_file_give_different_names(
    ledger: SqlLedger, key_file: Path, state_dir: Path
) -> None:
    other = SqlLedger.in_memory()
    _, here = unlock(ledger, key_file, state_dir)
    _, there = unlock(other, key_file, state_dir)
    assert here.fingerprint(Secret("s")) != there.fingerprint(Secret("s"))
    other.close()


def test_a_missing_key_file_is_told_and_not_made_anew(
    ledger: SqlLedger, key_file: Path, state_dir: Path
) -> None:
    unlock(ledger, key_file, state_dir)
    key_file.unlink()
    with pytest.raises(SealError, match="cannot be read") as error:
        unlock(ledger, key_file, state_dir)
    assert "restore the key file" in error.value.remedy
    assert not key_file.exists()


def test_a_replaced_key_file_is_told_and_overwrites_nothing(
    ledger: SqlLedger, key_file: Path, state_dir: Path
) -> None:
    unlock(ledger, key_file, state_dir)
    wrapped, right = ledger.keepsake("fingerprint_key"), key_file.read_bytes()
    key_file.unlink()
    make_key(key_file)
    with pytest.raises(SealError, match="not this ledger's"):
        unlock(ledger, key_file, state_dir)
    assert ledger.keepsake("fingerprint_key") == wrapped
    key_file.write_bytes(right)
    unlock(ledger, key_file, state_dir)


def test_a_fingerprint_key_from_another_ledger_does_not_open(
    ledger: SqlLedger, key_file: Path, state_dir: Path
) -> None:
    other = SqlLedger.in_memory()
    unlock(other, key_file, state_dir)
    ledger.keep_once("fingerprint_key", other.keepsake("fingerprint_key") or "")
    other.close()
    with pytest.raises(SealError, match="not this ledger's"):
        unlock(ledger, key_file, state_dir)


@pytest.mark.parametrize("place", ["state/seal.key", "state/keys/seal.key", "link/seal.key"])
def test_a_key_file_beside_the_ledger_is_refused(
    ledger: SqlLedger, tmp_path: Path, state_dir: Path, place: str
) -> None:
    state_dir.mkdir()
    (tmp_path / "link").symlink_to(state_dir)
    with pytest.raises(SealError, match="own folder"):
        unlock(ledger, tmp_path / place, state_dir)
    assert list(state_dir.iterdir()) == []
