"""Where the tokens of one credential lie: every one that it may present, the preferred first.

Candidates for the refresh token are the sealed answers (newest first), the keyring and the seed.
The chain's own tokens come before a seed, so that a mistyped seed never replaces a living chain;
but a barred token, or one that is dead by our clock, never hides a fresh seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.errors import SealError, SeedMissing
from rotator.jobs.job import Credential
from rotator.ledger.facts import Mark, Record, Seal
from rotator.model import REFRESH_TOKEN, Token
from rotator.policy.grants import Holding, Source
from rotator.rotation.sealed import SEED_HOST, kept_token, seed_mark, spare_token, unpack_tokens
from rotator.rotation.tools import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One token that may be presented, with the secret that the policy never sees."""

    holding: Holding
    token: Token

    @property
    def fingerprint(self) -> str:
        return self.holding.fingerprint

    def expired(self, now: datetime) -> bool:
        """By our clock; where nobody knows when it dies it has not."""
        return self.token.expires_at is not None and self.token.expires_at <= now


class Candidates:
    """Gathered once a look; `keyring`: the fields of the worker's own secret."""

    def __init__(
        self,
        tools: Tools,
        credential: Credential,
        record: Record,
        keyring: Mapping[str, str],
        now: datetime,
    ) -> None:
        self._tools = tools
        self._credential = credential
        self._provider = credential.provider
        self._record = record
        self._keyring = keyring
        self._now = now
        self.spent: dict[str, Mark] = {}
        """Of the refresh tokens that are here, by fingerprint."""
        self.missing: list[str] = []
        """Seeds that their references do not lead to, in words."""
        self.by_name = self._gather()

    def kept(self) -> Held | None:
        """The keyring's refresh token, None where it is not for this host. No mark is looked up."""
        return self._of_keyring(kept_token(self._keyring))

    def spare(self) -> Held | None:
        """The one that rests in a pair, likewise."""
        return self._of_keyring(spare_token(self._keyring))

    def _gather(self) -> dict[str, list[Held]]:
        needed = sorted({name for grant in self._provider.grants for name in grant.needs})
        seeds = {name: held for name in needed if (held := self._seed(name))}
        found = {name: [held] for name, held in seeds.items()}
        if REFRESH_TOKEN in needed:
            found[REFRESH_TOKEN] = self._refresh_tokens(seeds.get(REFRESH_TOKEN))
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

    def _refresh_tokens(self, seed: Held | None) -> list[Held]:
        """Every refresh token once, the preferred first."""
        chain = [*self._sealed(), *filter(None, [self.kept()])]
        living = [held for held in chain if not held.expired(self._now)]
        dead = [held for held in chain if held.expired(self._now)]
        fresh = [seed] if seed and not self._grew_from(seed.token) else []
        once: dict[str, Held] = {}
        for held in [*living, *fresh, *dead]:
            once.setdefault(held.fingerprint, held)
        return self._marked(list(once.values()))

    def _marked(self, candidates: list[Held]) -> list[Held]:
        """Which are spent, whoever spent them: a job that is renamed does not spend again."""
        marks = self._tools.ledger.spent([held.fingerprint for held in candidates])
        self.spent = {mark.key: mark for mark in marks}
        return [
            replace(held, holding=replace(held.holding, spent=held.fingerprint in self.spent))
            for held in candidates
        ]

    def _grew_from(self, seed: Token) -> bool:
        """Also where the job has moved: an old host's seed is never sent to a new one."""
        host = self._keyring.get(SEED_HOST) or self._keyring.get("host", "")
        kept_for = replace(self._provider, host=host)
        mark = seed_mark(kept_for, self._credential.qualified, seed.value)
        return self._keyring.get("seed") == mark

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

    def _of_keyring(self, token: Token | None) -> Held | None:
        if token is None or self._keyring.get("host") != self._provider.host:
            return None
        return self._hold(REFRESH_TOKEN, token, Source.KEYRING)

    def _hold(self, name: str, token: Token, source: Source) -> Held:
        fingerprint = self._tools.fingerprints.fingerprint(token.value)
        holding = Holding(name=name, fingerprint=fingerprint, source=source)
        return Held(holding=holding, token=token)
