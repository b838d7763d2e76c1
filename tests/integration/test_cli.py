"""Every verb in this process: what it prints, its JSON, its exit code, its errors."""

import json
import os
import re
import traceback
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from socket import gethostname
from typing import Any

import pytest

from rotator.cli import keys
from rotator.cli.exits import MEANINGS, Exit, exit_for
from rotator.cli.explained import LINES
from rotator.clock import Clock
from rotator.errors import BadSettings, LedgerBusy, LedgerTooNew, StoreDenied
from rotator.ledger.facts import Holder
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.migrations import HEAD
from rotator.ledger.sql import SqlLedger
from rotator.model import Shelf
from rotator.plan import table
from rotator.providers.registry import plugins
from rotator.sandbox.fakes import broken, html
from rotator.sandbox.iam import Guard
from tests.integration.town import CANARY, PASSWORD, Said, Town

NAMES = ["alation/etl", "alation/sso", "oauth/reports"]
VERBS = (
    "status", "explain", "history", "check", "health", "token", "rotate", "seed", "adopt", "pause",
    "resume", "forget", "worker", "migrate", "rekey", "init", "demo", "sandbox",
)  # fmt: skip


def documented(verb: str, found: Any) -> None:
    """Every key that JSON has is in the documentation, and the other way around."""
    rows = found if isinstance(found, list) else [found]
    for row in rows:
        assert set(row) == set(keys.KEYS[verb])


# --- rotate ------------------------------------------------------------------------------------


def test_without_a_worker_rotate_does_it_itself(here: Town) -> None:
    said = here.run("rotate", "--all", "--why", "first light")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [f"{name}: rotated" for name in NAMES]
    for name in NAMES:
        assert here.secret(name)["access_token"].startswith(CANARY)
    assert {each["cause"].split(": ")[1] for each in here.run("history", "--json").json} == {
        "first light"
    }


def test_rotate_takes_jobs_patterns_and_several_names(here: Town) -> None:
    said = here.run("rotate", "alation", "oau*", "--json")
    assert [each["credential"] for each in said.json] == NAMES
    documented("rotate", said.json)
    assert {each["outcome"] for each in here.run("rotate", "*/etl", "--json").json} == {"rotated"}
    assert here.secret("alation/etl")["generation"] == "4"  # a second chain was made first


@pytest.mark.parametrize(
    ("what", "token", "keyring"), [("access", 4, 3), ("refresh", 4, 3), ("both", 4, 3)]
)
def test_what_is_asked_for_is_replaced(here: Town, what: str, token: int, keyring: int) -> None:
    here.run("rotate", "alation/etl")
    said = here.run("rotate", "alation/etl", "--what", what)
    assert said.code == 0, said
    assert here.secret("alation/etl")["generation"] == str(token)
    assert here.secret("alation/etl", Shelf.KEYRING)["generation"] == str(keyring)


def test_what_has_no_refresh_token_is_passed_over(here: Town) -> None:
    said = here.run("rotate", "oauth", "--what", "refresh")
    assert said.code == Exit.USAGE
    assert said.out == "oauth/reports: skipped: it has no refresh token of its own\n"
    assert here.run("rotate", "oauth", "--what", "both").code == 0


def test_a_failure_is_told_with_its_reason_and_a_request_passes_the_backoff(here: Town) -> None:
    here.oauth.fail_next("*", broken(), times=1)
    said = here.run("rotate", "oauth")
    assert said.code == Exit.FAILED
    assert re.fullmatch(
        r"oauth/reports: failed: a request went unanswered: HTTP 500 .*; the next try is due .*Z"
        r" \(in \S+\), once a worker runs: `rotator worker`\n",
        said.out,
    ), said.out
    assert here.run("status", "oauth", "--exit-code").code == 1
    assert here.run("rotate", "oauth").out == "oauth/reports: rotated\n"
    assert here.run("status", "oauth", "--exit-code").code == 0


