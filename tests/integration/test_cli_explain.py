"""`explain` and `history`: what a look sees, and what was done."""

import re
from datetime import timedelta

from rotator.cli.exits import Exit
from rotator.cli.explained import LINES
from rotator.clock import Clock
from rotator.plan import table
from rotator.providers.registry import plugins
from rotator.sandbox.fakes import html
from tests.integration.town import Town, documented


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


def test_explain_says_when_a_refused_seed_is_tried_again_and_whether_it_is_the_one_here(
    here: Town,
) -> None:
    here.run("rotate", "alation/etl", ALATION_PASSWORD="canary-wrong")
    same = here.run("explain", "alation/etl", ALATION_PASSWORD="canary-wrong")
    assert "it is tried once more at" in same.out
    assert "is not barred" not in same.out
    (mark,) = here.run("explain", "--json", "alation/etl", ALATION_PASSWORD="canary-wrong").json[
        "marks"
    ]
    assert mark["again_at"]
    mended = here.run("explain", "alation/etl").out
    assert "it is another than the one that was refused" in mended


def test_history_calls_a_refused_seed_as_status_does(here: Town) -> None:
    here.run("rotate", "alation/etl", ALATION_PASSWORD="canary-wrong")
    (shown,) = here.run("status", "alation/etl", "--json").json["credentials"]
    told = here.run("history", "alation/etl", "--json").json[-1]
    assert (told["class"], told["action"]) == (shown["class"], shown["action"])
    assert told["class"] == "wrong seed"
    assert "another grant" not in here.run("history", "alation/etl").out


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
