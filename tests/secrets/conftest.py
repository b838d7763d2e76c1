from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.town import Town, town


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as built:
        yield built
