"""What is sent, and what the grants say of themselves."""

import json

import pytest

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret, Token
from rotator.providers.alation import plugin
from rotator.providers.alation.settings import Credential, Job
from rotator.providers.registry import plugins
from tests.contract.alation.stage import NAME, USER, grant, provider


def test_the_registry_finds_it() -> None:
    assert plugins()["alation"] is plugin


def test_requests_are_written_as_documented() -> None:
    keyring = {
        name: Token(value=Secret(name)) for name in (REFRESH_TOKEN, ACCESS_TOKEN, "password")
    }
    mint = grant("refresh_token").ask(keyring)
    assert mint.url == "https://acme.alationcloud.com/integration/v1/createAPIAccessToken/"
    assert mint.body is not None
    assert json.loads(mint.body.reveal()) == {"refresh_token": REFRESH_TOKEN, "user_id": USER}
    log_in = grant("password").ask(keyring)
    assert log_in.body is not None
    assert json.loads(log_in.body.reveal()) == {
        "username": NAME,
        "password": "password",
        "name": "rotator",
    }
    asked = provider().inspections[ACCESS_TOKEN].ask(keyring)
    assert asked.url.endswith("/integration/v1/validateAPIAccessToken/")


def test_grants_say_what_they_spend_and_kill() -> None:
    built = provider()
    assert [found.name for found in built.grants] == ["refresh_token", "regenerate", "password"]
    assert [found.spends for found in built.grants] == [None, REFRESH_TOKEN, None]
    assert all(found.kills == {ACCESS_TOKEN} for found in built.grants)
    mild = provider(mint_kills=False, regenerate_kills=False)
    assert [bool(found.kills) for found in mild.grants] == [False, False, True]
    assert built.is_chain
    assert built.host == "https://acme.alationcloud.com"
    assert built.identity == {"user_id": "1151", "username": NAME}


def test_without_a_password_there_is_no_password_grant() -> None:
    assert [found.name for found in provider("refresh_token").grants] == [
        "refresh_token",
        "regenerate",
    ]


def test_a_password_needs_its_username() -> None:
    job = Job.model_validate({"base_url": "https://acme.example"})
    with pytest.raises(ValueError, match="username"):
        plugin.build(job, Credential(user_id=1), frozenset({"password"}))


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="token_nam"):
        Job.model_validate({"base_url": "https://acme.example", "token_nam": "x"})
    with pytest.raises(ValueError, match="user_id"):
        Credential.model_validate({"user_id": 0})
