"""How long a token lives, whatever the answer says of it."""

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest

from rotator.errors import Garbled
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.base import Answer
from tests.contract.oauth2.stage import DAY, HOUR, NOW, PLANTED, answer, oauth, pair, read


def ends(content: object, **settings: Any) -> list[timedelta | None]:
    tokens = read(answer(200, content), oauth(**settings))
    return [tokens[name].lifespan for name in (ACCESS_TOKEN, REFRESH_TOKEN)]


@pytest.mark.parametrize("said", [1800, 1800.0, "1800", "1800.0", " 1800 "], ids=repr)
def test_a_life_is_counted_from_before_the_request_left(said: object) -> None:
    late = Answer(
        status=200,
        headers={},
        body=json.dumps(pair(expires_in=said)).encode(),
        received_at=NOW + timedelta(seconds=20),
    )
    token = read(late)[ACCESS_TOKEN]
    assert (token.issued_at, token.expires_at) == (NOW, NOW + timedelta(minutes=30))


ODD_LIVES: list[object] = [
    *(None, "", "soon", 0, -1, "-1", True, [], {}, float("nan"), 1e999, -1e999, "nan", "inf"),
    *(10**30, "9" * 400, 2**31 - 1),
]


@pytest.mark.parametrize("odd", ODD_LIVES, ids=lambda odd: repr(odd)[:20])
def test_a_life_that_makes_no_sense_is_none_and_loses_no_token(odd: object) -> None:
    assert ends(pair(expires_in=odd, refresh_token_expires_in=odd)) == [HOUR, None]
    known = {"access_lifespan": "2h", "refresh_lifespan": "60d"}
    assert ends(pair(expires_in=odd), **known) == [2 * HOUR, 60 * DAY]


def test_without_a_life_an_access_token_alone_waits_for_the_job_to_tell_one() -> None:
    content = {"access_token": PLANTED}
    with pytest.raises(Garbled, match="access_lifespan") as caught:
        read(answer(200, content), oauth("client_secret"))
    assert PLANTED not in str(caught.value)
    tokens = read(answer(200, content), oauth("client_secret", access_lifespan="15m"))
    assert tokens[ACCESS_TOKEN].lifespan == timedelta(minutes=15)


@pytest.mark.parametrize(
    "name", ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"]
)
def test_vendors_own_names_for_a_refresh_tokens_life_are_read(name: str) -> None:
    assert ends(pair(**{name: 86400}), refresh_lifespan="60d")[1] == DAY


def test_a_jwt_that_ends_earlier_than_the_answer_says_wins() -> None:
    early = jwt.encode({"exp": int((NOW + HOUR / 4).timestamp())}, b"k" * 64)
    past = jwt.encode({"exp": int((NOW - HOUR).timestamp())}, b"k" * 64)
    assert ends(pair(access_token=early))[0] == HOUR / 4
    assert ends(pair(access_token=past))[0] == HOUR / 2
