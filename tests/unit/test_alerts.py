import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from rotator.clock import Clock
from rotator.engine.alerts import Alerts, sender
from rotator.engine.messages import running_out
from rotator.errors import BadSettings, LedgerError
from rotator.ledger.facts import Row
from rotator.ledger.sql import SqlLedger
from rotator.ledger.writes import Rest
from rotator.model import Reason, Secret, State
from rotator.rotation.telling import Event

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HIDDEN = "hunter2-canary"


class TurnedClock(Clock):
    at = NOW

    def now(self) -> datetime:
        return self.at


class Log:
    """Remembers lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))

    warning = info


class Post:
    """Whom alerts go to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.works = True
        self.breaks = False
        self.gate = threading.Event()
        self.gate.set()

    def send(self, title: str, body: str) -> bool:
        assert self.gate.wait(5)
        if self.breaks:
            raise OSError(f"https://example.com/{HIDDEN}")
        if self.works:
            self.sent.append((title, body))
        return self.works

    @property
    def titles(self) -> list[str]:
        return [title for title, _ in self.sent]


class House:
    """Alerts with a ledger in memory, restarted at will."""

    def __init__(self) -> None:
        self.ledger, self.clock = SqlLedger.in_memory(), TurnedClock()
        self.post, self.log = Post(), Log()
        self.begin()

    def begin(self) -> None:
        self.alerts = Alerts(self.post.send, self.ledger, self.clock, self.log, "prod")
        self.alerts.start()

    def restart(self) -> None:
        self.alerts.close()
        self.begin()

    def rests(self, state: State, credential: str = "alation/etl", **more: Any) -> None:
        rest = Rest(
            due_at=NOW, seen_due_at=None, state=state, reason=Reason.NO_GRANT_LEFT,
            text="get a new refresh token", at=self.clock.at, **more,
        )  # fmt: skip
        self.alerts.observe(Event(credential=credential, run="r", rest=rest, was=State.FRESH))

    def told(self) -> list[str]:
        """Everything told until now."""
        self.restart()
        return self.post.titles


@pytest.fixture
def house() -> Iterator[House]:
    built = House()
    yield built
    built.alerts.close()
    built.ledger.close()


def row(state: State, **more: Any) -> Row:
    return Row(credential="alation/etl", job="alation", due_at=NOW, state=state, **more)


def test_a_credential_that_needs_a_person_is_told_once_with_what_to_do(house: House) -> None:
    house.rests(State.NEEDS_A_PERSON)
    house.rests(State.NEEDS_A_PERSON)
    assert house.told() == ["rotator: alation/etl needs a person (prod)"]
    assert "no grant is left" in house.post.sent[0][1]
    assert "get a new refresh token" in house.post.sent[0][1]


def test_a_restart_does_not_tell_it_again(house: House) -> None:
    house.rests(State.NEEDS_A_PERSON)
    house.restart()
    house.rests(State.NEEDS_A_PERSON)
    house.alerts.survey([row(State.NEEDS_A_PERSON)])
    assert len(house.told()) == 1


def test_the_end_of_it_is_told_and_the_next_time_it_begins_anew(house: House) -> None:
    for state in (State.NEEDS_A_PERSON, State.BACKING_OFF, State.FRESH, State.FRESH):
        house.rests(state)
    house.rests(State.NEEDS_A_PERSON)
    needs, fresh = "needs a person (prod)", "is fresh again (prod)"
    assert [title.removeprefix("rotator: alation/etl ") for title in house.told()] == [
        needs, fresh, needs,
    ]  # fmt: skip


def test_one_that_a_command_mended_meanwhile_is_told_when_it_happens_again(house: House) -> None:
    house.rests(State.NEEDS_A_PERSON)
    house.restart()
    house.alerts.survey([row(State.FRESH)])
    house.rests(State.NEEDS_A_PERSON)
    assert len(house.told()) == 2


def test_what_is_fresh_late_or_backing_off_is_not_told(house: House) -> None:
    for state in (State.FRESH, State.LATE, State.BACKING_OFF, State.DUE, State.PAUSED):
        house.rests(state)
    house.alerts.observe(Event(credential="alation/etl", run="r"))
    assert house.told() == []


def test_a_message_that_was_not_sent_is_tried_again(house: House) -> None:
    house.post.works = False
    house.rests(State.NEEDS_A_PERSON)
    assert house.told() == []
    house.post.works = True
    house.alerts.survey([row(State.NEEDS_A_PERSON)])
    assert len(house.told()) == 1
    assert ("an alert was not sent", {"credential": "alation/etl"}) in house.log.lines


def test_a_failure_is_logged_without_the_address(house: House) -> None:
    house.post.breaks = True
    house.rests(State.NEEDS_A_PERSON)
    assert house.told() == []
    assert ("an alert failed", {"credential": "alation/etl", "error": "OSError"}) in house.log.lines
    assert HIDDEN not in repr(house.log.lines)


