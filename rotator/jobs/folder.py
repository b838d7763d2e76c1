"""Which files of the folder are job files, and which look as if they were meant to be.

A job file's name ends in `.toml`, in whatever case, and does not begin with a dot: editors leave
`.x.toml.swp` and `.#x.toml`, Kubernetes `..data`. Beside them a file looks misnamed

- whose name ends as one that was mistyped (`.tml`, `.toml.txt`) or is of another format (`.yaml`),
- or that has a job's name and no ending at all.

So does a file in a folder within the folder that would be a job file in the folder itself.
Everything else is passed over in silence: README.md, `x.toml~`, `x.toml.bak`, what lies deeper.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rotator.jobs.fields import NAME

_MISTYPED = (".tml", ".tom", ".tmol", ".toml.txt")
_OTHERS = (".cfg", ".conf", ".ini", ".json", ".yaml", ".yml")


class Listed(NamedTuple):
    """A folder's files at one look, sorted."""

    jobs: list[Path]
    strays: list[Path]
    """They look like job files, and are none."""


def listed(folder: Path) -> Listed:
    """Raises OSError where the folder cannot be read."""
    shown = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    jobs = [each for each in shown if each.suffix.lower() == ".toml"]
    strays = [each for each in shown if _is_stray(each)]
    strays += [inner for each in shown if each not in jobs for inner in _within(each)]
    return Listed(jobs, sorted(strays))


def why_stray(stray: Path) -> tuple[str, str]:
    """Why nobody reads it, and what to do."""
    if stray.suffix.lower() == ".toml":
        inner = f"it lies in {stray.parent.name}/, a folder within the folder of job files"
        return inner, f"move it to {stray.parent.parent}; job files lie in the folder itself"
    remedy = "a job file's name ends in .toml; let another's begin with a dot, or move it"
    return "its name does not end in .toml", remedy


def _within(path: Path) -> Iterator[Path]:
    """What would be job files if the folder `path` were not between."""
    with suppress(OSError):  # no folder, or none that may be read
        for each in path.iterdir():
            if each.suffix.lower() == ".toml" and not each.name.startswith("."):
                yield each


def _is_stray(path: Path) -> bool:
    looks_so = path.name.lower().endswith(_MISTYPED + _OTHERS) or NAME.fullmatch(path.name)
    return bool(looks_so) and os.path.isfile(path)  # noqa: PTH113 - Path's may raise
