"""Which grants there are, and which settings contradict one another."""

import tomllib
from datetime import timedelta
from typing import Any

import pytest

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.oauth2 import build, plugin
from rotator.providers.oauth2.settings import Credential, Job
from rotator.sandbox.oauth2 import REVOKE
from tests.contract.oauth2.stage import BOTH, HOST, oauth, only


def test_the_seed_decides_on_the_grant_unless_the_job_does() -> None:
    assert only(oauth("refresh_token", "client_secret")).name == "refresh_token"
    assert only(oauth("client_secret")).name == "client_credentials"
    assert only(oauth("client_secret", grants=["refresh_token"])).name == "refresh_token"
    both = oauth("client_secret", grants=["refresh_token", "client_credentials"])
    assert [grant.name for grant in both.grants] == ["refresh_token", "client_credentials"]


def test_a_refresh_token_is_spent_by_its_use_unless_the_job_says_otherwise() -> None:
    assert only(oauth()).spends == REFRESH_TOKEN
    assert only(oauth()).replay == timedelta(0)
    assert only(oauth(refresh_reusable=True)).spends is None
    assert only(oauth(replay="30m")).replay == timedelta(minutes=30)
    assert only(oauth()).needs == {REFRESH_TOKEN, "client_secret"}
    assert only(oauth()).yields == BOTH


def test_the_job_says_whether_a_new_access_token_ends_the_old() -> None:
    assert not only(oauth()).kills
    assert only(oauth(kills_access_token=True)).kills == {ACCESS_TOKEN}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"client_auth": "none", "grants": ["client_credentials"]}, "client_auth"),
        ({"client_auth": "none"}, "client_secret"),
        ({"introspection_url": "https://other.example.com/i"}, "another host"),
        ({"revocation_url": "https://other.example.com/r"}, "revocation_url is on another host"),
        ({"revocation_url": HOST + REVOKE}, "write revocation_spares = true"),
        ({"extra": {"client_secret": "x"}}, "client_secret: rotator sets this"),
        ({"extra": {"grant_type": "x"}}, "grant_type: rotator sets this"),
        ({"grants": ["password"]}, "grants"),
        ({"base_url": HOST}, "base_url"),
        ({"access_lifespan": 3600}, "access_lifespan"),
        ({"header_name": "X: y"}, "header_name"),
        ({"scheme": "two words"}, "scheme"),
    ],
    ids=lambda case: case if isinstance(case, str) else "-".join(case),
)
def test_settings_that_contradict_one_another_are_a_mistake(
    settings: dict[str, Any], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        oauth("refresh_token", "client_secret", **settings)


def test_the_example_is_a_job() -> None:
    job = tomllib.loads(plugin.example)
    assert job.pop("provider") == plugin.name
    (credential,) = job.pop("credentials")
    settings = {name: job[name] for name in job.keys() - {"schedule"}}
    provider = build(
        Job.model_validate(settings),
        Credential(client_id=credential["client_id"]),
        frozenset(credential["seeds"]),
    )
    assert only(provider).name == "refresh_token"
    assert credential["seeds"].keys() <= plugin.seeds.keys()
