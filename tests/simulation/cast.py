"""Who takes part: every scenario of the crash suite, with the lifespans that vendors give."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from rotator.schedule import Schedule
from tests.crash.scenarios import ALL
from tests.crash.world import Scenario
from tests.simulation.citizen import Citizen
from tests.simulation.faults import DAY, HOUR

_LIVES: Mapping[str, Mapping[str, timedelta]] = {
    "alation": {"refresh_lifespan": 60 * DAY},
    "albato": {},
    "amino": {},
    "oauth2": {"access_lifespan": 24 * HOUR, "refresh_lifespan": 30 * DAY},
}
SURVIVE = Schedule(survive=8 * HOUR)
Make = Callable[[Callable[[str], Callable[[], datetime]]], Citizen]


def cast(numbers: range) -> list[Make]:
    """One credential for each number, the scenarios in turn."""
    return [partial(_citizen, number) for number in numbers]


def _citizen(number: int, clock_of: Callable[[str], Callable[[], datetime]]) -> Citizen:
    played = ALL[number % len(ALL)]
    fake = _fake(played, number, clock_of(played.provider))
    return Citizen.make(f"c{number}", replace(played, schedule=SURVIVE), fake)


def _fake(played: Scenario, number: int, now: Callable[[], datetime]) -> Any:
    fake = played.fake(now)
    fake.seed = f"simulation {number}"
    for name, life in _LIVES[played.provider].items():
        setattr(fake, name, life)
    return fake
