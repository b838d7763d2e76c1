"""One credential, its provider and its store, all in this process, on a clock that we turn."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

from rotator.clock import Clock
from rotator.jobs.job import Credential
from rotator.ledger.base import Ledger
from rotator.ledger.facts import Row
from rotator.ledger.sealing import Fingerprints, Sealer
from rotator.ledger.sql import SqlLedger
from rotator.model import Secret, Shelf, State, Token
from rotator.providers.base import Alive
from rotator.providers.registry import plugins
from rotator.references import Place, SeedRef
from rotator.rotation import keyring
from rotator.rotation.telling import Event, Outcome
from rotator.rotation.tools import Door, SeedReader, Tools
from rotator.rotation.walk import rotate
from rotator.sandbox.fakes import Fake
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for
from rotator.sandbox.server import InProcessDoor
from rotator.schedule import Schedule
from rotator.store.base import SecretSpec, Store
from rotator.store.secrets_manager import SecretsManagerStore
from rotator.store.seeds import Seeds
from tests.crash.direct import DirectClient
from tests.crash.doors import Counted, Effects

START = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class TurnedClock(Clock):
    """Stands still until somebody turns it; sleeping turns it. Real deadlines stay real."""

    def __init__(self) -> None:
        super().__init__()
        self.at = START

    def now(self) -> datetime:
        return self.at

    def sleep(self, clock_time: timedelta) -> None:
        self.at += clock_time


@dataclass(kw_only=True)
class Scenario:
    """One provider, the seeds that a job gives, and how long it is watched."""

    name: str
    provider: str
    origin: str
    fake: Callable[[Callable[[], datetime]], Any]
    job: Mapping[str, Any]
    credential: Mapping[str, Any]
    seeds: Callable[[Any], Mapping[str, str]]
    """The fake -> name and value of each seed."""
    consumer_call: tuple[str, str]
    """Method and path of a call that any consumer makes."""
    horizon: timedelta
    schedule: Schedule = field(default_factory=Schedule)
    second: Callable[[Any], str] | None = None
    """The fake -> a refresh token that a person puts beside the first, once that is there."""


@cache
def _ledger() -> SqlLedger:
    """One for all worlds of a process, emptied for each: its statements are compiled once."""
    return SqlLedger.in_memory()


_WORLDS = count()
KEYS = bytes(range(32))


def environ(values: Mapping[str, str]) -> dict[str, str]:
    """The variables that seeds of these names and values are read from."""
    return {name.upper(): value for name, value in values.items()}


def credential_of(
    scenario: Scenario, seeds: Collection[str], name: str = "etl", digest: str = "1"
) -> Credential:
    """What the job file of the scenario would give."""
    plugin = plugins()[scenario.provider]
    provider = plugin.build(
        plugin.job.model_validate(scenario.job),
        plugin.credential.model_validate(scenario.credential),
        frozenset(seeds),
    )
    owner = f"{scenario.provider}/{name}"
    keyring = SecretSpec(name=f"rotator/keyring/{owner}", owner=owner)
    return Credential(
        name=name,
        job=scenario.provider,
        provider=provider,
        seeds={seed: SeedRef(place=Place.ENV, name=seed.upper()) for seed in seeds},
        token_secret=SecretSpec(name=f"rotator/token/{owner}", owner=owner),
        keyring_secret=keyring if provider.is_chain else None,
        schedule=scenario.schedule,
        digest=digest,
    )


def tools_of(
    ledger: Ledger, store: Store, door: Door, seeds: SeedReader, clock: Clock, owner: str
) -> Tools:
    """What a worker of a test works with; all of them know one key."""
    return Tools(
        ledger=ledger,
        store=store,
        door=door,
        seeds=seeds,
        sealing=Sealer(KEYS),
        fingerprints=Fingerprints(KEYS),
        clock=clock,
        owner=owner,
        version="test",
    )


def counted(tools: Tools, effects: Effects) -> Tools:
    """The same, with every effect going through a counted door."""
    ledger, store = Counted(tools.ledger, "ledger", effects), Counted(tools.store, "store", effects)
    return replace(tools, ledger=ledger, store=store, door=Counted(tools.door, "provider", effects))


class World:
    """A scenario being played: what outlives a worker, and the workers one after another."""

    def __init__(self, scenario: Scenario, effects: Effects | None = None) -> None:
        self.scenario = scenario
        self.clock = TurnedClock()
        self.fake: Any = scenario.fake(self.clock.now)
        self.fake.seed = f"world {next(_WORLDS)}"  # no two worlds know one another's tokens
        self.aws = SecretsManager(self.clock.now, self.clock.monotonic)
        self.client: Any = client_for(self.aws) if effects is None else DirectClient(self.aws)
        self.ledger = _ledger()
        self.values = dict(scenario.seeds(self.fake))
        self.credential = self._credential()
        self.ledger.forget(self.credential.qualified)
        self.ledger.enrol({scenario.provider: [self.credential.qualified]}, self.clock.now())
        self.events: list[Event] = []
        self.effects = effects or Effects()
        self.tools = self.worker("first", self.effects)
        self.by_hand: set[str] = set()
        """Generations that a person made; no walk tells of those."""
        if scenario.second:
            self._paired(scenario.second(self.fake))

    def _paired(self, second: str) -> None:
        """Before the scenario begins, by hands that nobody counts."""
        tools, token = self.worker("person", Effects()), Token(value=Secret(second))
        rotate(tools, self.credential, self.events.append)
        taken = keyring.second(tools, self.credential, token, Alive())
        self.by_hand.add(str(taken.generation))

    def _credential(self) -> Credential:
        return credential_of(self.scenario, self.values)

    def worker(self, owner: str, effects: Effects, ledger: SqlLedger | None = None) -> Tools:
        """A new worker process: nothing of the last one's memory."""
        store = SecretsManagerStore(self.clock, writes_per_second=1e6, client=self.client)
        tools = tools_of(
            ledger or self.ledger,
            store,
            InProcessDoor({self.scenario.origin: self.fake}, self.clock),
            Seeds(environ(self.values), store.read_secret),
            self.clock,
            owner,
        )
        return counted(tools, effects)

    def restart(self) -> None:
        """The worker is dead; the next one holds the file and voids what the dead one held."""
        self.tools = self.worker("next", Effects())
        self.ledger.free_all()

    @property
    def row(self) -> Row:
        return self.ledger.rows([self.credential.qualified])[0]

    def rotate(self, cause: str = "schedule") -> Outcome:
        return rotate(self.tools, self.credential, self.events.append, cause)

    def run(self, until: datetime) -> None:
        """Be a scheduler: rotate whenever it is due."""
        for _ in range(2_000):
            due_at = self.row.due_at
            if due_at is None or due_at > until:
                self.clock.at = max(self.clock.at, until)
                return
            self.clock.at = max(self.clock.at, due_at)
            self.rotate()
        raise AssertionError("the schedule spins")

    def published(self) -> Mapping[str, str]:
        """The consumers' secret, read as they read it."""
        return self._fields(Shelf.TOKEN)

    def kept(self) -> Mapping[str, str]:
        return self._fields(Shelf.KEYRING)

    def generations(self) -> list[list[int]]:
        """Of each secret's versions, in the order in which they were made."""
        return [
            [
                int(json.loads(made.value.string or "{}")["generation"])
                for made in secret.versions.values()
            ]
            for spec in self.credential.secrets.values()
            if (secret := self.aws.secret(spec.name))
        ]

    def _fields(self, shelf: Shelf) -> Mapping[str, str]:
        spec = self.credential.secrets[shelf]
        store = SecretsManagerStore(self.clock, client=self.client)
        version = store.get(spec)
        return version.fields if version else {}


def is_needy(row: Row) -> bool:
    return row.state is State.NEEDS_A_PERSON


__all__ = ["Effects", "Fake", "Scenario", "Secret", "World", "is_needy"]
