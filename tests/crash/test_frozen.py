"""A worker that freezes with an answer in its hands, and wakes after another has taken over."""

import pytest

from tests.crash.plays import frozen_everywhere
from tests.crash.scenarios import ALL


@pytest.mark.parametrize("name", [scenario.name for scenario in ALL])
def test_a_late_seal_never_replaces_a_newer_generation_and_loses_nothing(name: str) -> None:
    assert frozen_everywhere(name) == set()
