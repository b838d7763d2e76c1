"""The mistakes of one job file: line, field path, what is wrong and what to write instead.

No value is ever quoted: whatever a person put into the wrong place may be a secret.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from inspect import isclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rotator.errors import Mistake
from rotator.jobs.document import Document, shown
from rotator.jobs.toml_lines import Place
from rotator.sentences import within

_ABSENT = frozenset({"missing", "no credentials"})
DOCS = "See jobs/README.md, which has every field"


class Report:
    """Collects; the first mistake at a place is told, what follows from it is not."""

    def __init__(self, file: str, document: Document | None = None) -> None:
        self.file = file
        self._document = document
        self._found: dict[Place, Mistake] = {}
        self.absent: set[Place] = set()
        """Where a value should have come from a variable that is not set."""
        self.torn = False
        """Lines were left out that nobody can read: what is missing may stand in one of them."""
        self.sourced: dict[Place, tuple[str, str]] = {}
        """Where a value came from a variable: its name and the value."""

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        return tuple(sorted(self._found.values()))

    def line(self, place: Place) -> int:
        return self._document.line(place) if self._document else 1

    def add(self, place: Place, text: str, remedy: str = "", line: int = 0) -> None:
        """`text` may be "what is wrong; what to write instead"."""
        if self.torn and text in _ABSENT:
            return
        if not remedy:
            text, _, remedy = text.partition("; ")
        if place in self.sourced:
            text += f" (from the environment variable {self.sourced[place][0]})"
        text, remedy = self._scrubbed(text), self._scrubbed(remedy) or DOCS
        remedy = remedy[:1].upper() + remedy[1:]
        mistake = Mistake(self.file, line or self.line(place), shown(place), text, remedy)
        self._found.setdefault(place or (mistake.line,), mistake)

    def told(
        self, error: ValidationError, base: Place, model: type[BaseModel], also: Iterable[str] = ()
    ) -> None:
        """What pydantic found; `also`: fields beside the model's that the same table may have."""
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            place = (*base, *each["loc"])
            if each["type"] == "missing" and place in self.absent:
                continue
            if each["type"] != "missing":
                place = self._existing(place)
            names = _names(model, each["loc"], also)
            self.add(place, *_text(each, _description(model, each["loc"]), names))

    def _existing(self, place: Place) -> Place:
        """As far as the file goes: pydantic's places end in names of its own."""
        value: Any = self._document.tree if self._document else {}
        for end, part in enumerate(place):
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return place[:end]
        return place

    def _scrubbed(self, text: str) -> str:
        for _, value in self.sourced.values():
            if len(value) > 3:
                text = text.replace(value, "…")
        return text


_PLAIN = {
    "model_type": "not a table; write it as [name] or { … }",
    "dict_type": "not a table; write it as [name] or { … }",
    "string_type": "not text; put it in quotes",
    "int_type": "not a whole number",
    "int_parsing": "not a whole number",
    "int_from_float": "not a whole number",
    "bool_type": "neither true nor false",
    "bool_parsing": "neither true nor false",
    "string_pattern_mismatch": "not of the form that is wanted",
    "url_type": "not an address",
    "url_parsing": "not an address",
    "url_scheme": "not an https address",
    "datetime_type": "not an instant",
    "datetime_parsing": "not an instant",
    "datetime_from_date_parsing": "not an instant",
}


def _text(each: ErrorDetails, description: str, names: Iterable[str]) -> tuple[str, str]:
    said = each["msg"].removeprefix("Value error, ").removeprefix("Input ")
    last = str(each["loc"][-1]) if each["loc"] else ""
    if each["type"] == "extra_forbidden":
        return "no such field", near(last, names)
    if each["type"] == "missing":
        return "missing", f"write it: {within(description)}" if description else DOCS
    if each["type"] in _PLAIN:
        said = _PLAIN[each["type"]]
    if "; " in said:
        text, _, remedy = said.partition("; ")
        return text, remedy
    return said, f"wanted here: {within(description)}" if description else DOCS


def near(name: str, names: Iterable[str]) -> str:
    """The name that was probably meant, or all there are."""
    there = sorted(names)
    if close := get_close_matches(name, there, n=1):
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(there)}" if there else DOCS


def _path(model: type[BaseModel], loc: Place) -> Iterator[type[BaseModel]]:
    """The models on the way to a place; dict keys and positions lead through."""
    yield model
    for part in loc:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        inner = _inner(field.annotation) if field else None
        if inner:
            model = inner
            yield model


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _inner(each))), None)


def _names(model: type[BaseModel], loc: Place, also: Iterable[str]) -> set[str]:
    *_, last = _path(model, loc[:-1])
    return set(last.model_fields) | (set(also) if last is model else set())


def _description(model: type[BaseModel], loc: Place) -> str:
    """Of the last field that the place names."""
    described = ""
    fields: Mapping[str, Any] = model.model_fields
    for part in loc:
        if isinstance(part, str) and part in fields:
            described = fields[part].description or described
            inner = _inner(fields[part].annotation)
            fields = inner.model_fields if inner else fields
    return described
