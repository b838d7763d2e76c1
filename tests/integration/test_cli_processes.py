"""The command line as processes: a worker beside it, a pipe, a supervisor."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest

from rotator.cli.exits import Exit
from rotator.cli.opening import House
from rotator.clock import Clock
from tests.integration.town import Town

_PATIENCE = 30.0


def until(condition: Callable[[], bool]) -> None:
    """Look again and again, for half a minute at most."""
    clock = Clock()
    ends = clock.monotonic() + _PATIENCE
    while not condition():
        assert clock.monotonic() < ends, "it never came"
        clock.sleep(timedelta(milliseconds=50))


@contextmanager
def worker(here: Town) -> Iterator[subprocess.Popen[str]]:
    """`rotator worker`, told to end at the end."""
    log = (here.home / "worker.log").open("w")
    with log, subprocess.Popen(
        [sys.executable, "-m", "rotator", "worker"],
        env=here.environ, stdout=log, stderr=log, text=True,
    ) as process:  # fmt: skip
        try:
            until(lambda: here.run("status", "--json").json["worker"])
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)
            here.heard.append((here.home / "worker.log").read_text())


def all_fresh(here: Town) -> bool:
    found = here.run("status", "--json").json["credentials"]
    return {each["state"] for each in found} == {"fresh"}


def test_beside_a_worker_requests_are_stored_and_watched(here: Town) -> None:
    with worker(here) as process:
        until(lambda: all_fresh(here))
        before = here.secret("alation/etl")["generation"]
        said = here.spawn("rotate", "--all", "--why", "drill")
        assert said.code == 0, said
        assert re.fullmatch(r"asked the worker \(pid \d+ on \S+\) to .* 3 .*\n", said.err), said
        assert said.out.count(": rotated") == 3
        assert int(here.secret("alation/etl")["generation"]) > int(before)
        until(lambda: here.run("health").code == 0)
        asked = here.run("rotate", "oauth", "--no-wait", "--json").json
        assert asked[0]["outcome"] == "asked"
        seeded = here.run("seed", "alation/sso", stdin=here.hand_made())
        assert "the worker goes on from here" in seeded.out
        until(lambda: all_fresh(here))
    assert process.returncode == 0
    assert here.run("health").out.startswith("no worker is alive; the last sweep was ")
    causes = {each["cause"] for each in here.run("history", "--json").json}
    assert any(cause.endswith(": drill") for cause in causes)


def test_beside_a_worker_a_failure_is_reported_with_its_reason(here: Town) -> None:
    here.environ["ALATION_PASSWORD"] = "canary-wrong"
    with worker(here):
        said = here.spawn("rotate", "alation/etl")
    assert said.code == Exit.PERSON
    assert said.out.startswith("alation/etl: needs a person: ")


def test_beside_a_worker_that_cannot_reach_aws_the_cause_and_the_next_try_are_told(
    here: Town,
) -> None:
    with worker(here):
        until(lambda: all_fresh(here))
        here.aws.faults.go_dark()
        said = here.spawn("rotate", "oauth")
        here.aws.faults.clear()
    assert said.code == Exit.FAILED
    assert said.out.startswith("oauth/reports: failed: the store cannot be reached: no answer to")
    assert "the next try is due 20" in said.out
    assert "once a worker runs" not in said.out


def loaded_by(here: Town, verb: str, heavy: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """The verb in a process of its own; its last line tells what it loaded, and its exit code."""
    program = (
        f"import sys; sys.argv = ['rotator', {verb!r}, '--json']\n"
        "from rotator.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        f"print([name for name in {heavy!r} if name in sys.modules], code, file=sys.stderr)"
    )
    return subprocess.run(
        [sys.executable, "-c", program], env=here.environ, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


def test_health_alone_loads_neither_typer_nor_what_talks_to_anybody(here: Town) -> None:
    heavy = ("typer", "rich", "boto3", "botocore", "httpx", "httpcore", "alembic", "sqlalchemy",
             "apscheduler", "structlog")  # fmt: skip
    done = loaded_by(here, "health", heavy)
    assert done.stderr == "[] 1\n"
    assert '"healthy": false' in done.stdout


def test_status_loads_neither_what_talks_to_anybody_nor_what_another_database_needs(
    here: Town,
) -> None:
    heavy = ("boto3", "botocore", "httpx", "httpcore", "alembic", "structlog", "jwt",
             "sqlalchemy.dialects.postgresql")  # fmt: skip
    here.run("rotate", "oauth")
    done = loaded_by(here, "status", (*heavy, "sqlalchemy"))
    assert done.stderr == "['sqlalchemy'] 0\n"
    assert '"oauth/reports"' in done.stdout


def test_health_alone_knows_its_one_option_and_tells_errors(here: Town) -> None:
    assert here.spawn("health", "--loud").code == Exit.USAGE
    assert here.spawn("health", "--help").code == 0
    said = here.spawn("health", ROTATOR_THREADS="0")
    assert said.code == Exit.WRONG
    assert said.err.startswith("rotator: ROTATOR_THREADS")


def test_a_worker_without_a_region_does_not_start(here: Town) -> None:
    said = here.spawn("worker", AWS_REGION="")
    assert said.code == Exit.WRONG
    assert "rotator: no AWS Region is set (set AWS_REGION, or region in the AWS" in said.err
    assert "ready" not in said.err + said.out
    assert not (here.home / "state" / "ledger.db").exists()


def test_the_reader_of_a_pipe_may_hang_up(here: Town) -> None:
    here.run("rotate", "oauth")
    for verb in ("status", "health"):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as gone:
            assert printed(here, verb, gone) == (Exit.FAILED, "")


def printed(here: Town, verb: str, to: IO[str]) -> tuple[int, str]:
    """Code and errors of a verb whose output goes somewhere odd."""
    done = subprocess.run(
        [sys.executable, "-u", "-m", "rotator", verb], env=here.environ, stdout=to,
        stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("verb", ["status", "health"])
def test_a_disk_that_is_full_is_told_as_what_it_is(here: Town, verb: str) -> None:
    with Path("/dev/full").open("w") as full:
        code, said = printed(here, verb, full)
    assert code == Exit.FAILED
    assert said == "rotator: what it has to say cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("verb", "closed"), [("status", "1"), ("health", "1"), ("explain no", "2")]
)
def test_a_stream_that_is_closed_takes_nothing_and_breaks_nothing(
    here: Town, verb: str, closed: str
) -> None:
    command = f"{shlex.quote(sys.executable)} -m rotator {verb} {closed}>&-"
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=here.environ, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")
    assert done.returncode == {"status": 0, "health": 1, "explain no": Exit.USAGE}[verb]


def test_a_terminal_that_knows_no_umlaut_shows_its_code(here: Town) -> None:
    here.run("rotate", "oauth")
    said = here.run("pause", "oauth", "--why", "\N{SNOWMAN} comes")
    assert said.code == 0
    assert "\\u2603 comes" in here.spawn("status", PYTHONIOENCODING="latin-1").out


def test_who_answers_no_is_told_that_nothing_was_changed(here: Town) -> None:
    here.run("rotate", "oauth")
    said = here.run("forget", "oauth", stdin="n\n")
    assert said.code == Exit.FAILED
    assert "rotator: given up, and nothing was changed" in said.err
    assert here.run("history", "oauth", "--json").json


def test_ctrl_c_has_its_code_at_a_question_and_anywhere_else(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.run("rotate", "oauth")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(House, "rows", interrupted)
    assert here.run("status").code == Exit.INTERRUPTED
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "rotator", "forget", "oauth"], env=here.environ,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as asking:  # fmt: skip
        assert asking.stdout is not None
        while asking.stdout.read(1) not in (b"?", b""):
            pass
        asking.send_signal(signal.SIGINT)
        _, said = asking.communicate(timeout=_PATIENCE)
    assert (asking.returncode, b"nothing was changed" in said) == (Exit.INTERRUPTED, True)


@pytest.mark.parametrize(
    "verb",
    ["status no", "explain no", "history --run no", "check no", "token no", "rotate no",
     "rotate --all --what no", "seed no", "adopt no", "pause no --why x", "resume no", "forget no",
     "rekey", "init no"],
)  # fmt: skip
def test_after_an_error_stdout_holds_no_half_of_any_json(here: Town, verb: str) -> None:
    said = here.run(*verb.split(), "--json", stdin="x\n")
    assert said.code not in (0, None)
    assert said.out == ""
    assert said.err.startswith("rotator: ")


def test_a_pause_without_a_reason_is_refused(here: Town) -> None:
    here.run("rotate", "oauth")
    said = here.run("pause", "oauth", "--why", " ")
    assert said.code == Exit.USAGE
    assert "--why says nothing" in said.err


def test_a_reason_of_two_lines_is_one_in_a_table(here: Town) -> None:
    here.run("rotate", "oauth", "--why", "first\nsecond")
    assert "first second" in here.run("history").out


def test_a_reason_that_is_no_text_is_told(here: Town) -> None:
    here.run("rotate", "oauth")
    said = here.run("pause", "oauth", "--why", "\udcff")
    assert said.code == Exit.FAILED
    assert "the ledger refused text that is not UTF-8 (write it in UTF-8)" in said.err


def test_what_has_nothing_to_do_leaves_nothing_behind(here: Town) -> None:
    assert "nothing to do" in here.run("migrate").out
    assert "there is no ledger yet" in here.run("rekey").err
    assert not (here.home / "state").exists()


def test_shells_complete_verbs_and_names(here: Town) -> None:
    program = "import sys; sys.argv = ['rotator']; from rotator.cli import main; main()"

    def completed(*words: str, **more: str) -> list[str]:
        asked = {"_ROTATOR_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words),
                 "COMP_CWORD": str(len(words) - 1)}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", program], env={**here.environ, **asked, **more},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.stdout.split()

    assert completed("rotator", "rot") == ["rotate"]
    assert completed("rotator", "explain", "alation/") == ["alation/etl", "alation/sso"]
    assert completed("rotator", "explain", "a", ROTATOR_THREADS="0") == []


def test_no_verb_looks_for_cycles_in_all_that_it_loaded_to_end(here: Town) -> None:
    program = (
        "import atexit, gc, sys; sys.argv = ['rotator', '--version']\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 10_000))  # the first is the last\n"
        "from rotator.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=here.environ, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.endswith("\nTrue\n")


def test_a_worker_that_is_loaded_looks_for_garbage_again(here: Town) -> None:
    program = (
        "import atexit, gc, sys; sys.argv = ['rotator', 'worker']\n"
        "atexit.register(lambda: print(gc.isenabled()))\n"
        "from rotator.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**here.environ, "AWS_REGION": ""},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (Exit.WRONG, "True\n")
