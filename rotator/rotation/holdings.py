"""What one credential may present now: which of its tokens and seeds, to which grant."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

from rotator.jobs.job import Credential
from rotator.ledger.facts import Because, MarkKind, Record, Seal
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Token
from rotator.policy.grants import Choice, Holding, Source, choose, presentable
from rotator.policy.when import SKEW
from rotator.providers.base import Grant
from rotator.rotation.candidates import Candidates, Held
from rotator.rotation.doubts import long_doubts
from rotator.rotation.refusals import Refusals
from rotator.rotation.sealed import kept_token, parsed, spare_token
from rotator.rotation.tools import Tools


class Holdings:
    """Everything that one credential holds at one instant."""

    def __init__(
        self,
        tools: Tools,
        credential: Credential,
        record: Record,
        keyring: Mapping[str, str],
        now: datetime,
    ) -> None:
        """`keyring`: the fields of the worker's own secret, empty where there is none."""
        self._tools = tools
        self._provider = credential.provider
        self._record = record
        self.keyring = keyring
        self.now = now
        self.refusals = Refusals(tools, credential, record, now)
        self._candidates = Candidates(tools, credential, record, keyring, now)
        self._by_name = self._candidates.by_name
        self._held = {name: [h.holding for h in found] for name, found in self._by_name.items()}
        self._chosen: dict[str, Choice | None] = {}

    @property
    def missing(self) -> list[str]:
        """Seeds that their references do not lead to, in words."""
        return self._candidates.missing

    @property
    def refresh(self) -> Held | None:
        """The token on which a chain hangs now: the first that is not spent."""
        return next((h for h in self._by_name.get(REFRESH_TOKEN, ()) if not h.holding.spent), None)

    @property
    def foreign(self) -> bool:
        """Whether the keyring belongs to another ledger, so that we may not spend what is in it."""
        owner = self.keyring.get("ledger_id", "")
        return bool(owner) and owner != self._tools.ledger.ledger_id

    @property
    def elsewhere(self) -> str:
        """The host that the keyring is for, where it is another than the job's."""
        host = self.keyring.get("host", "")
        return "" if host == self._provider.host else host

    @property
    def was_adopted(self) -> bool:
        """Whether a ledger has taken this chain over by itself before; that happens once."""
        return bool(self.keyring.get("adopted_at"))

    @property
    def spends_from(self) -> datetime | None:
        """When a chain may be spent that was taken over: its owner may have been in flight."""
        adopted_at = parsed(self.keyring.get("adopted_at", ""))
        if adopted_at is None or adopted_at > self.now + SKEW:
            return None
        return adopted_at + self._tools.settle_time

    @property
    def doubted(self) -> frozenset[str]:
        """Fingerprints that a request which nobody answered has spent, or has not."""
        return frozenset(
            key
            for key, mark in self._candidates.spent.items()
            if mark.because is Because.UNANSWERED
        )

    def doubted_before(self, at: datetime) -> frozenset[str]:
        """Those that were in doubt before an instant: an answer sent later settles it."""
        return frozenset(key for key in self.doubted if self._candidates.spent[key].at < at)

    @property
    def spent_by_others(self) -> list[str]:
        """Who else has spent what is held: a seed of two credentials, or one that was renamed."""
        whose = {mark.by for mark in self._candidates.spent.values()}
        return sorted(whose - {self._record.row.credential})

    @property
    def trouble(self) -> Reason:
        """Why no grant can be used: what stands in the way of whatever is held."""
        kept = [each.holding for each in self._by_name.get(REFRESH_TOKEN, ())]
        chain = [held for held in kept if held.source is not Source.SEED]
        if self.foreign:
            return Reason.ANOTHER_LEDGER
        if self.elsewhere:
            return Reason.MISCONFIGURED
        if chain:
            unspent = any(not held.spent for held in chain)
            return Reason.TOKEN_REFUSED if unspent else Reason.TOKEN_SPENT
        if self.missing:
            return Reason.SEED_MISSING
        return Reason.SEED_REFUSED if self.refusals else Reason.NO_GRANT_LEFT

    def token(self, holding: Holding) -> Token:
        """The secret behind what the policy chose."""
        found = self._by_name[holding.name]
        return next(h.token for h in found if h.fingerprint == holding.fingerprint)

    def by_fingerprint(self, fingerprint: str) -> Token | None:
        """Whatever we hold under that fingerprint, None where it is no longer here."""
        every = (held for found in self._by_name.values() for held in found)
        return next((held.token for held in every if held.fingerprint == fingerprint), None)

    @property
    def kept(self) -> Token | None:
        """The refresh token in the keyring, whoever put it there."""
        return kept_token(self.keyring)

    @cached_property
    def mints(self) -> bool:
        """Whether the refresh token in the keyring may be presented for an access token."""
        held = self._candidates.kept()
        return held is not None and self._mints(held)

    @cached_property
    def spare(self) -> Held | None:
        """The pair's other refresh token, None where there is none that may be presented."""
        held = self._candidates.spare()
        usable = held and self._mints(held) and not self._succeeded(held.fingerprint)
        return held if usable else None

    def _succeeded(self, fingerprint: str) -> bool:
        """Whether it was spent for an answer that nobody understands yet, but still may."""
        asked = any(seal.intent.spends == fingerprint for seal in self._record.seals)
        return asked and any(
            mark.kind is MarkKind.SPENT and mark.key == fingerprint for mark in self._record.marks
        )

    def overtaken(self, seal: Seal) -> bool:
        """Whether what was spent for this answer is still in the keyring.

        A pair that turned, a second chain put beside it and an adoption write the same token again:
        a higher generation, with nothing newer in it.
        """
        if seal.intent.spends is None or self.keyring.get("host") != seal.intent.host:
            return False
        found = (kept_token(self.keyring), spare_token(self.keyring))
        names = (self._tools.fingerprints.fingerprint(each.value) for each in found if each)
        return seal.intent.spends in names

    def choice_of(self, name: str) -> Choice | None:
        """That very grant with what we hold for it, None where it may not be used."""
        grant = self._provider.grant(name)
        presents = self._presents(grant) if grant else ()
        usable = grant is not None and presents and not self._refused(grant, presents)
        return Choice(grant, presents) if usable and grant else None

    def _mints(self, held: Held) -> bool:
        """Whether any grant would take it for an access token; doubt alone does not bar it."""
        minting = self._with(held.holding, lambda grant: ACCESS_TOKEN in grant.yields)
        return not held.expired(self.now) and any(not self._refused(*each) for each in minting)

    def spending(self, holding: Holding) -> list[Choice]:
        """Every grant that would spend this token, with what else it would present."""
        return self._with(holding, lambda grant: grant.spends == holding.name)

    def may_be_spent(self, holding: Holding) -> bool:
        """Whether no grant that would spend it was refused, or told that it is dead."""
        return not any(self._refused(*choice) for choice in self.spending(holding))

    def _with(self, holding: Holding, fits: Callable[[Grant], bool]) -> list[Choice]:
        """Every such grant that needs this token, and for which nothing is missing."""
        return [
            Choice(grant, presents)
            for grant in self._provider.grants
            if holding.name in grant.needs and fits(grant)
            if (presents := self._presents(grant, {holding.name: holding}))
        ]

    def _presents(
        self, grant: Grant, fixed: Mapping[str, Holding] = MappingProxyType({})
    ) -> tuple[Holding, ...]:
        """The preferred of each that the grant needs, but for those fixed; nothing if one lacks."""
        found = [
            [fixed[name]] if name in fixed else self._held.get(name, [])
            for name in sorted(grant.needs)
        ]
        return tuple(each[0] for each in found) if all(found) else ()

    def choose(self, wanted: str) -> Choice | None:
        """The grant to use for a token, None where only a person can help."""
        if wanted not in self._chosen:  # a look asks several times, and each asks for digests
            self._chosen[wanted] = self._choose(wanted)
        return self._chosen[wanted]

    def _choose(self, wanted: str) -> Choice | None:
        """What has been in doubt for long is left alone, where there is another way."""
        doubtful = frozenset(intent.spends or "" for intent, _ in long_doubts(self._record))
        beside = self._choose_without(doubtful, wanted) if doubtful else None
        return beside or choose(wanted, self._provider.grants, self._held, self._refused)

    def without(self, fingerprint: str) -> Choice | None:
        """What would obtain an access token if this token were spent; None: all hangs on it.

        A refused seed is no way until its time has come; then it is one again.
        """
        return self._choose_without(frozenset({fingerprint}), ACCESS_TOKEN)

    def _choose_without(self, fingerprints: frozenset[str], wanted: str) -> Choice | None:
        """The grant to use if these tokens were spent."""
        held = {
            name: [
                replace(each, spent=each.spent or each.fingerprint in fingerprints)
                for each in found
            ]
            for name, found in self._held.items()
        }
        return choose(wanted, self._provider.grants, held, self._refused)

    @cached_property
    def seeds_again_at(self) -> dict[str, datetime]:
        """When each refused seed is presented once more, by what its refusal is bound to."""
        if not self.refusals:
            return {}
        return self.refusals.again_at(self._every_choice())

    @cached_property
    def refused_seeds(self) -> list[Grant]:
        """The grants that were refused with the seeds that are here now."""
        return self.refusals.of_seeds(self._every_choice())

    def _every_choice(self) -> Iterator[Choice]:
        for grant in self._provider.grants:
            yield from (Choice(grant, presents) for presents in presentable(grant, self._held))

    def _refused(self, grant: Grant, presents: tuple[Holding, ...]) -> bool:
        """Nothing is spent while the keyring is another ledger's, a fresh seed neither.

        Kept, it would take the place of a chain that may be alive.
        """
        if self.foreign and grant.spends is not None:
            return True
        return self.refusals.bars(grant, presents)