def test_a_refused_password_needs_a_person_and_again_tries_it_once_more(here: Town) -> None:
    said = here.run("rotate", "alation/etl", ALATION_PASSWORD="canary-wrong")
    assert said.code == Exit.PERSON
    assert said.out.startswith("alation/etl: needs a person: ")
    assert here.run("status", "--exit-code").code == 2
    asked = here.alation.counts.total()
    assert here.run("rotate", "alation/etl", ALATION_PASSWORD="canary-wrong").code == Exit.PERSON
    assert here.alation.counts.total() == asked
    here.run("rotate", "alation/etl", "--again", ALATION_PASSWORD="canary-wrong")
    assert here.alation.counts.total() == asked + 1
    assert here.run("rotate", "alation/etl").code == 0


def test_no_wait_stores_the_request_for_the_next_worker(here: Town) -> None:
    said = here.run("rotate", "oauth", "--no-wait", "--json")
    assert [each["outcome"] for each in said.json] == ["asked"]
    with here.ledger() as ledger:
        record = ledger.look("oauth/reports")
        assert record is not None
        assert [each.id for each in record.manuals] == [said.json[0]["request"]]
    assert here.oauth.counts.total() == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "name credentials or say --all\n"),
        (("oauth", "--all"), "name credentials or say --all, not both"),
        (("oauth", "--what", "root"), "one of access, refresh, both"),
        (("alatoin/etl",), "did you mean alation/etl?"),
        (("sso",), "did you mean alation/sso?"),
        (("oauht",), "did you mean oauth?"),
        (("zzz",), "there are alation/etl, alation/sso, oauth/reports"),
    ],
)
def test_a_wrong_command_is_told_in_one_line(
    here: Town, arguments: tuple[str, ...], text: str
) -> None:
    said = here.run("rotate", *arguments)
    assert said.code == Exit.USAGE
    assert said.out == ""
    assert said.err.startswith("rotator: ")
    assert text in said.err
    assert said.err.count("\n") == 1


def test_a_job_that_is_off_or_broken_is_not_called_unknown(here: Town) -> None:
    here.job("off", 'provider = "alation"\nbase_url = { env = "NOWHERE" }\n[[credentials]]\n'
             'name = "x"\nuser_id = 1\nseeds.refresh_token = { env = "X" }\n')  # fmt: skip
    here.job("bad", "provider = 1\n")
    assert "off until NOWHERE is set" in here.run("rotate", "off").err
    assert "`rotator check`" in here.run("rotate", "bad/x").err
    assert here.run("rotate", "oauth").code == 0


def test_all_but_what_nobody_could_read_ends_with_its_own_code(here: Town) -> None:
    here.job("bad", "provider = 1\n")
    said = here.run("rotate", "--all")
    assert said.code == Exit.WRONG
    assert said.out.count(": rotated") == 3
    assert said.err == "rotator: left out: 1 job file with mistakes: `rotator check`\n"
    for name in ("alation", "oauth"):
        (here.jobs / f"{name}.toml").unlink()
    assert here.run("rotate", "--all").code == Exit.WRONG
    assert "the job files have mistakes" in here.run("rotate", "x").err
    (here.jobs / "bad.toml").write_text(
        'provider = "albato"\nbase_url = { env = "NOWHERE" }\n[[credentials]]\nname = "x"\n'
        'partner_name = "a"\nuser = "u"\nseeds.partner_token = { env = "X" }\n'
    )
    (here.jobs / "none.toml").write_text("")
    assert here.run("rotate", "--all").code == Exit.WRONG
    (here.jobs / "none.toml").unlink()


# --- status, explain, history ------------------------------------------------------------------


def test_status_before_anything_shows_what_the_job_files_give(here: Town) -> None:
    said = here.run("status")
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == NAMES
    assert "no worker has met it yet" in said.out
    assert not here.ledger_path.exists()


