"""Which files of the folder are job files, and which look as if they were meant to be.

A job file's name ends in `.toml`, in whatever case, and does not begin with a dot: editors leave
`.x.toml.swp` and `.#x.toml`, Kubernetes `..data`. Beside them a file looks misnamed

- whose name ends as one that was mistyped (`.tml`, `.toml.txt`) or is of another format (`.yaml`),
- or that has a job's name and no ending at all.

Everything else is passed over in silence: README.md, `x.toml~`, `x.toml.bak`, folders.
"""

import os
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
    return Listed(jobs, [each for each in shown if _is_stray(each)])


def _is_stray(path: Path) -> bool:
    looks_so = path.name.lower().endswith(_MISTYPED + _OTHERS) or NAME.fullmatch(path.name)
    return bool(looks_so) and os.path.isfile(path)  # noqa: PTH113 - Path's may raise
