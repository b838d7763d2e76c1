from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.town import Town, town


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    """Nothing secret may be printed by any verb, but by the one that is asked to."""
    with town(tmp_path) as built:
        yield built
        assert not built.leaked()