def test_status_tells_both_deadlines_the_margin_and_the_next_look(here: Town) -> None:
    here.run("rotate", "--all")
    table = here.run("status").out
    assert re.search(r"\(in (23h59m|24h)\)", table)
    assert re.search(r"\(in (59d23h|60d)\)", table)
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


def test_explain_shows_the_look_and_changes_nothing(here: Town) -> None:
    here.run("rotate", "alation/etl")
    calls, asked = dict(here.aws.stats.as_json()["calls"]), here.alation.counts.total()
    with here.ledger() as ledger:
        now = Clock().now()
        lease = ledger.take("alation/etl", "a worker", now, now + timedelta(minutes=1))
        assert lease is not None
        before = ledger.look("alation/etl")
        text = here.run("explain", "alation/etl").out
        found = here.run("explain", "alation/etl", "--json").json
        assert ledger.look("alation/etl") == before
    assert "Next step: WAIT, because nothing is due" in text
    assert "Nothing is due: no line of the plan fits." in text
    documented("explain", found)
    assert [each["name"] for each in found["secrets"]] == [
        "rotator/token/alation/etl",
        "rotator/keyring/alation/etl",
    ]
    assert all(len(each["fingerprint"]) == 8 for each in found["secrets"])
    assert "Equal fingerprints above are one token." in text
    assert here.alation.counts.total() == asked
    after = here.aws.stats.as_json()["calls"]
    assert {name for name in after if after[name] != calls.get(name)} == {"GetSecretValue"}


def test_explain_gives_a_refused_request_no_fingerprint_for_it_is_like_no_tokens(
    here: Town,
) -> None:
    here.run("rotate", "alation/etl", ALATION_PASSWORD="canary-wrong")
    (mark,) = here.run("explain", "alation/etl", "--json").json["marks"]
    assert (mark["kind"], mark["fingerprint"], mark["times"]) == ("refused", None, 1)


def test_explain_shows_wants_backoffs_marks_requests_and_answers(here: Town) -> None:
    here.run("rotate", "alation/sso")
    here.alation.fail_next("*", html(502, acts=True), times=1)
    here.run("rotate", "alation/sso", "--what", "refresh", "--why", "to see")
    found = here.run("explain", "alation/sso", "--json").json
    assert found["requests"] or found["answers"]
    assert found["asked"][0]["why"] == "to see"
    assert found["back_offs"]
    text = here.run("explain", "alation/sso").out
    assert "Backing off:" in text
    assert "Asked for by people:" in text


def test_explain_names_the_wanted_token_and_what_would_be_presented(here: Town) -> None:
    here.run("rotate", "alation/sso")
    here.run("rotate", "alation/sso", "--no-wait")
    found = here.run("explain", "alation/sso", "--json").json
    assert found["next"]["step"] == "obtain"
    (want,) = found["wants"]
    assert (want["token"], want["grant"]) == ("access_token", "refresh_token")
    assert want["presents"][0]["from"] == "keyring"


def test_explain_before_any_worker_shows_what_its_first_look_would_find(here: Town) -> None:
    said = here.run("explain", "oauth")
    assert said.code == 0, said.err
    assert "No worker has met it yet: this is what the first look would find." in said.out
    assert "Next step: OBTAIN access_token, because there is no token" in said.out
    assert "`rotator rotate oauth/reports`" in said.out
    assert not (here.home / "state").exists()
    assert not (here.home / "keys").exists()
    here.run("rotate", "oauth")
    here.job("late", (here.jobs / "oauth.toml").read_text())
    assert here.run("explain", "late", "--json").json["met"] is False
    documented("explain", here.run("explain", "oauth", "--json").json)
    here.aws.faults.go_dark()
    said = here.run("explain", "late")
    assert (said.code, said.out) == (Exit.FAILED, "")


def test_what_a_provider_cannot_reads_on_from_those_words() -> None:
    for name, plugin in plugins().items():
        for text in plugin.cannot:
            assert re.match(r"[A-Z][a-z]+[ :]", text), f"{name}: it cannot {text}"


