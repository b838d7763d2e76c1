from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rotator.ledger.sql import SqlLedger
from tests.contract.ledger.stage import ALBATO, BI, ETL, NOW


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLedger]:
    made = (
        SqlLedger.in_memory()
        if request.param == "memory"
        else SqlLedger.open(tmp_path / "state" / "ledger.db", durable=False)
    )
    made.enrol({"alation": [ETL, BI], "albato": [ALBATO]}, NOW)
    yield made
    made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def reopen(path: Path) -> Iterator[Callable[[], SqlLedger]]:
    """Another process's way to the same file, and every restart."""
    opened: list[SqlLedger] = []

    def again() -> SqlLedger:
        opened.append(SqlLedger.open(path, durable=False))
        return opened[-1]

    yield again
    for one in opened:
        one.close()
