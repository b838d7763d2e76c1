import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.model import Reason, Secret, Shelf, State, Token, qualified

CANARY = "hunter2-canary"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "an f-string": lambda secret: f"{secret}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - as loggers do
    "inside a list": lambda secret: str([secret]),
    "inside a token": lambda secret: repr(Token(value=secret)),
    "inside an exception": lambda secret: repr(ValueError(secret)),
}
REFUSED: dict[str, Callable[[Secret], object]] = {
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "iteration": lambda secret: [*secret],  # type: ignore[misc]
    "length": len,  # type: ignore[dict-item]
    "an index": lambda secret: secret[0],  # type: ignore[index]
    "a sum": lambda secret: "Bearer " + secret,  # type: ignore[operator]
    "a width": lambda secret: f"{secret:>40}",
    "vars": vars,
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_secret_is_never_shown(show: Callable[[Secret], str]) -> None:
    assert CANARY not in show(Secret(CANARY))


@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED)
def test_a_secret_is_no_string_to_work_with(use: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        use(Secret(CANARY))
    assert CANARY not in str(caught.value)


@given(st.text(), st.text())
def test_two_secrets_are_equal_exactly_if_their_strings_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one) == Secret(str(one))
    assert hash(Secret(one)) == hash(Secret(str(one)))
    assert Secret(one).reveal() == one
    assert bool(Secret(one)) is bool(one)


def test_a_secret_equals_nothing_but_a_secret() -> None:
    assert Secret(CANARY) != CANARY
    assert Secret(CANARY) is not None
    assert {Secret(CANARY): 1}.get(Secret(CANARY)) == 1
    assert hash(Secret(CANARY)) != hash(CANARY)


LIFESPANS = {
    "both known": (NOW, NOW + timedelta(hours=3), timedelta(hours=3)),
    "issue unknown": (None, NOW, None),
    "expiry unknown": (NOW, None, None),
    "a seed": (None, None, None),
}


@pytest.mark.parametrize(("issued", "expires", "lifespan"), LIFESPANS.values(), ids=LIFESPANS)
def test_a_lifespan_needs_both_dates(
    issued: datetime | None, expires: datetime | None, lifespan: timedelta | None
) -> None:
    assert Token(value=Secret("x"), issued_at=issued, expires_at=expires).lifespan == lifespan


@pytest.mark.parametrize("words", [Reason, Shelf, State], ids=lambda words: words.__name__)
def test_no_word_means_two_things(words: type[StrEnum]) -> None:
    texts = [member.value for member in words]
    assert len(set(texts)) == len(words.__members__)
    assert all(text == text.strip() and text for text in texts)


def test_a_credential_is_named_after_its_job() -> None:
    assert qualified("alation", "etl") == "alation/etl"
