"""Settings that come from the environment, and secrets that must not stand in a file."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_origin

from pydantic import BaseModel

from rotator.jobs.checks import wrong_variable
from rotator.jobs.document import leaves
from rotator.jobs.fields import variable_name
from rotator.jobs.report import Report
from rotator.jobs.toml_lines import Place
from rotator.providers.base import Plugin
from rotator.settings import Settings

_SECRETIVE = re.compile(r"(^|[_-])(pass(word|wd|phrase)|secret|token|(api|private)_?key|cookie)$")
_ABSENT = object()
_COMMON_TABLES: tuple[Place, ...] = (
    ("schedule",),
    ("schedule", "window"),
    ("schedule", "access_token"),
    ("schedule", "refresh_token"),
    ("secret",),
    ("secret", "tags"),
    ("secret", "keys"),
    ("credentials",),
)


class Environment:
    """Puts values of variables into a job file's tree, and remembers which were not set."""

    def __init__(
        self,
        environ: Mapping[str, str],
        settings: Settings,
        report: Report,
        plugin: Plugin | None,
    ) -> None:
        self._environ, self._settings, self._report = environ, settings, report
        self._tables = {*_COMMON_TABLES, *(_tables(plugin) if plugin else ())}
        self._unset: list[str] = []

    @property
    def off(self) -> str:
        """Why the job is off: the names of the variables that are not set; empty: it is on."""
        return ", ".join(dict.fromkeys(self._unset))

    def settled(self, tree: dict[str, Any]) -> dict[str, Any]:
        """The tree with each `{ env = "NAME" }` replaced; what is not set is left out."""
        found: dict[str, Any] = self._settled(tree, ())
        return found

    def _settled(self, value: Any, place: Place) -> Any:
        if isinstance(value, list):
            inner = (self._settled(each, (*place, index)) for index, each in enumerate(value))
            return [each for each in inner if each is not _ABSENT]
        if not isinstance(value, dict) or _is_seeds(place):
            return value
        if value.keys() == {"env"} and _named(place) not in self._tables:
            return self._value(value["env"], place)
        pairs = ((key, self._settled(each, (*place, key))) for key, each in value.items())
        return {key: each for key, each in pairs if each is not _ABSENT}

    def _value(self, name: object, place: Place) -> Any:
        self._report.absent.add(place)
        try:
            variable = variable_name(name if isinstance(name, str) else "")
        except ValueError as error:
            self._report.add((*place, "env"), str(error))
            return _ABSENT
        if not self._settings.allows_variable(variable):
            self._report.add((*place, "env"), wrong_variable())
            return _ABSENT
        value = self._environ.get(variable, "")
        if not value:
            self._unset.append(variable)
            return _ABSENT
        self._report.absent.remove(place)
        self._report.sourced[place] = (variable, value)
        return value


def refuse_literals(report: Report, tree: dict[str, Any], plugin: Plugin | None) -> None:
    """Report every string under a name that secrets have and settings have not."""
    known = set(_fields(plugin)) if plugin else set()
    for place, value in leaves((), tree):
        name = next((part for part in reversed(place) if isinstance(part, str)), "")
        if not isinstance(value, str) or not _SECRETIVE.search(name.lower()):
            continue
        if place[:2] == ("secret", "keys"):  # templates, and refused where they are none
            continue
        if _named(place) not in known and not _is_seeds(place[:3]):
            text = "it looks like a literal secret, and none stands in a job file"
            report.add(place, text, _as_seed(name, plugin))


def _as_seed(name: str, plugin: Plugin | None) -> str:
    seed = name if plugin and name in plugin.seeds else "NAME_OF_SEED"
    return f'remove it here, change it there, and write seeds = {{ {seed} = {{ env = "…" }} }}'


def _is_seeds(place: Place) -> bool:
    return len(place) == 3 and place[0] == "credentials" and place[2] == "seeds"


def _named(place: Place) -> Place:
    """Without positions: the same for every credential."""
    return tuple(part for part in place if isinstance(part, str))


def _fields(plugin: Plugin) -> Iterator[Place]:
    yield from ((name,) for name in plugin.job.model_fields)
    yield from (("credentials", name) for name in plugin.credential.model_fields)


def _tables(plugin: Plugin) -> Iterator[Place]:
    """The settings that are tables, in which a key `env` is a key like any other."""
    yield from ((name,) for name in _table_names(plugin.job))
    yield from (("credentials", name) for name in _table_names(plugin.credential))


def _table_names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) in (dict, Mapping):
            yield name
