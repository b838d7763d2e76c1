"""What one look shows, and which lines of the table have something to do for it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Shelf

IDLE = timedelta(days=1)
"""How long a credential rests at most, so that a changed seed or secret is seen."""
SEED = "seed"
"""The subject of a KEEP that keeps a seed instead of an answer's token."""
TURN = "turn"
"""The subject of a KEEP in which a pair's two chains change places."""
ADOPT = "adopt"
"""The subject of a KEEP that takes over another ledger's chain."""


class Agreement(StrEnum):
    """How the current version of a secret compares with the one on record."""

    SAME = "same"
    """The one on record, one that we are just making, or none at all."""
    LAGGING = "lagging"
    OLDER = "older"
    FOREIGN_NEWER = "foreign, newer"
    FOREIGN = "foreign"


_STRAY = {
    Agreement.OLDER: Reason.LABEL_MOVED_BACK,
    Agreement.FOREIGN_NEWER: Reason.FOREIGN_NEWER,
    Agreement.FOREIGN: Reason.FOREIGN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfSeen:
    """One secret: its generation in the store, and whether it is what we remember."""

    agreement: Agreement = Agreement.SAME
    generation: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSeen:
    """One sealed answer."""

    id: str
    generation: int
    read: bool
    holds: frozenset[str] = frozenset()
    """Tokens in it that are worth storing, once read; a dead access token is not."""
    kept_back: bool = False
    """Not understood: it stays sealed until another rotator, another job file or a person reads it,
    or a later generation has replaced all that it may hold."""
    overtaken: bool = False
    """The keyring has a higher generation, but still holds the very token that was spent for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentSeen:
    """One request without an answer."""

    id: str
    settles_at: datetime
    replayable_until: datetime
    """The same request may be sent again before this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A token that should be replaced now."""

    token: str
    reason: Reason
    grant: str = ""
    """The grant to use; empty: none is left."""
    open_until: datetime | None = None
    """An earlier request presented the same token and may still be answered until then."""
    keep_first: bool = False
    """The grant spends a seed that is not in the keyring yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at one credential: store, ledger and seeds at the same instant."""

    now: datetime
    leased: bool = True
    shelves: Mapping[Shelf, ShelfSeen] = field(default_factory=dict)
    answers: tuple[AnswerSeen, ...] = ()
    intents: tuple[IntentSeen, ...] = ()
    wants: tuple[Want, ...] = ()
    """In the order in which they should be met."""
    seed_to_keep: bool = False
    pair_to_turn: bool = False
    """A renewal would end the token in use, unless it is made with the pair's other chain."""
    chain_to_adopt: bool = False
    """The keyring is another ledger's, and has not moved for a whole settle time."""
    outlived: str = ""
    """The version of the consumers' secret whose token may be revoked now."""
    back_offs: Mapping[str, datetime] = field(default_factory=dict)
    """Line (`keep`, `grant:password` …) -> not again until; those passed are left out."""
    renew_at: tuple[datetime, ...] = ()
    """When the tokens that are not wanted yet will be."""

    def _open(self, line: str) -> bool:
        return line not in self.back_offs

    def _generation(self, shelf: Shelf) -> int:
        return self.shelves.get(shelf, ShelfSeen()).generation

    def _reached(self, answer: AnswerSeen, token: str) -> bool:
        if token == REFRESH_TOKEN and token in answer.holds and answer.overtaken:
            return False
        shelf = Shelf.KEYRING if token == REFRESH_TOKEN else Shelf.TOKEN
        return token not in answer.holds or self._generation(shelf) >= answer.generation

    def _newest_first(self, token: str) -> list[AnswerSeen]:
        lacking = [
            answer
            for answer in self.answers
            if answer.read and not answer.kept_back and not self._reached(answer, token)
        ]
        return sorted(lacking, key=lambda answer: answer.generation, reverse=True)

    @property
    def lagging(self) -> bool:
        return any(seen.agreement is Agreement.LAGGING for seen in self.shelves.values())

    @property
    def strays(self) -> list[tuple[Shelf, Reason]]:
        return [
            (shelf, _STRAY[seen.agreement])
            for shelf, seen in self.shelves.items()
            if seen.agreement in _STRAY and self._open(f"mend:{shelf}")
        ]

    @property
    def unread(self) -> list[AnswerSeen]:
        return [a for a in self.answers if not a.read and self._open(f"read:{a.id}")]

    @property
    def done(self) -> list[AnswerSeen]:
        return [
            a
            for a in self.answers
            if a.read and self._reached(a, REFRESH_TOKEN) and self._reached(a, ACCESS_TOKEN)
        ]

    @property
    def unkept(self) -> list[str]:
        answers = [answer.id for answer in self._newest_first(REFRESH_TOKEN)]
        others = {TURN: self.pair_to_turn, SEED: self.seed_to_keep, ADOPT: self.chain_to_adopt}
        called_for = [
            what for what, there in others.items() if there and self._open(f"keep:{what}")
        ]
        return [*answers, *called_for] if self._open("keep") else []

    @property
    def unpublished(self) -> list[AnswerSeen]:
        return self._newest_first(ACCESS_TOKEN) if self._open("publish") else []

    @property
    def unsettled(self) -> list[IntentSeen]:
        return [
            intent
            for intent in self.intents
            if max(intent.settles_at, intent.replayable_until) <= self.now
            and self._open(f"settle:{intent.id}")
        ]

    @property
    def obtainable(self) -> list[Want]:
        return [
            want
            for want in self.wants
            if want.grant
            and not want.keep_first
            and self._open(f"grant:{want.grant}")
            and (want.open_until is None or want.open_until <= self.now)
        ]

    @property
    def revocable(self) -> list[str]:
        return [self.outlived] if self.outlived and self._open("revoke") else []

    @property
    def stuck(self) -> list[Want]:
        """What nobody gives any more, unless a pair's other chain waits for the store alone."""
        return [want for want in self.wants if not want.grant and not self.pair_to_turn]

    @property
    def next_look(self) -> datetime:
        """The earliest instant at which another line of the table can fit."""
        later = [
            *self.renew_at,
            *self.back_offs.values(),
            *(max(intent.settles_at, intent.replayable_until) for intent in self.intents),
            *(want.open_until for want in self.wants if want.open_until),
        ]
        return min((at for at in later if at > self.now), default=self.now + IDLE)
