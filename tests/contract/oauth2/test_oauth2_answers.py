"""Answers that are not what RFC 6749 says."""

import json
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.errors import Garbled, Misconfigured, ProviderError, Rejected, Throttled, Unanswered
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.base import Answer
from rotator.sandbox.oauth2 import INTROSPECT, REVOKE
from tests.contract.oauth2.stage import BOTH, HOST, PLANTED, answer, oauth, only, pair, read
from tests.contract.stage import json_with


def said(error: object, **more: object) -> dict[str, object]:
    return {"error": error, "error_description": PLANTED, **more}


HTML = f"<html><title>Login</title>{PLANTED}</html>".encode()

NO_TOKENS: list[tuple[str, Answer, type[ProviderError]]] = [
    ("invalid_grant, 400", answer(400, said("invalid_grant")), Rejected),
    ("invalid_grant, 401", answer(401, said("invalid_grant")), Rejected),
    ("invalid_grant, 403 (Atlassian)", answer(403, said("invalid_grant")), Rejected),
    ("invalid_grant, 200", answer(200, said("invalid_grant")), Rejected),
    ("bad_refresh_token, 200 (GitHub)", answer(200, said("bad_refresh_token")), Rejected),
    ("Slack's refusal", answer(200, said("invalid_refresh_token", ok=False)), Rejected),
    ("Zoho's refusal", answer(200, said("invalid_code")), Rejected),
    ("the job's own word", answer(400, said("consent_withdrawn")), Rejected),
    ("one the job holds for a dead token", answer(403, said("invalid_target")), Rejected),
    ("invalid_client, 401", answer(401, said("invalid_client")), Misconfigured),
    ("invalid_client, 400", answer(400, said("invalid_client")), Misconfigured),
    ("unauthorized_client", answer(400, said("unauthorized_client")), Misconfigured),
    ("unsupported_grant_type", answer(400, said("unsupported_grant_type")), Misconfigured),
    ("invalid_scope", answer(400, said("invalid_scope")), Misconfigured),
    ("invalid_request", answer(400, said("invalid_request")), Misconfigured),
    ("GitHub's, 200", answer(200, said("incorrect_client_credentials")), Misconfigured),
    ("Slack's, 200", answer(200, said("bad_client_secret", ok=False)), Misconfigured),
    ("temporarily_unavailable, 503", answer(503, said("temporarily_unavailable")), Throttled),
    ("temporarily_unavailable, 400", answer(400, said("temporarily_unavailable")), Throttled),
    ("slow_down", answer(400, said("slow_down")), Throttled),
    ("ratelimited, 200 (Slack)", answer(200, said("ratelimited", ok=False)), Throttled),
    ("429 without a body", answer(429, b""), Throttled),
    ("429 with invalid_grant", answer(429, said("invalid_grant")), Throttled),
    ("server_error, 500", answer(500, said("server_error")), Unanswered),
    ("server_error, 400", answer(400, said("server_error")), Unanswered),
    ("server_error, 200", answer(200, said("server_error")), Unanswered),
    ("invalid_grant, 500", answer(500, said("invalid_grant")), Unanswered),
    ("invalid_grant, 404", answer(404, said("invalid_grant")), Unanswered),
    ("an unknown error, 400", answer(400, said("interaction_required")), Unanswered),
    ("an unknown error, 200", answer(200, said("mystery")), Garbled),
    ("an error as an object, 400", answer(400, said({"message": PLANTED})), Unanswered),
    ("an error as an object, 200", answer(200, said({"message": PLANTED})), Garbled),
    ("an error as a list", answer(200, said(["invalid_grant"])), Garbled),
    ("an error in capitals", answer(400, said("INVALID_GRANT")), Unanswered),
    ("another shape of error", answer(400, {"status": "BAD_REFRESH_TOKEN"}), Unanswered),
    ("an echo of the request", answer(400, {"refresh_token": PLANTED}), Unanswered),
    ("an error beside an access token", answer(200, pair(refresh_token=None, error="x")), Garbled),
    ("a proxy's page, 401", answer(401, HTML), Unanswered),
    ("a gateway's page, 502", answer(502, HTML), Unanswered),
    ("a page, 404", answer(404, HTML), Unanswered),
    ("a redirect", answer(302, b"", location="/login"), Unanswered),
    ("a login page, 200", answer(200, HTML), Garbled),
    ("a form (GitHub without Accept)", answer(200, f"access_token={PLANTED}".encode()), Garbled),
    ("nothing, 200", answer(200, b""), Garbled),
    ("nothing, 204", answer(204, b""), Garbled),
    ("null", answer(200, None), Garbled),
    ("an array", answer(200, [pair()]), Garbled),
    ("an empty object", answer(200, {}), Garbled),
    ("half a body", answer(200, json.dumps(pair()).encode()[:-5]), Garbled),
    ("bytes", answer(200, b"\xff\xfe\x00" + PLANTED.encode()), Garbled),
    ("deep nesting", answer(200, b'{"a":' * 100_000), Garbled),
    ("ok: false and no more", answer(200, {"ok": False}), Garbled),
    ("empty tokens", answer(200, {"access_token": "", "refresh_token": None}), Garbled),
    ("a number as a token", answer(200, {"access_token": 12345}), Garbled),
    ("a broken refresh token", answer(200, pair(refresh_token=f"{PLANTED}\r\n")), Garbled),
    ("an array as a refresh token", answer(200, pair(refresh_token=[PLANTED])), Garbled),
    ("a token of 40,000", answer(200, pair(refresh_token="x" * 40_000)), Garbled),
    ("a token in a data envelope", answer(200, {"data": pair()}), Garbled),
]


