from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator import cron
from rotator.schedule import Window

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
GAPS = {
    "0 */12 * * *": 12 * HOUR,
    "0 9,21 * * *": 12 * HOUR,
    "0 9,15 * * *": 18 * HOUR,
    "*/15 * * * *": HOUR / 4,
    "0 3 * * mon": 7 * DAY,
    "0 3 * * mon-fri": 3 * DAY,
    "*/20 9-17 * * mon-fri": timedelta(days=2, hours=15, minutes=20),
    "0 0 1 * *": 31 * DAY,
    "*/30 * * 1-11 *": timedelta(days=31, minutes=30),
    "0 0 * 1-6 *": timedelta(days=185),
    "0 0 1 1 *": 366 * DAY,
}
START = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


@pytest.mark.parametrize(("line", "gap"), GAPS.items(), ids=GAPS)
def test_the_largest_gap_of_a_year_is_found(line: str, gap: timedelta) -> None:
    assert cron.largest_gap(line) == gap


@pytest.mark.parametrize("line", ["0 0 31 2 *", "0 0 29 2 *"])
def test_a_cron_that_does_not_fire_within_the_year_has_no_gap(line: str) -> None:
    assert cron.largest_gap(line) is None


def test_a_gap_over_the_end_of_summer_time_is_an_hour_longer() -> None:
    assert cron.largest_gap("0 1 * * *", "Europe/Berlin") == 25 * HOUR
    assert cron.largest_gap("0 1 * * *") == 24 * HOUR


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 23), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from(["mon", "tue", "wed", "sat", "sun"]), min_size=1, unique=True),
)
def test_probing_finds_what_walking_a_month_finds(hours: list[int], days: list[str]) -> None:
    line = f"7 {','.join(map(str, hours))} * * {','.join(days)}"
    walked = []
    for earlier, later in pairwise(cron.firings(line, "UTC", START)):
        walked.append(later - earlier)
        if later > START + 30 * DAY:
            break
    assert cron.largest_gap(line) == max(walked)


@pytest.mark.parametrize(
    ("line", "text"),
    {
        "": "five fields",
        "@daily": "five fields",
        "0 0 * *": "five fields",
        "0 0 * * * *": "five fields",
        "0 0 * * 1-5": "mon-fri",
        "0 0 * * 0": "mon-fri",
        "0 0 1 * mon": "ambiguous",
        "61 0 * * *": "not a cron",
        "0 25 * * *": "not a cron",
        "a b * d e": "not a cron",
        "0 0 * * funday": "not a cron",
        "*/0 * * * *": "not a cron",
        "9" * 30 + " * * * *": "not a cron",
    }.items(),
)
def test_a_line_that_is_no_cron_or_means_two_things_is_refused(line: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        cron.trigger(line)


def test_a_weekday_step_is_not_a_weekday_number() -> None:
    assert cron.next_firing("0 0 * * */2", START) is not None


@pytest.mark.parametrize(
    "name", ["", "Europe/Atlantis", "../../etc/passwd", "/etc/passwd", "\0", "Europe"]
)
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Europe/Berlin"):
        cron.zone(name)


@given(st.text())
def test_any_text_is_a_cron_or_a_value_error(line: str) -> None:
    try:
        cron.trigger(line)
    except ValueError as error:
        assert len(str(error)) < 120  # noqa: PT017 - both ends are well


@given(st.text())
def test_any_text_is_a_time_zone_or_a_value_error(name: str) -> None:
    try:
        cron.zone(name)
    except ValueError as error:
        assert "Europe/Berlin" in str(error)  # noqa: PT017 - both ends are well


def test_the_next_firing_is_at_or_after_the_instant_and_in_utc() -> None:
    assert cron.next_firing("14 2 * * *", START) == START
    later = cron.next_firing("14 2 * * *", START + timedelta(seconds=1))
    assert later == START + DAY
    berlin = cron.next_firing("0 1 * * *", START, "Europe/Berlin")
    assert str(berlin) == "2026-11-24 00:00:00+00:00"


def test_every_opening_that_overlaps_a_time_is_told() -> None:
    window = Window(cron="0 1 * * *", duration=4 * HOUR)
    first, second = datetime(2026, 11, 23, 1, tzinfo=UTC), datetime(2026, 11, 24, 1, tzinfo=UTC)
    told = [(first, first + 4 * HOUR), (second, second + 4 * HOUR)]
    assert list(cron.openings(window, START, START + DAY)) == told
    assert list(cron.openings(window, START, START + HOUR)) == told[:1]
    assert list(cron.openings(window, START + 3 * HOUR, START + 4 * HOUR)) == []


def test_a_window_that_never_opens_has_no_openings() -> None:
    window = Window(cron="0 0 31 2 *", duration=HOUR)
    assert list(cron.openings(window, START, START + 800 * DAY)) == []


@pytest.mark.parametrize(
    ("line", "most"),
    {"0 */12 * * *": 2, "*/15 * * * *": 96, "* * 1 12 *": 1440, "*/10 8-9 * * *": 12}.items(),
)
def test_the_busiest_day_counts_its_firings(line: str, most: int) -> None:
    assert cron.busiest_day(line) == most