def test_a_ledger_that_fails_costs_no_alert(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(house.ledger, "first_alert", fail)
    monkeypatch.setattr(house.ledger, "clear_alerts", fail)
    house.post.works = False
    house.rests(State.NEEDS_A_PERSON)
    house.told()
    house.post.works = True
    house.rests(State.NEEDS_A_PERSON)
    assert len(house.told()) == 1


def test_a_flood_is_one_message(house: House) -> None:
    house.post.gate.clear()
    house.rests(State.NEEDS_A_PERSON, "first/one")
    for number in range(30):
        house.rests(State.NEEDS_A_PERSON, f"albato/{number}")
    house.post.gate.set()
    told = house.told()
    assert len(told) <= 2
    assert told[-1] in ("rotator: 30 credentials (prod)", "rotator: 31 credentials (prod)")
    assert "more" in house.post.sent[-1][1]
    house.rests(State.NEEDS_A_PERSON, "albato/7")
    assert len(house.told()) == len(told)


def test_sending_holds_up_no_walk(house: House) -> None:
    house.post.gate.clear()
    for number in range(20):
        house.rests(State.NEEDS_A_PERSON, f"albato/{number}")  # returns, though nothing is sent
    assert house.post.sent == []
    house.post.gate.set()


def test_without_addresses_nothing_is_done() -> None:
    ledger = SqlLedger.in_memory()
    alerts = Alerts(None, ledger, Clock(), Log())
    alerts.start()
    alerts.survey([row(State.NEEDS_A_PERSON)])
    alerts.observe(Event(credential="a/b", run="r"))
    alerts.close()
    assert ledger.first_alert("alation/etl", "needs a person", NOW)
    ledger.close()


# A refresh token that nobody renews.


def standing(left: timedelta, *, renew_in: timedelta | None) -> Row:
    renew_at = None if renew_in is None else NOW + renew_in
    return row(State.BACKING_OFF, refresh_expires_at=NOW + left, refresh_renew_at=renew_at)


@pytest.mark.parametrize(
    ("left", "days"),
    [(20, None), (14.5, None), (14, 14), (8, 14), (7, 7), (3.5, 7), (3, 3), (1.1, 3), (0.9, 1)],
)
def test_a_refresh_token_runs_out_by_steps(left: float, days: int | None) -> None:
    assert running_out(standing(left * DAY, renew_in=-20 * DAY), NOW) == days
    assert running_out(standing(left * DAY, renew_in=None), NOW) == days


def test_one_that_is_renewed_in_time_is_nobody_s_concern() -> None:
    assert running_out(standing(2 * DAY, renew_in=DAY), NOW) is None
    assert running_out(standing(DAY, renew_in=timedelta(minutes=-1)), NOW) is None


def test_a_dead_or_undated_one_is_another_matter() -> None:
    assert running_out(standing(-DAY, renew_in=-2 * DAY), NOW) is None
    assert running_out(row(State.FRESH), NOW) is None


def test_each_step_is_told_once_a_token_and_again_for_the_next_one(house: House) -> None:
    until = NOW + 16 * DAY
    for day in range(17):
        house.clock.at = NOW + day * DAY
        house.rests(State.BACKING_OFF, refresh_expires_at=until)
        house.restart()
    told = [title.split("within ")[1] for title in house.told()]
    assert told == ["14 d (prod)", "7 d (prod)", "3 d (prod)", "1 d (prod)"]
    house.clock.at = NOW
    house.rests(State.BACKING_OFF, refresh_expires_at=NOW + 2 * DAY)
    assert house.told()[4:] == ["rotator: the refresh token of alation/etl dies within 3 d (prod)"]


# Apprise.


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[str]]]:
    heard: list[str] = []

    class Inbox(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Inbox)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/", heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise's own affair
def test_a_message_goes_out_by_apprise(inbox: tuple[str, list[str]]) -> None:
    url, heard = inbox
    pytest.importorskip("apprise", reason="the extra `alerts` is not installed")
    send = sender([Secret(url)])
    assert send is not None
    assert send("rotator: alation/etl needs a person", "what to do")
    assert "alation/etl needs a person" in heard[0]


def test_nobody_to_tell_needs_no_apprise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rotator.engine.alerts.find_spec", lambda _: None)
    assert sender([]) is None


def test_addresses_without_apprise_are_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rotator.engine.alerts.find_spec", lambda _: None)
    with pytest.raises(BadSettings, match="pip install apprise"):
        sender([Secret("json://127.0.0.1/")])


def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Apprise:
        add: Callable[..., bool] = staticmethod(lambda url: HIDDEN not in url)

    class Module:
        Apprise: Any

    Module.Apprise = Apprise
    monkeypatch.setitem(sys.modules, "apprise", Module)
    monkeypatch.setattr("rotator.engine.alerts.find_spec", lambda _: object())
    with pytest.raises(BadSettings, match="address 2 of 2") as caught:
        sender([Secret("json://127.0.0.1/"), Secret(f"what://{HIDDEN}")])
    assert HIDDEN not in str(caught.value)
