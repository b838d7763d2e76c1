"""Writes the documentation that is made from the code: `python -m rotator.cli.docs [--check]`.

PAGES lists what is written and by what. A block within a page that people write stands between
`<!-- name -->` and `<!-- /name -->` and is replaced with `block`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rotator.cli import reference
from rotator.durations import display
from rotator.jobs.fields import (
    CredentialModel,
    LimitsModel,
    ScheduleModel,
    SeedModel,
    TokenModel,
    WindowModel,
)
from rotator.jobs.secret_fields import SecretSettings
from rotator.providers.base import Plugin
from rotator.providers.registry import plugins
from rotator.settings import Settings, variable

ROOT = Path(__file__).parents[2]

_INTRO = """\
<!-- Made by `make docs` from the models that read job files. Do not edit. -->
# Job files

One file here is one job, and the file's name without `.toml` is the job's name: a provider, its
settings, and one credential or more. The files are read when the worker starts; `rotator check`
reads them too, and tells every mistake with file, line and what to write instead. A file with a
mistake, or one that is off, never stops the others.

* **No secret stands in a job file.** A seed is given by reference: `{ env = "NAME" }`,
  `{ file = "/path" }` or `{ secret = "name#json_key" }`.
* **Any setting may come from the environment**: `base_url = { env = "ALATION_BASE_URL" }`. While
  that variable is unset or empty, the job is off, and `rotator status` says for want of what.
* Durations are written `30s`, `15m`, `24h`, `60d`, `2h30m`; times of day are those of
  [cron](https://en.wikipedia.org/wiki/Cron), with weekdays by name.
"""

_TABLES: Sequence[tuple[str, type[BaseModel]]] = (
    ("`[schedule]`", ScheduleModel),
    ("`[schedule.access_token]` and `[schedule.refresh_token]`", TokenModel),
    ("`[schedule.window]`", WindowModel),
    ("`[limits]`", LimitsModel),
    ("`[secret]`", SecretSettings),
    ("`[[credentials]]`, for every provider", CredentialModel),
    ("A seed, under `seeds`", SeedModel),
)


def jobs_page(_: str = "") -> str:
    """jobs/README.md."""
    there = plugins()
    parts = [_INTRO, *_example(there), "## Every job\n"]
    parts.append(f"`provider`, required: one of {_code(there)}.\n")
    for title, model in _TABLES:
        parts += [f"### {title}\n", _fields(model)]
    parts.append("## Providers\n")
    for plugin in there.values():
        parts += _provider(plugin)
    parts += ["## The worker's own settings\n", _SETTINGS, _settings()]
    return "\n".join(parts).rstrip() + "\n"


_SETTINGS = """\
Environment variables. An unknown one that begins with `ROTATOR_` is an error, and an empty one
counts as unset. Lists are written with commas. AWS's Region and login are found as AWS's own tools
find them.
"""


def _example(there: Mapping[str, Plugin]) -> Iterator[str]:
    for name in [name for name in ("alation", *there) if name in there][:1]:
        path = ROOT / "jobs" / f"{name}.toml"
        yield f"## An example: [{name}.toml]({name}.toml)\n"
        yield f"```toml\n{path.read_text().strip()}\n```\n"


def _provider(plugin: Plugin) -> Iterator[str]:
    yield f"### `{plugin.name}`: {plugin.title}\n"
    yield "At the top of the file:\n"
    yield _fields(plugin.job)
    if plugin.credential.model_fields:
        yield "Under each `[[credentials]]`:\n"
        yield _fields(plugin.credential)
    yield "Seeds:\n"
    yield _table(
        ("seed", "where a person gets it"), ((_code([k]), v) for k, v in plugin.seeds.items())
    )
    if plugin.cannot:
        yield "What it cannot do:\n"
        yield "".join(f"* {_cell(each)}\n" for each in plugin.cannot)
    yield f"```toml\n{plugin.example.strip()}\n```\n"


def _fields(model: type[BaseModel]) -> str:
    rows = (
        (_code([name]), _kind(field.annotation), _default(field), field.description or "")
        for name, field in model.model_fields.items()
    )
    return _table(("field", "is", "unset", "says"), rows)


def _settings() -> str:
    rows = (
        (_code([variable(name)]), _kind(field.annotation), _default(field), field.description)
        for name, field in Settings.model_fields.items()
        if field.description
    )
    return _table(("variable", "is", "unset", "says"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(each) for each in line)} |\n" for line in lines)


def _cell(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").replace("<", "\\<").split())


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    timedelta: "duration",
    Path: "path",
}


def _kind(annotation: Any) -> str:
    """What a person writes for a field of this type."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_kind(each) for each in inner if each is not NoneType)
    if origin is Literal:
        return " or ".join(f'`"{each}"`' for each in inner)
    if origin in (tuple, list, set, frozenset):
        return f"list of {_kind(inner[0])}"
    if origin in (dict, Mapping):
        return "table"
    if annotation in _WORDS:
        return _WORDS[annotation]
    return _named_kind(annotation, inner)


def _named_kind(annotation: Any, inner: Sequence[Any]) -> str:
    name = getattr(annotation, "__name__", "")
    if inner:  # Annotated
        return _kind(inner[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return {"HttpUrl": "address", "AwareDatetime": "instant", "Secret": "text"}.get(name, "text")


def _default(field: FieldInfo) -> str:
    """What holds where the field is not written; empty where nothing does."""
    value = field.get_default(call_default_factory=True) if not field.is_required() else ...
    if value is ...:
        return "" if "Unset:" in (field.description or "") else "**required**"
    if isinstance(value, BaseModel) or value is None or value in ("", (), {}, frozenset()):
        return ""
    return f"`{_plain(value)}`"


def _plain(value: object) -> str:
    if isinstance(value, timedelta):
        return display(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list | set | frozenset):
        return ", ".join(sorted(map(str, value)))
    return str(value.value if isinstance(value, Enum) else value)


def block(page: str, name: str, text: str) -> str:
    """The page with what stands between `<!-- name -->` and `<!-- /name -->` replaced."""
    marked = re.compile(
        rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL
    )
    return marked.sub(lambda match: f"{match[1]}{text.rstrip()}\n{match[2]}", page)


PAGES: list[tuple[Path, Callable[[str], str]]] = [
    (ROOT / "jobs" / "README.md", jobs_page),
    (ROOT / "rotator" / "cli" / "README.md", reference.page),
]
"""Each page and what makes its new text from its present one."""


def main(arguments: Sequence[str]) -> int:
    """Write every page, or with --check say which ones would change."""
    stale = []
    for path, render in PAGES:
        present = path.read_text() if path.exists() else ""
        if (text := render(present)) != present:
            stale.append(path.relative_to(ROOT))
            if "--check" not in arguments:
                path.write_text(text)
    verb = "would change: run `make docs`" if "--check" in arguments else "written"
    for path in stale:
        print(f"{path}: {verb}")  # noqa: T201
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
