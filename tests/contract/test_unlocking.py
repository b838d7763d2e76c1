"""A ledger and the holders of its keys: a key file, and KMS through real boto3."""

import base64
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, insert

from rotator.errors import LedgerBusy, LedgerError, SealError, StoreDenied, StoreUnavailable
from rotator.ledger.keyfile import KeyFile, make_key, read_key
from rotator.ledger.sealing import Sealer
from rotator.ledger.sql import SqlLedger
from rotator.ledger.tables import meta, seal_key
from rotator.ledger.unlocking import KeyHolder, held_by, rekey, unlock
from rotator.model import Secret
from rotator.sandbox.kms import Kms
from rotator.sandbox.secrets_manager_hook import kms_client_for
from rotator.store.kms import KmsKey

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HERE = ("ledger-1", "alation/etl", "request-1")
PLAIN = b'{"refresh_token": "planted"}'
ALIAS = "alias/rotator"


@pytest.fixture
def ledger() -> Iterator[SqlLedger]:
    made = SqlLedger.in_memory()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[SqlLedger]:
    made = SqlLedger.in_memory()
    yield made
    made.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "seal.key"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def file(key_file: Path, state_dir: Path) -> KeyFile:
    return KeyFile(key_file, state_dir)


@pytest.fixture
def aws() -> Kms:
    return Kms(lambda: NOW)


@pytest.fixture
def arn(aws: Kms) -> str:
    return aws.create(ALIAS)


@pytest.fixture
def kms(aws: Kms, arn: str) -> KmsKey:
    del arn  # it is there
    return KmsKey(ALIAS, client=kms_client_for(aws))


@pytest.fixture(params=["file", "kms"])
def holder(request: pytest.FixtureRequest) -> KeyHolder:
    found: KeyHolder = request.getfixturevalue(request.param)
    return found


def fingerprint(ledger: SqlLedger, holder: KeyHolder) -> str:
    return unlock(ledger, holder, NOW)[1].fingerprint(Secret("s"))


def sealed(ledger: SqlLedger, holder: KeyHolder) -> bytes:
    return unlock(ledger, holder, NOW)[0].seal(PLAIN, bound_to=HERE)


def opens(ledger: SqlLedger, holder: KeyHolder, cipher: bytes) -> bool:
    return unlock(ledger, holder, NOW)[0].open(cipher, bound_to=HERE) == PLAIN


# Whoever holds the keys.


def test_a_ledger_gives_the_same_names_and_opens_its_seals_all_its_life(
    ledger: SqlLedger, holder: KeyHolder
) -> None:
    cipher, name = sealed(ledger, holder), fingerprint(ledger, holder)
    assert opens(ledger, holder, cipher)
    assert fingerprint(ledger, holder) == name


def test_two_ledgers_under_one_holder_have_keys_of_their_own(
    ledger: SqlLedger, other: SqlLedger, holder: KeyHolder
) -> None:
    assert fingerprint(ledger, holder) != fingerprint(other, holder)
    with pytest.raises(SealError):
        opens(other, holder, sealed(ledger, holder))


def test_keys_of_another_ledger_do_not_open(
    ledger: SqlLedger, other: SqlLedger, holder: KeyHolder
) -> None:
    unlock(other, holder, NOW)
    assert ledger.replace_keys("", other.wrapped_keys())
    with pytest.raises(SealError, match=r"not this ledger's|did not wrap this ledger's"):
        unlock(ledger, holder, NOW)


def test_of_workers_that_start_at_once_one_makes_the_keys(
    ledger: SqlLedger, holder: KeyHolder
) -> None:
    names: list[str] = []
    both = threading.Barrier(4)

    def start() -> None:
        both.wait()
        names.append(fingerprint(ledger, holder))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 4
    assert len(set(names)) == 1


def test_no_key_lies_in_the_ledger_in_the_clear(ledger: SqlLedger, holder: KeyHolder) -> None:
    unlock(ledger, holder, NOW)
    keys = ledger.wrapped_keys()
    (current,) = (each for each in keys if holder.holds(each.held_by))
    plain = holder.unwrap(current.wrapped, current.held_by, (ledger.ledger_id, current.id))
    assert len(plain) == 32
    assert not any(plain in each.wrapped for each in keys)
    assert {each.held_by for each in keys if each is not current} == {current.id}


# A fresh key.


