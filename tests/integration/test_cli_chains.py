"""What people do to chains: seed, adopt and forget."""

import json
import shutil
from datetime import timedelta

import pytest

from rotator.cli import seeding
from rotator.cli.exits import Exit
from rotator.clock import Clock
from rotator.ledger.lockfile import WorkerLock
from rotator.model import Shelf
from rotator.sandbox.fakes import broken
from rotator.sandbox.secrets_manager_rules import AwsError
from tests.integration.test_cli import documented
from tests.integration.town import Town

ETL, SSO = "alation/etl", "alation/sso"
CHAIN = """\
provider = "oauth2"
token_url = "{url}/oauth/token"

[schedule]
survive = "20m"
consumer_max_staleness = "5m"

[[credentials]]
name = "app"
client_id = "sandbox-client"
seeds = { client_secret = { env = "OAUTH_SECRET" }, refresh_token = { env = "OAUTH_TOKEN" } }
"""


def kill_the_chain(here: Town) -> None:
    """Somebody else regenerates SSO's refresh token: ours is dead."""
    dead = here.secret(SSO, Shelf.KEYRING)["refresh_token"]
    body = json.dumps({"refresh_token": dead, "user_id": 7}).encode()
    path = "/integration/v1/regenRefreshToken/"
    here.alation.handle("POST", path, {"content-type": "application/json"}, body)


@pytest.fixture
def stuck(here: Town) -> Town:
    """An SSO user whose refresh token has died: only a person can help."""
    here.run("rotate", SSO)
    kill_the_chain(here)
    assert here.run("rotate", SSO).code == Exit.PERSON
    return here


# --- seed --------------------------------------------------------------------------------------


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


# --- adopt -------------------------------------------------------------------------------------


def lose_the_ledger(here: Town) -> None:
    shutil.rmtree(here.home / "state")


def test_a_new_ledger_takes_over_what_another_kept(here: Town) -> None:
    here.run("rotate", "--all")
    before = here.secret(SSO, Shelf.KEYRING)
    lose_the_ledger(here)
    said = here.run("adopt", "--yes", "--json")
    assert said.code == 0, said
    documented("adopt", said.json)
    assert [each["outcome"] for each in said.json] == ["adopted", "adopted"]
    assert "it was another ledger's" in said.json[0]["text"]
    after = here.secret(SSO, Shelf.KEYRING)
    assert after["refresh_token"] == before["refresh_token"]
    assert after["ledger_id"] != before["ledger_id"]
    assert int(after["generation"]) > int(before["generation"])
    assert here.run("rotate", "alation", "--what", "both").code == 0


def test_adopting_explains_the_risk_and_asks(here: Town) -> None:
    here.run("rotate", SSO)
    said = here.run("adopt", SSO, stdin="n\n")
    assert said.code == Exit.FAILED
    assert "no other worker runs on them" in said.err
    assert "alation/sso" in said.err
    assert here.run("adopt", SSO, stdin="y\n").code == 0


def test_a_dead_chain_is_adopted_and_needs_a_person(here: Town) -> None:
    here.run("rotate", SSO)
    kill_the_chain(here)
    said = here.run("adopt", SSO, "--yes")
    assert said.code == Exit.PERSON
    assert "the provider says: dead" in said.out


def test_what_has_no_keyring_is_skipped_and_what_fails_stops_no_other(here: Town) -> None:
    assert [each["outcome"] for each in here.run("adopt", "--yes", "--json").json] == [
        "skipped",
        "skipped",
    ]
    here.run("rotate", "--all")
    here.aws.account.authorize = lambda *call: "etl" not in call[2]
    said = here.run("adopt", "--yes", "--json")
    assert said.code == Exit.FAILED
    assert [each["outcome"] for each in said.json] == ["failed", "adopted"]
    assert here.run("adopt", "oauth", "--yes").code == Exit.USAGE


def test_a_worker_that_does_not_know_a_chain_yet_is_to_read_its_job_file(here: Town) -> None:
    here.run("rotate", "--all")
    here.run("forget", SSO, "--yes")
    with WorkerLock(here.home / "state" / "worker.lock").take():
        told = here.run("adopt", SSO, "--yes").out
        assert "does not know alation/sso yet" in told
        assert "`systemctl reload rotator`" in told
        said = here.run("seed", SSO, stdin=here.hand_made())
        assert said.code == Exit.FAILED
        assert "does not know alation/sso yet" in said.err
        assert "`systemctl reload rotator`" in here.run("explain", SSO).out


def test_a_chain_of_this_very_ledger_is_nobody_elses_though_it_was_forgotten(here: Town) -> None:
    here.run("rotate", "--all")
    here.run("forget", SSO, "--yes")
    with here.ledger() as ledger:
        before = [row.credential for row in ledger.rows()]
    said = here.run("explain", SSO)
    assert said.code == 0, said.err
    assert "No worker has met it yet: this is what the first look would find." in said.out
    assert "another ledger owns" not in said.out
    found = here.run("explain", SSO, "--json").json
    assert not any(each["another_ledger"] for each in found["secrets"])
    with here.ledger() as ledger:
        assert [row.credential for row in ledger.rows()] == before


def test_a_chain_of_another_ledger_is_said_to_be_so_before_the_first_look(here: Town) -> None:
    here.run("rotate", "--all")
    lose_the_ledger(here)
    here.run("rotate", "oauth")
    here.run("forget", SSO, "--yes")
    found = here.run("explain", SSO, "--json").json
    assert (found["met"], any(each["another_ledger"] for each in found["secrets"])) == (False, True)


# --- forget ------------------------------------------------------------------------------------


def test_forgetting_deletes_what_the_ledger_stores_and_no_more(here: Town) -> None:
    here.run("rotate", ETL)
    said = here.run("forget", ETL, "--json", "--yes")
    documented("forget", said.json)
    assert said.json == {"credential": ETL, "secrets": [], "job_file": True}
    with here.ledger() as ledger:
        assert ledger.look(ETL) is None
    assert here.secret(ETL)["access_token"]


def test_secrets_are_deleted_on_request_with_days_to_think_again(here: Town) -> None:
    here.run("rotate", ETL)
    (here.jobs / "alation.toml").unlink()
    asked = here.run("forget", ETL, "--secrets", stdin="n\n")
    assert asked.code == Exit.FAILED
    assert "rotator/keyring/alation/etl in 30 days" in asked.out
    said = here.run("forget", ETL, "--secrets", "--recovery-days", "7", stdin="y\n")
    assert "rotator/token/alation/etl: deleted in 7 days" in said.out
    with pytest.raises(AwsError):
        here.secret(ETL)
    assert here.run("forget", ETL, "--secrets", "--yes").code == Exit.USAGE


def test_secrets_that_are_not_there_or_not_ours_are_left_alone(here: Town) -> None:
    assert here.run("forget", ETL, "--secrets", "--yes", "--json").json["secrets"] == []
    here.run("rotate", ETL)
    untagged = {"SecretId": f"rotator/token/{ETL}", "TagKeys": ["rotator:owner"]}
    here.aws.call("UntagResource", untagged)
    said = here.run("forget", ETL, "--secrets", "--yes")
    assert said.code == Exit.FAILED
    assert "does not carry our tags" in said.err
    with here.ledger() as ledger:
        assert ledger.look(ETL) is not None
