"""`seed`: a token that a person brings, what is asked of it, and what it replaces."""

from datetime import timedelta

import pytest

from rotator.cli import seeding
from rotator.cli.exits import Exit
from rotator.clock import Clock
from rotator.model import Shelf
from rotator.sandbox.fakes import broken
from rotator.sandbox.secrets_manager_rules import AwsError
from tests.integration.town import CHAIN, SSO, Town, documented, kill_the_chain


@pytest.fixture
def stuck(here: Town) -> Town:
    """An SSO user whose refresh token has died: only a person can help."""
    here.run("rotate", SSO)
    kill_the_chain(here)
    assert here.run("rotate", SSO).code == Exit.PERSON
    return here


def test_a_seed_is_the_way_out_of_needs_a_person(stuck: Town) -> None:
    assert "`rotator seed alation/sso`" in stuck.run("status").out
    said = stuck.run("seed", SSO, stdin=stuck.hand_made() + "\n")
    assert (said.code, said.err) == (0, "")
    assert "the provider says: alive" in said.out
    assert "kept as generation" in said.out
    assert "no worker is alive: `rotator rotate alation/sso`" in said.out
    assert stuck.run("rotate", SSO).out == "alation/sso: rotated\n"
    keyring = stuck.secret(SSO, Shelf.KEYRING)
    with stuck.ledger() as ledger:
        assert keyring["ledger_id"] == ledger.ledger_id


def test_a_second_chain_is_put_beside_the_first_and_closes_the_gap(here: Town) -> None:
    here.run("rotate", SSO)
    first = here.secret(SSO, Shelf.KEYRING)["refresh_token"]
    assert "`rotator seed --spare alation/sso`" in " ".join(here.run("check", SSO).out.split())
    said = here.run("seed", "--spare", SSO, "--json", stdin=here.hand_made() + "\n")
    documented("seed", said.json)
    assert (said.code, said.json["inspection"], said.json["request"]) == (0, "alive", None)
    kept = here.secret(SSO, Shelf.KEYRING)
    assert kept["refresh_token"] == first
    assert kept["spare_refresh_token"].startswith("canary")
    held = here.secret(SSO)["access_token"]
    assert here.run("rotate", SSO).code == 0
    assert here.secret(SSO)["access_token"] != held
    assert here.alation.is_alive(held)
    assert here.secret(SSO, Shelf.KEYRING)["spare_refresh_token"] == first
    assert "refresh_token, spare" in here.run("explain", SSO).out
    after = " ".join(here.run("check", "--all", SSO).out.split())
    assert "--spare" not in after
    assert "no cache keeps it as long" in after
    assert "ECS valueFrom, environment variables of a pod: read once" in after


def test_what_cannot_use_two_chains_is_told_so_before_a_token_is_read(here: Town) -> None:
    here.job("chain", CHAIN.replace("{url}", here.urls["oauth"]))
    said = here.run("seed", "--spare", "chain", stdin="canary", OAUTH_TOKEN="canary-seed")
    assert said.code == Exit.USAGE
    assert "cannot use two refresh tokens in turn" in said.err


def test_the_providers_own_dates_win(here: Town) -> None:
    here.alation.refresh_lifespan = timedelta(days=5)
    said = here.run(
        "seed", SSO, "--expires-at", "2099-01-01", "--json", stdin=here.hand_made() + "\n"
    )
    documented("seed", said.json)
    assert said.json["inspection"] == "alive"
    assert here.secret(SSO, Shelf.KEYRING)["expires_at"][:19] == said.json["expires_at"][:19]
    assert said.json["expires_at"] < "2099"


def test_a_dry_run_inspects_and_writes_nothing(here: Town) -> None:
    found = here.run("seed", SSO, "--dry-run", "--json", stdin=here.hand_made()).json
    assert (found["inspection"], found["generation"], found["dry_run"]) == ("alive", 0, True)
    with pytest.raises(AwsError):
        here.secret(SSO, Shelf.KEYRING)
    dead = here.run("seed", SSO, "--dry-run", stdin="canary-nobody")
    assert dead.code == Exit.FAILED
    assert "the provider says: dead" in dead.out


def test_a_dry_run_makes_no_ledger_and_no_key(here: Town) -> None:
    said = here.run("seed", SSO, "--dry-run", stdin=here.hand_made())
    assert (said.code, "nothing was written" in said.out) == (0, True)
    assert {each.name for each in here.home.iterdir()} == {"jobs"}


