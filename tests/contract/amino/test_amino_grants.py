"""Which grants there are."""

import tomllib
from datetime import timedelta

import pytest
from pydantic import HttpUrl

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.amino import plugin
from rotator.providers.amino.settings import Job
from tests.contract.amino.stage import DAY, HOST, amino


def test_a_refresh_token_counts_as_used_up_but_may_go_again_while_it_lives() -> None:
    grant = amino(refresh_lifespan="4d").grants[0]
    assert grant.spends == REFRESH_TOKEN
    assert grant.replay == 4 * DAY
    assert grant.yields == {ACCESS_TOKEN, REFRESH_TOKEN}
    assert not grant.kills


def test_a_job_may_say_that_refresh_tokens_stay_or_are_taken_once() -> None:
    assert amino(refresh_rotates=False).grants[0].spends is None
    assert amino(replay="0s").grants[0].replay == timedelta(0)


def test_renewing_comes_before_logging_in() -> None:
    provider = amino("ssid", "usid", "password", username="ann", password_path="/login")
    assert [grant.name for grant in provider.grants] == ["refresh_token", "password", "cookie"]
    assert provider.identity == {"username": "ann"}


@pytest.mark.parametrize(
    ("seeds", "username", "word"),
    [
        (("password",), "ann", "password_path"),
        (("ssid",), "ann", "together"),
        (("ssid", "usid"), "", "username"),
    ],
)
def test_a_seed_that_no_grant_can_use_is_a_mistake(
    seeds: tuple[str, ...], username: str, word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        amino(*seeds, username=username)


def test_the_example_is_a_job() -> None:
    job = tomllib.loads(plugin.example)
    assert job.pop("provider") == plugin.name
    settings = {name: job[name] for name in job.keys() - {"schedule", "credentials"}}
    assert Job.model_validate({**settings, "base_url": HOST}) == Job(base_url=HttpUrl(HOST))
