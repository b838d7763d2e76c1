"""The pages that tell how a token is read, and the recipes that stand in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SECTION = "Reading the token from another service"
_HEADING = re.compile(r"(#{2,4}) (.+)")


class Recipe(NamedTuple):
    """A fenced block, and the heading that it stands under."""

    page: str
    heading: str
    language: str
    text: str


def recipes() -> list[Recipe]:
    """All that a reader of the pages could run; manifests have their own test."""
    whole = (ROOT / "README.md").read_text()
    section = whole.partition(f"\n## {SECTION}\n")[2].partition("\n## ")[0]
    page = "deploy/consumers/README.md"
    found = [*_blocks("README.md", section), *_blocks(page, (ROOT / page).read_text())]
    return [each for each in found if each.language in ("python", "sh")]


def _blocks(page: str, text: str) -> Iterator[Recipe]:
    heading, language, lines = "", "", list[str]()
    for line in text.splitlines():
        if not language and (found := _HEADING.fullmatch(line)):
            heading = found[2]
        elif not language and line.startswith("```"):
            language, lines = line.removeprefix("```"), []
        elif line == "```":
            yield Recipe(page, heading, language, "\n".join(lines) + "\n")
            language = ""
        elif language:
            lines.append(line)
