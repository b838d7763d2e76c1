import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.client.errors import Unavailable
from rotator.client.pace import Kept, answered, expired, failed
from rotator.client.reading import Reading, parse

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
STALENESS = 300.0
ERROR = Unavailable("a", "b", "c")
SPREADS = st.floats(0, 1)


def reading(generation: int = 7, lives: float = 3600, issued: float | None = -60) -> Reading:
    found = parse(
        json.dumps(
            {
                "access_token": f"t{generation}",
                "header_name": "TOKEN",
                "header_value": f"t{generation}",
                "generation": str(generation),
                "issued_at": "" if issued is None else instant(NOW + issued),
                "expires_at": instant(NOW + lives),
            }
        )
    )
    assert isinstance(found, Reading)
    return found


def instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


@given(SPREADS, st.floats(1, 90_000), st.floats(1, 3600))
def test_the_next_look_comes_before_hits_would_have_to_wait_for_it(
    spread: float, lives: float, staleness: float
) -> None:
    kept = answered(Kept(), reading(lives=lives), NOW, staleness, spread)
    assert kept.due_at - NOW <= max(0.9 * staleness, 1) + 1e-6
    assert kept.until <= NOW + staleness + 1e-6
    assert kept.until <= kept.reading.dies_at if kept.reading else False
    assert kept.due_at > NOW


def test_a_fleet_does_not_read_in_step() -> None:
    looks = {answered(Kept(), reading(), NOW, 300, n / 10).due_at - NOW for n in range(11)}
    assert (min(looks), max(looks), len(looks)) == (150, 270, 11)


def test_the_closer_the_expiry_the_sooner_the_next_look() -> None:
    ahead = [
        answered(Kept(), reading(lives=lives), NOW, 300, 0.5).due_at - NOW
        for lives in (3600, 300, 60, 10, 1)
    ]
    assert ahead == [210, 150, 30, 5, 1]


@pytest.mark.parametrize(
    ("issued", "wins"),
    [(-60, 7), (-120, 7), (None, 7), (-30, 6)],
    ids=["same", "old", "none", "young"],
)
def test_an_older_generation_wins_only_where_it_was_issued_later(
    issued: float | None, wins: int
) -> None:
    held = Kept(reading=reading())
    kept = answered(held, reading(6, issued=issued), NOW, STALENESS, 0.5)
    assert kept.reading is not None
    assert kept.reading.generation == wins


def test_an_older_generation_wins_over_a_dead_or_refused_one() -> None:
    older = reading(6)
    dead = Kept(reading=reading(lives=-1))
    assert answered(dead, older, NOW, STALENESS, 0.5).reading is older
    held = Kept(reading=reading())
    assert answered(held, older, NOW, STALENESS, 0.5, refused="t7").reading is older


def test_a_refused_token_is_looked_at_soon_and_then_ever_more_rarely() -> None:
    kept, waits = Kept(reading=reading()), []
    for _ in range(9):
        kept = answered(kept, reading(), NOW, STALENESS, 1.0, refused="t7")
        waits.append(kept.due_at - NOW)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert answered(kept, reading(8), NOW, STALENESS, 1.0, refused="t7").in_vain == 0


def test_while_it_fails_what_lives_is_served_and_the_waits_grow() -> None:
    kept, waits = Kept(reading=reading()), []
    for _ in range(8):
        kept = failed(kept, ERROR, NOW, STALENESS, 1.0)
        waits.append(kept.due_at - NOW)
        assert kept.until == kept.due_at
        assert kept.must_wait(NOW)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_no_wait_is_longer_than_the_staleness() -> None:
    kept = Kept(reading=reading(), failures=20)
    assert failed(kept, ERROR, NOW, 10, 1.0).due_at == NOW + 10


def test_nothing_is_served_past_its_expiry() -> None:
    kept = failed(Kept(reading=reading(lives=0.5)), ERROR, NOW, STALENESS, 1.0)
    assert kept.until == NOW + 0.5
    assert kept.living(NOW + 0.5) is None
    assert failed(Kept(reading=reading(lives=-1)), ERROR, NOW, STALENESS, 1.0).until < NOW


@given(st.integers(0, 10_000), SPREADS)
def test_however_long_it_fails_there_is_a_next_try(failures: int, spread: float) -> None:
    due_at = failed(Kept(failures=failures), ERROR, NOW, STALENESS, spread).due_at
    assert 0.7 < due_at - NOW <= 60


def test_an_expired_token_is_told_with_its_dates_and_the_next_step() -> None:
    said = str(expired("rotator/token/a/b", reading(lives=-1)))
    assert "generation 7 expired at 2026-03-01T11:59:59+00:00" in said
    assert "rotator explain" in said
    assert "t7" not in said
