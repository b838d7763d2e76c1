"""What the verbs do where the world is not as usual."""

import json
from collections.abc import Mapping
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rotator.cli import out, wishes
from rotator.cli.checks import jobs
from rotator.cli.checks.hosts import reach
from rotator.cli.exits import Exit
from rotator.clock import Clock
from rotator.ledger import migrations
from rotator.ledger.sql import SqlLedger
from rotator.rotation.asking import request
from rotator.sandbox import demo
from rotator.sandbox.fakes import LOST_ANSWER, html
from tests.integration.town import CHAIN, ETL, SSO, Town


def test_bulk_work_shows_its_progress_at_a_terminal(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = StringIO()

    def terminal(*, stderr: bool = False) -> Console:
        return Console(file=shown, force_terminal=stderr, width=100)

    monkeypatch.setattr(out, "console", terminal)
    assert here.run("rotate", "--all").code == 0
    assert "rotating" in shown.getvalue()
    assert "3/3" in shown.getvalue()
    shown.truncate(0)
    here.run("rotate", "--all", "--json")
    assert shown.getvalue().strip("\0") == ""


def test_reads_that_lag_are_waited_for(here: Town) -> None:
    here.run("rotate", "oauth")
    here.run("rotate", "oauth")
    here.aws.faults.lag = timedelta(seconds=1.5)
    assert here.run("rotate", "oauth").out == "oauth/reports: rotated\n"


def test_a_request_whose_credential_is_forgotten_meanwhile_has_failed() -> None:
    ledger = SqlLedger.in_memory()
    wish = request(ETL, Clock().now(), "")
    watched = wishes.watched(ledger, [wish], timedelta(seconds=5), _house())
    assert [(each.outcome, each.text) for each in watched] == [
        ("failed", "forgotten while we waited")
    ]
    ledger.close()


def test_a_worker_that_ends_while_we_wait_is_told() -> None:
    ledger = SqlLedger.in_memory()
    now = Clock().now()
    ledger.enrol({"alation": [ETL]}, now)
    wish = request(ETL, now, "")
    wishes.store(ledger, [wish])
    (ended,) = wishes.watched(ledger, [wish], timedelta(0), _house())
    assert (ended.outcome, ended.text) == (
        "waiting",
        "the request stays stored; no worker is alive any more",
    )
    ledger.close()


def _house() -> Any:
    class House:
        def worker_is_alive(self) -> bool:
            return False

    return House()


def test_a_ledger_that_fails_one_rotation_stops_no_other(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rotator.errors import LedgerError  # noqa: PLC0415
    from rotator.rotation.telling import Outcome  # noqa: PLC0415
    from rotator.rotation.walk import rotate  # noqa: PLC0415

    def fails(tools: Any, credential: Any, *more: Any) -> Outcome:
        if credential.qualified == ETL:
            raise LedgerError("the ledger's disk is full")
        return rotate(tools, credential, *more)

    monkeypatch.setattr(wishes, "walk", fails)
    said = here.run("rotate", "--all", "--json")
    outcomes = {each["credential"]: each["outcome"] for each in said.json}
    assert outcomes == {ETL: "failed", SSO: "rotated", "oauth/reports": "rotated"}


def test_ctrl_c_leaves_what_was_asked_for_stored(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wishes, "walk", interrupted)
    said = here.run("rotate", "oauth")
    assert said.code == Exit.INTERRUPTED
    assert "no longer waiting (what was asked for stays stored" in said.err
    with here.ledger() as ledger:
        record = ledger.look("oauth/reports")
    assert record is not None
    assert len(record.manuals) == 1


def test_explain_shows_open_requests_marks_and_missing_seeds(here: Town) -> None:
    here.run("rotate", SSO)
    here.alation.fail_next("*", LOST_ANSWER, times=1)
    here.run("rotate", SSO, "--what", "refresh")
    found = here.run("explain", SSO, "--json").json
    (opened,) = found["requests"]
    assert opened["grant"] == "regenerate"
    assert len(opened["spends"]) == 8
    assert "Requests without an answer:" in here.run("explain", SSO).out
    here.run("rotate", ETL, ALATION_PASSWORD="canary-wrong")
    text = here.run("explain", ETL, ALATION_PASSWORD="canary-wrong").out
    assert "Marks:" in text
    assert "refused" in text
    assert "For a person: " in text
    del here.environ["ALATION_PASSWORD"]
    assert "Seeds that are missing:" in here.run("explain", ETL).out


def test_explain_shows_a_sealed_answer_that_is_kept_back(here: Town) -> None:
    here.oauth.fail_next("*", html(200, acts=True))
    here.run("rotate", "oauth")
    found = here.run("explain", "oauth", "--json").json
    assert [each["outcome"] for each in found["answers"]] == ["Garbled"]
    assert "Sealed answers:" in here.run("explain", "oauth").out


def test_a_dead_token_is_not_printed(here: Town) -> None:
    here.run("rotate", "oauth")
    fields = here.secret("oauth/reports") | {"expires_at": "2020-01-01T00:00:00Z"}
    here.aws.call(
        "PutSecretValue",
        {"SecretId": "rotator/token/oauth/reports", "SecretString": json.dumps(fields),
         "ClientRequestToken": "0f2f6a4e-94a8-4f0e-a3a1-5e0ac6a0d001"},
    )  # fmt: skip
    said = here.run("token", "oauth")
    assert (said.code, said.out) == (Exit.FAILED, "")
    assert "`rotator rotate oauth/reports`" in said.err


def test_what_was_never_looked_at_can_be_forgotten_with_its_secrets(here: Town) -> None:
    assert here.run("forget", ETL, "--yes", "--secrets").code == 0
    here.run("rotate", ETL)
    here.aws.call("DeleteSecret", {"SecretId": f"rotator/token/{ETL}"})
    found = here.run("forget", ETL, "--yes", "--secrets", "--json").json
    assert found["secrets"] == [f"rotator/keyring/{ETL}"]
    here.run("rotate", "oauth")
    assert here.run("forget", ETL, "--yes").code == 0


def test_an_adopted_secret_is_never_deleted(here: Town) -> None:
    with (here.jobs / "oauth.toml").open("a") as file:
        file.write("\n[secret]\nadopt = true\n")
    here.run("rotate", "oauth")
    said = here.run("forget", "oauth", "--yes", "--secrets")
    assert said.code == Exit.FAILED
    assert "was adopted and may hold others' keys" in said.err
    here.aws.account.authorize = lambda *_: False
    assert "DescribeSecret" in here.run("forget", "oauth", "--yes", "--secrets").err


def test_check_tells_a_state_folder_that_may_be_lost(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "is_ephemeral", lambda _: True)
    monkeypatch.setattr(jobs, "filesystem", lambda _: "tmpfs")
    said = here.run("check", "--offline")
    assert said.code == 0
    assert "lies on tmpfs, which may not outlive the worker" in said.out
    assert said.out.splitlines()[-1].startswith("2 warnings; ")
    assert "warn  this machine: " in said.out


def test_check_asks_for_dates_that_nobody_tells(here: Town) -> None:
    here.urls = {**here.urls, "chain": here.urls["oauth"]}
    here.job("chain", CHAIN)
    here.environ["OAUTH_TOKEN"] = here.oauth.enrol()
    assert here.run("rotate", "chain").code == 0
    text = here.run("check", "chain", "--offline").out
    assert "nobody tells when it dies" in text
    assert "`rotator seed chain/app --expires-at`" in text
    every = here.run("check", "chain", "--offline", "--all").out
    assert "only a person can make another (`rotator seed chain/app`)" in every


def test_migrate_says_where_the_copy_is(here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with here.ledger():
        pass
    monkeypatch.setattr(migrations, "migrate", lambda _: Path("/state/ledger.db.before-0002"))
    assert "the copy from before is /state/ledger.db.before-0002" in here.run("migrate").out


def test_the_demo_gets_its_seconds_and_gives_its_exit_code(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    def show(seconds: int) -> int:
        heard.append(seconds)
        return 1

    monkeypatch.setattr(demo, "demo", show)
    assert here.run("demo", "--seconds", "5").code == 1
    assert heard == [5]


@pytest.mark.parametrize(
    ("environ", "origin", "text"),
    [
        ({}, "https://{host}", "TLS failed"),
        ({}, "https://[fd00:ec2::254]", "metadata"),
        ({}, "https://127.0.0.1:9", "connecting failed"),
        (
            {"https_proxy": "http://127.0.0.1:9"},
            "https://acme.test",
            "the proxy: connecting failed",
        ),
        ({"https_proxy": "http://{host}"}, "https://acme.test", ""),
        ({"https_proxy": "{host}"}, "https://acme.test", ""),
    ],
)
def test_reaching_goes_the_way_a_request_would(
    here: Town, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str], origin: str, text: str
) -> None:
    host = here.urls["oauth"].removeprefix("http://")
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value.replace("{host}", host))
    said = reach(origin.replace("{host}", host), Clock(), timedelta(seconds=5))
    assert text in said
    assert bool(text) == bool(said)


def test_reaching_gives_up_in_time() -> None:
    assert "took too long" in reach("https://127.0.0.1:9", Clock(), timedelta(0))


def test_json_knows_every_kind_of_value(capsys: pytest.CaptureFixture[str]) -> None:
    now = Clock().now()
    out.say_json({"at": now, "for": timedelta(minutes=2), "which": frozenset("ba"), "at last": out})
    found = json.loads(capsys.readouterr().out)
    assert found["for"] == 120
    assert found["which"] == ["a", "b"]
    assert found["at"].endswith("Z")


def test_a_token_typed_as_an_argument_is_not_said_again(here: Town) -> None:
    found = here.run("seed", SSO, "hunter2-canary")
    assert found.code == Exit.USAGE
    assert "shell's history" in found.err
    assert "hunter2" not in found.out + found.err


def test_explain_shows_what_the_ledger_knows_while_aws_is_down(here: Town) -> None:
    here.run("rotate", "oauth")
    here.aws.faults.go_dark()
    found = here.run("explain", "oauth/reports")
    assert found.code == Exit.FAILED
    assert "oauth/reports: fresh, as the ledger has it" in found.out
    assert "no answer to secretsmanager" in found.err
