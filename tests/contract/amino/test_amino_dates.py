"""How long a token lives, whatever the answer says of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from tests.contract.amino.stage import DAY, HOUR, NOW, amino, answer, pair, read


def jwt_with(**claims: Any) -> str:
    return jwt.encode(claims, b"k" * 64, algorithm="HS256")


def unix(at: datetime) -> int:
    return int(at.timestamp())


def ends(content: object) -> dict[str, timedelta]:
    """How long after sending each token in this answer ends."""
    tokens = read(answer(201, content))
    return {name: token.expires_at - NOW for name, token in tokens.items() if token.expires_at}


FALLBACK = {ACCESS_TOKEN: HOUR, REFRESH_TOKEN: 30 * DAY}


def test_the_earlier_of_stamp_and_claim_counts() -> None:
    at = unix(NOW + 2 * HOUR)
    late, early = jwt_with(exp=at + 503), jwt_with(exp=at - 503)
    assert ends(pair(access_token=late, expires_at_timestamp=at))[ACCESS_TOKEN] == 2 * HOUR
    short = ends(pair(access_token=early, expires_at_timestamp=at))[ACCESS_TOKEN]
    assert short == 2 * HOUR - timedelta(seconds=503)


def test_a_refresh_token_ends_as_its_claim_says_else_as_the_job_does() -> None:
    claim = jwt_with(exp=unix(NOW + 98 * DAY))
    assert ends(pair(refresh_token=claim))[REFRESH_TOKEN] == 98 * DAY
    assert ends(pair()) == FALLBACK
    tokens = read(answer(201, pair()), amino(refresh_lifespan="5d", access_lifespan="2h"))
    assert [token.lifespan for token in tokens.values()] == [2 * HOUR, 5 * DAY]


def test_a_stamp_of_the_login_itself_yields_to_the_claim() -> None:
    stamp = unix(NOW)
    content = pair(
        access_token=jwt_with(exp=unix(NOW + 7 * DAY)),
        login_timestamp=stamp,
        expires_at_timestamp=stamp,
    )
    assert ends(content)[ACCESS_TOKEN] == 7 * DAY


def test_a_token_that_is_dead_on_arrival_is_kept_with_its_dates() -> None:
    past = unix(NOW - DAY)
    content = pair(refresh_token=jwt_with(exp=past), expires_at_timestamp=past)
    assert ends(content) == {ACCESS_TOKEN: -DAY, REFRESH_TOKEN: -DAY}


def test_the_vendors_own_sample_is_read() -> None:
    """The sample's stamp is 503 s before its token's `exp`, and equals its `login_timestamp`."""
    sent_at = datetime.fromtimestamp(1537522174, UTC)
    content = pair(
        access_token=jwt_with(iat=1537522174, exp=1538126979, type="access"),
        refresh_token=jwt_with(iat=1537522174, exp=1545989379, type="refresh"),
        login_timestamp=1538126476,
        expires_at_timestamp=1538126476,
    )
    tokens = read(answer(200, content), sent_at=sent_at)
    found = [unix(token.expires_at) for token in tokens.values() if token.expires_at]
    assert found == [1538126476, 1545989379]


def test_the_array_that_lacks_its_second_element_is_read() -> None:
    """As in the vendor's cookie page; its refresh expiry differs from the claim by 13.6 days."""
    claim = jwt_with(exp=unix(NOW + 16 * DAY))
    stat = {"accessToken": ["a-1"], "refreshToken": [claim, unix(NOW + 30 * DAY)]}
    assert ends({"userStat": stat}) == {ACCESS_TOKEN: HOUR, REFRESH_TOKEN: 16 * DAY}


@pytest.mark.parametrize(
    "stamp",
    [
        *(None, "", "soon", -1, 0, True, [], {}, 1e999, float("nan"), 10**30, "9" * 400),
        unix(NOW) * 1000,
        unix(NOW + 5000 * DAY),
        "2026-03-02T00:00:00Z",
    ],
    ids=repr,
)
def test_a_bad_date_loses_no_token(stamp: object) -> None:
    assert ends(pair(expires_at_timestamp=stamp)) == FALLBACK
    stat = {"accessToken": ["a-1", stamp], "refreshToken": ["r-1", stamp]}
    assert ends({"userStat": stat}) == FALLBACK
