import os
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rotator.errors import SealError
from rotator.ledger.sealing import Fingerprints, Sealer, framed
from rotator.model import Secret

HERE = ("ledger-1", "alation/etl", "request-1")
PLAIN = b'{"refresh_token": "planted"}'


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(bytes(range(32)))


# Sealing.


def test_what_was_sealed_opens_where_it_was_bound_to(sealer: Sealer) -> None:
    for plain in (b"", PLAIN, os.urandom(100_000)):
        assert sealer.open(sealer.seal(plain, bound_to=HERE), bound_to=HERE) == plain


def test_a_sealed_text_shows_nothing_and_never_looks_the_same(sealer: Sealer) -> None:
    sealed = {sealer.seal(PLAIN, bound_to=HERE) for _ in range(100)}
    assert len(sealed) == 100
    assert not any(b"planted" in one for one in sealed)
    assert {len(one) for one in sealed} == {1 + 16 + 12 + len(PLAIN) + 16}


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


@pytest.mark.parametrize(
    "cut",
    [b"", b"\x01", b"\x01" + bytes(12), b"\x01" + bytes(27), b"\x02", b"\x02" + bytes(44), b"\x03"],
)
def test_a_stump_is_a_seal_error(sealer: Sealer, cut: bytes) -> None:
    with pytest.raises(SealError):
        sealer.open(cut, bound_to=HERE)


def test_another_key_opens_nothing_and_the_error_says_what_to_do(sealer: Sealer) -> None:
    sealed = Sealer(bytes(32)).seal(PLAIN, bound_to=HERE)
    with pytest.raises(SealError) as error:
        sealer.open(sealed, bound_to=HERE)
    assert "restore a copy of the ledger" in error.value.remedy
    assert error.value.__cause__ is None


OLD, NEW = str(UUID(int=1)), str(UUID(int=2))


def test_what_an_older_key_sealed_opens_and_nothing_is_sealed_under_it() -> None:
    old = Sealer(bytes(32), OLD)
    new = Sealer(bytes(range(32)), NEW, {OLD: bytes(32)})
    assert new.open(old.seal(PLAIN, bound_to=HERE), bound_to=HERE) == PLAIN
    with pytest.raises(SealError):
        old.open(new.seal(PLAIN, bound_to=HERE), bound_to=HERE)


def test_a_key_that_is_not_there_is_told() -> None:
    sealed = Sealer(bytes(32), OLD).seal(PLAIN, bound_to=HERE)
    with pytest.raises(SealError, match="is not in the ledger"):
        Sealer(bytes(32), NEW).open(sealed, bound_to=HERE)


def test_a_text_of_the_first_rotator_which_names_no_key_opens(sealer: Sealer) -> None:
    nonce = bytes(12)
    sealed = AESGCM(bytes(range(32))).encrypt(nonce, PLAIN, b"\x01" + framed(HERE))
    assert sealer.open(b"\x01" + nonce + sealed, bound_to=HERE) == PLAIN


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
