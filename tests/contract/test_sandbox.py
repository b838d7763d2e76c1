"""A fake is the same in process as over HTTP, faults and all."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from rotator.clock import Clock
from rotator.errors import Unanswered, Unreachable
from rotator.model import Secret
from rotator.providers.base import Answer, Request
from rotator.providers.http import Door
from rotator.rotation.tools import Door as Doorway
from rotator.sandbox import fakes
from rotator.sandbox.fakes import Fake, Fault, Refused, Reply, json_reply, parsed
from rotator.sandbox.server import InProcessDoor, served

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class SleptClock(Clock):
    """Sleeping is over at once, and noted."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = NOW

    def now(self) -> datetime:
        return self.shown

    def sleep(self, clock_time: timedelta) -> None:
        self.shown += clock_time


class Counting(Fake):
    """Counts how often it acted."""

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.counts["acted"] += 1
        if "?" in path:
            raise Refused(json_reply(400, {"method": method}))
        return json_reply(200, {"token": self.fresh(), "sent": parsed(headers, body)})


class World:
    def __init__(self, fake: Counting, door: Doorway, url: str) -> None:
        self.fake, self.door, self.url = fake, door, url

    def send(
        self, path: str = "/token", kind: str = "application/json", body: str = "{}"
    ) -> Answer:
        sent = Secret(body) if body else None
        return self.door.send(Request(url=self.url + path, body=sent, content_type=kind))


@pytest.fixture
def clock() -> SleptClock:
    return SleptClock()


@pytest.fixture
def fake() -> Counting:
    return Counting(now=lambda: NOW)


@pytest.fixture(params=["in process", "over HTTP"])
def world(request: pytest.FixtureRequest, fake: Counting, clock: SleptClock) -> Iterator[World]:
    if request.param == "in process":
        yield World(fake, InProcessDoor({"https://x.example": fake}, clock), "https://x.example")
        return
    with served(fake) as url:
        door = Door(clock, timedelta(seconds=20))
        yield World(fake, door, url)
        door.close()


def test_both_ways_give_the_same_answer(world: World) -> None:
    answer = world.send()
    assert answer.json()["token"] == Counting(now=lambda: NOW).fresh(), "from the seed alone"
    assert answer.date == NOW
    assert [tuple(seen) for seen in world.fake.log] == [(NOW, "POST", "/token", "200")]


def test_a_query_reaches_the_fake_but_not_its_log(world: World) -> None:
    assert world.send("/token?secret=1").status == 400
    assert [seen.path for seen in world.fake.log] == ["/token"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", "{}", 200),
        ("application/json; charset=utf-8", "{}", 200),
        ("application/x-www-form-urlencoded", "a=1&b=", 200),
        ("application/x-www-form-urlencoded", "a=1&a=2", 400),
        ("application/x-www-form-urlencoded", "a", 400),
        ("application/json", "[]", 400),
        ("application/json", "{", 400),
        ("application/json", "", 400),
        ("text/plain", "{}", 415),
        ("", "{}", 415),
    ],
)
def test_only_json_and_forms_are_understood(
    world: World, kind: str, body: str, status: int
) -> None:
    assert world.send(kind=kind, body=body).status == status


@pytest.mark.parametrize(
    ("fault", "status", "acted"),
    [
        (fakes.html(401), 401, 0),
        (fakes.html(502, acts=True), 502, 1),
        (fakes.throttled(), 429, 0),
        (fakes.broken(), 500, 0),
        (fakes.broken(503, acts=True), 503, 1),
        (fakes.late(timedelta(milliseconds=1)), 200, 1),
        (fakes.dripping(timedelta(microseconds=1)), 200, 1),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else str(value),
)
def test_a_fault_that_answers(world: World, fault: Fault, status: int, acted: int) -> None:
    world.fake.fail_next("/token", fault)
    assert world.send().status == status
    assert world.fake.counts["acted"] == acted
    assert world.send().status == 200


@pytest.mark.parametrize(
    ("fault", "acted"),
    [
        (fakes.LOST_ANSWER, 1),
        (fakes.LOST_REQUEST, 0),
        (fakes.late(timedelta(hours=1)), 1),
        (fakes.dripping(timedelta(minutes=1)), 1),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else str(value),
)
def test_a_fault_that_leaves_a_request_unanswered(world: World, fault: Fault, acted: int) -> None:
    world.fake.fail_next("*", fault)
    patient = world.door
    if isinstance(patient, Door):
        world.door = Door(SleptClock(), timedelta(milliseconds=200))
    with pytest.raises(Unanswered):
        world.send()
    world.door = patient
    assert world.fake.counts["acted"] == acted
    assert world.send().status == 200


def test_faults_are_met_in_order_and_can_be_healed(world: World) -> None:
    world.fake.fail_next("/token", fakes.broken(), times=2)
    world.fake.fail_next("/token", fakes.html(502), times=5)
    assert [world.send().status for _ in range(3)] == [500, 500, 502]
    world.fake.heal()
    assert world.send().status == 200


def test_in_process_nobody_may_be_listening(fake: Counting, clock: SleptClock) -> None:
    door = InProcessDoor({"https://x.example": fake}, clock)
    fake.fail_next("*", fakes.NOT_LISTENING)
    for url in ("https://x.example", "https://y.example"):
        with pytest.raises(Unreachable):
            door.send(Request(url=url))
    assert fake.counts["acted"] == 0


def test_in_process_lateness_passes_on_the_clock(fake: Counting, clock: SleptClock) -> None:
    fake.fail_next("*", fakes.late(timedelta(seconds=10)))
    door = InProcessDoor({"https://x.example": fake}, clock)
    answer = door.send(Request(url="https://x.example", body=Secret("{}")))
    assert answer.received_at == NOW + timedelta(seconds=10)
