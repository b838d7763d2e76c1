import pytest

from rotator.sandbox.oauth2 import OAuthFake
from rotator.sandbox.server import InProcessDoor
from tests.contract.oauth2.stage import HOST, NOW
from tests.contract.stage import TurnedClock


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(NOW)


@pytest.fixture
def fake(clock: TurnedClock) -> OAuthFake:
    return OAuthFake(now=clock.now)


@pytest.fixture
def door(fake: OAuthFake, clock: TurnedClock) -> InProcessDoor:
    return InProcessDoor({HOST: fake}, clock)
