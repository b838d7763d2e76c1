"""Kill the worker before and after every effect; the next one brings the credential home."""

from collections.abc import Callable

import pytest

from tests.crash.needs_a_person import NEEDS_A_PERSON
from tests.crash.play import lost, play
from tests.crash.scenarios import ALL
from tests.crash.world import Scenario

_BY_NAME = pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)


@_BY_NAME
def test_an_uninterrupted_run_keeps_every_promise(scenario: Scenario) -> None:
    ended = play(scenario)

    assert ended.broken == frozenset()
    assert not ended.needs_a_person
    assert ended.killed == ""


@_BY_NAME
def test_a_kill_at_any_effect_is_survived(
    scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    effects = play(scenario).effects
    points = [(n, when) for n in range(1, len(effects) + 1) for when in ("before", "after")]
    record_property("crash points", len(points))
    record_property("effects", len(effects))

    wrong = []
    for point in points:
        ended = play(scenario, point)
        assert ended.killed == f"{point[1]} {effects[point[0] - 1]}"
        if ended.broken or ended.needs_a_person != lost(scenario, effects, point):
            wrong.append((point, ended.killed, ended.broken, ended.needs_a_person))

    assert wrong == []
    assert len(points) == 2 * len(effects)


def test_every_row_of_the_table_is_a_scenario_that_is_played() -> None:
    assert {name for name, _ in NEEDS_A_PERSON} <= {scenario.name for scenario in ALL}
