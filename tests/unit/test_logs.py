import errno
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from rotator.clock import Clock
from rotator.engine import logs
from rotator.environment import load_settings
from rotator.ledger.facts import Stepped
from rotator.ledger.writes import Rest
from rotator.model import Reason, State
from rotator.rotation.telling import Event

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CANARY = "hunter2-canary"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    names = ("apprise", "apscheduler", "apscheduler.scheduler", "botocore", "httpx")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name, each in levels.items():
        logging.getLogger(name).setLevel(each)
    structlog.reset_defaults()


def written(kind: str = "json", level: str = "info") -> io.StringIO:
    out = io.StringIO()
    environ = {"HOME": "/home/ada", "ROTATOR_LOG_FORMAT": kind, "ROTATOR_LOG_LEVEL": level}
    logs.set_up(load_settings(environ), out)
    return out


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def stepped(outcome: str = "ok", text: str = "by refresh_token") -> Event:
    step = Stepped(
        run="r", seq=2, at=NOW, step="obtain", reason=Reason.DUE, outcome=outcome, text=text,
        duration=timedelta(seconds=36),
    )  # fmt: skip
    return Event(credential="alation/etl", run="r", stepped=step)


def rested(state: State, was: State | None, text: str = "") -> Event:
    rest = Rest(due_at=NOW, seen_due_at=None, state=state, reason=Reason.FRESH, text=text, at=NOW)
    return Event(credential="alation/etl", run="r", rest=rest, was=was)


def test_a_step_is_one_line_with_all_that_it_was() -> None:
    out = written()
    logs.observer(logs.logger(), Clock(3600))(stepped())
    (line,) = lines(out)
    line.pop("timestamp")
    assert line == {
        "event": "obtain", "level": "info", "job": "alation", "credential": "alation/etl",
        "run": "r", "step": 2, "reason": "past its renewal time", "outcome": "ok",
        "cause": "schedule", "duration_ms": 10.0, "text": "by refresh_token",
    }  # fmt: skip


def test_a_step_that_failed_is_a_warning() -> None:
    out = written()
    tell = logs.observer(logs.logger(), Clock())
    for outcome in ("ok", "tokens", "Unreachable"):
        tell(stepped(outcome, ""))
    assert [line["level"] for line in lines(out)] == ["info", "info", "warning"]
    assert "text" not in lines(out)[0]


def test_a_rest_that_changes_nothing_is_for_debugging_alone() -> None:
    for level, expected in (("info", []), ("debug", ["rest"])):
        out = written(level=level)
        logs.observer(logs.logger(), Clock())(rested(State.FRESH, State.FRESH))
        assert [line["event"] for line in lines(out)] == expected


def test_a_change_of_state_is_told_and_a_grave_one_stands_out() -> None:
    out = written()
    tell = logs.observer(logs.logger(), Clock())
    tell(rested(State.FRESH, State.DUE))
    tell(rested(State.NEEDS_A_PERSON, State.FRESH, "get a new refresh token"))
    tell(rested(State.FRESH, None))
    told = [(line["level"], line["state"], line.get("was")) for line in lines(out)]
    assert told == [
        ("info", "fresh", "due"), ("warning", "needs a person", "fresh"), ("info", "fresh", None),
    ]  # fmt: skip
    assert lines(out)[1]["text"] == "get a new refresh token"


def test_an_exception_is_its_class_and_place_and_never_its_words() -> None:
    out = written()
    try:
        int(CANARY)
    except ValueError as error:
        logs.logger().error("a rotation broke off", exc_info=error)
        logging.getLogger("some.library").exception("it broke")
    told = lines(out)
    assert [line["error"] for line in told] == ["ValueError", "ValueError"]
    assert "test_logs.py" in told[0]["where"]
    assert told[1]["logger"] == "some.library"
    assert CANARY not in out.getvalue()
    assert "exc_info" not in told[0]


def test_what_libraries_chat_about_is_left_out() -> None:
    out = written(level="debug")
    for name in ("httpx", "botocore.hooks", "apscheduler.executors", "urllib3.connectionpool"):
        logging.getLogger(name).info("https://example.com/%s", CANARY)
    logging.getLogger("apscheduler.scheduler").warning("skipped: it runs already")
    logging.getLogger("apprise").error("no answer from https://%s", CANARY)
    assert lines(out) == []
    logging.getLogger("httpx").warning("odd")
    assert [line["event"] for line in lines(out)] == ["odd"]


def test_people_get_plain_lines_and_no_colours_in_a_file() -> None:
    out = written("console")
    logs.observer(logs.logger(), Clock())(stepped())
    logging.getLogger("httpx").warning("odd")
    first, second = out.getvalue().splitlines()
    assert "obtain" in first
    assert "credential=alation/etl" in first
    assert "odd" in second
    assert "\x1b" not in out.getvalue()


class Full(io.StringIO):
    """A log file on a disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", text[:0])

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_costs_its_lines_and_nothing_else() -> None:
    logs.set_up(load_settings({"HOME": "/home/ada"}), Full())
    logs.logger().error("the disk is full")
    logs.observer(logs.logger(), Clock())(stepped())
