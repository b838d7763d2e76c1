"""Break one named function of the real core: in the same suite, exactly one invariant fails.

A suite that cannot fail shows nothing; the unbroken control runs beside each break.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import pytest

from rotator.ledger.base import BackOff
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Shelf
from rotator.plan import AnswerSeen, Seen
from rotator.rotation import holdings, look, obtain, reading, settling, steps
from rotator.rotation.sealed import token_fields
from tests.crash.play import Invariant
from tests.crash.plays import frozen_everywhere, killed_everywhere, throttled_for_an_hour

CHAIN, FALLBACK = "oauth2, refresh token", "oauth2, refresh token, then client"


def no_intent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(obtain, "write_intent", lambda _hands, _intent: None)


def no_seal(patch: pytest.MonkeyPatch) -> None:
    """What every peer does: parse the answer, store its tokens."""

    def store_at_once(hands: steps.Hands, seal: Any, grant: Any, sealed: Any) -> None:
        tokens = grant.read(sealed.answer, seal.sent_at)
        intent, owner = seal.intent, hands.credential.qualified
        access, generation = tokens[ACCESS_TOKEN], intent.generation
        fields = token_fields(hands.credential.provider, owner, access, generation)
        hands.put(Shelf.TOKEN, intent.id, fields)
        hands.put_keyring(intent.id, tokens[REFRESH_TOKEN], generation, sealed.carried)

    patch.setattr(obtain, "seal_whatever_happens", store_at_once)


def no_marks(patch: pytest.MonkeyPatch) -> None:
    for room in (reading, settling):
        patch.setattr(room, "spent", lambda *_: [])


def marks_lifted_by_an_edit(patch: pytest.MonkeyPatch) -> None:
    real = holdings.Holdings._marked  # noqa: SLF001 - the very line that is broken

    def marked(self: holdings.Holdings, candidates: list[holdings.Held]) -> list[holdings.Held]:
        return candidates if self._credential.digest == "edited" else real(self, candidates)

    patch.setattr(holdings.Holdings, "_marked", marked)


def keep_without_generation(patch: pytest.MonkeyPatch) -> None:
    def reached(self: Seen, answer: AnswerSeen, token: str) -> bool:
        shelf = Shelf.KEYRING if token == REFRESH_TOKEN else Shelf.TOKEN
        return token not in answer.holds or self._generation(shelf) == answer.generation

    patch.setattr(Seen, "_reached", reached)


def back_off_ignored(patch: pytest.MonkeyPatch) -> None:
    def none(_record: object, _now: object) -> Mapping[str, BackOff]:
        return {}

    patch.setattr(look, "active_back_offs", none)


BREAKS = [
    (no_intent, partial(killed_everywhere, FALLBACK), Invariant.ONCE),
    (no_seal, partial(killed_everywhere, CHAIN), Invariant.HOME),
    (no_marks, partial(killed_everywhere, FALLBACK), Invariant.ONCE),
    (marks_lifted_by_an_edit, partial(killed_everywhere, FALLBACK, edited=True), Invariant.ONCE),
    (keep_without_generation, partial(frozen_everywhere, "alation, password"), Invariant.NEWER),
    (back_off_ignored, partial(throttled_for_an_hour, CHAIN), Invariant.PATIENT),
]


@cache
def _control(play: Callable[..., set[Invariant]], *args: str, **kwargs: bool) -> set[Invariant]:
    """The unbroken core; several breaks are held against the same play."""
    return play(*args, **kwargs)


@pytest.mark.parametrize(
    ("broken", "play", "invariant"), BREAKS, ids=[broken.__name__ for broken, _, _ in BREAKS]
)
def test_exactly_the_named_invariant_fails_without_it(
    broken: Callable[[pytest.MonkeyPatch], None],
    play: partial[set[Invariant]],
    invariant: Invariant,
) -> None:
    control = _control(play.func, *play.args, **play.keywords)
    with pytest.MonkeyPatch.context() as patch:
        broken(patch)
        without = play()

    assert control == set()
    assert without == {invariant}