def test_a_dry_run_asks_nobody_when_the_token_dies_and_says_who_will_be_asked(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.urls = {**here.urls, "chain": here.urls["oauth"]}
    here.job("chain", CHAIN)
    here.environ["OAUTH_TOKEN"] = ""
    token = here.oauth.enrol()
    said = here.run("seed", "chain", "--dry-run", stdin=token)
    assert said.code == 0
    assert "the provider says: unknown" in said.out
    assert "nobody but you can tell when it dies: without --dry-run, give --expires" in said.out
    found = here.run("seed", "chain", "--dry-run", "--json", stdin=token).json
    documented("seed", found)
    assert (found["asks_expires_at"], found["expires_at"]) == (True, None)
    told = ["--expires-at", "2099-01-01", "--dry-run"]
    assert "it dies 2099-01-01" in here.run("seed", "chain", *told, stdin=token).out
    monkeypatch.setattr(seeding, "_at_a_terminal", lambda: True)
    said = here.run("seed", "chain", "--dry-run", stdin=f"{token}\n")
    assert (said.code, "give --expires-at never" in said.out) == (0, True)


def test_a_dead_token_is_refused(here: Town) -> None:
    said = here.run("seed", SSO, stdin="canary-nobody\n")
    assert said.code == Exit.FAILED
    assert "the provider disowns this token" in said.err


@pytest.mark.parametrize("given", ["", "\n", "canary\x00x\n"])
def test_what_is_no_token_is_refused_before_anybody_is_asked(here: Town, given: str) -> None:
    said = here.run("seed", SSO, stdin=given)
    assert said.code == Exit.USAGE
    assert "no token was given" in said.err
    assert here.alation.counts.total() == 0


def test_a_token_is_never_taken_from_an_argument(here: Town) -> None:
    assert here.run("seed", SSO, "a-token").code == Exit.USAGE


def test_what_keeps_no_refresh_token_names_where_its_seeds_are(here: Town) -> None:
    said = here.run("seed", "oauth", stdin="canary")
    assert said.code == Exit.USAGE
    assert "client_secret: environment variable OAUTH_SECRET" in said.err


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("soon", "--expires-at is no date"),
        ("0001-01-01T00:00+14:00", "--expires-at is no date"),
        ("2030-01-01T00:00", "has no time zone"),
        ("2020-01-01", "would be dead already"),
        ("", "--expires-at never"),
    ],
)
def test_where_nobody_can_tell_a_person_must(here: Town, given: str, text: str) -> None:
    here.urls = {**here.urls, "chain": here.urls["oauth"]}
    here.job("chain", CHAIN)
    more = ["--expires-at", given] if given else []
    said = here.run("seed", "chain", *more, stdin=here.oauth.enrol(), OAUTH_TOKEN="")
    assert said.code == Exit.USAGE
    assert text in said.err


def test_what_nobody_can_tell_is_asked_for_before_a_token_is_read(here: Town) -> None:
    here.urls = {**here.urls, "chain": here.urls["oauth"]}
    here.job("chain", CHAIN)
    said = here.run("seed", "chain", stdin="", OAUTH_TOKEN="")
    assert said.code == Exit.USAGE
    assert "the provider does not tell when this token dies (--expires-at never)" in said.err


def test_what_a_person_tells_is_kept(here: Town) -> None:
    here.urls = {**here.urls, "chain": here.urls["oauth"]}
    here.job("chain", CHAIN)
    here.environ["OAUTH_TOKEN"] = ""
    for when, kept in (("2099-01-01T02:00:00+02:00", "2099-01-01T00:00:00Z"), ("never", "")):
        token = here.oauth.enrol()
        said = here.run("seed", "chain", "--replace", "--expires-at", when, stdin=token)
        assert said.code == 0, said
        assert "the provider says: unknown" in said.out
        assert ("it dies never" in said.out) == (when == "never")
        assert here.secret("chain/app", Shelf.KEYRING)["expires_at"] == kept
    assert here.run("rotate", "chain").code == 0


def test_a_token_that_nobody_knows_replaces_no_living_one_unasked(here: Town) -> None:
    here.urls = {**here.urls, "chain": here.urls["oauth"]}
    here.job("chain", CHAIN)
    assert here.run("rotate", "chain", OAUTH_TOKEN=here.oauth.enrol()).code == 0
    kept = here.secret("chain/app", Shelf.KEYRING)
    said = here.run("seed", "chain", "--expires-at", "never", stdin="mistyped", OAUTH_TOKEN="")
    assert said.code == Exit.FAILED
    assert "may be alive" in said.err
    assert "rotator seed --replace" in said.err
    assert here.secret("chain/app", Shelf.KEYRING) == kept
    more = ["--replace", "--expires-at", "never"]
    assert here.run("seed", "chain", *more, stdin=here.oauth.enrol(), OAUTH_TOKEN="").code == 0


def test_at_a_terminal_the_expiry_is_asked_for(here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    here.urls = {**here.urls, "chain": here.urls["oauth"]}
    here.job("chain", CHAIN + '\n[schedule.refresh_token]\nlifespan = "60d"\n')
    here.environ["OAUTH_TOKEN"] = ""
    monkeypatch.setattr(seeding, "_at_a_terminal", lambda: True)
    said = here.run("seed", "chain", stdin=f"{here.oauth.enrol()}\n\n")
    assert said.code == 0, said
    in_60_days = f"{Clock().now() + timedelta(days=60):%Y-%m-%d}"
    assert here.secret("chain/app", Shelf.KEYRING)["expires_at"].startswith(in_60_days)
    said = here.run("seed", "--replace", "chain", stdin=f"{here.oauth.enrol()}\nnever\n")
    assert here.secret("chain/app", Shelf.KEYRING)["expires_at"] == ""


def test_a_token_that_was_spent_is_never_taken_back(here: Town) -> None:
    here.run("rotate", SSO)
    spent = here.secret(SSO, Shelf.KEYRING)["refresh_token"]
    assert here.run("rotate", SSO, "--what", "refresh").code == 0
    here.alation.fail_next("*", broken(503))  # the provider does not say that it is dead
    said = here.run("seed", SSO, "--expires-at", "never", stdin=spent)
    assert said.code == Exit.FAILED
    assert "was spent already" in said.err


def test_nothing_is_put_while_a_walk_is_under_way(here: Town) -> None:
    here.run("rotate", SSO)
    with here.ledger() as ledger:
        now = Clock().now()
        lease = ledger.take(SSO, "a worker", now, now + timedelta(minutes=1))
        assert lease is not None
        said = here.run("seed", SSO, stdin=here.hand_made())
        assert said.code == Exit.BUSY
        assert "a walk of alation/sso is under way" in said.err
        assert here.run("forget", SSO, "--yes").code == Exit.BUSY
