"""A TOML file as a tree that knows its lines. Whatever a file holds, it is read or a Flaw.

tomllib reads, and judges; `toml_lines` is asked only where there is a mistake to show.
"""

import math
import re
import stat
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

from rotator.jobs.toml_lines import DEEPEST, Place, lines_of

LARGEST = 1 << 20
"""Bytes of a file."""
_MOST_DOTS = 500
_MOST_FLAWS = 20
_PAIR = re.compile(r"\s*[A-Za-z0-9_.\"'-]+\s*=")
_LINE = re.compile(r" \(at line ([0-9]+), column ([0-9]+)\)$")
_OPENED = re.compile(r"=\s*\[")
_HEADER = re.compile(r"\s*\[\[?[A-Za-z0-9_. \"'-]+\]\]?\s*(?:#|$)")
_BARE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Flaw(Exception):
    """What makes a file unreadable: text, remedy and line."""

    def __init__(self, text: str, remedy: str, line: int = 1) -> None:
        super().__init__(text)
        self.text, self.remedy, self.line = text, remedy, line


class Document:
    """What a file says, and at which line."""

    def __init__(self, text: str) -> None:
        """Raises Flaw."""
        self._text = text
        self.tree = _parsed(text)
        if (deep := _too_deep(self.tree)) is not None:
            raise Flaw("nested too deeply", "no setting lies that deep", self.line(deep))

    def line(self, place: Place) -> int:
        """The line of a value, or that of the table in which it is missing; from 1 on."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    @cached_property
    def _lines(self) -> dict[Place, int]:
        found: dict[Place, int] = {}
        for place, line in lines_of(self._text):
            found.setdefault(place, line)
        return found

    def oddities(self) -> Iterator[tuple[Place, str, str]]:
        """Every value that no setting can use, with text and remedy."""
        for place, value in leaves((), self.tree):
            if isinstance(value, float) and not math.isfinite(value):
                yield place, "not a number that can be counted with", "write a finite number"
            elif isinstance(value, datetime) and value.tzinfo is None:
                yield (
                    place,
                    "an instant without its offset",
                    "end it with Z or, for example, +02:00",
                )
            elif isinstance(value, date | time) and not isinstance(value, datetime):
                yield place, "a date or time alone", "write it whole: 2026-11-23T02:14:00Z"


def legible(text: str) -> tuple[Document | None, list[Flaw]]:
    """What can be read of a file, and what cannot: each flawed line is told, and passed over.

    None where passing over a line would change what the others mean: a table's head, a value that
    goes on over several lines, anything but `key = value`.
    """
    flaws: list[Flaw] = []
    lines = text.split("\n")
    while len(flaws) < _MOST_FLAWS:
        try:
            return Document("\n".join(lines)), flaws
        except Flaw as flaw:
            flaws.append(flaw)
            above, line = lines[: flaw.line - 1], lines[flaw.line - 1]
            if not (_PAIR.match(line) and _is_closed(line) and all(map(_is_closed, above))):
                break
            lines[flaw.line - 1] = ""
    return None, flaws


def _is_closed(line: str) -> bool:
    """Whether nothing of it goes on in the next line, as far as one line tells."""
    several = line.count('"""') + line.count("'''")
    return not several and all(line.count(a) == line.count(b) for a, b in ("[]", "{}"))


def leaves(place: Place, value: object) -> Iterator[tuple[Place, object]]:
    """Every value that is neither table nor array, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves((*place, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves((*place, index), inner)
    else:
        yield place, value


def shown(place: Place) -> str:
    """The place as people read it: `credentials[1].seeds.password`; odd keys quoted and cut."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE.fullmatch(part) else ascii(part[:64])
            text += f".{key}" if text else key
    return text


def read(path: Path) -> str:
    """The text of a file. Raises Flaw for all that can be wrong with one."""
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        text, remedy = "not UTF-8 text", "save it as UTF-8"
    except FileNotFoundError:
        text, remedy, line = "a link to a file that is not there", "mend or remove the link", 1
    except PermissionError:
        text, remedy, line = "it may not be read", "let the worker's user read it", 1
    except OSError as error:
        text, remedy, line = f"it cannot be read ({type(error).__name__})", "look at the file", 1
    raise Flaw(text, remedy, line)


