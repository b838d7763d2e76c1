import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.errors import SealError
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers.base import Answer, Provider
from rotator.rotation.sealed import (
    CHAIN,
    PAIR,
    SEED_HOST,
    Sealed,
    instant,
    kept_token,
    keyring_fields,
    pack_answer,
    pack_tokens,
    parsed,
    seed_mark,
    token_fields,
    unpack_answer,
    unpack_tokens,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNER = "acme/etl"
CANARY = "hunter2-canary"


def provider(host: str = "https://acme.example.com") -> Provider:
    return Provider(
        name="acme",
        host=host,
        identity={},
        grants=(),
        header=lambda token: ("X-Token", f"Token {token.value.reveal()}"),
        token_type="Token",
    )


TEXT = st.text(st.characters(codec="utf-8"))
OFFSETS = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
INSTANTS = st.datetimes(
    datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=OFFSETS  # noqa: DTZ001
)  # fmt: skip
SECRETS = TEXT.filter(bool).map(Secret)
HEADERS = st.dictionaries(TEXT, TEXT, max_size=3)
CARRIES = st.dictionaries(st.sampled_from([*CHAIN, *PAIR, SEED_HOST]), TEXT)
ANSWERS = st.builds(
    Answer,
    status=st.integers(100, 599),
    headers=HEADERS,
    body=st.binary(max_size=200),
    received_at=INSTANTS,
)
SEALEDS = st.builds(Sealed, answer=ANSWERS, held=st.none() | SECRETS, carried=CARRIES)
TOKENS = st.builds(
    Token,
    value=SECRETS,
    issued_at=st.none() | INSTANTS,
    expires_at=st.none() | INSTANTS,
    kind=TEXT,
)
KEYRINGS = st.dictionaries(st.sampled_from([ACCESS_TOKEN, REFRESH_TOKEN]), TOKENS)
GENERATIONS = st.integers(1, 10**12)


# --- under the seal ------------------------------------------------------------------------------


@given(SEALEDS)
def test_an_answer_comes_out_of_its_seal_as_it_went_in(sealed: Sealed) -> None:
    assert unpack_answer(pack_answer(sealed)) == sealed


@given(KEYRINGS, CARRIES)
def test_tokens_come_out_of_their_seal_as_they_went_in(
    tokens: Keyring, carried: Mapping[str, str]
) -> None:
    assert unpack_tokens(pack_tokens(tokens, carried)) == (tokens, carried)


@given(SEALEDS)
def test_a_sealed_answer_shows_nothing(sealed: Sealed) -> None:
    shown = repr(Sealed(answer=sealed.answer, held=Secret(CANARY), carried={}))
    assert CANARY not in shown


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PLAINTEXTS = st.one_of(
    st.binary(max_size=50),
    JSON.map(lambda found: json.dumps(found).encode()),
    st.just(b"[" * 100_000),  # deeper than Python reads
)


@given(PLAINTEXTS)
def test_a_plaintext_that_is_none_of_ours_is_a_seal_error(plain: bytes) -> None:
    with pytest.raises(SealError, match="something else than an answer"):
        unpack_answer(plain)
    with pytest.raises(SealError, match="something else than tokens"):
        unpack_tokens(plain)


ABSENT = object()
ODD_ANSWERS: dict[str, dict[str, object]] = {
    "no status": {"status": ABSENT},
    "no body": {"body": ABSENT},
    "a body that is not base64": {"body": f"{CANARY}é"},
    "a body of another type": {"body": 7},
    "no instant": {"received_at": CANARY},
    "an instant of another type": {"received_at": 7},
    "nothing of what was held": {"held": ABSENT},
    "nothing carried": {"carried": ABSENT},
    "a list carried": {"carried": [CANARY]},
}


@pytest.mark.parametrize("change", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_an_answer_that_lacks_a_part_is_a_seal_error_which_quotes_nothing(
    change: dict[str, object],
) -> None:
    answer = Answer(status=200, headers={}, body=b"{}", received_at=NOW)
    whole = json.loads(pack_answer(Sealed(answer=answer, held=None, carried={}))) | change
    plain = json.dumps({key: value for key, value in whole.items() if value is not ABSENT})
    with pytest.raises(SealError) as caught:
        unpack_answer(plain.encode())
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


ODD_TOKENS: dict[str, object] = {
    "no tokens": {"carried": {}},
    "nothing carried": {"tokens": {}},
    "tokens in a list": {"tokens": [CANARY], "carried": {}},
    "a token without dates": {"tokens": {ACCESS_TOKEN: [CANARY]}, "carried": {}},
    "a token that is a number": {"tokens": {ACCESS_TOKEN: 7}, "carried": {}},
}


@pytest.mark.parametrize("plain", ODD_TOKENS.values(), ids=ODD_TOKENS)
def test_tokens_that_lack_a_part_are_a_seal_error_which_quotes_nothing(plain: object) -> None:
    with pytest.raises(SealError) as caught:
        unpack_tokens(json.dumps(plain).encode())
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_body_that_is_no_text_is_sealed_byte_by_byte() -> None:
    answer = Answer(status=502, headers={"a": "b"}, body=bytes(range(256)), received_at=NOW)
    packed = json.loads(pack_answer(Sealed(answer=answer, held=None, carried={})))
    assert base64.b64decode(packed["body"]) == bytes(range(256))


# --- instants ------------------------------------------------------------------------------------


@given(INSTANTS)
def test_an_instant_is_written_in_utc_and_reads_back(at: datetime) -> None:
    text = instant(at)
    assert text.endswith("Z")
    assert parsed(text) == at
    assert instant(parsed(text)) == text


def test_no_instant_is_no_text() -> None:
    assert (instant(None), parsed("")) == ("", None)


ODD_INSTANTS = [
    "", "soon", "2026-03-01", "2026-03-01T12:00:00", "2026-13-01T12:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1772366400", "\0",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD_INSTANTS, ids=range(len(ODD_INSTANTS)))
def test_an_instant_that_makes_no_sense_is_none(text: str) -> None:
    assert parsed(text) is None


@given(TEXT)
def test_any_text_is_an_instant_or_none(text: str) -> None:
    at = parsed(text)
    assert at is None or at.utcoffset() == timedelta(0)


# --- the two secrets -----------------------------------------------------------------------------


def test_what_consumers_read_is_a_contract() -> None:
    token = Token(
        value=Secret("t0ken"), issued_at=NOW, expires_at=NOW + timedelta(hours=24), kind="session"
    )
    assert token_fields(provider(), OWNER, token, 7) == {
        "access_token": "t0ken",
        "token_type": "Token",
        "header_name": "X-Token",
        "header_value": "Token t0ken",
        "issued_at": "2026-03-01T12:00:00Z",
        "expires_at": "2026-03-02T12:00:00Z",
        "expires_at_epoch": "1772452800",
        "generation": "7",
        "provider": "acme",
        "credential": "acme/etl",
        "schema": "1",
    }


def test_a_token_that_never_expires_says_so_by_saying_nothing() -> None:
    fields = token_fields(provider(), OWNER, Token(value=Secret("t0ken")), 1)
    assert [fields[name] for name in ("issued_at", "expires_at", "expires_at_epoch")] == [""] * 3


def test_the_worker_s_own_secret_says_whose_it_is() -> None:
    token = Token(value=Secret("r3fresh"), issued_at=NOW, expires_at=NOW + timedelta(days=60))
    carried = {"seed": "m4rk", "unknown": "left behind"}
    assert keyring_fields(provider(), OWNER, token, 7, "mine", carried) == {
        "refresh_token": "r3fresh",
        "issued_at": "2026-03-01T12:00:00Z",
        "expires_at": "2026-04-30T12:00:00Z",
        "generation": "7",
        "ledger_id": "mine",
        "provider": "acme",
        "host": "https://acme.example.com",
        "seed": "m4rk",
        "adopted_at": "",
        "credential": "acme/etl",
        "schema": "1",
    }


@given(TOKENS, GENERATIONS, CARRIES)
def test_both_secrets_are_flat_objects_of_strings(
    token: Token, generation: int, carried: Mapping[str, str]
) -> None:
    for fields in (
        token_fields(provider(), OWNER, token, generation),
        keyring_fields(provider(), OWNER, token, generation, "mine", carried),
    ):
        assert all(isinstance(value, str) for value in fields.values())
        assert json.loads(json.dumps(fields)) == fields


@given(TOKENS, CARRIES)
def test_what_is_kept_reads_back_and_is_the_same_bytes_again(
    token: Token, carried: Mapping[str, str]
) -> None:
    fields = keyring_fields(provider(), OWNER, token, 7, "mine", carried)
    kept = kept_token(fields)
    assert kept is not None
    assert (kept.value, kept.issued_at, kept.expires_at) == (
        token.value,
        token.issued_at,
        token.expires_at,
    )
    assert keyring_fields(provider(), OWNER, kept, 7, "mine", fields) == fields


@pytest.mark.parametrize(
    "fields", [{}, {REFRESH_TOKEN: ""}, {ACCESS_TOKEN: "x"}], ids=["empty", "blank", "another's"]
)
def test_a_secret_without_a_refresh_token_keeps_none(fields: Mapping[str, str]) -> None:
    assert kept_token(fields) is None


def test_a_kept_token_outlives_dates_that_make_no_sense() -> None:
    fields = {REFRESH_TOKEN: "r3fresh", "expires_at": "0001-01-01T00:00:00+14:00"}
    assert kept_token(fields) == Token(value=Secret("r3fresh"))


# --- the mark of a seed --------------------------------------------------------------------------


def test_a_seed_has_one_mark_on_every_ledger_and_tells_nothing() -> None:
    mark = seed_mark(provider(), OWNER, Secret(CANARY))
    assert mark == seed_mark(provider(), OWNER, Secret(CANARY))
    assert len(mark) == 64
    assert CANARY not in mark


def test_the_mark_is_another_for_another_host_credential_or_seed() -> None:
    marks = {
        seed_mark(provider(), OWNER, Secret("one")),
        seed_mark(provider(), OWNER, Secret("other")),
        seed_mark(provider(), "acme/other", Secret("one")),
        seed_mark(provider("https://other.example.com"), OWNER, Secret("one")),
    }
    assert len(marks) == 4