@pytest.mark.parametrize("before", ["file", "kms"])
@pytest.mark.parametrize("after", ["file", "kms"])
def test_after_rekeying_old_seals_open_and_new_ones_are_under_the_new_key(
    ledger: SqlLedger, request: pytest.FixtureRequest, before: str, after: str, arn: str
) -> None:
    old, new = request.getfixturevalue(before), request.getfixturevalue(after)
    first, name = sealed(ledger, old), fingerprint(ledger, old)
    assert rekey(ledger, old, new, NOW) == {"file": "file", "kms": arn}[after]
    second = sealed(ledger, new)
    assert first[:17] != second[:17], "each text names its key"
    assert opens(ledger, new, first)
    assert opens(ledger, new, second)
    assert fingerprint(ledger, new) == name


def test_the_old_holder_is_needed_no_more(
    ledger: SqlLedger, file: KeyFile, key_file: Path, kms: KmsKey, aws: Kms, arn: str
) -> None:
    ciphers = [sealed(ledger, file)]
    rekey(ledger, file, kms, NOW)
    key_file.unlink()
    ciphers.append(sealed(ledger, kms))
    second = aws.create("alias/second")
    rekey(ledger, kms, KmsKey("alias/second", client=kms_client_for(aws)), NOW)
    aws.keys[arn].state = "PendingDeletion"
    assert held_by(ledger) == second
    assert all(opens(ledger, kms, cipher) for cipher in ciphers)


def test_a_holder_that_the_settings_do_not_name_any_more_is_told(
    ledger: SqlLedger, file: KeyFile, kms: KmsKey, arn: str
) -> None:
    unlock(ledger, file, NOW)
    with pytest.raises(SealError, match="held by a key file, the settings name the KMS key") as one:
        unlock(ledger, kms, NOW)
    assert "rotator rekey" in one.value.remedy
    rekey(ledger, file, kms, NOW)
    with pytest.raises(SealError, match=f"held by {arn}, the settings name the key file"):
        unlock(ledger, file, NOW)


def test_rekeying_that_fails_changes_nothing(
    ledger: SqlLedger, file: KeyFile, kms: KmsKey, aws: Kms
) -> None:
    cipher = sealed(ledger, file)
    aws.faults.go_dark()
    with pytest.raises(StoreUnavailable):
        rekey(ledger, file, kms, NOW)
    assert opens(ledger, file, cipher)


def test_of_two_that_rekey_at_once_one_is_told(ledger: SqlLedger, file: KeyFile) -> None:
    unlock(ledger, file, NOW)

    class Slow(KeyFile):
        """While it makes its key, another process replaces the ledger's."""

        def new_key(self, bound_to: tuple[str, ...]) -> tuple[bytes, bytes, str]:
            rekey(ledger, file, file, NOW)
            return file.new_key(bound_to)

    with pytest.raises(LedgerBusy, match="just replaced"):
        rekey(ledger, file, Slow(Path("/nowhere"), Path("/nowhere")), NOW)
    unlock(ledger, file, NOW)


def test_a_ledger_without_keys_gets_its_first_by_rekeying(
    ledger: SqlLedger, file: KeyFile, kms: KmsKey, arn: str, key_file: Path
) -> None:
    assert held_by(ledger) == ""
    assert rekey(ledger, file, kms, NOW) == arn
    assert not key_file.exists()


# A ledger of rotator 0.1, which sealed under the file's own key.


def as_of_0_1(ledger: SqlLedger, key: bytes) -> None:
    bound_to = (ledger.ledger_id, "fingerprint_key")
    wrapped = base64.b64encode(Sealer(key).seal(b"f" * 32, bound_to=bound_to)).decode()
    with ledger._database.write() as connection:  # noqa: SLF001 - nobody else writes it any more
        connection.execute(insert(meta), {"key": "fingerprint_key", "value": wrapped})


def test_what_the_first_rotator_sealed_stays_readable_and_its_names_stay(
    ledger: SqlLedger, file: KeyFile, key_file: Path, kms: KmsKey
) -> None:
    make_key(key_file)
    as_of_0_1(ledger, read_key(key_file))
    cipher = Sealer(read_key(key_file)).seal(PLAIN, bound_to=HERE)
    with pytest.raises(SealError, match="held by the key file") as error:
        unlock(ledger, kms, NOW)
    assert "rotator rekey" in error.value.remedy
    assert opens(ledger, file, cipher)
    name = fingerprint(ledger, file)
    assert ledger.keepsake("fingerprint_key") is None
    rekey(ledger, file, kms, NOW)
    assert opens(ledger, kms, cipher)
    assert fingerprint(ledger, kms) == name


