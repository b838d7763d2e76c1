"""What one credential may present: its tokens and seeds, the preferred first, and what bars them.

Candidates for the refresh token are the sealed answers (newest first), the keyring and the seed.
The chain's own tokens come before a seed, so that a mistyped seed never replaces a living chain;
but a barred token, or one that is dead by our clock, never hides a fresh seed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

from rotator.errors import SealError, SeedMissing
from rotator.jobs.job import Credential
from rotator.ledger.facts import Because, Mark, MarkKind, Record, Seal
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Token
from rotator.policy import SKEW, Choice, Holding, Source, choose, presentable, seed_again_at
from rotator.providers.base import Grant
from rotator.rotation.doubts import long_doubts
from rotator.rotation.jumps import asked_at
from rotator.rotation.sealed import (
    SEED_HOST,
    kept_token,
    parsed,
    seed_mark,
    spare_token,
    unpack_tokens,
)
from rotator.rotation.tools import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One token that may be presented, with the secret that the policy never sees."""

    holding: Holding
    token: Token

    @property
    def fingerprint(self) -> str:
        return self.holding.fingerprint


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
        self._credential = credential
        self._provider = credential.provider
        self._record = record
        self.keyring = keyring
        self.now = now
        self._spent: dict[str, Mark] = {}
        self.refusals = {m.key: m for m in record.marks if m.kind is MarkKind.REFUSED}
        """By what each is bound to."""
        self.missing: list[str] = []
        """Seeds that their references do not lead to, in words."""
        self._by_name = self._gather()
        self._chosen: dict[str, Choice | None] = {}

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
            key for key, mark in self._spent.items() if mark.because is Because.UNANSWERED
        )

    def doubted_before(self, at: datetime) -> frozenset[str]:
        """Those that were in doubt before an instant: an answer sent later settles it."""
        return frozenset(key for key in self.doubted if self._spent[key].at < at)

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
        return any(self._mints(held) for held in self._kept())

    @cached_property
    def spare(self) -> Held | None:
        """The pair's other refresh token, None where there is none that may be presented."""
        token = spare_token(self.keyring)
        if token is None or self.keyring.get("host") != self._provider.host:
            return None
        held = self._hold(REFRESH_TOKEN, token, Source.KEYRING)
        return held if self._mints(held) and not self._succeeded(held.fingerprint) else None

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
        minting = [
            grant
            for grant in self._provider.grants
            if ACCESS_TOKEN in grant.yields and REFRESH_TOKEN in grant.needs
        ]
        return not self._expired(held.token) and any(
            presents and not self._refused(grant, presents)
            for grant in minting
            for presents in [self._beside(held.holding, grant)]
        )

    def spending(self, holding: Holding) -> list[Choice]:
        """Every grant that would spend this token, with what else it would present."""
        return [
            Choice(grant, presents)
            for grant in self._provider.grants
            if grant.spends == holding.name
            if (presents := self._beside(holding, grant))
        ]

    def may_be_spent(self, holding: Holding) -> bool:
        """Whether no grant that would spend it was refused, or told that it is dead."""
        return not any(self._refused(*choice) for choice in self.spending(holding))

    def _beside(self, holding: Holding, grant: Grant) -> tuple[Holding, ...]:
        """What the grant presents with this token in it; nothing where something is missing."""
        return self._presents(grant, {holding.name: holding})

    def _presents(
        self, grant: Grant, fixed: Mapping[str, Holding] = MappingProxyType({})
    ) -> tuple[Holding, ...]:
        """The preferred of each that the grant needs, but for those fixed."""
        found = [
            [fixed[name]] if name in fixed else [h.holding for h in self._by_name.get(name, ())]
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

    @property
    def _held(self) -> dict[str, list[Holding]]:
        return {name: [h.holding for h in found] for name, found in self._by_name.items()}

    @cached_property
    def seeds_again_at(self) -> dict[str, datetime]:
        """When each refused seed is presented once more, by what its refusal is bound to."""
        bound_to = (
            self._tools.refusal(self._provider, grant, presents)
            for grant in self._provider.grants
            if self.refusals
            for presents in presentable(grant, self._held)
            if _holds_a_seed(presents)
        )
        return {
            key: until
            for key in bound_to
            if (mark := self.refusals.get(key)) and (until := self._barred_until(mark))
        }

    def without(self, fingerprint: str) -> Choice | None:
        """What would obtain an access token if this token were spent; None: all hangs on it.

        A refused seed is no way until its time has come; then it is one again.
        """
        return self._choose_without(frozenset({fingerprint}), ACCESS_TOKEN)

    def _gather(self) -> dict[str, list[Held]]:
        needed = sorted({name for grant in self._provider.grants for name in grant.needs})
        seeds = {name: held for name in needed if (held := self._seed(name))}
        found = {name: [held] for name, held in seeds.items()}
        if REFRESH_TOKEN in needed:
            found[REFRESH_TOKEN] = self._candidates(seeds.get(REFRESH_TOKEN))
        return found

    def _seed(self, name: str) -> Held | None:
        reference = self._credential.seeds.get(name)
        if reference is None:
            return None
        try:
            return self._hold(name, Token(value=self._tools.seeds.read(reference)), Source.SEED)
        except SeedMissing as error:
            self.missing.append(str(error))
            return None

    def _candidates(self, seed: Held | None) -> list[Held]:
        """Every refresh token once, the preferred first."""
        chain = [*self._sealed(), *self._kept()]
        living = [held for held in chain if not self._expired(held.token)]
        dead = [held for held in chain if self._expired(held.token)]
        fresh = [seed] if seed and not self._grew_from(seed.token) else []
        once: dict[str, Held] = {}
        for held in [*living, *fresh, *dead]:
            once.setdefault(held.fingerprint, held)
        return self._marked(list(once.values()))

    def _marked(self, candidates: list[Held]) -> list[Held]:
        """Which are spent, whoever spent them: a job that is renamed does not spend again."""
        marks = self._tools.ledger.spent([held.fingerprint for held in candidates])
        self._spent = {mark.key: mark for mark in marks}
        return [
            replace(held, holding=replace(held.holding, spent=held.fingerprint in self._spent))
            for held in candidates
        ]

    def _expired(self, token: Token) -> bool:
        return token.expires_at is not None and token.expires_at <= self.now

    def _grew_from(self, seed: Token) -> bool:
        """Also where the job has moved: an old host's seed is never sent to a new one."""
        host = self.keyring.get(SEED_HOST) or self.keyring.get("host", "")
        kept_for = replace(self._provider, host=host)
        mark = seed_mark(kept_for, self._credential.qualified, seed.value)
        return self.keyring.get("seed") == mark

    def _sealed(self) -> list[Held]:
        newest_first = sorted(self._record.seals, key=lambda s: s.intent.generation, reverse=True)
        opened = (self._opened(seal) for seal in newest_first if REFRESH_TOKEN in seal.tokens)
        return [self._hold(REFRESH_TOKEN, token, Source.SEAL) for token in opened if token]

    def _opened(self, seal: Seal) -> Token | None:
        """The refresh token in a seal that was read, None where it is another host's."""
        if seal.intent.host != self._provider.host:
            return None
        bound_to = self._tools.bound_to(seal.intent, "tokens")
        try:
            plain = self._tools.sealing.open(seal.keyring, bound_to=bound_to)
            return unpack_tokens(plain)[0].get(REFRESH_TOKEN)
        except SealError:
            return None

    def _kept(self) -> list[Held]:
        token = kept_token(self.keyring)
        if token is None or self.keyring.get("host") != self._provider.host:
            return []
        return [self._hold(REFRESH_TOKEN, token, Source.KEYRING)]

    def _hold(self, name: str, token: Token, source: Source) -> Held:
        fingerprint = self._tools.fingerprints.fingerprint(token.value)
        holding = Holding(name=name, fingerprint=fingerprint, source=source)
        return Held(holding=holding, token=token)

    def _refused(self, grant: Grant, presents: tuple[Holding, ...]) -> bool:
        """A kept token stays refused; a seed is tried ever more rarely, or when a person asks.

        Nothing is spent while the keyring is another ledger's, a fresh seed neither: kept, it would
        take the place of a chain that may be alive.
        """
        if self.foreign and grant.spends is not None:
            return True
        mark = self.refusals.get(self._tools.refusal(self._provider, grant, presents))
        if mark is None:
            return False
        if not _holds_a_seed(presents):
            return True
        return self._barred_until(mark) is not None

    def _barred_until(self, mark: Mark) -> datetime | None:
        """When a refused seed is presented once more, None where that time has come."""
        again_at = seed_again_at(mark.at, mark.times)
        holds = mark.at - SKEW <= self.now < again_at and not self.asked_since(mark.at)
        return again_at if holds else None

    def asked_since(self, at: datetime) -> bool:
        """Whether a person has asked since then to have refused seeds tried again."""
        asked = (asked_at(manual, self.now) for manual in self._record.manuals if manual.again)
        return any(each > at for each in asked)


def _holds_a_seed(presents: Iterable[Holding]) -> bool:
    return any(held.source is Source.SEED for held in presents)
