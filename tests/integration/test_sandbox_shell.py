"""`rotator sandbox`: a process, and a command in it that has all that a worker needs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from rotator.cli.exits import Exit

PATIENCE = 60.0


def started(*command: str, **environ: str) -> "subprocess.Popen[str]":
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ROTATOR_")}
    return subprocess.Popen(
        [sys.executable, "-m", "rotator", "sandbox", *command],
        env={**ours, **environ}, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]", typed: str | None = None) -> tuple[int, str, str]:
    said, complained = process.communicate(typed, timeout=PATIENCE)
    return process.returncode, said, complained


def test_all_that_a_new_user_types_works_in_it_and_nothing_is_left() -> None:
    script = (
        "rotator check --offline && rotator rotate oauth2 && rotator token oauth2/reports --json"
        " && rotator init alation --name mine && echo $ROTATOR_JOBS_DIR $ROTATOR_STATE_DIR"
    )
    code, said, complained = ended(started("sh", "-c", script))
    assert code == 0, said + complained
    assert "oauth2/reports: rotated" in said
    assert '"credential": "oauth2/reports"' in said
    jobs, state = said.splitlines()[-1].split()
    assert f"wrote {jobs}/mine.toml" in said
    assert not Path(jobs).exists()
    assert not Path(state).exists()


def test_without_a_command_it_is_the_users_shell_and_another_terminal_can_join() -> None:
    typed = 'env -i sh -c \'. "$1" && rotator status\' sh "$ROTATOR_JOBS_DIR/../variables.sh"\n'
    code, said, complained = ended(started(SHELL="/bin/sh"), f"{typed}exit 4\n")
    assert code == 4, complained
    assert "alation/etl" in said
    assert "In another terminal: . /" in complained
    assert "rotator worker" in complained


def test_what_is_left_running_in_the_background_ends_in_good_order_with_it(tmp_path: Path) -> None:
    worker, standby = tmp_path / "worker.log", tmp_path / "standby.log"
    wait = "until grep -qs {} {}; do sleep 0.1; done"
    script = (
        f"rotator worker 2>{worker} &\n{wait.format('amino/epg', worker)}\n"
        f"rotator worker --standby 2>{standby} &\n{wait.format('standing', standby)}"
    )
    code, said, complained = ended(started("sh", "-c", script))
    assert code == 0, said + complained
    assert "stopped" in worker.read_text().splitlines()[-1]
    assert "error" not in worker.read_text() + standby.read_text()


def test_ctrl_c_is_the_commands_and_its_end_is_told_as_a_shell_tells_it() -> None:
    process = started(
        "--", "sh", "-c", "trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert ended(process)[0] == 7
    assert ended(started("--", "sh", "-c", "kill -9 $$"))[0] == 128 + signal.SIGKILL


def test_what_cannot_be_run_is_told_in_one_line() -> None:
    code, said, complained = ended(started("--", "/no/such/thing"))
    assert (code, said) == (Exit.USAGE, "")
    assert complained == "rotator: /no/such/thing cannot be run: No such file or directory\n"
