"""The demo from outside, and the parts that a good end does not show."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from rotator.clock import Clock
from rotator.sandbox.ambush import Ambush
from rotator.sandbox.cast import CALLS
from rotator.sandbox.consumer import Consumer, secrets_client
from rotator.sandbox.demo import SHORTEST, demo
from rotator.sandbox.journal import Journal
from rotator.sandbox.screen import Lines, View, left, screen, show_summary
from rotator.sandbox.stage import JOBS, PACKED, Stage, only
from rotator.sandbox.summary import summarize
from rotator.sandbox.troupe import at_work, parts

DEMO = (sys.executable, "-m", "rotator.sandbox.demo", "--seconds")
LOOKS_SECRET = re.compile(r"[A-Za-z0-9_.-]{40,}")
# A shell that runs the tests in the background has its children ignore Ctrl-C.
HEARS = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from rotator.sandbox.demo import main; raise SystemExit(main(['--seconds', '60']))"
)
PID = re.compile(r"pid (\d+)")


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Without a worker."""
    with Stage(Clock()) as built, only(built.environ):
        yield built


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_demo_shows_all_that_was_promised_and_leaves_nothing_behind() -> None:
    played = subprocess.run(
        [*DEMO, str(SHORTEST)], capture_output=True, text=True, check=False, timeout=100
    )
    said = played.stdout
    assert played.returncode == 0, said + played.stderr
    assert played.stderr == ""
    assert len(re.findall(r"^ok  ", said, re.MULTILINE)) == 4
    assert "FAIL" not in said
    assert said.index("SIGKILL") < said.index("finishes it from the seal")
    assert not LOOKS_SECRET.search(said)
    pids = [int(pid) for pid in PID.findall(said)]
    assert len(pids) == 3
    assert not any(is_alive(pid) for pid in pids)


@contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], int, Iterator[str]]]:
    """A demo that has published something: it, its worker's pid, and the lines to come."""
    playing = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert playing.stdout is not None
    with playing, playing.stdout as output:
        lines = iter(output.readline, "")
        pid = int(PID.findall(next(lines))[0])
        next(line for line in lines if "published" in line)
        yield playing, pid, lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_behind(number: signal.Signals) -> None:
    with started(sys.executable, "-c", HEARS) as (playing, pid, lines):
        playing.send_signal(number)
        rest = "".join(lines)
    assert playing.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], rest
    assert not is_alive(pid)
    assert ("interrupted" in rest) == (number is signal.SIGINT)


def test_a_demo_too_short_to_show_it_all_says_so() -> None:
    heard = StringIO()
    assert demo(SHORTEST - 1, Console(file=heard)) == 2
    assert f"at least {SHORTEST} seconds" in heard.getvalue()


def test_a_worker_that_ends_by_itself_is_told_with_its_last_words() -> None:
    heard = StringIO()
    dying = (sys.executable, "-c", "print('no such luck')")
    assert demo(SHORTEST, Console(file=heard), worker=dying) == 1
    said = heard.getvalue()
    assert "FAIL  the worker ended by itself" in said
    assert "no such luck" in said
    log = re.findall(r"workers' log: (\S+);", said)[0]
    assert "no such luck" in Path(log).read_text()
    Path(log).unlink()


def publish(token: str, *, first: bool = False) -> None:
    value = f'{{"header_name": "Authorization", "header_value": "Bearer {token}"}}'
    client = secrets_client()
    if first:
        client.create_secret(Name="there", SecretString=value)
    else:
        client.put_secret_value(SecretId="there", SecretString=value)


def consumer(stage: Stage) -> Consumer:
    asked = httpx.Request("GET", stage.urls["oauth2"] + CALLS["oauth2"].path)
    return Consumer(secrets_client(), "there", asked, stage.clock, timedelta(minutes=5))


def granted(stage: Stage) -> str:
    fake = stage.cast.oauth2
    answer = httpx.post(
        stage.urls["oauth2"] + "/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": fake.enrol()},
        auth=(fake.client_id, fake.client_secret),
        headers={"accept": "application/json"},
    )
    token: str = answer.json()["access_token"]
    return token