def test_what_explain_calls_a_line_stands_in_the_plan() -> None:
    assert set(LINES) == set(table.Verb)
    for line in LINES.values():
        assert f"| {line} |" in (table.__doc__ or "")


def test_history_tells_every_step_the_newest_last(here: Town) -> None:
    here.run("rotate", "oauth")
    found = here.run("history", "oauth", "--json").json
    documented("history", found)
    assert [each["step"] for each in found] == ["obtain", "read", "publish"]
    assert len({each["run"] for each in found}) == 1
    text = here.run("history", "--limit", "2").out.splitlines()
    assert len(text) == 3
    assert "publish" in text[-1]


def test_an_empty_history_says_when_there_will_be_something(here: Town) -> None:
    assert "no worker has met a credential" in here.run("history").out
    assert here.run("history", "--json").json == []
    here.run("rotate", "oauth", "--no-wait")
    said = here.run("history", "oauth")
    assert said.out.startswith("nothing yet; the first rotation is due at 20")
    assert said.out.endswith(", once a worker runs: `rotator worker`\n")


def test_history_tells_what_was_tried_while_aws_could_not_be_reached(here: Town) -> None:
    here.aws.faults.go_dark()
    here.run("rotate", "oauth")
    (step,) = here.run("history", "--json").json
    assert (step["step"], step["outcome"]) == ("look", "StoreUnavailable")
    assert "no answer to secretsmanager" in step["text"]


def test_one_run_is_found_by_what_its_id_begins_with(here: Town) -> None:
    here.run("rotate", "oauth")
    here.run("rotate", "oauth")
    run = here.run("history", "--json").json[0]["run"]
    assert {e["run"] for e in here.run("history", "--run", run[:8], "--json").json} == {run}
    said = here.run("history", "--run", "nope")
    assert said.code == Exit.USAGE
    assert "there is no run nope" in said.err


# --- token -------------------------------------------------------------------------------------


def revealed(here: Town, *arguments: str) -> Said:
    """The one verb that may: what it says is not heard."""
    said = here.run(*arguments)
    here.heard.clear()
    return said


def test_token_prints_the_token_its_header_or_all(here: Town) -> None:
    here.run("rotate", "alation/etl")
    value = here.secret("alation/etl")["access_token"]
    assert revealed(here, "token", "alation/etl").out == f"{value}\n"
    assert revealed(here, "token", "alation/etl", "--header").out == f"TOKEN: {value}\n"
    found = revealed(here, "token", "alation/etl", "--json").json
    assert found == here.secret("alation/etl")


def test_token_fails_where_there_is_none_or_a_dead_one(here: Town) -> None:
    assert "has no token yet" in here.run("token", "oauth").err
    here.oauth.access_lifespan = timedelta(seconds=0)
    here.run("rotate", "oauth")
    said = here.run("token", "oauth")
    assert said.code == Exit.FAILED
    assert said.out == ""
    assert here.run("token", "oauth", "--header", "--json").code == Exit.USAGE
    assert "alation is 2 credentials" in here.run("token", "alation").err


# --- check -------------------------------------------------------------------------------------


def test_check_passes_a_sound_house_and_changes_nothing(here: Town) -> None:
    said = here.run("check")
    assert said.code == 0, said.out
    assert [line.split(":")[0] for line in said.out.splitlines() if line] == [
        "ok    this machine", "ok    this machine", "warn  alation",
        "      warn  sso", "ok    oauth", "ok    AWS", "1 warning; 15 things to know",
    ]  # fmt: skip
    whole = here.run("check", "--all").out
    assert "sso: limit: should an answer with a new refresh token be lost" in whole
    assert "renewed by day 40 of 60, which leaves 20 days" in whole
    assert "note  etl, sso: limit: a ledger restored from a copy" in whole
    assert "ok    etl: seed password: readable from environment variable ALATION_PASSWORD" in whole
    assert "note  it cannot bind tokens to a key" in whole
    here.run("rotate", "--all")
    before = here.secret("alation/etl")
    found = here.run("check", "--json").json
    documented("check", found)
    documented("check findings", found["findings"])
    written = [each for each in found["findings"] if "read and written" in each["text"]]
    assert len(written) == 2  # one for each prefix
    assert here.secret("alation/etl") == before
    assert here.alation.counts["/integration/v1/createAPIAccessToken/"] == 2  # by rotate


