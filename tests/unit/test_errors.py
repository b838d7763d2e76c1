import inspect
import re

import pytest

from rotator import errors
from rotator.errors import BadJobs, Mistake, ProviderDown, RotatorError, Throttled

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, RotatorError)
}


def drawn() -> dict[str, str]:
    """Name -> parent, as the tree in the docstring has it."""
    parents: dict[str, str] = {}
    path = [(0, "RotatorError")]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"( +)(?:[·-] )?(\w+)", line):
            depth, name = len(found[1]), found[2]
            path = [above for above in path if above[0] < depth]
            parents[name] = path[-1][1]
            path.append((depth, name))
    return parents


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    bases = {name: kind.__mro__[1].__name__ for name, kind in CLASSES.items()}
    assert {"RotatorError": "Exception", **drawn()} == bases


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_every_error_says_what_it_is(kind: type[RotatorError]) -> None:
    assert (kind.__doc__ or "").strip()


PLAIN = {name: kind for name, kind in CLASSES.items() if kind is not BadJobs}


@pytest.mark.parametrize("kind", PLAIN.values(), ids=PLAIN)
def test_every_error_shows_its_text(kind: type[RotatorError]) -> None:
    error = kind("it broke")
    assert (str(error), error.text, error.remedy) == ("it broke", "it broke", "")


WITH_REMEDY = {name: kind for name, kind in PLAIN.items() if kind not in (Throttled, ProviderDown)}


@pytest.mark.parametrize("kind", WITH_REMEDY.values(), ids=WITH_REMEDY)
def test_a_remedy_stands_behind_the_text(kind: type[RotatorError]) -> None:
    error = kind("it broke", remedy="mend it")
    assert (str(error), error.text, error.remedy) == ("it broke (mend it)", "it broke", "mend it")


def test_a_provider_that_names_no_time_leaves_it_open() -> None:
    assert Throttled("HTTP 429").retry_after is None


def test_mistakes_come_sorted_by_file_and_line() -> None:
    late = Mistake("b.toml", 1, "provider", "missing", "Write it.")
    middle = Mistake("a.toml", 10, "schedule", "not a table", "Write [schedule].")
    early = Mistake("a.toml", 9, "base_url", "no address", "Write https://…")
    bad = BadJobs([late, middle, early])
    assert bad.mistakes == (early, middle, late)
    assert str(bad).splitlines() == [
        "a.toml:9: base_url: no address. Write https://…",
        "a.toml:10: schedule: not a table. Write [schedule].",
        "b.toml:1: provider: missing. Write it.",
    ]
