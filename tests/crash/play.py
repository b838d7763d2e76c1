"""Plays a scenario with one kill, and says what came of it."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise

from rotator.model import State
from tests.crash.doors import Effects, Killed
from tests.crash.needs_a_person import NEEDS_A_PERSON, Gap
from tests.crash.world import Scenario, World

_GENERATION = re.compile(r"\bgeneration (\d+)")
AFTERWARDS = timedelta(minutes=12)
"""Longer than any settle time and any back-off that a kill leads to."""


class Invariant(StrEnum):
    """What has to hold however a worker dies."""

    HOME = "the credential comes home"
    ONCE = "no spent token is presented again"
    NEWER = "no older generation replaces a newer one"
    PATIENT = "a provider in trouble is asked a bounded number of times"
    TOLD = "the history tells of every token that was stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A scenario that was played to its end."""

    effects: tuple[str, ...]
    """Of the first worker, named; writes of an intent and requests with their grant."""
    killed: str
    """`before` or `after` and the effect, empty where nobody was killed."""
    broken: frozenset[Invariant]
    """The invariants that do not hold."""
    needs_a_person: bool


def play(scenario: Scenario, kill_at: tuple[int, str] | None = None) -> Ended:
    """Run until the horizon; a killed worker is followed by a new one."""
    world = World(scenario, Effects(kill_at=kill_at))
    until = world.clock.at + scenario.horizon
    killed = ""
    try:
        world.run(until)
    except Killed as death:
        killed = str(death)
        world.restart()
        world.run(until + AFTERWARDS)
    return Ended(
        effects=tuple(world.effects.names),
        killed=killed,
        broken=frozenset(promises(world) | untold(world)),
        needs_a_person=world.row.state is State.NEEDS_A_PERSON,
    )


def promises(world: World) -> set[Invariant]:
    """Those that do not hold, by the provider's and the store's own books."""
    broken = set()
    if world.fake.counts["presented_twice"]:
        broken.add(Invariant.ONCE)
    if any(later < earlier for made in world.generations() for earlier, later in pairwise(made)):
        broken.add(Invariant.NEWER)
    if world.row.state is not State.NEEDS_A_PERSON and not _is_home(world):
        broken.add(Invariant.HOME)
    return broken


def untold(world: World) -> set[Invariant]:
    """Whether a generation is in a secret and in no line of the history, but for a person's own.

    A killed worker may take lines of steps with it that changed nothing in the ledger. The answer
    is read again then, and a put is found in the store: both are told with their generation.
    """
    lines = world.ledger.history(world.credential.qualified, limit=1_000)
    told = {word for line in lines for word in _GENERATION.findall(line.stepped.text)}
    stored = {str(number) for made in world.generations() for number in made}
    return {Invariant.TOLD} if stored - told - world.by_hand else set()


def _is_home(world: World) -> bool:
    """At rest, nothing left behind, and consumers hold a token that works."""
    record = world.ledger.look(world.credential.qualified)
    assert record is not None
    left = record.seals or record.open_intents
    return record.row.state is State.FRESH and not left and _works(world)


def _works(world: World) -> bool:
    """Call the provider with what consumers read."""
    value = world.published()
    if not value:
        return False
    headers = {
        value["header_name"].lower(): value["header_value"],
        "content-type": "application/json",
    }
    method, path = world.scenario.consumer_call
    return bool(world.fake.handle(method, path, headers, b"").status == 200)


def lost(scenario: Scenario, effects: tuple[str, ...], kill_at: tuple[int, str]) -> bool:
    """Whether the table says that this kill needs a person."""
    number, when = kill_at
    for (name, grant), gap in NEEDS_A_PERSON.items():
        if name == scenario.name and _within(gap, grant, effects, number, when):
            return True
    return False


def _within(gap: Gap, grant: str, effects: tuple[str, ...], number: int, when: str) -> bool:
    """Whether the kill falls between the gap's opening and its closing around one request."""
    moments = [(n, w) for n in range(1, len(effects) + 1) for w in ("before", "after")]
    here = moments.index((number, when))
    opened = None
    for index, (n, w) in enumerate(moments):
        name = f"{w} {effects[n - 1]}"
        if name == f"{gap.opens} [{grant}]":
            opened = index
        if opened is not None and name == gap.closes:
            if opened <= here <= index:
                return True
            opened = None
    return False