@pytest.mark.parametrize(
    ("odd", "error"), [case[1:] for case in NO_TOKENS], ids=[case[0] for case in NO_TOKENS]
)
def test_what_holds_no_tokens_has_its_class_and_says_no_secret(
    odd: Answer, error: type[ProviderError]
) -> None:
    provider = oauth(dead_token_errors=["consent_withdrawn", "invalid_target"])
    with pytest.raises(ProviderError) as caught:
        read(odd, provider)
    assert type(caught.value) is error
    told = [repr(caught.value), str(caught.value), *traceback.format_exception(caught.value)]
    assert PLANTED not in "".join(told)


def test_patience_is_as_long_as_the_server_says() -> None:
    with pytest.raises(Throttled) as caught:
        read(answer(503, said("temporarily_unavailable"), **{"retry-after": "30"}))
    assert caught.value.retry_after == timedelta(seconds=30)


TOKENS: list[tuple[str, Answer, set[str]]] = [
    ("201", answer(201, pair()), BOTH),
    ("unknown members", answer(200, pair(later=[PLANTED], ok=True)), BOTH),
    ("text/html as the type", answer(200, pair(), **{"content-type": "text/html"}), BOTH),
    ("a byte order mark", answer(200, b"\xef\xbb\xbf" + json.dumps(pair()).encode()), BOTH),
    ("an error of null", answer(200, pair(error=None)), BOTH),
    ("an empty error", answer(200, pair(error="", refresh_token=None)), {ACCESS_TOKEN}),
    ("a pair beside an error", answer(200, pair(error="warning")), BOTH),
    ("a pair under 500", answer(500, pair()), BOTH),
    ("no new refresh token", answer(200, pair(refresh_token="")), {ACCESS_TOKEN}),
    ("no access token", answer(200, {"refresh_token": "r-1"}), {REFRESH_TOKEN}),
    ("a broken access token", answer(200, pair(access_token="é")), {REFRESH_TOKEN}),
    ("a token type of null", answer(200, pair(token_type=None)), BOTH),
]


@pytest.mark.parametrize(
    ("odd", "names"), [case[1:] for case in TOKENS], ids=[case[0] for case in TOKENS]
)
def test_tokens_are_found_however_they_come(odd: Answer, names: set[str]) -> None:
    assert set(read(odd)) == names


def test_client_credentials_leave_a_refresh_token_that_has_no_business_there() -> None:
    """RFC 6749, 4.4.3."""
    assert set(read(answer(200, pair()), oauth("client_secret"))) == {ACCESS_TOKEN}


JSON = json_with([
    *("access_token", "refresh_token", "expires_in", "token_type", "error", "ok", "active"),
    *("refresh_expires_in", "iat", "exp", "scope"),
])  # fmt: skip
SHAPED: list[Callable[[Any], Any]] = [
    lambda found: found,
    lambda found: pair(expires_in=found, refresh_expires_in=found),
    lambda found: pair(token_type=found),
    lambda found: pair(access_token=found),
    lambda found: {"error": found},
    lambda found: {"active": True, "iat": found, "exp": found},
]
WAYS = [
    oauth(introspection_url=HOST + INTROSPECT),
    oauth("client_secret", introspection_url=HOST + INTROSPECT, revocation_url=HOST + REVOKE),
]


@given(st.integers(100, 599), st.sampled_from(SHAPED), JSON)
def test_no_json_breaks_the_reader(status: int, shape: Callable[[Any], Any], found: object) -> None:
    _read_every_way(answer(status, shape(found)))


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_bytes_break_the_reader(status: int, body: bytes) -> None:
    _read_every_way(answer(status, body))


def _read_every_way(odd: Answer) -> None:
    for provider in WAYS:
        assert provider.inspections[ACCESS_TOKEN].read(odd) is not None
        with suppress(ProviderError):
            assert set(read(odd, provider)) <= only(provider).yields
        with suppress(ProviderError):
            if provider.revocation:
                provider.revocation.read(odd)
