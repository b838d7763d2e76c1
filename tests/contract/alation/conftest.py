import pytest

from rotator.rotation.tools import Door as Doorway
from rotator.sandbox.alation import AlationFake
from tests.contract.alation.stage import HOST, NAME, NOW, PASSWORD, USER, World
from tests.contract.stage import TurnedClock


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(NOW)


@pytest.fixture
def host() -> str:
    return HOST


@pytest.fixture
def fake(clock: TurnedClock) -> AlationFake:
    return AlationFake(now=clock.now, passwords={NAME: (PASSWORD, USER)})


@pytest.fixture
def world(clock: TurnedClock, fake: AlationFake, reached: tuple[Doorway, str]) -> World:
    return World(clock, fake, *reached)