def test_check_tells_all_mistakes_with_file_and_line(here: Town) -> None:
    here.job("bad", 'provider = "alation"\nbase_url = "https://x.example"\nsurprise = 1\n'
             '[[credentials]]\nname = "x"\nuser_id = 0\n')  # fmt: skip
    said = here.run("check", "--offline")
    assert said.code == Exit.WRONG
    assert "fail  bad.toml: 3 mistakes" in said.out
    assert "fail  line 3, surprise: no such field (there are " in said.out
    assert "fail  line 6, credentials[0].user_id: " in said.out


def test_check_puts_whole_sentences_into_its_lines_as_parts_of_them(here: Town) -> None:
    here.job("bad", 'provider = "oauth2"\n[[credentials]]\nname = "x"\nclient_id = "me"\n'
             'seeds.client_secret = { file = "/nowhere/secret" }\n'
             'seeds.refresh_token = { secret = "elsewhere/token" }\n')  # fmt: skip
    out = here.run("check", "--offline").out
    assert "ROTATOR_ALLOWED_SEED_FOLDERS" in out
    assert "ROTATOR_ALLOWED_SEED_PREFIXES" in out
    assert "missing (write it: the token endpoint, https://… (http for loopback))" in out


def test_what_check_leaves_out_is_shown_by_the_command_that_it_names(here: Town) -> None:
    here.job("bad", 'provider = "oauth2"\n' + "".join(f"odd{at} = 1\n" for at in range(9)))
    cut = here.run("check", "--offline").out
    assert " more: `rotator check --all`\n" in cut
    assert "odd8" not in cut
    assert "odd8" in here.run("check", "--offline", "--all").out


def test_check_finds_seeds_that_are_missing_or_open_to_all(here: Town) -> None:
    folder = here.home / "seeds"
    folder.mkdir()
    (folder / "open").write_text(PASSWORD)
    (folder / "open").chmod(0o644)
    job = (here.jobs / "alation.toml").read_text()
    job = job.replace('{ env = "ALATION_PASSWORD" }', f'{{ file = "{folder}/open" }}')
    (here.jobs / "alation.toml").write_text(job)
    found = here.run(
        "check", "--offline", "--json", ROTATOR_ALLOWED_SEED_FOLDERS=str(folder),
        ALATION_SSO_TOKEN="",
    ).json["findings"]  # fmt: skip
    levels = {each["about"]: each["level"] for each in found if each["what"].startswith("seed")}
    assert levels == {"alation/etl": "warn", "alation/sso": "fail", "oauth/reports": "ok"}


def test_a_seed_that_a_chain_has_outgrown_is_missed_by_nobody(here: Town) -> None:
    here.run("rotate", "alation/sso")
    assert here.run("check", "--offline", ALATION_SSO_TOKEN="").code == 0


def test_check_compares_lifespans_with_the_schedule(here: Town) -> None:
    here.alation.access_lifespan = timedelta(hours=2)
    here.run("rotate", "alation/etl")
    out = here.run("check", "alation/etl", "--offline").out
    assert "lives 2h, and 24h was expected" in out
    assert "an outage as long as `survive` would cost a consumer its token" in out
    here.alation.access_lifespan = timedelta(minutes=20)
    here.run("rotate", "alation/etl")
    assert (
        "too short for consumers that look every 15m"
        in here.run("check", "alation/etl", "--offline").out
    )


