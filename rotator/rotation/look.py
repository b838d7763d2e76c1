"""One look at one credential: store, ledger and seeds turned into the facts that the plan reads.

Nothing is changed and no provider is asked. What is derived here is derived anew at every look;
nobody remembers where a rotation was.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.jobs.job import Credential
from rotator.ledger.facts import Intent, Record, Seal
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Shelf
from rotator.plan.seen import Seen
from rotator.policy.grants import Choice, Holding, Source
from rotator.policy.when import Renewal
from rotator.rotation.doubts import killed_through
from rotator.rotation.holdings import Holdings
from rotator.rotation.outlived import outlived
from rotator.rotation.pairs import Pair, pair
from rotator.rotation.remembered import remembered
from rotator.rotation.sealed import parsed
from rotator.rotation.tools import Tools
from rotator.rotation.wants import (
    Newest,
    due,
    joined,
    newest_access,
    newest_refresh,
    reason_for,
    want,
    wanted_now,
)
from rotator.schedule import Schedule
from rotator.store.base import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The facts for the plan, and beside them what a step needs to act on them."""

    seen: Seen
    record: Record
    versions: Mapping[Shelf, Version | None]
    holdings: Holdings
    choices: Mapping[str, Choice]
    """Wanted token -> the grant and what it presents."""
    access: Newest | None
    access_due: Renewal | None
    refresh: Newest | None
    refresh_due: Renewal | None
    seed_to_keep: Holding | None
    """The seed on which a chain hangs."""
    schedule: Schedule
    """What consumers can take: their caches, and the outage that must not cost them a token."""

    def seal(self, intent_id: str) -> Seal:
        return next(seal for seal in self.record.seals if seal.intent.id == intent_id)

    def intent(self, intent_id: str) -> Intent:
        return next(intent for intent in self.record.open_intents if intent.id == intent_id)

    @property
    def deadline(self) -> datetime | None:
        """When the next of our tokens dies, None where none is known to."""
        ends = (newest.expires_at for newest in (self.access, self.refresh) if newest)
        return min((at for at in ends if at and at > self.seen.now), default=None)

    @property
    def published_lives(self) -> bool:
        """Whether what is published lives for longer than consumers need to notice a change."""
        version, now = self.versions.get(Shelf.TOKEN), self.seen.now
        if version is None or version.generation <= killed_through(self.record):
            return False
        expires_at = parsed(version.fields.get("expires_at", ""))
        return expires_at is not None and now + self.schedule.consumer_max_staleness < expires_at

    @property
    def published_fields(self) -> Mapping[str, str]:
        """The fields of the consumers' secret."""
        version = self.versions.get(Shelf.TOKEN)
        return version.fields if version else {}


def look(
    tools: Tools,
    credential: Credential,
    record: Record,
    versions: Mapping[Shelf, Version | None],
    now: datetime,
) -> Sight:
    """Everything about one credential at one instant."""
    keyring = versions.get(Shelf.KEYRING)
    holdings = Holdings(tools, credential, record, keyring.fields if keyring else {}, now)
    access = newest_access(record, versions.get(Shelf.TOKEN), now)
    refresh = newest_refresh(holdings)
    access_due = due(credential, ACCESS_TOKEN, access)
    refresh_due = joined(credential, refresh, due(credential, REFRESH_TOKEN, refresh), access_due)
    idle = Sight(
        seen=remembered(tools, credential, record, versions, holdings),
        record=record, versions=versions, holdings=holdings, choices={},
        access=access, access_due=access_due, refresh=refresh, refresh_due=refresh_due,
        seed_to_keep=None, schedule=credential.schedule,
    )  # fmt: skip
    if record.row.paused_at is not None:
        return replace(idle, seen=replace(idle.seen, renew_at=_later(idle, {})))
    return _called_for(tools, credential, idle)


