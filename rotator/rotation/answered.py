"""One sealed answer, and everything that its meaning depends on. Pure."""

from dataclasses import dataclass
from datetime import datetime

from rotator.jobs.job import Credential
from rotator.ledger.facts import Because, Intent, Mark, MarkKind, Record, Seal
from rotator.ledger.writes import AddMark, Change, Close, Killed, Lift
from rotator.model import ACCESS_TOKEN
from rotator.policy.grants import Holding, Source
from rotator.providers.base import Grant
from rotator.rotation.look import Sight
from rotator.rotation.sealed import Sealed
from rotator.rotation.tools import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The changes that an answer means, and how to tell it in one line."""

    changes: list[Change]
    outcome: str = "tokens"
    text: str = ""
    refused: bool = False
    """Whether the provider refused what was presented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer with the look at which it is read."""

    tools: Tools
    credential: Credential
    sight: Sight
    seal: Seal
    sealed: Sealed

    @property
    def grant(self) -> Grant | None:
        """The grant that was used, None where the job file no longer has it."""
        same_host = self.seal.intent.host == self.credential.provider.host
        return self.credential.provider.grant(self.seal.intent.grant) if same_host else None

    @property
    def line(self) -> str:
        return f"grant:{self.seal.intent.grant}"

    @property
    def refusal(self) -> str:
        """What a refusal of this very request is bound to."""
        assert self.grant is not None  # noqa: S101 - only a grant reads tokens or a refusal
        presents = tuple(
            Holding(name=name, fingerprint=fingerprint, source=Source.SEAL)
            for name, fingerprint in sorted(self.seal.intent.presented.items())
        )
        return self.tools.refusal(self.credential.provider, self.grant, presents)

    @property
    def same_requests(self) -> list[str]:
        """Earlier requests with the same token and grant that are still open."""
        intent = self.seal.intent
        return [
            other.id
            for other in self.sight.record.open_intents
            if other.id != intent.id
            and other.grant == intent.grant
            and other.spends is not None
            and other.spends == intent.spends
        ]

    def closed(self, *more: str) -> list[Change]:
        """This request is answered, and those that were the same."""
        record = self.sight.record
        return [
            change
            for intent_id in [self.seal.intent.id, *more]
            for change in closed(record, intent_id, "answered")
        ]


def closed(record: Record, intent_id: str, outcome: str) -> list[Change]:
    """A request is open no longer, and nothing backs off for its sake."""
    line = f"settle:{intent_id}"
    over = [Lift(what=line)] if line in record.back_offs else []
    return [Close(intent_id=intent_id, outcome=outcome), *over]


def spent(intent: Intent, token: str, at: datetime, because: Because) -> list[Change]:
    """The mark that bars what a request spends, a fingerprint, from being spent again."""
    text = f"by {intent.grant}"
    return [AddMark(mark=Mark(kind=MarkKind.SPENT, key=token, at=at, because=because, text=text))]


def refused(sight: Sight, key: str, at: datetime, text: str) -> AddMark:
    """The mark that bars what was refused; each time in a row bars a seed for longer.

    A person who asked to have it tried again begins a new row.
    """
    refusals = sight.holdings.refusals
    earlier = refusals.mark(key)
    in_a_row = earlier.times if earlier and not refusals.asked_since(earlier.at) else 0
    mark = Mark(
        kind=MarkKind.REFUSED,
        key=key,
        at=at,
        because=Because.REFUSED,
        text=text,
        times=in_a_row + 1,
    )
    return AddMark(mark=mark)


def killed(intent: Intent) -> list[Change]:
    """Access tokens of before a request that may have ended them."""
    return [Killed(through=intent.generation - 1)] if ACCESS_TOKEN in intent.kills else []
