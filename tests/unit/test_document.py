import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.jobs.document import LARGEST, Document, Flaw, leaves, read, shown
from rotator.jobs.toml_lines import Place

TEXT = """\
# a comment
provider = "x"
base_url = { env = "X" }

[schedule]
survive = "8h"
window = { cron = "0 1 * * *", duration = "4h" }
[schedule.access_token]
lifespan = "24h"

[secret.tags]
"team name" = "data"

[[credentials]]
name = "etl"
seeds.password = { env = "P" }
notes = [
  "a",  # one
  { b = 1, "c" = [1, 2] },
]

[[credentials]]
name = "two"
[credentials.seeds]
password.env = "Q"
[[credentials.deep]]
[[credentials.deep]]
x = 1
"""
LINES: dict[Place, int] = {
    ("provider",): 2,
    ("base_url", "env"): 3,
    ("schedule",): 5,
    ("schedule", "survive"): 6,
    ("schedule", "window", "duration"): 7,
    ("schedule", "access_token"): 8,
    ("schedule", "access_token", "lifespan"): 9,
    ("schedule", "access_token", "cron"): 8,
    ("secret",): 11,
    ("secret", "tags", "team name"): 12,
    ("credentials", 0): 14,
    ("credentials", 0, "seeds"): 16,
    ("credentials", 0, "seeds", "password", "env"): 16,
    ("credentials", 0, "notes", 0): 18,
    ("credentials", 0, "notes", 1, "c", 1): 19,
    ("credentials", 1): 22,
    ("credentials", 1, "seeds", "password", "env"): 25,
    ("credentials", 1, "deep", 1, "x"): 28,
    ("credentials", 2): 14,
    ("nowhere",): 1,
}


@pytest.mark.parametrize(("place", "line"), LINES.items(), ids=map(shown, LINES))
def test_every_value_has_its_line_and_what_is_missing_its_tables(place: Place, line: int) -> None:
    assert Document(TEXT).line(place) == line


def test_every_value_of_a_file_is_found_by_both_readers() -> None:
    document = Document(TEXT)
    lines = TEXT.splitlines()
    for place, _ in leaves((), document.tree):
        key = next(part for part in reversed(place) if isinstance(part, str))
        assert key in lines[document.line(place) - 1] or isinstance(place[-1], int)


def test_a_place_is_shown_as_people_read_it() -> None:
    assert shown(("credentials", 1, "seeds", "password")) == "credentials[1].seeds.password"
    assert shown(("a b", "\x1b[0m")) == r"'a b'.'\x1b[0m'"
    assert len(shown(("x" * 1000,))) < 80


BROKEN = {
    'a = 1\nb = "x\n': (2, "a line that ends within quotes"),
    "a = 1\na = 2\n": (2, "a key for the second time"),
    "[a]\n[b]\n[a]\n": (3, "a table for the second time"),
    "a = 1\nb = yes\n": (2, "invalid value"),
    "a = 1\n\nb\n": (3, "a key without a value"),
    "a = 1\n[b\n": (2, "expected ']'"),
    "a = 1\nb = 2026-13-45T00:00:00Z\n": (2, "expected newline"),
    "a = 1\n\x00": (2, "invalid statement"),
    "a = 1\nb = " + "[" * 5000: (2, "nested too deeply"),
    "a = 1\nb = " + "[" * 200 + "]" * 200: (2, "nested too deeply"),
    "a = 1\nb" + ".b" * 5000 + " = 1": (2, "nested too deeply"),
    "a = 1\nb = " + "9" * 5000: (2, "a number too long"),
    "a = 1\nb = [": (2, "an array that is never closed"),
    'a = 1\nb = [\n  "x",\n\n[[c]]\nd = 1\n': (2, "an array that is never closed"),
    'a = [1]\nb = [\n  "x",\nc = 1\n': (2, "an array that is never closed"),
    "a = 1\nb = [\nx]\n": (3, "invalid value"),
    "a = [1]\nb =": (2, "invalid value"),
    "a = 1\nb = [1 2]\n": (2, "an array without a comma or its end"),
    "a = 1\nb = { c = 1\n": (2, "a table that is not closed on its line"),
    'a = """\n\n\n': (1, "quotes that are never closed"),
}


@pytest.mark.parametrize(("text", "told"), BROKEN.items(), ids=range(len(BROKEN)))
def test_broken_toml_is_told_with_its_line(text: str, told: tuple[int, str]) -> None:
    with pytest.raises(Flaw) as caught:
        Document(text)
    assert (caught.value.line, caught.value.text[: len(told[1])]) == told
    assert caught.value.remedy


def test_a_value_that_nothing_can_count_with_is_odd() -> None:
    text = "a = nan\nb = [inf]\nc = 2026-01-01T00:00:00\nd = 2026-01-01\ne = 10:00:00\nf = 1.5\n"
    places = [place for place, _, _ in Document(text + "g = 2026-01-01T00:00:00Z").oddities()]
    assert places == [("a",), ("b", 0), ("c",), ("d",), ("e",)]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    assert Document(read(path)).tree == {"a": 1, "b": 2}


def test_text_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b'a = 1\nb = "\xff"\n')
    with pytest.raises(Flaw, match="not UTF-8") as caught:
        read(path)
    assert caught.value.line == 2


def test_the_largest_file_is_read_and_no_larger(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"#" * LARGEST)
    assert Document(read(path)).tree == {}
    path.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(Flaw, match="1 MiB"):
        read(path)


@given(st.text())
def test_any_text_is_a_document_or_a_flaw(text: str) -> None:
    try:
        document = Document(text)
    except Flaw as flaw:
        assert 1 <= flaw.line <= text.count("\n") + 1  # noqa: PT017 - both ends are well
        return
    assert document.tree == tomllib.loads(text)
    assert document.line(("nowhere",)) == 1


_KEYS = st.text(st.sampled_from('ab.-" é\n'), max_size=3)


@given(st.lists(st.lists(_KEYS, min_size=1, max_size=3), max_size=5))
def test_whatever_keys_a_file_has_the_lines_of_its_values_are_found(paths: list[list[str]]) -> None:
    lines = [".".join(map(_quoted, path)) + " = 1" for path in paths]
    try:
        document = Document("\n".join(lines))
    except Flaw:
        return
    for index, path in enumerate(paths):
        assert document.line(tuple(path)) == index + 1


def _quoted(key: str) -> str:
    escaped = key.replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