def test_check_connects_to_providers_and_sends_them_nothing(here: Town) -> None:
    job = (here.jobs / "oauth.toml").read_text()
    (here.jobs / "oauth.toml").write_text(job.replace(here.urls["oauth"], "http://127.0.0.1:9"))
    (here.jobs / "meta.toml").write_text(job.replace(here.urls["oauth"], "https://169.254.169.254"))
    found = here.run("check", "--json").json["findings"]
    told = {each["about"]: each["text"] for each in found if each["what"] == "provider"}
    assert told["http://127.0.0.1:9"] == "http://127.0.0.1:9: connecting failed"
    assert "metadata" in told["https://169.254.169.254"]
    assert told[here.urls["alation"]] == f"{here.urls['alation']}: can be connected to"
    assert here.alation.counts.total() == 0


def test_check_without_rights_says_which_and_prints_the_policy(here: Town) -> None:
    here.run("rotate", "--all")
    here.aws.account.authorize = lambda *_: False
    said = here.run("check")
    assert said.code == Exit.WRONG
    assert "DescribeSecret" in said.out
    assert '"Sid": "PublishTokensAndKeepKeyrings"' in said.out


def test_check_asks_aws_once_where_nobody_answers_and_prints_no_policy(here: Town) -> None:
    here.aws.faults.go_dark()
    said = here.run("check")
    assert said.code == Exit.WRONG
    assert said.out.count("fail") == 1
    assert "fail  AWS: no answer to secretsmanager:DescribeSecret" in said.out
    assert "check the network" in said.out
    assert "Sid" not in said.out
    assert said.out.splitlines()[-1].startswith("1 to mend; ")


def test_check_says_plainly_that_every_job_is_off(here: Town) -> None:
    for name in ("alation", "oauth"):
        text = (here.jobs / f"{name}.toml").read_text()
        text = re.sub(r'_url = ".*"', f'_url = {{ env = "{name.upper()}_URL" }}', text)
        (here.jobs / f"{name}.toml").write_text(text)
    said = here.run("check")
    assert said.code == 0
    assert "off   alation: off until ALATION_URL is set" in said.out
    assert said.out.splitlines()[-1].startswith("every job is off: nothing is kept alive yet")
    (here.jobs / "oauth.toml").unlink()
    (here.jobs / "bad.toml").write_text("provider = 1\n")
    assert here.run("check").out.splitlines()[-1].startswith("2 to mend; every job is off")


def test_check_tells_how_many_renewals_fall_outside_of_a_window(here: Town) -> None:
    job = (
        (here.jobs / "alation.toml")
        .read_text()
        .replace(
            "[[credentials]]",
            """\
[schedule.window]
cron = "0 1 * * *"
duration = "4h"

[[credentials]]""",
            1,
        )
    )
    (here.jobs / "alation.toml").write_text(job)
    out = here.run("check", "alation", "--offline", "--all").out
    found = re.findall(r"access_token: (\d+) of the next 20 renewals fall outside", out)
    assert found
    assert all(8 <= int(count) <= 12 for count in found)


def test_check_shows_some_of_many_lines_and_says_how_to_see_the_rest(here: Town) -> None:
    text = (here.jobs / "oauth.toml").read_text()
    one = text[text.index("[[credentials]]") :]
    seeds = {f"s{number}": f"NOT_SET_{number}" for number in range(9)}
    for name, variable in seeds.items():
        text += one.replace('"reports"', f'"{name}"').replace("OAUTH_SECRET", variable)
    (here.jobs / "oauth.toml").write_text(text)
    out = here.run("check", "oauth", "--offline").out
    assert out.count("is not set (set it and start the worker anew)") == 6
    assert "… and 3 more: `rotator check --all oauth`" in out
    assert out.splitlines()[-1].startswith("9 to mend")


def test_the_policy_that_check_prints_is_enough_to_rotate(here: Town) -> None:
    policy = here.run("check", "--json").json["iam"]
    here.aws.account.authorize = Guard(here.aws, {"AKIAEXAMPLE": [policy], "": [policy]})
    assert here.run("rotate", "--all").code == 0
    assert here.run("check").code == 0
    here.aws.account.authorize = None


