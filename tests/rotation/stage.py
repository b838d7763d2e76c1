"""What the attacks on the rotation share: worlds with other fakes, and workers beside the first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from botocore.config import Config

from rotator.clock import new_id
from rotator.ledger.facts import Manual, Record, Row, Stepped
from rotator.ledger.sql import SqlLedger
from rotator.model import State
from rotator.rotation.telling import Event, Outcome
from rotator.rotation.tools import Tools
from rotator.rotation.walk import rotate
from rotator.sandbox.fakes import Fault, Reply, json_reply
from rotator.sandbox.secrets_manager_hook import client_for
from rotator.schedule import Schedule
from tests.crash.doors import Effects
from tests.crash.play import Invariant, promises
from tests.crash.plays import scenario
from tests.crash.world import Scenario, World

_ONCE = Config(retries={"total_max_attempts": 1})
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_SHORT = Schedule(survive=10 * MINUTE)
OAUTH, OAUTH_ASKED = "oauth2, refresh token", "oauth2, refresh token, introspection"
SSO, PASSWORD, BOTH = "alation, SSO", "alation, password", "alation, seed and password"
ALBATO, CLIENT = "albato, partner token", "oauth2, client"
FALLBACK = "oauth2, refresh token, then client"
TOKEN_PATH = "/oauth/token"
MINT = "/integration/v1/createAPIAccessToken/"
REGENERATE = "/integration/v1/regenRefreshToken/"
VALIDATE = "/integration/v1/validateRefreshToken/"
SESSION = "/wl/acme/get-user-session-token"


def world(
    name: str,
    *,
    job: Mapping[str, Any] | None = None,
    credential: Mapping[str, Any] | None = None,
    seeds: Callable[[Any], Mapping[str, str]] | None = None,
    schedule: Schedule | None = None,
    boto3: bool = False,
    **fake: Any,
) -> World:
    """A scenario of the crash suite with another job, other seeds or another fake."""
    played = scenario(name)

    def changed(now: Callable[[], datetime]) -> Any:
        made = played.fake(now)
        for field, value in fake.items():
            assert hasattr(made, field)
            setattr(made, field, value)
        return made

    return watched(
        replace(
            played,
            fake=changed,
            job={**played.job, **(job or {})},
            credential={**played.credential, **(credential or {})},
            seeds=seeds or played.seeds,
            schedule=schedule or (_SHORT if name.startswith("oauth2") else played.schedule),
        ),
        boto3=boto3,
    )


def watched(played: Scenario, effects: Effects | None = None, *, boto3: bool = False) -> World:
    """`boto3`: AWS is asked by the real client, once, for its retries wait in real time."""
    found = World(played, effects or Effects())
    if boto3:
        found.client = client_for(found.aws, config=_ONCE)
        found.tools = found.worker("first", found.effects)
    return found


over_boto3 = partial(world, boto3=True)
"""For tests whose subject is AWS."""

OPENED: list[SqlLedger] = []
"""Ledgers beside the first one; closed after each test."""


@dataclass
class Beside:
    """Another worker on a ledger of its own, for the same credential, provider and store."""

    world: World
    tools: Tools
    ledger: SqlLedger

    @classmethod
    def of(cls, world: World) -> "Beside":
        ledger = SqlLedger.in_memory()
        OPENED.append(ledger)
        name = world.credential.qualified
        ledger.enrol({world.credential.job: [name]}, world.clock.now())
        return cls(world, world.worker("beside", Effects(), ledger), ledger)

    def rotate(self) -> Outcome:
        return rotate(self.tools, self.world.credential, lambda _: None)

    def run(self, until: datetime) -> None:
        for _ in range(200):
            due_at = self.row.due_at
            if due_at is None or due_at > until:
                self.world.clock.at = max(self.world.clock.at, until)
                return
            self.world.clock.at = max(self.world.clock.at, due_at)
            self.rotate()
        raise AssertionError("the schedule spins")

    @property
    def row(self) -> Row:
        return self.ledger.rows([self.world.credential.qualified])[0]


def state(of: World | Beside) -> State:
    """As every face shows it."""
    return of.row.state


def run(played: World, lasting: timedelta) -> None:
    played.run(played.clock.at + lasting)


def record(played: World) -> Record:
    found = played.ledger.look(played.credential.qualified)
    assert found is not None
    return found


def steps(outcome: Outcome) -> list[str]:
    return [stepped.step for stepped in outcome.steps]


def last(outcome: Outcome, verb: str) -> Stepped:
    return next(stepped for stepped in reversed(outcome.steps) if stepped.step == verb)


def ask(played: World, *tokens: str, again: bool = False, at: datetime | None = None) -> Manual:
    """A person's request."""
    asked = Manual(
        id=new_id(),
        credential=played.credential.qualified,
        asked_at=at or played.clock.now(),
        by="ann",
        why="a test",
        tokens=frozenset(tokens),
        again=again,
    )
    played.ledger.ask(asked)
    return asked


def requests(played: World, path: str = "*") -> int:
    """How many requests the provider saw."""
    return sum(path in ("*", seen.path) for seen in played.fake.log if seen.outcome != "refused")


def is_home(played: World) -> bool:
    """Fresh, nothing left behind, and consumers hold a token that works."""
    return promises(played) == set() and played.row.state is State.FRESH


def works(played: World) -> bool:
    """Whether what consumers read now is taken by the provider."""
    value = played.published()
    headers = {
        value["header_name"].lower(): value["header_value"],
        "content-type": "application/json",
    }
    method, path = played.scenario.consumer_call
    return bool(played.fake.handle(method, path, headers, b"").status == 200)


def reworked(played: World, **job: Any) -> None:
    """Somebody edits the job file; the worker has read it."""
    played.scenario = replace(played.scenario, job={**played.scenario.job, **job})
    digest = f"{played.credential.digest}+"
    played.credential = replace(played._credential(), digest=digest)  # noqa: SLF001


def reseeded(played: World, **seeds: str) -> None:
    """Somebody puts other seeds in; the worker is started anew."""
    played.values |= seeds
    digest = f"{played.credential.digest}+"
    played.credential = replace(played._credential(), digest=digest)  # noqa: SLF001
    played.restart()


def answering(status: int, content: object, *, acts: bool = False) -> Fault:
    """This instead of the provider's own answer."""
    return Fault(name=f"odd {status}", reply=json_reply(status, content), acts=acts)


def raw(status: int, body: bytes, *, acts: bool = False) -> Fault:
    reply = Reply(status, {"content-type": "application/json"}, body)
    return Fault(name=f"odd {status}", reply=reply, acts=acts)


__all__ = ["Event", "Invariant", "Scenario", "World", "promises", "rotate", "scenario"]
