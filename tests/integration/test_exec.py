"""`rotator exec` as a process, around real commands, in front of a real worker's secret."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from rotator.cli.app import app
from rotator.sandbox.iam import Guard
from tests.integration.test_cli_processes import until
from tests.integration.town import CANARY, Town

ROOT = Path(__file__).parents[2]
POLICY = json.loads((ROOT / "deploy" / "iam" / "consumer.json").read_text())
SECRET = "rotator/token/alation/etl"
CONSUMER = "AKIACONSUMER"
PATIENCE = 60.0


@pytest.fixture
def here(here: Town) -> Town:
    """A token is published, and a consumer has a consumer's rights."""
    here.aws.account.authorize = Guard(here.aws, {CONSUMER: [POLICY]})
    rotate(here)
    return here


def rotate(here: Town) -> None:
    assert here.run("rotate", "alation/etl").code == 0


def environ(here: Town) -> dict[str, str]:
    """Of a host that knows nothing of the worker."""
    ours = {
        name: value
        for name, value in here.environ.items()
        if not name.startswith("ROTATOR_") and CANARY not in value
    }
    return {
        **ours,
        "AWS_ACCESS_KEY_ID": CONSUMER,
        "AWS_DEFAULT_REGION": here.environ["AWS_REGION"],
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def running(
    here: Town, script: str, *options: str, env: str = "TOKEN"
) -> Iterator[subprocess.Popen[str]]:
    """`rotator exec` around a shell script, one second behind the secret at most."""
    errors = here.home / "exec.log"
    command = [
        sys.executable, "-m", "rotator", "exec", "--secret", SECRET, "--env", env,
        "--staleness", "1s", "--grace", "2s", *options, "--", "/bin/sh", "-c", script,
    ]  # fmt: skip
    with errors.open("w") as stderr, subprocess.Popen(
        command, env=environ(here), cwd=here.home, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)
            here.heard.append(errors.read_text())


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its code, and what it still wrote: nobody who could write is left by then."""
    out, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, out


def token(process: subprocess.Popen[str]) -> str:
    """Of the next life of a command that begins with TOKEN."""
    found = line(process)
    assert len(found) == 8, "the command did not start"
    return found


def line(process: subprocess.Popen[str]) -> str:
    """The next line that the command writes: it is there when this returns."""
    pipe: IO[str] | None = process.stdout
    assert pipe is not None
    return pipe.readline().strip()


# The command is given a token, and the test its fingerprint.
TOKEN = 'printf %s "$TOKEN" | sha256sum | cut -c1-8'


def test_only_what_is_named_is_in_the_environment_and_the_exit_code_is_the_commands(
    here: Town,
) -> None:
    published = here.secret("alation/etl")
    script = 'test "$TOKEN" = "$(cat token)" && env | grep -c canary; exit 7'
    (here.home / "token").write_text(published["access_token"])
    with running(here, script) as process:
        assert ended(process) == (7, "1\n")


def test_keys_are_chosen_by_name(here: Town) -> None:
    with running(
        here, 'echo "$WHO $NAME"', "--env", "WHO=credential", env="NAME=header_name"
    ) as process:
        assert ended(process) == (0, "alation/etl TOKEN\n")


def test_a_rotation_restarts_the_command_with_the_new_token(here: Town) -> None:
    with running(here, f"{TOKEN}; exec sleep 600") as process:
        before = token(process)
        rotate(here)
        after = token(process)
        assert before != after
        process.terminate()
        assert ended(process) == (128 + signal.SIGTERM, "")


def test_a_command_that_does_not_end_is_killed_with_all_of_its_group(here: Town) -> None:
    deaf = f"trap '' TERM; {TOKEN}; sleep 600 & while :; do sleep 1; done"
    with running(here, deaf) as process:
        before = token(process)
        rotate(here)
        assert token(process) != before
        process.send_signal(signal.SIGUSR1)
        assert ended(process)[0] == 128 + signal.SIGUSR1


def test_a_command_that_reads_by_itself_is_only_told(here: Town) -> None:
    script = "trap 'echo again; exit 0' HUP; echo $$; while :; do sleep 1; done"
    with running(here, script, "--on-rotation", "signal:HUP") as process:
        assert line(process).isdecimal()
        rotate(here)
        assert line(process) == "again"
        assert ended(process) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on(here: Town, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo {name}; exit 3' {name}; echo ready; while :; do sleep 1; done"
    with running(here, script) as process:
        assert line(process) == "ready"
        process.send_signal(number)
        assert ended(process) == (3, f"{name}\n")


def test_what_a_command_leaves_running_ends_with_it(here: Town) -> None:
    with running(here, "sleep 600 & echo $!; exit 5") as process:
        orphan = int(line(process))
        assert ended(process) == (5, ""), "the pipe is closed by all who held it"
    with pytest.raises(ProcessLookupError):
        os.kill(orphan, 0)


@pytest.mark.parametrize("deaf", ["", "trap '' TERM;"])
def test_a_command_does_not_outlive_the_one_that_runs_it(here: Town, deaf: str) -> None:
    script = f"{deaf} trap 'echo heard' USR1; echo ready; sleep 600 & while :; do wait $!; done"
    with running(here, script) as process:
        assert line(process) == "ready"
        process.send_signal(signal.SIGUSR1)
        assert line(process) == "heard", "who passes on a signal is past the command's start"
        process.kill()
        assert ended(process) == (-signal.SIGKILL, ""), "the pipe is closed by all who held it"


def test_a_command_outlives_the_end_of_its_leash(here: Town) -> None:
    with running(here, "echo ready; read line < told; exit 5") as process:
        os.mkfifo(here.home / "told")
        assert line(process) == "ready"
        os.kill(leash_of(process.pid), signal.SIGKILL)
        (here.home / "told").write_text("go on\n")
        assert ended(process) == (5, "")


def leash_of(parent: int) -> int:
    """The child of a process that runs leash.py."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (found,) = (each.split()[0] for each in listed.splitlines() if "leash.py" in each)
    return int(found)


def test_while_aws_is_down_the_command_runs_on_and_hears_of_the_rotation_afterwards(
    here: Town,
) -> None:
    with running(here, f"{TOKEN}; exec sleep 600") as process:
        before = token(process)
        here.aws.faults.go_dark()
        asked = here.aws.stats.calls.total()
        until(lambda: here.aws.stats.calls.total() >= asked + 2)
        assert process.poll() is None
        here.aws.faults.clear()
        rotate(here)
        assert token(process) != before


def spawn(here: Town, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "rotator", "exec", *arguments],
        env=environ(here), capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    here.heard += [done.stdout, done.stderr]
    return done.returncode, done.stderr


def test_without_a_token_nothing_is_run(here: Town) -> None:
    code, said = spawn(here, "--secret", "rotator/token/no/body", "--env", "T", "--", "touch", "x")
    assert code == 125
    assert "no such secret" in said
    assert said.count("\n") == said.count("rotator exec: ") == 1, "it is said once"
    code, said = spawn(here, "--secret", SECRET, "--env", "T=client_secret", "--", "touch", "x")
    assert code == 125
    assert "the secret has no client_secret; it has access_token" in said


def test_how_a_command_ends_or_does_not_begin_is_told_as_a_shell_tells_it(here: Town) -> None:
    given = ("--secret", SECRET, "--env", "T")
    assert spawn(here, *given, "--", "no-such-command")[0] == 127
    assert spawn(here, *given, "--", "/")[0] == 126
    assert spawn(here, *given, "test", "-z", "x")[0] == 1, "options behind it are its own"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--env", "1T"), "names no variable and key"),
        (("--env", "T=Key"), "names no variable and key"),
        (("--env", "T", "--on-rotation", "signal:NO"), "restart, or signal:HUP"),
        (("--env", "T", "--grace", "0s"), "no time at all"),
        (("--env", "T", "--staleness", "soon"), "not a duration"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(
    arguments: tuple[str, ...], said: str
) -> None:
    result = CliRunner().invoke(app, ["exec", "--secret", SECRET, *arguments, "--", "true"])
    assert result.exit_code == 2
    assert said in result.stderr