def test_the_policy_names_seeds_keys_and_names_of_ones_own(here: Town) -> None:
    job = (here.jobs / "oauth.toml").read_text()
    job = job.replace('{ env = "OAUTH_SECRET" }', '{ secret = "rotator/seed/oauth#secret" }')
    job += '\n[secret]\nname = "team/{credential}"\nkms_key_id = "alias/rotator"\n'
    job += 'replica_regions = ["eu-west-1"]\n'
    (here.jobs / "oauth.toml").write_text(job)
    policy = json.dumps(here.run("check", "--offline", "--json").json["iam"])
    assert "secret:rotator/seed/oauth-??????" in policy
    assert "secret:team/reports-??????" in policy
    assert "ReplicateSecretToRegions" in policy
    assert "kms:ViaService" in policy
    assert '"Sid"' in here.run("check", "--offline", "--iam").out


def test_check_looks_at_the_sealing_key(here: Town) -> None:
    here.run("rotate", "oauth")
    key = here.home / "keys" / "seal.key"
    key.chmod(0o644)
    assert f"the key file {key} is open to others" in here.run("check", "--offline").out
    key.unlink()
    said = here.run("check", "--offline")
    assert said.code == Exit.WRONG


# --- init, migrate, health, demo ---------------------------------------------------------------


def test_init_writes_a_sound_job_file_once(here: Town) -> None:
    said = here.run("init", "albato")
    assert said.code == 0
    assert here.run("check", "--offline", "--json").code == Exit.WRONG  # its seed is yet to come
    assert here.run("init", "albato").code == Exit.USAGE
    assert here.run("init", "albato", "--name", "other", "--json").json == {
        "provider": "albato",
        "file": str(here.jobs / "other.toml"),
    }
    assert "did you mean albato?" in here.run("init", "albatro").err
    assert "no name for a job" in here.run("init", "albato", "--name", "../x").err
    (here.home / "file").write_text("")
    said = here.run("init", "amino", ROTATOR_JOBS_DIR=str(here.home / "file/x"))
    assert said.code == 1
    assert "set ROTATOR_JOBS_DIR" in said.err


def test_init_gives_each_job_variables_of_its_own(here: Town) -> None:
    def variables(provider: str, *options: str) -> set[str]:
        written = here.run("init", provider, *options, "--json").json["file"]
        return set(re.findall(r'env = "(\w+)"', (here.jobs / written).read_text()))

    (here.jobs / "alation.toml").unlink()
    assert variables("alation") == {"ALATION_ETL_REFRESH_TOKEN", "ALATION_ETL_PASSWORD"}
    mine = variables("alation", "--name", "my-own")
    assert mine == {"MY_OWN_ETL_REFRESH_TOKEN", "MY_OWN_ETL_PASSWORD"}
    assert "TEAM_REPORTS_REFRESH_TOKEN" in variables("oauth2", "--name", "team")
    for refused in ("2nd", "aws"):
        assert "ALATION_ETL_PASSWORD" in variables("alation", "--name", refused)


def test_migrate_brings_an_older_ledger_up_and_keeps_a_copy(here: Town) -> None:
    assert "nothing to do" in here.run("migrate").out
    here.run("rotate", "oauth")
    assert here.run("migrate", "--json").json == {"schema": HEAD, "copy": None}


def test_health_tells_that_nobody_works(here: Town) -> None:
    said = here.run("health")
    assert said.code == 1
    assert "no worker has ever started here" in said.out
    found = here.run("health", "--json")
    documented("health", found.json)
    assert found.json["healthy"] is False


# --- errors ------------------------------------------------------------------------------------


def test_wrong_settings_end_with_their_own_code(here: Town) -> None:
    said = here.run("status", ROTATOR_THREADS="many", ROTATOR_THREDS="8")
    assert said.code == Exit.WRONG
    assert "ROTATOR_THREADS" in said.err
    assert "did you mean ROTATOR_THREADS?" in said.err


