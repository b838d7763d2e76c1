from datetime import UTC, datetime

from rotator.cli.adoption import behind
from rotator.ledger.facts import Holder


def test_of_many_some_are_named() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    crowd = [
        Holder(credential="a/b", consumer=f"etl-{number}", generation=41, seen_at=at)
        for number in range(7)
    ]
    assert behind(crowd, 42) == [
        "7 of 7 consumers still hold generation 41: etl-0, etl-1, etl-2, etl-3, etl-4 and 2 more"
    ]
    assert behind(crowd, 41) == []
    assert behind(crowd[:1], 42) == ["1 of 1 consumer still holds generation 41: etl-0"]