def test_it_moves_to_kms_at_once_too(
    ledger: SqlLedger, file: KeyFile, key_file: Path, kms: KmsKey
) -> None:
    make_key(key_file)
    as_of_0_1(ledger, read_key(key_file))
    rekey(ledger, file, kms, NOW)
    assert opens(ledger, kms, Sealer(read_key(key_file)).seal(PLAIN, bound_to=HERE))


def test_another_key_file_is_told_and_changes_nothing(
    ledger: SqlLedger, file: KeyFile, key_file: Path
) -> None:
    as_of_0_1(ledger, bytes(32))
    make_key(key_file)
    with pytest.raises(SealError, match="not this ledger's"):
        unlock(ledger, file, NOW)
    assert ledger.keepsake("fingerprint_key")
    assert ledger.wrapped_keys() == ()


# A key file.


def test_a_new_ledger_makes_its_key_file(ledger: SqlLedger, file: KeyFile, key_file: Path) -> None:
    unlock(ledger, file, NOW)
    assert len(read_key(key_file)) == 32


def test_a_key_file_that_is_there_serves_a_new_ledger(
    ledger: SqlLedger, file: KeyFile, key_file: Path
) -> None:
    make_key(key_file)
    before = key_file.read_bytes()
    unlock(ledger, file, NOW)
    assert key_file.read_bytes() == before


def test_a_missing_key_file_is_told_and_not_made_anew(
    ledger: SqlLedger, file: KeyFile, key_file: Path
) -> None:
    unlock(ledger, file, NOW)
    key_file.unlink()
    with pytest.raises(SealError, match="cannot be read") as error:
        unlock(ledger, file, NOW)
    assert "restore the key file" in error.value.remedy
    assert not key_file.exists()


def test_a_replaced_key_file_is_told_and_overwrites_nothing(
    ledger: SqlLedger, file: KeyFile, key_file: Path
) -> None:
    unlock(ledger, file, NOW)
    before, right = ledger.wrapped_keys(), key_file.read_bytes()
    key_file.unlink()
    make_key(key_file)
    with pytest.raises(SealError, match="not this ledger's"):
        unlock(ledger, file, NOW)
    assert ledger.wrapped_keys() == before
    key_file.write_bytes(right)
    unlock(ledger, file, NOW)


def test_a_key_file_that_others_read_opens_no_ledger(
    ledger: SqlLedger, file: KeyFile, key_file: Path
) -> None:
    unlock(ledger, file, NOW)
    key_file.chmod(0o644)
    with pytest.raises(SealError, match="open to others"):
        unlock(ledger, file, NOW)


@pytest.mark.parametrize("place", ["state/seal.key", "state/keys/seal.key", "link/seal.key"])
def test_a_key_file_beside_the_ledger_is_refused(
    ledger: SqlLedger, tmp_path: Path, state_dir: Path, place: str
) -> None:
    state_dir.mkdir()
    (tmp_path / "link").symlink_to(state_dir)
    with pytest.raises(SealError, match="own folder"):
        unlock(ledger, KeyFile(tmp_path / place, state_dir), NOW)
    assert list(state_dir.iterdir()) == []


# KMS.


def test_kms_is_asked_once_a_start_and_never_for_a_seal(
    ledger: SqlLedger, kms: KmsKey, aws: Kms
) -> None:
    unlock(ledger, kms, NOW)
    aws.stats.calls.clear()
    sealer, _ = unlock(ledger, kms, NOW)
    aws.faults.go_dark()
    for _ in range(100):
        assert sealer.open(sealer.seal(PLAIN, bound_to=HERE), bound_to=HERE) == PLAIN
    assert aws.stats.calls == {"Decrypt": 1}


def test_an_alias_that_was_moved_does_not_shut_the_ledger(
    ledger: SqlLedger, kms: KmsKey, aws: Kms, arn: str
) -> None:
    cipher = sealed(ledger, kms)
    second = aws.create(ALIAS)
    assert opens(ledger, kms, cipher)
    assert held_by(ledger) == arn
    rekey(ledger, kms, kms, NOW)
    assert held_by(ledger) == second
    assert opens(ledger, kms, cipher)


def disabled(aws: Kms, arn: str) -> None:
    aws.keys[arn].state = "Disabled"


def deleted(aws: Kms, arn: str) -> None:
    aws.keys[arn].state = "PendingDeletion"


def gone(aws: Kms, arn: str) -> None:
    del aws.keys[arn]


def denied(aws: Kms, _: str) -> None:
    aws.authorize = lambda *_: False