def _called_for(tools: Tools, credential: Credential, sight: Sight) -> Sight:
    """The same sight, with what is to be done now, and when more will be."""
    record, holdings, now = sight.record, sight.holdings, sight.seen.now
    wanted = wanted_now(credential, holdings, _reasons(sight))
    back_offs = sight.seen.back_offs
    chains = pair(credential, record, holdings, wanted, sight.access, back_offs)
    if chains.second:
        wanted = {REFRESH_TOKEN: Reason.CHAIN_MISSING} | _without(REFRESH_TOKEN, wanted)
    if chains.defers:
        wanted = _without(REFRESH_TOKEN, wanted)
    choices = _choices(holdings, wanted, chains)
    seed = _seed_to_keep(credential, holdings, choices)
    adopts_at = _adopts_at(tools, credential, record, holdings)
    gone = outlived(credential, record, sight.versions.get(Shelf.TOKEN), now)
    seeds_again_at = holdings.seeds_again_at.values() if wanted else ()
    seen = replace(
        sight.seen,
        wants=tuple(
            want(token, why, choices.get(token), holdings, record, back_offs)
            for token, why in wanted.items()
        ),
        pair_to_turn=chains.turns,
        seed_to_keep=seed is not None,
        chain_to_adopt=adopts_at is not None and adopts_at <= now,
        outlived=gone.version_id if gone and gone.at <= now else "",
        renew_at=_later(
            sight, wanted, adopts_at, chains.turn_at, gone.at if gone else None, *seeds_again_at
        ),
    )
    return replace(sight, seen=seen, choices=choices, seed_to_keep=seed)


def _reasons(sight: Sight) -> dict[str, Reason | None]:
    """Why each token should be replaced now; the refresh token first, as wants are met in order."""
    newest = {
        REFRESH_TOKEN: (sight.refresh, sight.refresh_due),
        ACCESS_TOKEN: (sight.access, sight.access_due),
    }
    return {
        name: reason_for(name, token, due_at, sight.record, sight.seen.now)
        for name, (token, due_at) in newest.items()
    }


def _without(token: str, wanted: Mapping[str, Reason]) -> dict[str, Reason]:
    return {name: reason for name, reason in wanted.items() if name != token}


def _choices(holdings: Holdings, wanted: Iterable[str], chains: Pair) -> dict[str, Choice]:
    """What meets each want; a second chain is made by the one grant that is for that."""
    made = {REFRESH_TOKEN: chains.second}
    chosen = {token: made.get(token) or holdings.choose(token) for token in wanted}
    return {token: choice for token, choice in chosen.items() if choice}


def _later(sight: Sight, wanted: Container[str], *others: datetime | None) -> tuple[datetime, ...]:
    """When something is to be done that is not called for yet."""
    renewals = {REFRESH_TOKEN: sight.refresh_due, ACCESS_TOKEN: sight.access_due}
    found = [renewal.at for name, renewal in renewals.items() if renewal and name not in wanted]
    return (*found, *(at for at in others if at))


def _seed_to_keep(
    credential: Credential, holdings: Holdings, choices: Mapping[str, Choice]
) -> Holding | None:
    """A seed on which a chain hangs: it is kept, with its real dates, before anything is spent.

    Not one that the provider has just disowned; what does not spend it may still present it.
    """
    choice = holdings.choose(ACCESS_TOKEN) if credential.provider.is_chain else None
    presented = [held for each in (choice, *choices.values()) if each for held in each.presents]
    seeds = (held for held in presented if held.source is Source.SEED)
    seed = next((held for held in seeds if held.name == REFRESH_TOKEN), None)
    return seed if seed and holdings.may_be_spent(seed) else None


def _adopts_at(
    tools: Tools, credential: Credential, record: Record, holdings: Holdings
) -> datetime | None:
    """When another ledger's keyring has stood still for a settle time; it is taken over once."""
    on_record = record.row.records.get(Shelf.KEYRING)
    can_tell = REFRESH_TOKEN in credential.provider.inspections
    if not holdings.foreign or holdings.was_adopted or on_record is None or not can_tell:
        return None
    if holdings.elsewhere:
        return None  # it would be asked about at a host that it is not for
    return on_record.put_at + tools.settle_time
