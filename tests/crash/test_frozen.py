"""A worker that freezes with an answer in its hands, and wakes after another has taken over."""

import pytest

from rotator.model import State
from tests.crash.doors import Effects, Killed
from tests.crash.play import AFTERWARDS, broken_promises, play
from tests.crash.scenarios import ALL
from tests.crash.world import Scenario, World


def _requests(scenario: Scenario) -> list[int]:
    """The number of the effect that seals each answer."""
    effects = play(scenario).effects
    return [n for n, name in enumerate(effects, 1) if name == "ledger.seal"]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_a_late_seal_never_replaces_a_newer_generation_and_loses_nothing(
    scenario: Scenario,
) -> None:
    for number in _requests(scenario):
        world = freeze_and_wake(scenario, number)

        assert broken_promises(world) == [], (scenario.name, number)
        assert world.row.state is not State.NEEDS_A_PERSON


def freeze_and_wake(scenario: Scenario, number: int) -> World:
    """The worker stops before that effect, a new one runs on, then the first one goes on."""
    effects = Effects(kill_at=(number, "before"))
    world = World(scenario, effects)
    until = world.clock.at + scenario.horizon
    with pytest.raises(Killed):
        world.run(until)
    frozen = effects.stopped
    assert frozen is not None
    world.restart()
    world.run(until + AFTERWARDS)
    frozen()
    world.run(until + 2 * AFTERWARDS)
    return world