def test_what_breaks_inside_is_one_line_without_its_text(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqlLedger, "rows", _broken)
    here.run("rotate", "oauth", "--no-wait")
    said = here.run("status")
    assert said.code == Exit.FAILED
    assert said.err.startswith("rotator: something broke inside: ValueError in test_cli.py line")
    assert said.err.count("\n") == 1
    assert "ROTATOR_DEBUG=1" in said.err
    with pytest.raises(ValueError, match="a secret") as caught:
        here.run("status", ROTATOR_DEBUG="1")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def _broken(*_: object) -> list[object]:
    password = PASSWORD
    raise ValueError("a secret" + password[:0])


def test_every_error_has_an_exit_code_of_the_table() -> None:
    assert exit_for(BadSettings("x")) is Exit.WRONG
    assert exit_for(LedgerBusy("x")) is Exit.BUSY
    assert exit_for(LedgerTooNew("x")) is Exit.FAILED
    assert exit_for(StoreDenied("x")) is Exit.FAILED
    assert set(MEANINGS) == set(Exit)


def test_help_tells_every_verb_and_every_exit_code(here: Town) -> None:
    out = here.run("--help").out
    for verb in VERBS:
        assert f" {verb} " in out
        assert here.run(verb, "--help").code == 0
    for text in MEANINGS.values():
        assert text.split(":")[0] in out
    assert here.run("--version").out.startswith("rotator ")
    assert here.run().code == Exit.USAGE


def test_help_speaks_of_rotator_and_not_of_python(here: Town) -> None:
    for verb in ("", *VERBS):
        out = here.run(*([verb] if verb else []), "--help").out
        assert out.split()[:3] == ["Usage:", "rotator", verb or "[OPTIONS]"]
        assert not re.search(r"python|<[a-z]|\[NAME\.|x>=", out), out
    assert here.spawn("--help").out.split()[:2] == ["Usage:", "rotator"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("demo", "--seconds", "abc"), "abc is no number of seconds; write 0 or more"),
        (("rotate", "--all", "--timeout", "0"), "0 is no number of seconds; write 1 or more"),
        (("history", "--limit", "-3"), "-3 is no number of lines; write from 1 to 100000"),
        (("forget", "oauth", "--recovery-days", "5"), "5 is no number of days; write from 7 to 30"),
    ],
)
def test_a_number_that_is_none_is_told_with_what_to_write(
    here: Town, arguments: tuple[str, ...], text: str
) -> None:
    said = here.run(*arguments)
    assert said.code == Exit.USAGE
    assert text in said.err


def test_a_reason_cannot_drive_a_terminal(here: Town) -> None:
    here.run("rotate", "oauth")
    here.run("pause", "oauth", "--why", "\x1b]0;owned\x07\u202e[bold]x[/bold]")
    out = here.run("status").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[bold]x[/bold]" in out


def test_a_worker_that_does_not_know_a_credential_yet_is_told_so(here: Town) -> None:
    here.run("rotate", "oauth")
    here.job("late", (here.jobs / "oauth.toml").read_text())
    with WorkerLock(here.home / "state" / "worker.lock").take():
        said = here.run("rotate", "late")
        assert said.code == Exit.FAILED
        assert "does not know late/reports yet" in said.err
        waiting = here.run("rotate", "oauth", "--timeout", "1")
        assert waiting.code == Exit.FAILED
        whom = f"the worker (pid {os.getpid()} on {gethostname()})"
        assert f"asked {whom} to rotate it" in waiting.err
        assert "the worker is at it" in waiting.out
        assert f"asked: {whom} does it" in here.run("rotate", "oauth", "--no-wait").out
        assert here.run("rotate", "oauth", "--timeout", "1", "--json").err == ""
        assert here.run("migrate").code == Exit.BUSY
        assert here.spawn("worker", "--no-standby").code == Exit.BUSY
