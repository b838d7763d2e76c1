"""Answers that are not what the pages say."""

import json
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.errors import Garbled, Misconfigured, ProviderError, Rejected, Throttled, Unanswered
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.base import Answer
from rotator.sandbox.amino import CHANNELS
from tests.contract.amino.stage import PLANTED, amino, answer, pair, read, resource
from tests.contract.stage import json_with

ERRORS = {"errors": [{"status": "401", "code": "x", "title": "No", "detail": PLANTED}]}
HTML = f"<html><title>Login</title>{PLANTED}</html>".encode()

NO_TOKENS: list[tuple[str, Answer, type[ProviderError]]] = [
    ("JSON:API errors, 400", answer(400, ERRORS), Rejected),
    ("JSON:API errors, 401", answer(401, ERRORS), Rejected),
    ("JSON:API errors, 403", answer(403, ERRORS), Rejected),
    ("JSON:API errors, 422", answer(422, ERRORS), Rejected),
    ("JSON:API errors, 404", answer(404, ERRORS), Misconfigured),
    ("JSON:API errors, 405", answer(405, ERRORS), Misconfigured),
    ("JSON:API errors, 415", answer(415, ERRORS), Misconfigured),
    ("JSON:API errors, 409", answer(409, ERRORS), Unanswered),
    ("JSON:API errors, 429", answer(429, ERRORS), Throttled),
    ("JSON:API errors, 500", answer(500, ERRORS), Unanswered),
    ("JSON:API errors, 200", answer(200, ERRORS), Garbled),
    ("no error in the errors", answer(401, {"errors": []}), Unanswered),
    ("errors that are an object", answer(401, {"errors": {"detail": PLANTED}}), Unanswered),
    ("errors that are strings", answer(401, {"errors": [PLANTED]}), Unanswered),
    ("another shape of error", answer(401, {"detail": PLANTED}), Unanswered),
    ("an OAuth error", answer(400, {"error": "invalid_grant", "x": PLANTED}), Unanswered),
    ("a proxy's page, 401", answer(401, HTML), Unanswered),
    ("a proxy's page, 407", answer(407, HTML), Unanswered),
    ("a gateway's page, 502", answer(502, HTML), Unanswered),
    ("a redirect", answer(302, b"", location="/login"), Unanswered),
    ("a login page, 200", answer(200, HTML), Garbled),
    ("429 without a body", answer(429, b""), Throttled),
    ("503 without a body", answer(503, b""), Unanswered),
    ("nothing, 200", answer(200, b""), Garbled),
    ("nothing, 204", answer(204, b""), Garbled),
    ("null", answer(200, None), Garbled),
    ("an array", answer(200, [pair()]), Garbled),
    ("an empty object", answer(200, {}), Garbled),
    ("half a body", answer(200, json.dumps(pair()).encode()[:-9]), Garbled),
    ("bytes", answer(200, b"\xff\xfe\x00" + PLANTED.encode()), Garbled),
    ("deep nesting", answer(200, b"[" * 100_000), Garbled),
    ("no data", answer(200, {"data": []}), Garbled),
    ("data of another type", answer(200, {"data": [{"type": "Users"}]}), Garbled),
    ("attributes of null", answer(200, {"data": [resource() | {"attributes": None}]}), Garbled),
    ("no tokens", answer(200, pair(access_token=None, refresh_token="")), Garbled),
    ("tokens that are numbers", answer(200, pair(access_token=1, refresh_token=2)), Garbled),
    ("an array as a token", answer(200, pair(refresh_token=[PLANTED])), Garbled),
    ("a broken refresh token", answer(200, pair(refresh_token=f"{PLANTED}\n")), Garbled),
    ("a refresh token of 40,000", answer(200, pair(refresh_token="x" * 40_000)), Garbled),
    ("a lone broken access token", answer(200, {"data": resource(access_token="é")}), Garbled),
    ("an empty userStat", answer(200, {"userStat": {}}), Garbled),
    ("userStat with empty arrays", answer(200, {"userStat": {"accessToken": []}}), Garbled),
    ("userStat of null", answer(200, {"userStat": None}), Garbled),
    ("an access token under 401", answer(401, {"data": resource(access_token="a")}), Unanswered),
]


@pytest.mark.parametrize(
    ("odd", "error"), [case[1:] for case in NO_TOKENS], ids=[case[0] for case in NO_TOKENS]
)
def test_what_holds_no_tokens_has_its_class_and_says_no_secret(
    odd: Answer, error: type[ProviderError]
) -> None:
    with pytest.raises(ProviderError) as caught:
        read(odd)
    assert type(caught.value) is error
    told = [repr(caught.value), str(caught.value), *traceback.format_exception(caught.value)]
    assert PLANTED not in "".join(told)


BOTH, ONE = {ACCESS_TOKEN, REFRESH_TOKEN}, {REFRESH_TOKEN}

TOKENS: list[tuple[str, Answer, set[str]]] = [
    (
        "data as one object",
        answer(200, {"data": resource(**pair()["data"][0]["attributes"])}),
        BOTH,
    ),
    ("another resource first", answer(200, {"data": [{"type": "Users"}, *pair()["data"]]}), BOTH),
    ("junk beside the resource", answer(200, {"data": [None, 1, *pair()["data"]]}), BOTH),
    ("an unknown attribute", answer(200, pair(later=[PLANTED])), BOTH),
    ("text/html as the type", answer(200, pair(), **{"content-type": "text/html"}), BOTH),
    ("a byte order mark", answer(200, b"\xef\xbb\xbf" + json.dumps(pair()).encode()), BOTH),
    ("errors beside the data", answer(200, pair() | ERRORS), BOTH),
    ("a pair under 500", answer(500, pair()), BOTH),
    ("no new refresh token", answer(200, pair(refresh_token=None)), {ACCESS_TOKEN}),
    ("no access token", answer(200, pair(access_token=None)), ONE),
    ("a broken access token", answer(200, pair(access_token="a b")), ONE),
    ("userStat with strings", answer(200, {"userStat": {"refreshToken": "r"}}), ONE),
]


@pytest.mark.parametrize(
    ("odd", "names"), [case[1:] for case in TOKENS], ids=[case[0] for case in TOKENS]
)
def test_tokens_are_found_however_they_come(odd: Answer, names: set[str]) -> None:
    assert set(read(odd)) == names


JSON = json_with([
    *("data", "type", "attributes", "access_token", "refresh_token", "expires_at_timestamp"),
    *("userStat", "accessToken", "refreshToken", "errors"),
])  # fmt: skip
SHAPED: list[Callable[[Any], Any]] = [
    lambda found: found,
    lambda found: {"data": resource(access_token=found, refresh_token="r")},
    lambda found: pair(expires_at_timestamp=found),
    lambda found: {"data": {"type": "AuthenticationTokens", "attributes": found}},
    lambda found: {"userStat": {"accessToken": found, "refreshToken": found}},
]


@given(st.integers(100, 599), st.sampled_from(SHAPED), JSON)
def test_no_json_breaks_the_reader(status: int, shape: Callable[[Any], Any], found: object) -> None:
    _read_either_way(answer(status, shape(found)))


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_bytes_break_the_reader(status: int, body: bytes) -> None:
    _read_either_way(answer(status, body))


def _read_either_way(odd: Answer) -> None:
    provider = amino(inspect_path=CHANNELS)
    assert provider.inspections[ACCESS_TOKEN].read(odd) is not None
    with suppress(ProviderError):
        assert set(read(odd, provider)) <= BOTH
