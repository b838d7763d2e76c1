"""What people see, and what machines read: tables and sentences, or JSON with documented keys.

Nothing here takes markup from what it prints, and what is no printable text is shown as a
replacement: a reason typed by a person must not drive another's terminal.
"""

import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from rotator.durations import display

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_GAP = 2
"""Blanks between two columns."""
_LONGEST_WORD = 48

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CUT_OFF = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_COLOURS = {
    "fresh": "green",
    "ok": "green",
    "rotated": "green",
    "due": "cyan",
    "rotating": "cyan",
    "note": "cyan",
    "off": "dim",
    "paused": "dim",
    "backing off": "yellow",
    "late": "yellow",
    "warn": "yellow",
    "expired": "bold red",
    "needs a person": "bold red",
    "fail": "bold red",
}


def console(*, stderr: bool = False) -> "Console":
    """For tables and progress; plain where nobody looks at a terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() else 4096  # a pipe gets one line a row
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=wide)


def clean(text: object) -> str:
    """Without control characters; tabs go too, line breaks stay."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", str(text).replace("\t", " "))


def is_cut_off(error: Exception) -> bool:
    """Whether what we print arrives nowhere; then the interpreter does not try again at its end.

    That a reader is gone (`| head`) is nobody's trouble, that a disk is full is told.
    """
    if not isinstance(error, OSError) or error.errno not in _CUT_OFF or error.filename:
        return False
    if not isinstance(error, BrokenPipeError):
        warn(f"rotator: what it has to say cannot be written: {error.strerror}")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def say(*lines: object) -> None:
    for line in lines:
        print(clean(line))  # noqa: T201


def warn(*lines: object) -> None:
    for line in lines:
        print(clean(line), file=sys.stderr)  # noqa: T201


def say_level(level: str, text: str, *, indent: int = 0) -> None:
    """`ok    alation: …`, the first word in its colour; a longer text is not wrapped."""
    from rich.text import Text

    word = Text(f"{level:<6}", style=_COLOURS.get(level, ""))
    console().print(Text(" " * indent).append_text(word).append(clean(text)), soft_wrap=True)


def say_json(found: object) -> None:
    print(json.dumps(found, indent=2, default=_plain))  # noqa: T201


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table without rules, or a block for each row where a terminal is too narrow for it.

    A state is coloured wherever it stands. No name is ever cut: somebody will want to copy it.
    """
    cells = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
    to = console()
    room = to.width - _GAP * (len(heads) - 1)
    widths = _widths(list(zip(heads, *cells, strict=True)), room)
    with to.capture() as captured:
        if sum(widths) <= room:
            to.print(_columns(heads, cells, widths))
        else:
            to.print(*_blocks(heads, cells), sep="\n\n", soft_wrap=True)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))  # noqa: T201


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Of each column: narrowed to the room there is, but never below its longest word."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in columns]
    spare = [
        wide - max(map(_longest_word, column)) for wide, column in zip(widths, columns, strict=True)
    ]
    while sum(widths) > room and any(spare):
        widest = spare.index(max(spare))
        widths[widest] -= 1
        spare[widest] -= 1
    return widths


def _longest_word(text: str) -> int:
    """What a column must hold; prose has words that no column is widened for."""
    from rich.cells import cell_len

    return min(max(map(cell_len, text.split()), default=0), _LONGEST_WORD)


def _columns(heads: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> "Table":
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for head, width in zip(heads, widths, strict=True):
        shown.add_column(head, width=width, overflow="fold")
    for row in rows:
        shown.add_row(*map(_coloured, row))
    return shown


def _blocks(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> "Iterator[Text]":
    """A line for each cell, the row's first one above."""
    from rich.text import Text

    width = max(map(len, heads))
    for first, *others in rows:
        lines = [Text(first, style="bold")]
        for head, cell in zip(heads[1:], others, strict=True):
            lines.append(Text(f"  {head.lower():<{width}}  ").append_text(_coloured(cell)))
        yield Text("\n").join(lines)


def _coloured(cell: str) -> "Text":
    from rich.text import Text

    return Text(cell, style=_COLOURS.get(cell, ""))


def instant(at: datetime | None) -> str:
    """To the second, in UTC; "-" for none."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z" if at else "-"


def both(at: datetime | None, now: datetime) -> str:
    """Absolute and relative: "2026-11-23 02:14:00Z (in 9h)"."""
    return f"{instant(at)} ({relative(at, now)})" if at else "-"


def deadline(at: datetime | None, now: datetime) -> str:
    """As short as a column wants it: "2026-11-23 02:14Z (9h)", or "(9h ago)" once it is over."""
    return f"{at:%Y-%m-%d %H:%M}Z ({relative(at, now).removeprefix('in ')})" if at else "-"


def relative(at: datetime, now: datetime) -> str:
    if abs(at - now) < timedelta(seconds=1):
        return "now"
    away = rough(abs(at - now))
    return f"in {away}" if at >= now else f"{away} ago"


def rough(length: timedelta) -> str:
    """With two units at most: "13d4h", "9h12m", "40s"."""
    seconds = round(length.total_seconds())
    for size, below in ((86_400, 3_600), (3_600, 60)):
        if seconds >= size:
            seconds -= seconds % below
            break
    return display(timedelta(seconds=seconds))


def counted(number: int, what: str) -> str:
    """1 job file, 3 job files."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def short(name: str) -> str:
    """The beginning of a fingerprint or an id, enough to tell two apart."""
    return name[:8] if name else "-"


def iso(at: datetime | None) -> str | None:
    """As JSON has it: RFC 3339 in UTC with Z."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())


def _plain(value: Any) -> object:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, timedelta):
        return seconds(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
