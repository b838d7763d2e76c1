"""What troubles do to requests: the door to one credential's provider, and the client of AWS."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - the simulation's own dice, from its seed
from typing import Any

from rotator.errors import Unreachable
from rotator.providers.base import Answer, Request
from rotator.sandbox.fakes import (
    LOST_ANSWER,
    LOST_REQUEST,
    NOT_LISTENING,
    Fault,
    broken,
    html,
    late,
    throttled,
)
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.server import InProcessDoor
from tests.crash.direct import DirectClient
from tests.simulation.citizen import Citizen
from tests.simulation.clocks import SimulatedClock
from tests.simulation.faults import HOUR, SECOND, Trouble

PAGES = (401, 403, 404, 500, 502, 503)
_HARMLESS = frozenset({"slow", "outage", "throttling"})
"""Faults after which the worker knows for sure what became of a request that spends."""


def _storm(trouble: Trouble) -> Fault:
    return throttled(("", "7", "60", "300")[int(trouble.draw * 4)])


def _slow(trouble: Trouble) -> Fault:
    return late(29 * SECOND * trouble.draw)


_MEETS: Mapping[str, Callable[[Trouble], Fault]] = {
    "outage": lambda _: NOT_LISTENING,
    "silence": lambda _: Fault(name="silence", loses=True, delay=30 * SECOND),
    "throttling": _storm,
    "errors": lambda trouble: broken((500, 503)[int(trouble.draw * 2)]),
    "html": lambda trouble: html(PAGES[int(trouble.draw * len(PAGES))]),
    "slow": _slow,
    "lost_request": lambda _: LOST_REQUEST,
    "lost_answer": lambda _: LOST_ANSWER,
    "late_answer": lambda _: late(31 * SECOND),
    "broken_answer": lambda trouble: (broken(acts=True), html(502, acts=True))[
        int(trouble.draw * 2)
    ],
}
ON_REQUESTS = frozenset(_MEETS)
_PUT = frozenset({"secretsmanager:PutSecretValue"})
_GET = frozenset({"secretsmanager:GetSecretValue"})
_OWN_KEY = ""
"""As the fake names the key that AWS itself keeps."""


class WeatherDoor:
    """The way to one credential's provider: counts what is asked, and lets troubles happen."""

    def __init__(
        self, citizen: Citizen, clock: SimulatedClock, met: Counter[str], count: Counter[str]
    ) -> None:
        """`met`: kinds of trouble that did happen; `count`: requests by how they ended."""
        self._citizen, self._clock = citizen, clock
        self._met, self._count = met, count
        self._door = InProcessDoor({citizen.scenario.origin: citizen.fake}, clock)

    def send(self, request: Request, *, spending: bool = False) -> Answer:
        """Raises Unreachable or Unanswered as the real door does."""
        trouble = self._trouble()
        if trouble:
            self._citizen.fake.fail_next("*", _MEETS[trouble.kind](trouble))
            if spending and trouble.kind not in _HARMLESS:
                self._citizen.causes.add(f"{trouble.kind} to a request that spends")
        self._citizen.asked.append(self._clock.time.at)
        self._count["requests"] += 1
        met = trouble.kind if trouble else ""
        self._citizen.journal.append((self._clock.time.at, "request", met))
        try:
            return self._door.send(request, spending=spending)
        except Unreachable:
            self._count["not sent"] += 1
            raise
        finally:
            self._citizen.fake.heal()
            self._citizen.fake.log.clear()

    def _trouble(self) -> Trouble | None:
        if self._citizen.weather:
            return next(iter(self._citizen.weather.values()))
        if not self._citizen.next_request:
            return None
        trouble = self._citizen.next_request.popleft()
        self._met[trouble.kind] += 1
        self._citizen.troubles.append((self._clock.time.at, self._clock.time.at))
        return trouble


class Aws:
    """The account, and its troubles."""

    def __init__(self, service: SecretsManager, dice: Random) -> None:
        self.service = service
        self._dice = dice
        self._throttling = False
        self._denied: frozenset[str] = frozenset()
        service.account.authorize = self._may

    def before_a_call(self) -> None:
        """While it is throttling, every other call is refused."""
        if self._throttling and self._dice.random() < 0.5:
            self.service.faults.fail("*", "ThrottlingException")

    def begin(self, trouble: Trouble) -> None:
        """Until `end` of the same kind."""
        faults, draw = self.service.faults, trouble.draw
        begins: Mapping[str, Callable[[], None]] = {
            "aws_outage": lambda: faults.go_dark("503" if draw < 0.5 else "closed"),
            "aws_throttling": lambda: setattr(self, "_throttling", True),
            "aws_denied": lambda: setattr(self, "_denied", _PUT if draw < 0.7 else _PUT | _GET),
            "aws_kms": lambda: self.service.account.unusable_keys.add(_OWN_KEY),
            "aws_lag": lambda: setattr(faults, "lag", timedelta(seconds=1 + 40 * draw)),
        }
        begins[trouble.kind]()

    def end(self, kind: str) -> None:
        faults = self.service.faults
        ends: Mapping[str, Callable[[], None]] = {
            "aws_outage": lambda: faults.go_dark(""),
            "aws_throttling": lambda: setattr(self, "_throttling", False),
            "aws_denied": lambda: setattr(self, "_denied", frozenset()),
            "aws_kms": lambda: self.service.account.unusable_keys.discard(_OWN_KEY),
            "aws_lag": lambda: setattr(faults, "lag", timedelta(0)),
        }
        ends[kind]()

    def lose_a_reply(self, draw: float) -> None:
        """Of the next write, or read; whoever makes it."""
        operation = "PutSecretValue" if draw < 0.8 else "GetSecretValue"
        self.service.faults.lose_replies(operation)

    def _may(self, _principal: str, action: str, _resource: str, _shown: object) -> bool:
        return action not in self._denied


class WeatherClient(DirectClient):
    """One worker's client of an account that has its troubles."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws.service)
        self._aws = aws

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        self._aws.before_a_call()
        return super().__getattr__(name)


def asked_lately(citizen: Citizen, now: datetime) -> int:
    """How many requests its provider saw within the last hour."""
    while citizen.asked and citizen.asked[0] <= now - HOUR:
        citizen.asked.popleft()
    return len(citizen.asked)
