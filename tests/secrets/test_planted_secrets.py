"""No secret leaks: planted ones are looked for in all that rotator writes, says and hands on.

Passwords, client secrets, hand-made refresh tokens and every token of the fakes begin with one
word; `hunt` knows its disguises.
"""

import base64
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rotator.cli.app import _VERBS
from rotator.sandbox.fakes import Reply
from tests.integration.town import CANARY, PASSWORD, Town
from tests.secrets.hunt import DISGUISES, dump, files_beneath, found_in

WORKER = [sys.executable, "-m", "rotator", "worker"]


# The hunt itself finds what it is for.


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_a_secret_is_found_in_every_disguise(before: str) -> None:
    secret = f"{before}{CANARY}-password".encode()
    for text in (
        secret,
        secret.hex(),
        base64.b64encode(secret),
        repr(list(secret)),
        "".join(f"%{byte:02X}" for byte in secret),
    ):
        assert found_in(text), text
    assert not found_in("an honest line")
    assert len(DISGUISES) == 7


# What it says.


def trouble(here: Town) -> Iterator[str]:
    """One by one, what goes wrong around a rotation; each is over when the next begins."""
    yield "nothing"
    here.aws.faults.fail("PutSecretValue", "AccessDeniedException", times=3)
    yield "AWS denies"
    here.aws.faults.clear()
    here.aws.faults.go_dark()
    yield "no AWS"
    here.aws.faults.clear()
    inner = here.alation.respond
    for answer in (
        Reply(502, {"content-type": "text/html"}, f"<html>{CANARY}".encode()),
        Reply(200, {"content-type": "application/json"}, f'{{"token": "{CANARY}'.encode()),
        Reply(400, {f"x-{CANARY}": CANARY}, f'["{CANARY}", "{PASSWORD}"]'.encode()),
        Reply(301, {"location": f"https://elsewhere.example/?{CANARY}"}, b""),
    ):
        here.alation.respond = lambda *_, reply=answer: reply  # type: ignore[method-assign]
        yield f"Alation answers {answer.status}"
    here.alation.respond = inner  # type: ignore[method-assign]


EVERY_VERB = (
    "rotate --all", "status", "status --json", "explain alation/etl", "explain alation/sso --json",
    "history", "history --json", "check --all", "check --json", "health", "adopt alation --yes",
    "pause oauth", "resume oauth", "seed alation/sso", "rekey", "migrate", "init albato",
    "forget oauth --yes", "rotate oauth", "worker --help", "demo --help",
    "exec --help", "sandbox --help",
)  # fmt: skip
"""As tables and as JSON. `token` alone says one, to whoever asks for it."""


def test_no_verb_says_one_whatever_goes_wrong(here: Town) -> None:
    for what in trouble(here):
        for line in EVERY_VERB if what == "nothing" else EVERY_VERB[:2]:
            here.run(*line.split(), stdin=f"{here.hand_made()}\n" if "seed" in line else None)
    assert not found_in("".join(here.heard))
    assert {verb.__name__.rstrip("_") for _, verb in _VERBS} - {"token"} == {
        line.split()[0] for line in EVERY_VERB
    }


def test_no_traceback_says_one(here: Town) -> None:
    assert here.run("rotate", "--all").code == 0
    here.aws.faults.fail("*", "AccessDeniedException", times=1000)
    said = here.spawn("explain", "alation/etl", ROTATOR_DEBUG="1")
    assert "Traceback" in said.err
    assert not found_in(said.out + said.err)


