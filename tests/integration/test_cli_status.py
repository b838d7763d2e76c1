"""`status`: deadlines, states and switches, and who still holds what."""

import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from rotator.cli.exits import Exit
from rotator.clock import Clock
from rotator.ledger.facts import Holder
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.sql import SqlLedger
from tests.integration.town import NAMES, Town, documented


def test_status_before_anything_shows_what_the_job_files_give(here: Town) -> None:
    said = here.run("status")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == NAMES
    assert "no worker has met it yet" in said.out
    assert not here.ledger_path.exists()


def test_status_tells_both_deadlines_the_margin_and_the_next_look(here: Town) -> None:
    here.run("rotate", "--all")
    table = here.run("status").out
    assert re.search(r"Z \((23h59m|24h)\)", table)
    assert re.search(r"Z \((59d23h|60d)\)", table)
    found = here.run("status", "--json").json
    documented("status", found)
    etl = found["credentials"][0]
    documented("status credentials", found["credentials"])
    assert etl["state"] == "fresh"
    assert 86_000 < etl["margin_seconds"] <= 86_400
    assert found["worker"] is False


def test_status_tells_jobs_that_are_off_files_that_are_broken_and_rows_without_a_file(
    here: Town,
) -> None:
    here.run("rotate", "--all")
    (here.jobs / "oauth.toml").unlink()
    here.job("bad", "provider = 1\n")
    here.job("amino", 'provider = "amino"\nbase_url = { env = "AMINO" }\n[[credentials]]\n'
             'name = "epg"\nseeds.refresh_token = { env = "X" }\n')  # fmt: skip
    out = here.run("status").out
    assert "no job file gives it any more: put it back, or `rotator forget oauth/reports`" in out
    assert "amino: off until AMINO is set" in out
    assert "1 job file with mistakes: `rotator check`" in out
    assert here.run("status", "--json").json["off"] == {"amino": "AMINO"}


def test_status_tells_who_still_holds_an_older_token(here: Town) -> None:
    for _ in range(3):
        here.run("rotate", "alation/etl")
    generation = int(here.secret("alation/etl")["generation"])
    assert generation > 2
    held = {"etl-0": generation - 1, "billing-7d9f": generation - 1, "old": generation - 2}
    held |= {"new": generation, "ahead": generation + 1}
    now = Clock().now()
    said = [
        Holder(credential="alation/etl", consumer=name, generation=each, seen_at=now)
        for name, each in held.items()
    ]
    long_ago = replace(said[0], consumer="silent", seen_at=now - timedelta(minutes=61))
    with closing(SqlLedger.open(here.ledger_path, create=False)) as ledger:
        ledger.hold([*said, long_ago])
    out = here.run("status").out
    assert f"alation/etl: 1 of 5 consumers still holds generation {generation - 2}: old\n" in out
    assert (
        f"alation/etl: 2 of 5 consumers still hold generation {generation - 1}:"
        " billing-7d9f, etl-0\n"
    ) in out
    assert "still" not in here.run("status", "oauth").out
    etl = here.run("status", "--json").json["credentials"][0]
    assert {each["consumer"]: each["generation"] for each in etl["consumers"]} == held
    assert set(etl["consumers"][0]) == {"consumer", "generation", "seen_at"}


def test_what_a_worker_is_at_is_rotating(here: Town) -> None:
    here.run("rotate", "oauth")
    with here.ledger() as ledger:
        now = Clock().now()
        assert ledger.take("oauth/reports", "a worker", now, now + timedelta(minutes=1))
    assert here.run("status", "oauth", "--json").json["credentials"][0]["state"] == "fresh"
    with WorkerLock(here.home / "state" / "worker.lock").take():
        assert here.run("status", "oauth", "--json").json["credentials"][0]["state"] == "rotating"
        assert here.run("status", "oauth", "--exit-code").code == 0


def test_an_empty_folder_says_what_to_do(here: Town) -> None:
    for file in here.jobs.iterdir():
        file.unlink()
    assert "rotator init" in here.run("status").out
    assert "rotator init" in here.run("check", "--offline").out
    assert "there is no credential (there is no job file" in here.run("rotate", "--all").err


def test_a_paused_credential_is_nobodys_alarm(here: Town) -> None:
    here.run("rotate", "oauth")
    assert here.run("pause", "oauth", "--why", "moving").out == "oauth/reports: paused\n"
    said = here.run("status", "oauth", "--exit-code")
    assert said.code == 0
    assert " since 20" in said.out
    assert "Z: moving" in said.out
    assert here.run("status", "oauth", "--json").json["credentials"][0]["due_at"] is None
    explained = here.run("explain", "oauth").out
    assert "Next look: none while it is paused" in explained
    assert "Z: moving; `rotator resume oauth/reports`" in explained
    refused = here.run("rotate", "oauth")
    assert refused.code == Exit.FAILED
    assert "first `rotator resume oauth/reports`" in refused.out
    assert here.run("resume", "oauth", "--json").json == [
        {"credential": "oauth/reports", "outcome": "resumed"}
    ]
    assert here.run("rotate", "oauth").code == 0


def test_what_a_switch_did_not_change_is_said_so(here: Town) -> None:
    here.run("rotate", "oauth")
    said = here.run("resume", "oauth")
    assert (said.code, said.out) == (0, "oauth/reports: was not paused\n")
    here.run("pause", "oauth", "--why", "moving")
    said = here.run("pause", "oauth", "--why", "another reason")
    assert said.code == 0
    assert said.out.startswith("oauth/reports: paused already by ")
    assert said.out.endswith("Z: moving\n")
    assert "moving" in here.run("status", "oauth").out


def test_who_pauses_says_why(here: Town) -> None:
    assert here.run("pause", "oauth").code == Exit.USAGE
