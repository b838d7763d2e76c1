"""What goes wrong in any verb, and what help says: one line, the way out, an exit code."""

import os
import re
import traceback
from socket import gethostname

import pytest

from rotator.cli.exits import MEANINGS, Exit, exit_for
from rotator.errors import BadSettings, LedgerBusy, LedgerTooNew, StoreDenied
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.sql import SqlLedger
from tests.integration.town import PASSWORD, Town

VERBS = (
    "status", "explain", "history", "check", "health", "token", "rotate", "seed", "adopt", "pause",
    "resume", "forget", "worker", "migrate", "rekey", "init", "demo", "sandbox",
)  # fmt: skip


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
    told = "rotator: something broke inside: ValueError in test_cli_errors.py line"
    assert said.err.startswith(told)
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
