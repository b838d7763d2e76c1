"""What every attack leaves behind is closed."""

from collections.abc import Iterator

import pytest

from tests.rotation.stage import OPENED


@pytest.fixture(autouse=True)
def _close_ledgers() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()
