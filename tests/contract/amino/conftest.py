import pytest

from rotator.sandbox.amino import AminoFake
from rotator.sandbox.server import InProcessDoor
from tests.contract.amino.stage import HOST, NOW
from tests.contract.stage import TurnedClock


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(NOW)


@pytest.fixture
def fake(clock: TurnedClock) -> AminoFake:
    return AminoFake(now=clock.now)


@pytest.fixture
def door(fake: AminoFake, clock: TurnedClock) -> InProcessDoor:
    return InProcessDoor({HOST: fake}, clock)
