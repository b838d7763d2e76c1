"""`adopt` and `forget`: chains that change hands, and what is left of them."""

import shutil

import pytest

from rotator.cli.exits import Exit
from rotator.ledger.lockfile import WorkerLock
from rotator.model import Shelf
from rotator.sandbox.fakes import LOST_ANSWER, html
from rotator.sandbox.secrets_manager_rules import AwsError
from tests.integration.town import ETL, SSO, Town, documented, kill_the_chain


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


def test_forgetting_deletes_what_the_ledger_stores_and_no_more(here: Town) -> None:
    here.run("rotate", ETL)
    said = here.run("forget", ETL, "--json", "--yes")
    documented("forget", said.json)
    assert said.json == {"credential": ETL, "secrets": [], "job_file": True}
    with here.ledger() as ledger:
        assert ledger.look(ETL) is None
    assert here.secret(ETL)["access_token"]


def test_what_only_the_ledger_knows_of_a_chain_is_said_before_it_is_forgotten(here: Town) -> None:
    assert here.run("forget", SSO, "--yes").err == ""
    here.run("rotate", SSO)
    here.alation.fail_next("*", LOST_ANSWER, times=1)
    here.run("rotate", SSO, "--what", "refresh")
    said = here.run("forget", SSO, stdin="n\n")
    assert "alation/sso: a request for it is unanswered" in said.err
    here.alation.fail_next("*", html(200, acts=True))
    here.run("rotate", ETL)
    said = here.run("forget", ETL, stdin="n\n")
    assert "a sealed answer that is not kept yet may hold its only living" in said.err


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