def throttled(aws: Kms, _: str) -> None:
    aws.faults.fail("*", "ThrottlingException", times=10)


def broken(aws: Kms, _: str) -> None:
    aws.faults.fail("*", "KMSInternalException", times=10, status=500)


def dark(aws: Kms, _: str) -> None:
    aws.faults.go_dark()


TROUBLE = {
    "disabled": (disabled, StoreDenied, "the KMS key refuses", "deploy/iam/worker.json"),
    "pending deletion": (deleted, StoreDenied, "the KMS key refuses", "enabled"),
    "denied": (denied, StoreDenied, "AWS denies", "to the worker's role"),
    "throttled": (throttled, StoreUnavailable, "AWS throttles", ""),
    "broken": (broken, StoreUnavailable, "AWS fails at", ""),
    "down": (dark, StoreUnavailable, "no answer to", "AWS_ENDPOINT_URL_KMS"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_with_kms_names_action_and_key_and_loses_nothing(
    ledger: SqlLedger, kms: KmsKey, aws: Kms, arn: str, trouble: str
) -> None:
    cause, kind, words, remedy = TROUBLE[trouble]
    cipher = sealed(ledger, kms)
    before = ledger.wrapped_keys()
    cause(aws, arn)
    with pytest.raises(kind, match=words) as error:
        unlock(ledger, kms, NOW)
    assert f"kms:Decrypt on {arn}" in error.value.text
    assert remedy in error.value.remedy
    assert ledger.wrapped_keys() == before
    aws.faults.clear()
    aws.authorize = None
    aws.keys[arn].state = "Enabled"
    assert opens(ledger, kms, cipher)


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_at_the_very_first_start_makes_nothing(
    ledger: SqlLedger, kms: KmsKey, aws: Kms, arn: str, trouble: str
) -> None:
    cause, kind, words, _ = TROUBLE[trouble]
    cause(aws, arn)
    with pytest.raises(kind, match=words) as error:
        unlock(ledger, kms, NOW)
    assert f"kms:GenerateDataKey on {ALIAS}" in error.value.text
    assert ledger.wrapped_keys() == ()


def test_a_key_that_is_not_there_is_told(ledger: SqlLedger, aws: Kms, arn: str) -> None:
    with pytest.raises(StoreDenied, match=r"alias/none \(NotFoundException\)") as error:
        unlock(ledger, KmsKey("alias/none", client=kms_client_for(aws)), NOW)
    assert "ROTATOR_SEAL_KMS_KEY" in error.value.remedy
    kms = KmsKey(ALIAS, client=kms_client_for(aws))
    unlock(ledger, kms, NOW)
    gone(aws, arn)
    with pytest.raises(SealError, match="did not wrap this ledger's"):
        unlock(ledger, kms, NOW)


def test_nothing_of_a_key_is_logged(
    ledger: SqlLedger, kms: KmsKey, aws: Kms, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made: list[str] = []
    call: Callable[..., dict[str, str]] = aws.call

    def spied(*args: object, **kwargs: object) -> dict[str, str]:
        answer = call(*args, **kwargs)
        made.append(answer["Plaintext"])
        return answer

    aws.call = spied  # type: ignore[method-assign]
    unlock(ledger, kms, NOW)
    assert len(made) == 2
    assert not any(key in caplog.text for key in made)
    assert not any(repr(base64.b64decode(key)) in caplog.text for key in made)


# Rows that are not what we wrote.


def test_keys_that_do_not_fit_together_are_told(ledger: SqlLedger, file: KeyFile) -> None:
    unlock(ledger, file, NOW)
    keys = ledger.wrapped_keys()
    current = next(each for each in keys if each.held_by == "file")
    for wrong, told in (
        ([current], "lost the key of its fingerprints"),
        ([replace(each, held_by="file") for each in keys], "do not fit together"),
    ):
        with ledger._database.write() as connection:  # noqa: SLF001 - as a stranger does
            connection.execute(delete(seal_key))
        ledger.replace_keys("", wrong)
        with pytest.raises(SealError, match=told):
            unlock(ledger, file, NOW)


def test_a_row_that_is_no_key_is_told(ledger: SqlLedger, file: KeyFile) -> None:
    unlock(ledger, file, NOW)
    with ledger._database.write() as connection:  # noqa: SLF001 - as a stranger does
        odd = {"id": "odd", "held_by": "file", "wrapped": b"", "made_at": 1}
        connection.execute(insert(seal_key), odd)
    with pytest.raises(LedgerError, match="cannot be read"):
        unlock(ledger, file, NOW)
