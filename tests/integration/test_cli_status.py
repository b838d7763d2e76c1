"""`status`: deadlines, states and switches, and who still holds what."""

import os
import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from rotator.cli.exits import Exit
from rotator.clock import Clock
from rotator.ledger.facts import Holder
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.sql import SqlLedger
from tests.integration.town import NAMES, OAUTH, Town, documented


def test_status_before_anything_shows_what_the_job_files_give(here: Town) -> None:
    said = here.run("status")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()[1:4]] == NAMES
    assert "no worker has met it yet" in said.out
    assert "no worker is alive, so nothing is renewed: `rotator worker`\n" in said.out
    assert "no worker is alive" in here.run("status", "oauth").out
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


def test_what_only_seems_to_have_no_job_file_is_never_to_be_forgotten(here: Town) -> None:
    here.run("rotate", "--all")
    mistaken = "its job file has mistakes: `rotator check`"
    here.job("oauth", OAUTH.replace("token_url", "token_ulr"))
    assert mistaken in here.run("status").out
    assert here.run("status", "oauth", "--json").json["credentials"][0]["text"] == mistaken
    said = here.run("forget", "oauth", stdin="n\n")
    assert f"rotator: oauth/reports may still be wanted: {mistaken}\n" in said.err
    (here.jobs / "oauth.toml").rename(here.jobs / "Oauth.toml")
    assert mistaken in here.run("status", "oauth").out
    (here.jobs / "Oauth.toml").unlink()
    here.job("oauth", OAUTH.replace('"{url}/oauth/token"', '{ env = "X" }'))
    assert "the job is off until X is set" in here.run("status", "oauth").out
    (here.jobs / "team").mkdir()
    (here.jobs / "oauth.toml").rename(here.jobs / "team" / "oauth.toml")
    assert "oauth.toml is no job file: it lies in team/" in here.run("status", "oauth").out
    assert "1 file not read, for want of its name or its place" in here.run("status").out
    assert "forget" not in here.run("status").out


def test_a_folder_that_cannot_be_read_is_told_first_and_nothing_is_to_be_forgotten(
    here: Town,
) -> None:
    here.run("rotate", "--all")
    out = here.run("status", ROTATOR_JOBS_DIR="/nowhere").out
    assert out.startswith("the folder of job files cannot be read: no such file or directory: /no")
    assert out.count("the folder of job files cannot be read: no such file or directory") == 4
    assert "forget" not in out
    assert "any more" not in out
    said = here.run("explain", "oauth", ROTATOR_JOBS_DIR="/nowhere").err
    assert "there is no credential oauth (the folder of job files cannot be read" in said
    (here.home / "empty").mkdir()
    out = here.run("status", ROTATOR_JOBS_DIR=str(here.home / "empty")).out
    assert out.startswith("no job files in ")
    assert "put it back, or set ROTATOR_JOBS_DIR to where it is" in out
    assert "forget" not in out


def test_status_tells_how_the_worker_learns_of_a_new_job_file(here: Town) -> None:
    with WorkerLock(here.home / "state" / "worker.lock").take():
        out = here.run("status").out
        assert "the worker has yet to read its job file" in out
        assert (
            f"to let the worker (pid {os.getpid()}) know of all, have it read its job files anew:"
            " `kill -HUP PID`, `systemctl reload rotator`\n"
        ) in out
    said = here.run("init", "albato").out
    assert "then, where a worker runs, have it read its job files anew: `kill -HUP PID`" in said


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
