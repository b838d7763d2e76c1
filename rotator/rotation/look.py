"""One look at one credential: store, ledger and seeds turned into the facts that the plan reads.

Nothing is changed and no provider is asked. What is derived here is derived anew at every look;
nobody remembers where a rotation was.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.jobs.job import Credential
from rotator.ledger.facts import BackOff, Intent, Record, Seal
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Shelf
from rotator.plan import AnswerSeen, IntentSeen, Seen
from rotator.policy import Choice, Holding, Renewal, Source
from rotator.rotation.holdings import Holdings
from rotator.rotation.jumps import asked_at, holds, is_void
from rotator.rotation.outlived import outlived
from rotator.rotation.pairs import Pair, pair
from rotator.rotation.sealed import parsed
from rotator.rotation.shelves import shelf_seen
from rotator.rotation.tools import Tools
from rotator.rotation.wants import Newest, due, joined, reason_for, want
from rotator.schedule import Schedule
from rotator.store.base import Version

KEPT_BACK = frozenset({"Garbled", "Unanswered"})
"""Outcomes of a seal that stays until another rotator, another job file or a person reads it."""


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
        if version is None or version.generation <= self.record.row.killed_through:
            return False
        expires_at = parsed(version.fields.get("expires_at", ""))
        return expires_at is not None and now + self.schedule.consumer_max_staleness < expires_at

    @property
    def published_fields(self) -> Mapping[str, str]:
        """The fields of the consumers' secret."""
        version = self.versions.get(Shelf.TOKEN)
        return version.fields if version else {}

    @property
    def keyring(self) -> Mapping[str, str]:
        """The fields of the worker's own secret."""
        version = self.versions.get(Shelf.KEYRING)
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
    access = _newest_access(record, versions.get(Shelf.TOKEN), now)
    refresh = _newest_refresh(holdings)
    access_due = due(credential, ACCESS_TOKEN, access)
    refresh_due = joined(credential, refresh, due(credential, REFRESH_TOKEN, refresh), access_due)
    later = {REFRESH_TOKEN: refresh_due, ACCESS_TOKEN: access_due}
    newest = {REFRESH_TOKEN: refresh, ACCESS_TOKEN: access}
    reasons = {name: reason_for(name, newest[name], later[name], record, now) for name in later}
    paused = record.row.paused_at is not None
    wanted = {} if paused else _wanted(credential, holdings, reasons)
    facts = _facts(tools, credential, record, versions, holdings)
    chains = (
        Pair() if paused else pair(credential, record, holdings, wanted, access, facts.back_offs)
    )
    if chains.second:
        wanted = {REFRESH_TOKEN: Reason.CHAIN_MISSING} | _without(REFRESH_TOKEN, wanted)
    if chains.defers:
        wanted = _without(REFRESH_TOKEN, wanted)
    choices = _choices(holdings, wanted, chains)
    seed = None if paused else _seed_to_keep(credential, holdings, choices)
    adopts_at = None if paused else _adopts_at(tools, credential, record, holdings)
    gone = None if paused else outlived(credential, record, versions.get(Shelf.TOKEN), now)
    seen = replace(
        facts,
        wants=tuple(
            want(token, why, choices.get(token), holdings, record, facts.back_offs)
            for token, why in wanted.items()
        ),
        pair_to_turn=chains.turns,
        seed_to_keep=seed is not None,
        chain_to_adopt=adopts_at is not None and adopts_at <= now,
        outlived=gone.version_id if gone and gone.at <= now else "",
        renew_at=_renewals(later, wanted, adopts_at, chains.turn_at, gone.at if gone else None),
    )
    if wanted and holdings.seeds_again_at:
        seen = replace(seen, renew_at=(*seen.renew_at, *holdings.seeds_again_at.values()))
    return Sight(
        seen=seen, record=record, versions=versions, holdings=holdings, choices=choices,
        access=access, access_due=access_due, refresh=refresh, refresh_due=refresh_due,
        seed_to_keep=seed, schedule=credential.schedule,
    )  # fmt: skip


def _without(token: str, wanted: Mapping[str, Reason]) -> dict[str, Reason]:
    return {name: reason for name, reason in wanted.items() if name != token}


def _choices(holdings: Holdings, wanted: Iterable[str], chains: Pair) -> dict[str, Choice]:
    """What meets each want; a second chain is made by the one grant that is for that."""
    made = {REFRESH_TOKEN: chains.second}
    chosen = {token: made.get(token) or holdings.choose(token) for token in wanted}
    return {token: choice for token, choice in chosen.items() if choice}


def _renewals(
    later: Mapping[str, Renewal | None], wanted: Container[str], *others: datetime | None
) -> tuple[datetime, ...]:
    """When something is to be done that is not wanted yet."""
    found = [renewal.at for name, renewal in later.items() if renewal and name not in wanted]
    return (*found, *(at for at in others if at))


