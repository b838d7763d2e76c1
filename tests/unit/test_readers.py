from datetime import timedelta

import pytest

from rotator.readers import LAG, READERS, Reader, dead_for

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def late(overlap: timedelta) -> set[str]:
    """Who may serve a dead token, and notices some time."""
    return {each.name for each in READERS if dead_for(each, overlap)}


def test_an_hour_and_a_quarter_is_enough_for_every_cache() -> None:
    assert late(75 * MINUTE) == set()


def test_ten_minutes_are_enough_for_caches_of_five() -> None:
    assert late(10 * MINUTE) == {
        "External Secrets Operator",
        "aws-secretsmanager-caching",
        "Secrets Store CSI driver, rotating",
    }


def test_without_overlap_only_who_reads_anew_on_a_refusal_is_safe() -> None:
    safe = {each.name for each in READERS if dead_for(each, timedelta(0)) == timedelta(0)}
    assert safe == {"rotator.client"}


def test_what_is_read_once_is_served_until_a_restart() -> None:
    assert {each.name for each in READERS if dead_for(each, 1000 * HOUR) is None} == {
        "pydantic-settings",
        "ECS valueFrom",
        "environment variables of a pod",
    }


@pytest.mark.parametrize("staleness", [timedelta(0), MINUTE, HOUR], ids=str)
def test_what_the_overlap_lacks_is_served_dead(staleness: timedelta) -> None:
    reader = Reader(name="any", staleness=staleness)
    assert dead_for(reader, LAG) == staleness
    assert dead_for(reader, LAG + staleness) == timedelta(0)
    assert dead_for(reader, timedelta(0)) == staleness + LAG
