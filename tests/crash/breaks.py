"""Deliberate breaks of the real core, one named function each: what the suites must notice."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from rotator.ledger.facts import BackOff, Record, Stepped
from rotator.ledger.writes import Change, Rest
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Shelf
from rotator.plan.seen import AnswerSeen, Seen
from rotator.rotation import candidates, obtain, reading, remembered, settling, walk
from rotator.rotation.hands import Hands
from rotator.rotation.sealed import token_fields
from rotator.rotation.telling import Outcome


def no_intent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(obtain, "write_intent", lambda _hands, _intent: None)


def no_seal(patch: pytest.MonkeyPatch) -> None:
    """What every peer does: parse the answer, store its tokens."""

    def store_at_once(hands: Hands, seal: Any, grant: Any, sealed: Any) -> None:
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
    real = candidates.Candidates._marked  # noqa: SLF001 - the very line that is broken

    def marked(self: candidates.Candidates, found: list[candidates.Held]) -> list[candidates.Held]:
        return found if self._credential.digest == "edited" else real(self, found)

    patch.setattr(candidates.Candidates, "_marked", marked)


def keep_without_generation(patch: pytest.MonkeyPatch) -> None:
    def reached(self: Seen, answer: AnswerSeen, token: str) -> bool:
        shelf = Shelf.KEYRING if token == REFRESH_TOKEN else Shelf.TOKEN
        return token not in answer.holds or self._generation(shelf) == answer.generation

    patch.setattr(Seen, "_reached", reached)


def back_off_ignored(patch: pytest.MonkeyPatch) -> None:
    def none(_record: object, _now: object) -> Mapping[str, BackOff]:
        return {}

    patch.setattr(remembered, "active_back_offs", none)


def lines_apart(patch: pytest.MonkeyPatch) -> None:
    """The history has a write of its own, after what it tells of."""
    real = walk._Walk._end  # noqa: SLF001 - the very line that is broken

    def end(self: Any, ended: Rest, changes: Sequence[Change], record: Record) -> Outcome:
        lines = [owed for owed in self.owed if isinstance(owed, Stepped)]
        rest = [owed for owed in self.owed if not isinstance(owed, Stepped)]
        self.tools.ledger.write(self.hands.lease, *rest)
        self.owed = lines
        return real(self, ended, changes, record)

    patch.setattr(walk._Walk, "_end", end)  # noqa: SLF001


BREAKS: Mapping[str, Callable[[pytest.MonkeyPatch], None]] = {
    broken.__name__: broken
    for broken in (
        no_intent, no_seal, no_marks, marks_lifted_by_an_edit, keep_without_generation,
        back_off_ignored, lines_apart,
    )
}  # fmt: skip
