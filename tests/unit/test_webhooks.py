"""What machines are told of a new token, over real HTTP, and checked by a receiver's library."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from standardwebhooks.webhooks import Webhook

from rotator.clock import Clock
from rotator.engine import webhooks
from rotator.engine.notices import Address, addresses
from rotator.engine.webhooks import Webhooks, opened, published
from rotator.environment import load_settings
from rotator.errors import BadSettings, LedgerError
from rotator.jobs.job import Credential
from rotator.ledger.base import Ledger
from rotator.ledger.facts import OnRecord, Row, Stepped
from rotator.model import Reason, Secret, Shelf, State
from rotator.plan.table import Verb
from rotator.rotation.telling import Outcome
from rotator.sandbox.fakes import Fake, Reply, json_reply
from rotator.sandbox.server import served
from rotator.settings import Settings

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HIDDEN = "canary-in-the-path"
PATIENCE = 10.0
NOW = datetime(2026, 3, 1, tzinfo=UTC)
RECORD = OnRecord(
    shelf=Shelf.TOKEN,
    version_id="0f" * 16,
    generation=7,
    issued_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    put_at=NOW,
)


@dataclass
class Server(Fake):
    """A receiver: it checks what it gets, and answers as it is told to."""

    answers: list[int] = field(default_factory=list)
    """Statuses to come; 204 afterwards."""
    got: list[tuple[str, Any]] = field(default_factory=list)
    """Id and payload of each request with a good signature."""
    gate: threading.Event = field(default_factory=threading.Event)

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        assert (method, path) == ("POST", f"/{HIDDEN}")
        payload = Webhook(KEY).verify(body.decode(), dict(headers))
        self.got.append((headers["webhook-id"], payload))
        assert self.gate.wait(PATIENCE)
        status = self.answers.pop(0) if self.answers else 204
        return json_reply(status, {}) if status != 204 else Reply(204, {}, b"")


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))


@dataclass
class Town:
    """Receivers, and a ledger that knows one token."""

    servers: list[Server]
    hooks: Webhooks
    log: Log
    records: dict[Shelf, OnRecord]

    def tell(self, name: str = "acme/etl") -> None:
        spec = SimpleNamespace(name=f"rotator/token/{name}")
        credential = SimpleNamespace(qualified=name, token_secret=spec)
        self.hooks.tell(cast(Credential, credential))


class OneRow:
    """A ledger as far as it is read here."""

    def __init__(self, records: dict[Shelf, OnRecord]) -> None:
        self.records = records

    def rows(self, names: list[str]) -> list[Row]:
        if names == ["acme/forgotten"]:
            return []
        if names == ["acme/broken"]:
            raise LedgerError("the disk is full")
        return [Row(credential=names[0], job="acme", due_at=None, records=self.records)]


@contextmanager
def receivers(*servers: Server) -> Iterator[Town]:
    """Closed, with all delivered, when the block ends."""
    log, records = Log(), {Shelf.TOKEN: RECORD}
    with served(servers[0]) as one, served(servers[-1]) as other:
        urls = ",".join(f"{each}/{HIDDEN}" for each in (one, other)[: len(servers)])
        ledger = cast(Ledger, OneRow(records))
        hooks = opened(addresses(load(urls)), ledger, Clock(), log)
        hooks.start()
        try:
            yield Town(list(servers), hooks, log, records)
        finally:
            hooks.close(PATIENCE)


def load(urls: str, key: str = KEY) -> Settings:
    names = {"ROTATOR_NOTIFY_URLS": urls, "ROTATOR_NOTIFY_KEY": key, "HOME": "/home/me"}
    return load_settings(names)


def server(*answers: int, opened: bool = True) -> Server:
    made = Server(Clock().now, answers=list(answers))
    if opened:
        made.gate.set()
    return made


def until(holds: Callable[[], object]) -> None:
    clock = Clock()
    ends = clock.monotonic() + PATIENCE
    while not holds():
        assert clock.monotonic() < ends
        clock.sleep(timedelta(milliseconds=5))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_PAUSES", (0.0, 0.0))


def test_a_receiver_is_told_all_that_it_needs_and_nothing_secret() -> None:
    with receivers(server()) as town:
        town.tell()
        until(lambda: town.servers[0].got)
    assert town.servers[0].got == [
        (
            RECORD.version_id,
            {
                "type": "token.published",
                "timestamp": "2026-03-01T00:00:00Z",
                "data": {
                    "credential": "acme/etl",
                    "secret": "rotator/token/acme/etl",
                    "version_id": RECORD.version_id,
                    "generation": 7,
                    "expires_at": "2026-03-01T01:00:00Z",
                },
            },
        )
    ]
    assert town.log.lines == []


def test_a_token_without_an_end_is_told_without_one() -> None:
    with receivers(server()) as town:
        town.records[Shelf.TOKEN] = replace(RECORD, expires_at=None)
        town.tell()
        until(lambda: town.servers[0].got)
    assert town.servers[0].got[0][1]["data"]["expires_at"] is None


def test_what_fails_is_tried_again_under_the_same_id() -> None:
    with receivers(server(500, 429)) as town:
        town.tell()
        until(lambda: len(town.servers[0].got) == 3)
    assert {identity for identity, _ in town.servers[0].got} == {RECORD.version_id}
    assert town.log.lines == []


def test_what_fails_thrice_is_given_up_and_the_address_is_not_logged() -> None:
    with receivers(server(500, 301, 404)) as town:
        town.tell()
        until(lambda: town.log.lines)
    ((event, facts),) = town.log.lines
    assert event == "a receiver was not told of a new token"
    assert facts == {"receiver": 1, "credential": "acme/etl", "problem": "HTTP 404"}


def test_a_receiver_that_is_not_there_holds_up_nobody() -> None:
    log = Log()
    url = Secret(f"http://127.0.0.1:1/{HIDDEN}")
    ledger = cast(Ledger, OneRow({Shelf.TOKEN: RECORD}))
    hooks = opened([Address(1, url, b"k" * 24)], ledger, Clock(), log)
    hooks.start()
    Town([], hooks, log, {}).tell()
    until(lambda: log.lines)
    hooks.close(PATIENCE)
    assert log.lines[0][1]["problem"] == "Unreachable"
    assert HIDDEN not in json.dumps(log.lines)


def test_one_that_hangs_delays_no_other_and_is_then_told_the_newest_alone() -> None:
    hanging, well = server(opened=False), server()
    with receivers(hanging, well) as town:
        town.tell("acme/first")
        until(lambda: hanging.got)
        for _ in range(3):
            town.tell("acme/etl")
            seen = len(well.got)
            until(lambda seen=seen: len(well.got) > seen)  # type: ignore[misc]
        hanging.gate.set()
        until(lambda: len(hanging.got) == 2)
    assert [told["data"]["credential"] for _, told in hanging.got] == ["acme/first", "acme/etl"]


def test_nobody_waits_for_a_second_attempt_when_the_worker_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "_PAUSES", (PATIENCE, PATIENCE))
    with receivers(server(500)) as town:
        town.tell()
        until(lambda: town.servers[0].got)
    assert len(town.servers[0].got) == 1
    assert [facts["problem"] for _, facts in town.log.lines] == ["HTTP 500"]


def test_what_the_ledger_does_not_know_is_not_told() -> None:
    with receivers(server()) as town:
        town.tell("acme/forgotten")
        town.tell("acme/broken")
        until(lambda: town.log.lines)
        town.records.clear()
        town.tell()
    assert town.servers[0].got == []
    assert town.log.lines[0][1]["problem"] == "LedgerError"


def test_only_a_put_that_worked_counts_as_published() -> None:
    def walked(*steps: tuple[Verb, str]) -> Outcome:
        taken = [
            Stepped(
                run="r", seq=0, at=NOW, step=step, reason=Reason.MISSING, outcome=outcome,
                text="", duration=timedelta(0), cause="",
            )
            for step, outcome in steps
        ]  # fmt: skip
        return Outcome(
            credential="acme/etl", state=State.FRESH, reason=Reason.MISSING, steps=tuple(taken)
        )

    assert published(walked((Verb.OBTAIN, "tokens"), (Verb.PUBLISH, "ok"), (Verb.DROP, "ok")))
    assert not published(walked((Verb.PUBLISH, "StoreUnavailable")))
    assert not published(walked((Verb.KEEP, "ok")))
    assert not published(walked())


def test_without_receivers_nothing_runs() -> None:
    before = threading.active_count()
    with_none = opened((), cast(Ledger, None), Clock(), Log())
    with_none.start()
    with_none.tell(cast(Credential, None))
    assert threading.active_count() == before
    with_none.close()


@pytest.mark.parametrize(
    "url",
    [
        f"http://example.com/{HIDDEN}",
        f"https://me:{HIDDEN}@example.com/",
        f"ftp://example.com/{HIDDEN}",
        f"https:///{HIDDEN}",
        f"https://[{HIDDEN}/",
    ],
)
def test_an_address_that_nothing_should_be_sent_to_is_refused_unquoted(url: str) -> None:
    with pytest.raises(BadSettings, match="address 2 of 2") as caught:
        addresses(load(f"https://example.com/x,{url}"))
    assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize("key", ["", HIDDEN, "whsec_short", f"whsec_{'A' * 120}", "whsec_==="])
def test_a_key_that_signs_nothing_is_refused_unquoted(key: str) -> None:
    with pytest.raises(BadSettings, match="openssl rand") as caught:
        addresses(load("https://example.com/x", key))
    assert key == "" or key not in str(caught.value)
