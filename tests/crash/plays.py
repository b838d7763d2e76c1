"""Three ways to trouble a worker, each returning the invariants that did not hold."""

from dataclasses import replace
from datetime import timedelta

from rotator.model import State
from rotator.sandbox.fakes import throttled
from tests.crash.doors import Effects, Killed
from tests.crash.play import AFTERWARDS, Invariant, lost, play, promises
from tests.crash.scenarios import ALL
from tests.crash.world import Scenario, World

OUTAGE = timedelta(hours=1)
MOST_REQUESTS = 30
"""In an hour of 429, backing off from half a minute to a quarter of an hour: 8 or so, and slack."""


def scenario(name: str) -> Scenario:
    return next(found for found in ALL if found.name == name)


def killed_everywhere(name: str, *, edited: bool = False) -> set[Invariant]:
    """A kill at every effect around a request; `edited`: so is the job, before the next worker."""
    played = scenario(name)
    whole = World(played)
    whole.run(whole.clock.at + played.horizon)
    effects = tuple(whole.effects.names)
    broken = promises(whole)
    for number in _around_requests(effects):
        for when in ("before", "after"):
            broken |= _killed(played, effects, (number, when), edited=edited)
    return broken


def _around_requests(effects: tuple[str, ...]) -> list[int]:
    """From before each intent to after its answer is stored: where these breaks can show."""
    sent = [n for n, name in enumerate(effects, 1) if name.startswith("provider.send")]
    return sorted({near for n in sent for near in range(n - 3, n + 7) if near <= len(effects)})


def _killed(
    played: Scenario, effects: tuple[str, ...], point: tuple[int, str], *, edited: bool
) -> set[Invariant]:
    world = World(played, Effects(kill_at=point))
    until = world.clock.at + played.horizon
    try:
        world.run(until)
    except Killed:
        world.restart()
    if edited:
        world.credential = replace(world.credential, digest="edited")
    world.run(until + AFTERWARDS)
    needy = world.row.state is State.NEEDS_A_PERSON
    surprising = {Invariant.HOME} if needy != lost(played, effects, point) else set()
    return promises(world) | surprising


def untold_after_a_kill(name: str) -> set[Invariant]:
    """A kill at every effect of the whole scenario: which lines of the history are gone then."""
    played = scenario(name)
    effects = play(played).effects
    points = [
        (number, when) for number in range(1, len(effects) + 1) for when in ("before", "after")
    ]
    return set().union(*(play(played, point).broken for point in points))


def frozen_everywhere(name: str) -> set[Invariant]:
    """A worker that freezes before it seals an answer, and seals it after another took over."""
    played = scenario(name)
    whole = World(played)
    whole.run(whole.clock.at + played.horizon)
    seals = [n for n, effect in enumerate(whole.effects.names, 1) if effect == "ledger.seal"]
    broken: set[Invariant] = set()
    for number in seals:
        broken |= promises(frozen(played, number))
    return broken


def frozen(played: Scenario, number: int) -> World:
    """One freeze before that effect: a new worker runs on, then the first one wakes."""
    effects = Effects(kill_at=(number, "before"))
    world = World(played, effects)
    until = world.clock.at + played.horizon
    try:
        world.run(until)
    except Killed:
        world.restart()
    world.run(until + AFTERWARDS)
    effects.wake()
    world.run(until + 2 * AFTERWARDS)
    return world


def throttled_for_an_hour(name: str) -> set[Invariant]:
    """The provider answers 429 from the first request on, then heals."""
    world = World(scenario(name))
    world.fake.fail_next("*", throttled(""), times=100_000)
    world.run(world.clock.at + OUTAGE)
    asked = world.effects.names.count("provider.send [refresh_token]")
    world.fake.heal()
    world.run(world.clock.at + OUTAGE)
    return promises(world) | ({Invariant.PATIENT} if asked > MOST_REQUESTS else set())
