"""`rotate` in this process: what is asked for, what it says of it, and how it ends."""

import re

import pytest

from rotator.cli.exits import Exit
from rotator.model import Shelf
from rotator.sandbox.fakes import broken
from tests.integration.town import CANARY, NAMES, Town, documented


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
        (("amino/epg",), "there are alation/etl, alation/sso, oauth/reports"),
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


def test_what_the_ledger_alone_still_knows_is_not_called_unknown(here: Town) -> None:
    here.run("rotate", "--all")
    (here.jobs / "oauth.toml").unlink()
    for verb in ("rotate", "explain"):
        said = here.run(verb, "oauth")
        assert said.code == Exit.USAGE
        assert said.err == (
            "rotator: no job file gives oauth/reports any more"
            " (put it back, or `rotator forget oauth/reports`)\n"
        )
    here.ledger_path.write_text("this is no database at all")
    assert "there is no credential oauth (" in here.run("explain", "oauth").err


def test_rotate_all_tells_what_it_left_out_however_it_ends(here: Town) -> None:
    here.job("bad", "provider = 1\n")
    here.environ["ALATION_PASSWORD"] = "wrong"
    said = here.run("rotate", "--all")
    assert said.code not in (Exit.DONE, Exit.WRONG)
    assert "rotator: left out: 1 job file with mistakes: `rotator check`\n" in said.err


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