@contextmanager
def working(here: Town, *command: str, **more: str) -> Iterator["subprocess.Popen[str]"]:
    """A real worker, ended by SIGKILL, so that nothing is tidied up behind it."""
    log = here.home / "worker.log"
    with (
        log.open("a") as out,
        subprocess.Popen(
            [*(command or WORKER)], env={**here.environ, **more}, stdout=out, stderr=out, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def until(holds: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    """Let the worker get there."""
    for _ in range(600):
        if holds():
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    assert holds()


def published(here: Town) -> bool:
    with suppress(Exception):
        return all(here.secret(name) for name in ("alation/etl", "alation/sso", "oauth/reports"))
    return False


def log_of(here: Town) -> str:
    return (here.home / "worker.log").read_text()


def test_no_log_line_at_debug_holds_one(here: Town) -> None:
    with working(here, ROTATOR_LOG_LEVEL="debug") as process:
        until(lambda: published(here), process)
    assert "obtain" in log_of(here)
    assert not found_in(log_of(here))


def test_not_even_where_a_host_turns_every_library_up(
    here: Town, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "botocore.endpoint", "urllib3", "httpx", "httpcore", "boto3"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.DEBUG
    for _ in trouble(here):
        here.run("rotate", "--all")
    assert not found_in(caplog.text)


# What it writes.


def test_no_file_holds_one_once_all_is_published(here: Town) -> None:
    with working(here) as process:
        until(lambda: published(here), process)
    files = [path for path in files_beneath(here.home) if path.parent != here.jobs]
    assert {"ledger.db", "ledger.db-wal", "seal.key"} <= {path.name for path in files}
    for path in files:
        assert not found_in(path.read_bytes()), path.name


def test_an_answer_that_is_only_sealed_shows_nothing(here: Town) -> None:
    here.aws.faults.go_dark()
    with working(here) as process:
        until(lambda: "backing off" in log_of(here) or "no answer" in log_of(here), process)
    for path in files_beneath(here.home / "state"):
        assert not found_in(path.read_bytes()), path.name


def test_its_files_are_its_own_whatever_the_umask(here: Town) -> None:
    before = os.umask(0)
    try:
        with working(here) as process:
            until(lambda: published(here), process)
        here.run("rotate", "oauth")
    finally:
        os.umask(before)
    for folder in (here.home / "state", here.home / "keys"):
        assert folder.stat().st_mode & 0o077 == 0
        for path in files_beneath(folder):
            assert path.stat().st_mode & 0o077 == 0, path.name


# What it hands on.


def test_no_argument_and_no_childs_environment_holds_one(here: Town) -> None:
    """AWS's credential helper is such a child; so is what an alert's service may start."""
    handed = here.home / "handed-on"
    helper = here.home / "helper.sh"
    helper.write_text(
        f'#!/bin/sh\nenv > {handed}\necho \'{{"Version": 1, "AccessKeyId": "HELPER",'
        ' "SecretAccessKey": "x"}\'\n'
    )
    helper.chmod(0o700)
    config = here.home / "aws-config"
    config.write_text(f"[default]\ncredential_process = {helper}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del here.environ[name]
    with working(here, AWS_CONFIG_FILE=str(config)) as process:
        until(lambda: published(here), process)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert "HELPER" in {call.principal for call in here.aws.stats.log}
    assert "PATH=" in handed.read_text()
    assert not found_in(handed.read_bytes())
    assert not found_in(arguments)


def test_no_crash_leaves_one_behind(here: Town) -> None:
    """A fatal signal in the middle of work: no core file, and frames without their locals."""
    script = "ulimit -c unlimited; exec " + " ".join(WORKER)
    with working(here, "/bin/sh", "-c", f"cd {here.home}; {script}",
                 PYTHONFAULTHANDLER="1") as process:  # fmt: skip
        until(lambda: published(here), process)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.send_signal(signal.SIGSEGV)
        process.wait(20)
    assert [line.split()[4:6] for line in limits.splitlines() if "core file" in line] == [
        ["0", "0"]
    ]
    assert "Segmentation fault" in log_of(here)
    assert not found_in(log_of(here))
    assert not [path for path in files_beneath(here.home) if path.name.startswith("core")]


def test_nobody_else_may_look_into_its_memory_or_environment() -> None:
    code = (
        "import ctypes, resource; from rotator.engine.hardening import keep_memory_private;"
        "keep_memory_private(); keep_memory_private();"
        "print(ctypes.CDLL(None).prctl(3), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split(maxsplit=1) == ["0", "(0, 0)\n"]


# What an exception carries.


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Whatever a walk or a verb caught, with its frames."""
    errors: list[BaseException] = []

    def remembering(name: str) -> None:
        inner = getattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2])

        def caught(*args: Any, **kwargs: Any) -> Any:
            errors.extend(each for each in args if isinstance(each, BaseException))
            return inner(*args, **kwargs)

        monkeypatch.setattr(name, caught)

    __import__("rotator.rotation.walk")
    for name in ("rotator.rotation.walk.back_off", "rotator.rotation.obtain.back_off"):
        remembering(name)
    remembering("rotator.cli.app._tell")
    return errors


def test_no_frame_of_an_error_shows_one_to_a_crash_reporter(
    here: Town, raised: list[BaseException]
) -> None:
    for what in trouble(here):
        here.run("rotate", "--all")
        for error in raised:
            shown = dump(error)
            lines = [line.strip() for line in shown.splitlines() if found_in(line)]
            assert not lines, (what, [line[:160] for line in lines])
        raised.clear()