def _bytes(path: Path) -> bytes:
    # Asked before it is opened: a pipe would wait for its other end, a folder cannot be opened.
    if not stat.S_ISREG(path.stat().st_mode):
        raise Flaw("not a file", "only files may end in .toml here")
    with path.open("rb") as file:
        found = file.read(LARGEST + 1)
    if len(found) > LARGEST:
        raise Flaw("larger than 1 MiB", "spread its credentials over several job files")
    return found


def _parsed(text: str) -> dict[str, Any]:
    # tomllib takes the square of a dotted key's depth.
    dotted = (at for at, line in enumerate(text.split("\n"), 1) if line.count(".") > _MOST_DOTS)
    if line := next(dotted, 0):
        raise Flaw("nested too deeply", "no setting lies that deep", line)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        flaw = _syntax(str(error), text)
    except RecursionError:
        flaw = _found(r"[\[{]{20}", text, "nested too deeply", "no setting lies that deep")
    except ValueError:
        flaw = _found(r"[0-9_]{4300}", text, "a number too long to read", "write a shorter one")
    raise flaw


def _syntax(said: str, text: str) -> Flaw:
    match = _LINE.search(said)
    line = int(match[1]) if match else text.rstrip().count("\n") + 1
    if said.startswith("Invalid value") and (opened := _left_open(text, match)):
        return Flaw("an array that is never closed", "write its ] after the last value", opened)
    said = said.removesuffix(" (at end of document)")
    said = said[: match.start()] if match else said
    said, remedy = next(
        ((better or said, do) for start, better, do in _REMEDIES if said.startswith(start)),
        (said, "mend the TOML there: https://toml.io"),
    )
    return Flaw(f"{said[:1].lower()}{said[1:120]}", remedy, line)


def _left_open(text: str, found: re.Match[str] | None) -> int:
    """The line of an array that ran on into what is no value of its own; 0 where none did.

    `found`: where no value was found, None at the end of the text.
    """
    lines = text.split("\n")
    at = int(found[1]) if found else len(lines) + 1
    if found and not _begins(lines[at - 1], int(found[2])):
        return 0
    above = lines[: at - 1]
    opened = next((n for n in range(len(above), 0, -1) if _OPENED.search(above[n - 1])), 0)
    rest = "\n".join(above[opened - 1 :])
    return opened if opened and rest.count("[") > rest.count("]") else 0


def _begins(line: str, column: int) -> bool:
    """Whether a new key or table begins there, and no value that lacks its quotes."""
    pair = _PAIR.match(line)
    return bool(_HEADER.match(line)) or (pair is not None and column <= pair.end())


def _found(pattern: str, text: str, said: str, remedy: str) -> Flaw:
    match = re.search(pattern, text)
    return Flaw(said, remedy, text.count("\n", 0, match.start()) + 1 if match else 1)


_REMEDIES = (
    ("Cannot overwrite a value", "a key for the second time", "remove one of the two"),
    ("Cannot declare", "a table for the second time", "join the two"),
    ("Cannot mutate", "a table for the second time", "join the two"),
    ("Invalid value", "", "put text in quotes; write true and false in lower case"),
    ("Illegal character '\\n'", "a line that ends within quotes", "close the quotes on their line"),
    (
        "Unclosed array",
        "an array without a comma or its end",
        "write a comma between values, ] after the last",
    ),
    ("Unclosed inline table", "a table that is not closed on its line", "close it there: { … }"),
    ("Unterminated string", "quotes that are never closed", "close them"),
    ("Expected '='", "a key without a value", 'write key = "value"'),
)


def _too_deep(tree: dict[str, Any]) -> Place | None:
    """The first place below DEEPEST; without recursion, as it may lie very deep."""
    ahead: list[tuple[Place, object]] = [((), tree)]
    while ahead:
        place, value = ahead.pop()
        if len(place) > DEEPEST:
            return place
        if isinstance(value, dict):
            ahead += [((*place, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            ahead += [((*place, index), inner) for index, inner in enumerate(value)]
    return None
