"""How long a token lives, whatever the dates of an answer look like."""

from datetime import UTC, timedelta

import pytest

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.base import Alive, Answer
from tests.contract.alation.stage import (
    DAY,
    GOOD_MINT,
    HOUR,
    NOW,
    TOKENS,
    World,
    answer,
    grant,
    outcome,
)


@pytest.mark.parametrize("dates", ["Z", "offset", "whole seconds"])
@pytest.mark.parametrize("skew", [-26 * HOUR, -2 * HOUR, 0 * HOUR, 2 * HOUR], ids=str)
def test_a_token_never_seems_to_live_longer_than_it_does(
    world: World, dates: str, skew: timedelta
) -> None:
    world.fake.dates = "Z" if dates == "Z" else "offset" if dates == "offset" else "whole seconds"
    world.fake.now = lambda: world.clock.at + skew
    token = world.obtain("refresh_token", world.seeded())[ACCESS_TOKEN]
    assert token.expires_at is not None
    shortest = min(DAY, DAY + skew) if DAY + skew > timedelta(0) else DAY
    assert shortest - timedelta(seconds=2) < token.expires_at - NOW <= DAY
    assert token.expires_at.tzinfo is UTC


def test_tokens_without_dates_are_kept_and_get_a_short_life(world: World) -> None:
    world.fake.dates = "none"
    seeded = world.seeded()
    assert world.obtain("refresh_token", seeded)[ACCESS_TOKEN].lifespan == HOUR
    assert world.obtain("regenerate", seeded)[REFRESH_TOKEN].lifespan == DAY
    assert world.inspect(REFRESH_TOKEN, world.seeded()) == Alive(None, None)


def test_the_case_of_the_status_does_not_matter(world: World) -> None:
    world.fake.upper_status = False
    seeded = world.seeded()
    assert isinstance(world.inspect(REFRESH_TOKEN, seeded), Alive)
    assert world.obtain("refresh_token", seeded)


def test_a_date_of_an_unknown_zone_is_read_as_utc() -> None:
    given = answer(201, {"created_at": None}, GOOD_MINT)
    odd = Answer(
        status=201,
        headers={"date": "Sun, 01 Mar 2026 12:00:00 -0000"},
        body=given.body,
        received_at=NOW,
    )
    assert outcome(grant("refresh_token"), odd) == TOKENS


@pytest.mark.parametrize(
    "date",
    ["Sun, 01 Mar 4052 12:00:00 GMT", "Sun, 01 Mar 2026 12:00:17953128000 GMT", "9" * 5000],
    ids=["millennia off", "a second too large", "a number"],
)
def test_a_date_beyond_reason_costs_no_token(date: str) -> None:
    given = answer(201, {"created_at": None}, GOOD_MINT)
    odd = Answer(status=201, headers={"date": date}, body=given.body, received_at=NOW)
    assert outcome(grant("refresh_token"), odd) == TOKENS
