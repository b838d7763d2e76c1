"""How tables fit a terminal: no name is cut, whatever its width."""

import sys
from collections.abc import Sequence

import pytest
from rich.console import Console

from rotator.cli import out

HEADS = ("CREDENTIAL", "STATE", "WHAT")
ROWS = [
    ("albato/customer-17", "fresh", "nothing is due"),
    ("alation/etl", "needs a person", "put a new refresh token into the seed: https://a.example"),
]


def shown(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    rows: Sequence[tuple[str, ...]],
) -> list[str]:
    monkeypatch.setattr(out, "console", lambda: Console(file=sys.stdout, width=width, markup=False))
    out.table(HEADS, rows)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [1, 20, 40, 50, 60, 62, 80, 120])
def test_no_word_is_cut_and_no_line_is_lost_at_any_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = shown(capsys, monkeypatch, width, ROWS)
    said = " ".join(lines).split()
    assert sorted(set(said) - {each.lower() for each in HEADS} - set(HEADS)) == sorted(
        {word for row in ROWS for cell in row for word in cell.split()}
    )


def test_a_wide_terminal_has_a_line_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, 200, ROWS)
    assert len(lines) == 3
    assert lines[1] == "albato/customer-17  fresh           nothing is due"


def test_one_too_narrow_for_the_words_has_a_block_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(capsys, monkeypatch, 30, ROWS[:1] * 2) == [
        "albato/customer-17",
        "  state       fresh",
        "  what        nothing is due",
        "",
        "albato/customer-17",
        "  state       fresh",
        "  what        nothing is due",
    ]


def test_prose_with_a_word_longer_than_a_line_does_not_make_blocks_of_everything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(capsys, monkeypatch, 100, [("a/b", "late", "x" * 300)])
    assert lines[0].split() == list(HEADS)
    assert "".join(lines).count("x") == 300


def test_a_table_without_rows_is_its_heads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(capsys, monkeypatch, 80, []) == ["CREDENTIAL  STATE  WHAT"]
