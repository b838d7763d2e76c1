"""What the provider has refused, and until when that bars the same request from being made again.

A refusal is bound to host, grant and everything presented: with another seed, or another user_id,
it is another request.
"""

from collections.abc import Iterable
from datetime import datetime

from rotator.jobs.job import Credential
from rotator.ledger.facts import Mark, MarkKind, Record
from rotator.model import REFRESH_TOKEN
from rotator.policy.again import seed_again_at
from rotator.policy.grants import Choice, Holding, Source
from rotator.policy.when import SKEW
from rotator.providers.base import Grant
from rotator.rotation.jumps import asked_at
from rotator.rotation.tools import Tools


class Refusals:
    """Those of one credential, at one instant."""

    def __init__(self, tools: Tools, credential: Credential, record: Record, now: datetime) -> None:
        self._tools = tools
        self._provider = credential.provider
        self._manuals = record.manuals
        self._now = now
        self._marks = {m.key: m for m in record.marks if m.kind is MarkKind.REFUSED}

    def __bool__(self) -> bool:
        return bool(self._marks)

    def mark(self, key: str) -> Mark | None:
        """The last refusal that is bound to this."""
        return self._marks.get(key)

    def bars(self, grant: Grant, presents: tuple[Holding, ...]) -> bool:
        """A kept token stays refused; a seed is tried ever more rarely, or when a person asks."""
        mark = self._of(grant, presents)
        if mark is None:
            return False
        return not _holds_a_seed(presents) or self._barred_until(mark) is not None

    def again_at(self, choices: Iterable[Choice]) -> dict[str, datetime]:
        """When each refused seed of these is presented once more, by what it is bound to."""
        marks = (self._of(*choice) for choice in choices if _holds_a_seed(choice.presents))
        return {mark.key: until for mark in marks if mark and (until := self._barred_until(mark))}

    def of_seeds(self, choices: Iterable[Choice]) -> list[Grant]:
        """The grants of these that were refused with a seed as what they hang on."""
        return [
            grant
            for grant, presents in choices
            if _hangs_on_a_seed(presents) and self._of(grant, presents)
        ]

    def asked_since(self, at: datetime) -> bool:
        """Whether a person has asked since then to have refused seeds tried again."""
        asked = (asked_at(manual, self._now) for manual in self._manuals if manual.again)
        return any(each > at for each in asked)

    def _of(self, grant: Grant, presents: tuple[Holding, ...]) -> Mark | None:
        if not self._marks:  # most often; what it is bound to costs a digest
            return None
        return self._marks.get(self._tools.refusal(self._provider, grant, presents))

    def _barred_until(self, mark: Mark) -> datetime | None:
        """When a refused seed is presented once more, None where that time has come."""
        again_at = seed_again_at(mark.at, mark.times)
        holds = mark.at - SKEW <= self._now < again_at and not self.asked_since(mark.at)
        return again_at if holds else None


def _hangs_on_a_seed(presents: Iterable[Holding]) -> bool:
    """Whether a refusal is the seed's: a chain's own token comes before what is sent beside it."""
    kept = any(held.name == REFRESH_TOKEN and held.source is not Source.SEED for held in presents)
    return _holds_a_seed(presents) and not kept


def _holds_a_seed(presents: Iterable[Holding]) -> bool:
    return any(held.source is Source.SEED for held in presents)
