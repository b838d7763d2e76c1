from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rotator import durations

WRITTEN = {
    "30s": timedelta(seconds=30),
    "15m": timedelta(minutes=15),
    "24h": timedelta(hours=24),
    "36h": timedelta(hours=36),
    "60d": timedelta(days=60),
    "2h30m": timedelta(hours=2, minutes=30),
    "3d4h5m6s": timedelta(days=3, hours=4, minutes=5, seconds=6),
    "0s": timedelta(0),
}
NONSENSE = [
    "", " ", "15", "m", "15 m", "1.5h", "-15m", "+15m", "15M", "15min", "30m2h", "1h1h", "\uff11h",
    "15m\n",    "PT15M", "00:15", "1e3s", "9999999999d", "4000d", "h" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize(("text", "duration"), WRITTEN.items(), ids=WRITTEN)
def test_a_duration_reads_and_shows_as_people_write_it(text: str, duration: timedelta) -> None:
    assert durations.parse(text) == duration
    assert durations.display(duration) == text


@pytest.mark.parametrize("text", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_refused_and_never_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a duration|^longer than") as caught:
        durations.parse(text)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("value", [15, 1.5, True, None, ["15m"], {"env": "X"}], ids=str)
def test_only_a_string_is_a_duration_in_a_file(value: object) -> None:
    with pytest.raises(ValidationError, match="not a duration"):
        TypeAdapter(durations.Duration).validate_python(value)


def test_a_default_may_be_a_timedelta() -> None:
    day = timedelta(days=1)
    assert TypeAdapter(durations.Duration).validate_python(day) == day


@given(st.timedeltas(timedelta(0), durations.LONGEST))
def test_what_is_shown_reads_back_to_the_second(duration: timedelta) -> None:
    back = durations.parse(durations.display(duration))
    assert abs(back - duration) <= timedelta(seconds=0.5)


@given(st.timedeltas(timedelta(seconds=1), durations.LONGEST))
def test_a_negative_duration_shows_its_sign(duration: timedelta) -> None:
    assert durations.display(-duration) == f"-{durations.display(duration)}"


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert durations.parse(text) >= timedelta(0)
