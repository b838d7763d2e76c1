"""What is sent, by rotator and by a consumer."""

from base64 import b64decode
from typing import Any

import pytest

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret, Token
from rotator.sandbox.oauth2 import INTROSPECT, TOKEN
from tests.contract.oauth2.stage import HOST, PLANTED, answer, fields, oauth, only, read, ring

# What is sent


def test_a_refresh_is_a_form_with_the_client_in_a_basic_header() -> None:
    """RFC 6749, 2.3.1: both parts are form-encoded before base64."""
    provider = oauth(client_id="id:with colon")
    request = only(provider).ask(ring(refresh_token="r+/=", client_secret="sé cret%"))
    assert (request.method, request.url) == ("POST", HOST + TOKEN)
    assert fields(request) == {"grant_type": "refresh_token", "refresh_token": "r+/="}
    scheme, encoded = request.headers["authorization"].reveal().split(" ")
    assert scheme == "Basic"
    assert b64decode(encoded) == b"id%3Awith+colon:s%C3%A9+cret%25"
    assert request.headers["accept"].reveal() == "application/json"


def test_a_client_may_be_named_in_the_body() -> None:
    request = only(oauth(client_auth="post")).ask(ring(refresh_token="r", client_secret="s"))
    client = {"client_id": "sandbox-client", "client_secret": "s"}
    assert fields(request) == {"grant_type": "refresh_token", "refresh_token": "r", **client}
    assert "authorization" not in request.headers


def test_a_public_client_only_says_who_it_is() -> None:
    provider = oauth(client_auth="none")
    request = only(provider).ask({REFRESH_TOKEN: Token(value=Secret("r"))})
    assert fields(request)["client_id"] == "sandbox-client"
    assert only(provider).needs == {REFRESH_TOKEN}


def test_scope_and_extra_fields_go_with_every_token_request() -> None:
    more: dict[str, Any] = {"scope": "read write", "extra": {"audience": "https://api.example.com"}}
    for seed in ("refresh_token", "client_secret"):
        asked = fields(only(oauth(seed, **more)).ask(ring(refresh_token="r")))
        assert asked["scope"] == "read write"
        assert asked["audience"] == "https://api.example.com"


def test_no_secret_shows_in_a_request() -> None:
    keyring = ring(refresh_token=PLANTED, client_secret=PLANTED, access_token=PLANTED)
    introspection = {"introspection_url": HOST + INTROSPECT}
    for client_auth in ("basic", "post"):
        provider = oauth(client_auth=client_auth, **introspection)
        asked = [only(provider).ask(keyring)]
        asked += [inspection.ask(keyring) for inspection in provider.inspections.values()]
        assert len(asked) == 3
        assert PLANTED not in repr(asked)


# What a consumer sends


@pytest.mark.parametrize(
    ("said", "settings", "header"),
    [
        ("bearer", {}, ("Authorization", "Bearer t")),
        ("BEARER", {}, ("Authorization", "Bearer t")),
        (None, {}, ("Authorization", "Bearer t")),
        ("two words", {}, ("Authorization", "Bearer t")),
        (PLANTED * 9, {}, ("Authorization", "Bearer t")),
        (7, {}, ("Authorization", "Bearer t")),
        ("DPoP", {}, ("Authorization", "DPoP t")),
        ("bot", {"scheme": "Bearer"}, ("Authorization", "Bearer t")),
        ("Bearer", {"scheme": "Zoho-oauthtoken"}, ("Authorization", "Zoho-oauthtoken t")),
        ("Bearer", {"header_name": "X-Api-Key", "scheme": ""}, ("X-Api-Key", "t")),
    ],
    ids=repr,
)
def test_the_header_is_ready_made(
    said: object, settings: dict[str, Any], header: tuple[str, str]
) -> None:
    provider = oauth(**settings)
    content = {"access_token": "t", "token_type": said, "expires_in": 60}
    token = read(answer(200, content), provider)[ACCESS_TOKEN]
    assert provider.header(token) == header
