"""What is sent."""

import json

from rotator.model import Secret
from tests.contract.amino.stage import HOST, PLANTED, amino, ask, ring


def test_a_renewal_is_json_with_the_refresh_token_at_the_guessed_path() -> None:
    request = ask(amino(), "refresh_token", ring(refresh_token="r-1"))
    assert (request.method, request.url) == ("POST", f"{HOST}/api/auth/v1/access_tokens")
    assert request.body is not None
    assert json.loads(request.body.reveal()) == {
        "grant_type": "refresh_token",
        "refresh_token": "r-1",
    }
    assert request.headers["accept"].reveal() == "application/vnd.api+json, application/json"


def test_a_renewal_goes_where_and_how_the_job_says() -> None:
    provider = amino(renew_path="/renew", renew_encoding="form", refresh_field="token")
    request = ask(provider, "refresh_token", ring(refresh_token="a+b"))
    assert request.url == f"{HOST}/renew"
    assert request.content_type == "application/x-www-form-urlencoded"
    assert request.body == Secret("grant_type=refresh_token&token=a%2Bb")


def test_a_base_url_may_have_a_path() -> None:
    provider = amino(base_url="https://proxy.example.com/tv/")
    request = ask(provider, "refresh_token", ring(refresh_token="r"))
    assert request.url == "https://proxy.example.com/tv/api/auth/v1/access_tokens"
    assert provider.host == "https://proxy.example.com"


def test_a_password_is_sent_in_the_fields_that_the_job_names() -> None:
    provider = amino(
        "password",
        username="ann",
        password_path="/login",
        username_field="user",
        password_field="pass",
        password_grant_type="password",
    )
    request = ask(provider, "password", ring(password="p"))
    assert request.url == f"{HOST}/login"
    assert request.body is not None
    fields = {"grant_type": "password", "user": "ann", "pass": "p"}
    assert json.loads(request.body.reveal()) == fields


def test_cookies_go_to_the_login_without_a_body() -> None:
    provider = amino("ssid", "usid", username="ann/x@example.com", service="web ui")
    request = ask(provider, "cookie", ring(ssid="s", usid="u"))
    assert request.url == f"{HOST}/api/user/ann%2Fx@example.com/login?service=web+ui"
    assert request.headers["cookie"].reveal() == "ssid=s; usid=u"
    assert request.body is None


def test_no_secret_shows_in_a_request() -> None:
    provider = amino("ssid", "usid", "password", username="ann", password_path="/login")
    seeds = ring(refresh_token=PLANTED, password=PLANTED, ssid=PLANTED, usid=PLANTED)
    asked = [grant.ask(seeds) for grant in provider.grants]
    assert len(asked) == 3
    assert PLANTED not in repr(asked)