def test_a_refused_consumer_reads_its_secret_once_more(stage: Stage) -> None:
    publish("dead", first=True)
    asking = consumer(stage)
    with httpx.Client() as http:
        asking.visit(http)
        assert (asking.tally.stayed, asking.tally.healed) == (1, 0)
        publish(granted(stage))
        asking.visit(http)
        assert asking.tally.accepted == 0, "it may use what it has read for as long as its cache"
        assert (asking.tally.stayed, asking.tally.healed, asking.tally.refused) == (1, 1, 2)
        asking.visit(http)
    assert asking.tally.accepted == 1


def test_without_a_worker_no_promise_is_kept(stage: Stage) -> None:
    """And consumers that find nothing are told, not forgotten."""
    cast = parts(stage)
    with at_work(cast):
        for part in cast:
            part.consumer.join()
    journal, ambush = Journal(stage.clock), Ambush(stage.clock, "oauth2", lambda: True)
    summary = summarize(stage, cast, journal, ambush, "the worker ended")
    assert [check.held for check in summary.checks] == [False] * 5
    assert "ResourceNotFoundException" in summary.checks[-1].text


def test_the_terminal_shows_a_table_and_keeps_the_kill_in_sight(stage: Stage) -> None:
    heard = StringIO()
    console = Console(file=heard, force_terminal=True, width=160)
    journal = Journal(stage.clock)
    journal.add("SIGKILL to worker 7", grave=True)
    for number in range(30):
        journal.add(f"event {number}")
    with screen(console) as shown_on:
        shown_on.event(journal.events[0])
        shown_on.show(View(stage, parts(stage), journal, {}, "an hour a second"))
    said = heard.getvalue()
    assert "alation/etl" in said
    assert "SIGKILL" in said
    assert "event 29" in said
    assert "event 5 " not in said


def test_a_summary_marks_what_failed(stage: Stage) -> None:
    heard = StringIO()
    journal, ambush = Journal(stage.clock), Ambush(stage.clock, "oauth2", lambda: True)
    show_summary(Console(file=heard), summarize(stage, parts(stage), journal, ambush, ""))
    assert "FAIL  the worker was to be killed, and no moment came for it" in heard.getvalue()


def test_what_is_left_is_told_to_the_minute() -> None:
    now = Clock().now()
    assert left(None, now, "dead") == "?"
    assert left(now + timedelta(hours=2, seconds=59), now, "dead") == "2h"
    assert left(now, now, "dead") == "dead"


def test_lines_thin_out_renewals_and_set_the_kill_apart(stage: Stage) -> None:
    heard = StringIO()
    shown_on = Lines(Console(file=heard))
    journal = Journal(stage.clock, shown_on.event)
    journal.add("oauth2/reports: generation 1 published")
    for number in range(2, 30):
        journal.add(f"oauth2/reports: generation {number} published", renewed="oauth2/reports")
    journal.add("KILLED: SIGKILL to worker 7", grave=True)
    assert re.findall(r"generation (\d+)", heard.getvalue()) == ["1", "2"]
    above, kill, below = heard.getvalue().split("*" * 78)
    assert above.endswith("\n\n")
    assert "KILLED" in kill
    assert below == "\n\n"


def test_a_demo_that_is_killed_takes_its_worker_with_it() -> None:
    with started(*DEMO, "60") as (playing, pid, _):
        assert is_alive(pid)
        playing.kill()
    clock = Clock()
    ends = clock.monotonic() + 30
    while is_alive(pid):
        assert clock.monotonic() < ends, "the worker outlives the demo"
        clock.sleep(timedelta(milliseconds=50))


def test_a_wheel_brings_the_job_files_that_the_demo_plays() -> None:
    top = Path(__file__).parents[2]
    built = tomllib.loads((top / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    (packed,) = built["wheel"]["force-include"].items()
    assert packed == ("jobs", PACKED.relative_to(top).as_posix())
    assert list(JOBS.glob("*.toml"))