def _facts(
    tools: Tools,
    credential: Credential,
    record: Record,
    versions: Mapping[Shelf, Version | None],
    holdings: Holdings,
) -> Seen:
    """What store and ledger say by themselves, before it is asked what is wanted."""
    now, keyring = holdings.now, versions.get(Shelf.KEYRING)
    return Seen(
        now=now,
        shelves={shelf: shelf_seen(record, shelf, found, now) for shelf, found in versions.items()},
        answers=tuple(
            _answer(tools, credential, seal, now, overtaken=_overtaken(seal, keyring, holdings))
            for seal in record.seals
        ),
        intents=tuple(_intent(credential, intent, now) for intent in record.open_intents),
        back_offs={what: found.until for what, found in active_back_offs(record, now).items()},
    )


def _overtaken(seal: Seal, keyring: Version | None, holdings: Holdings) -> bool:
    """Whether a higher generation than this answer's holds nothing newer."""
    if keyring is None or keyring.id == seal.intent.id:
        return False
    return keyring.generation >= seal.intent.generation and holdings.overtaken(seal)


def reader(tools: Tools, credential: Credential) -> str:
    """Who reads an answer: another rotator or another job file may understand it."""
    return f"{tools.version} {credential.digest}"


def active_back_offs(record: Record, now: datetime) -> dict[str, BackOff]:
    """Those that still hold: a manual request passes the ones stored before it was asked.

    One that a clock stored which ran ahead is void.
    """
    asked = max((asked_at(manual, now) for manual in record.manuals), default=None)
    return {
        what: back_off
        for what, back_off in record.back_offs.items()
        if holds(back_off, now) and not (asked and back_off.since < asked)
    }


def _wanted(
    credential: Credential,
    holdings: Holdings,
    reasons: Mapping[str, Reason | None],
) -> dict[str, Reason]:
    """Tokens to replace now, the refresh token first; a hopeless chain is told before it is due."""
    wanted = {token: reason for token, reason in reasons.items() if reason}
    if not credential.provider.is_chain:
        wanted.pop(REFRESH_TOKEN, None)
        return wanted
    choice = holdings.choose(ACCESS_TOKEN)
    if choice is None and ACCESS_TOKEN not in wanted:
        wanted.setdefault(REFRESH_TOKEN, Reason.MISSING)
    if choice and not choice.grant.spends and choice.involves(holdings.doubted):
        wanted.setdefault(ACCESS_TOKEN, Reason.UNANSWERED)
    return wanted


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


def _newest_access(record: Record, version: Version | None, now: datetime) -> Newest | None:
    """Of a living unpublished answer, or the published version."""
    published = version.generation if version else 0
    sealed = [
        Newest(issued_at=issued_at, expires_at=expires_at, generation=seal.intent.generation)
        for seal in record.seals
        if seal.intent.generation > published and ACCESS_TOKEN in _worth_storing(seal, now)
        for issued_at, expires_at in [seal.tokens[ACCESS_TOKEN]]
    ]
    if sealed:
        return max(sealed, key=lambda newest: newest.generation)
    if version is None or not version.fields.get("schema"):
        return None
    return Newest(
        issued_at=parsed(version.fields.get("issued_at", "")),
        expires_at=parsed(version.fields.get("expires_at", "")),
        generation=published,
    )


def _newest_refresh(holdings: Holdings) -> Newest | None:
    held = holdings.refresh
    return Newest.of(held.token) if held else None


def _answer(
    tools: Tools, credential: Credential, seal: Seal, now: datetime, *, overtaken: bool
) -> AnswerSeen:
    kept_back = seal.outcome in KEPT_BACK
    reread = kept_back and seal.reader != reader(tools, credential)
    grant = credential.provider.grant(seal.intent.grant)
    may_hold = grant.yields if grant else frozenset({ACCESS_TOKEN, REFRESH_TOKEN})
    return AnswerSeen(
        id=seal.intent.id,
        generation=seal.intent.generation,
        read=seal.read_at is not None and not reread,
        holds=may_hold if kept_back else _worth_storing(seal, now),
        kept_back=kept_back,
        overtaken=overtaken,
    )


def _worth_storing(seal: Seal, now: datetime) -> frozenset[str]:
    """A refresh token always; an access token while it lives."""
    return frozenset(
        name
        for name, (_, expires_at) in seal.tokens.items()
        if name == REFRESH_TOKEN
        or (name == ACCESS_TOKEN and (expires_at is None or now < expires_at))
    )


def _intent(credential: Credential, intent: Intent, now: datetime) -> IntentSeen:
    if is_void(intent, now):
        return IntentSeen(id=intent.id, settles_at=now, replayable_until=now)
    grant = credential.provider.grant(intent.grant)
    replay = grant.replay if grant and intent.spends else timedelta(0)
    return IntentSeen(
        id=intent.id,
        settles_at=intent.settles_at,
        replayable_until=intent.first_intended_at + replay,
    )
