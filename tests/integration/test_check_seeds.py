"""What `check` says where two credentials are to grow from one refresh token."""

import pytest

from rotator.cli.exits import Exit
from tests.integration.town import ALATION, CHAIN, SSO, Town

SECOND = ALATION[: ALATION.index("[[credentials]]")] + ALATION[ALATION.rindex("[[credentials]]") :]
SAME = "alation/sso and second/sso take the same refresh token, which only the first to use it"


@pytest.fixture
def twice(here: Town) -> Town:
    """The same variable for the refresh token of two jobs at one host."""
    here.urls = {**here.urls, "second": here.urls["alation"]}
    here.job("second", SECOND)
    return here


def test_one_reference_in_two_credentials_is_told_under_both(twice: Town) -> None:
    said = twice.run("check", "--offline")
    assert said.code == Exit.WRONG
    assert said.out.count(SAME) == 2
    assert "have the provider make a refresh token for each, or keep one of them" in said.out
    assert said.out.splitlines()[-1].startswith("2 to mend; ")
    assert twice.run("check", "--offline", "second").out.count(SAME) == 1
    assert twice.run("check", "--offline", "oauth").code == 0


def test_one_value_behind_two_references_is_told_and_not_shown(twice: Town) -> None:
    job = (twice.jobs / "second.toml").read_text()
    (twice.jobs / "second.toml").write_text(job.replace("ALATION_SSO_TOKEN", "SECOND_TOKEN"))
    same = twice.environ["ALATION_SSO_TOKEN"]
    assert twice.run("check", "--offline", SECOND_TOKEN=f"{same}\n").out.count(SAME) == 2
    assert SAME not in twice.run("check", "--offline", SECOND_TOKEN=twice.hand_made()).out
    assert SAME not in twice.run("check", "--offline", SECOND_TOKEN="").out


def test_one_secret_is_told_offline_as_well_though_it_is_not_read(twice: Town) -> None:
    for name in ("alation", "second"):
        job = (twice.jobs / f"{name}.toml").read_text()
        job = job.replace('{ env = "ALATION_SSO_TOKEN" }', '{ secret = "rotator/seed/sso#token" }')
        (twice.jobs / f"{name}.toml").write_text(job)
    assert twice.run("check", "--offline").out.count(SAME) == 2


def test_one_that_has_lost_shows_in_check_why(twice: Town) -> None:
    assert twice.run("rotate", SSO, "--what", "refresh").code == 0
    assert twice.run("rotate", "second").code == Exit.PERSON
    said = twice.run("check", "--offline")
    assert said.code == Exit.WRONG
    assert said.out.count(f"fail  sso: seed refresh_token: {SAME}") == 2


def test_once_each_has_a_chain_of_its_own_only_the_next_seed_is_at_stake(twice: Town) -> None:
    assert twice.run("rotate", SSO).code == 0
    assert twice.run("rotate", "second", ALATION_SSO_TOKEN=twice.hand_made()).code == 0
    said = twice.run("check", "--offline")
    assert said.code == 0
    assert said.out.count(f"warn  sso: seed refresh_token: {SAME}") == 2


def test_one_that_nobody_spends_may_be_shared_and_so_may_words_for_two_hosts(here: Town) -> None:
    reusable = CHAIN.replace("[schedule]", "refresh_reusable = true\n\n[schedule]")
    here.urls = {**here.urls, **dict.fromkeys(("one", "two"), here.urls["oauth"])}
    here.environ["OAUTH_TOKEN"] = here.oauth.enrol()
    for name in ("one", "two"):
        here.job(name, reusable)
    assert "take the same" not in here.run("check", "--offline").out
    here.urls = {**here.urls, "one": here.urls["alation"]}
    here.job("one", CHAIN)
    assert "take the same" not in here.run("check", "--offline").out
    here.urls = {**here.urls, "one": here.urls["oauth"]}
    here.job("one", CHAIN)
    assert "one/app and two/app take the same" in here.run("check", "--offline").out
