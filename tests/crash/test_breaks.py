"""Break one named function of the real core: in the same suite, exactly one invariant fails.

A suite that cannot fail shows nothing; the unbroken control runs beside each break.
"""

from collections.abc import Callable
from functools import cache, partial

import pytest

from tests.crash.breaks import BREAKS
from tests.crash.play import Invariant
from tests.crash.plays import (
    frozen_everywhere,
    killed_everywhere,
    throttled_for_an_hour,
    untold_after_a_kill,
)

CHAIN, FALLBACK = "oauth2, refresh token", "oauth2, refresh token, then client"


PLAYS = [
    ("no_intent", partial(killed_everywhere, FALLBACK), Invariant.ONCE),
    ("no_seal", partial(killed_everywhere, CHAIN), Invariant.HOME),
    ("no_marks", partial(killed_everywhere, FALLBACK), Invariant.ONCE),
    ("marks_lifted_by_an_edit", partial(killed_everywhere, FALLBACK, edited=True), Invariant.ONCE),
    ("keep_without_generation", partial(frozen_everywhere, "amino, password"), Invariant.NEWER),
    ("lines_apart", partial(untold_after_a_kill, "albato, partner token"), Invariant.TOLD),
    ("back_off_ignored", partial(throttled_for_an_hour, CHAIN), Invariant.PATIENT),
]


@cache
def _control(play: Callable[..., set[Invariant]], *args: str, **kwargs: bool) -> set[Invariant]:
    """The unbroken core; several breaks are held against the same play."""
    return play(*args, **kwargs)


@pytest.mark.parametrize(
    ("broken", "play", "invariant"), PLAYS, ids=[broken for broken, _, _ in PLAYS]
)
def test_exactly_the_named_invariant_fails_without_it(
    broken: str,
    play: partial[set[Invariant]],
    invariant: Invariant,
) -> None:
    control = _control(play.func, *play.args, **play.keywords)
    with pytest.MonkeyPatch.context() as patch:
        BREAKS[broken](patch)
        without = play()

    assert control == set()
    assert without == {invariant}
