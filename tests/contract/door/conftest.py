from collections.abc import Iterator

import pytest

from rotator.clock import Clock
from rotator.providers.http import Door
from rotator.sandbox.server import served
from tests.contract.door.stage import AMPLE, NOW, SHORT, Echo, StillClock


@pytest.fixture
def clock() -> Clock:
    return StillClock()


@pytest.fixture
def door(clock: Clock) -> Iterator[Door]:
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
            "no_proxy",
            "NO_PROXY",
        ):
            patch.delenv(name, raising=False)
        door = Door(clock, AMPLE)
        yield door
        door.close()


@pytest.fixture
def hasty(door: Door, clock: Clock) -> Iterator[Door]:
    """One that soon gives up."""
    del door  # whose patched environment it shares
    hasty = Door(clock, SHORT)
    yield hasty
    hasty.close()


@pytest.fixture
def fake() -> Echo:
    return Echo(now=lambda: NOW)


@pytest.fixture
def url(fake: Echo) -> Iterator[str]:
    with served(fake) as url:
        yield url
