"""A short search of every surface, by examples that are spoilt. `make fuzz` is the long one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.surfaces import SURFACES, Surface

ODD = st.sampled_from(
    [b"", b"\x00", b"\xff\xfe", b"9" * 5000, b"1e999", b"NaN", b"[" * 3000, b'"\\ud800"', b"null",
     b"-1", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59+14:00", "٣".encode(), b"\n", b"'''"]
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn, surface: Surface) -> bytes:
    """An example with a piece of it replaced, or nothing but noise."""
    whole = draw(st.sampled_from(surface.examples))
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, min(len(whole), start + 40)))
    return whole[:start] + draw(ODD | st.binary(max_size=40)) + whole[end:]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_no_bytes_break_it(surface: Surface) -> None:
    @settings(max_examples=120, suppress_health_check=list(HealthCheck), database=None)
    @given(st.binary(max_size=200) | spoilt(surface))
    def search(data: bytes) -> None:
        surface.meet(data)

    search()


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_its_examples_are_met(surface: Surface) -> None:
    assert surface.examples
    for example in surface.examples:
        surface.meet(example)
