"""One look at one credential: store, ledger and seeds turned into the facts that the plan reads.

Nothing is changed and no provider is asked. What is derived here is derived anew at every look;
nobody remembers where a rotation was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.jobs import Credential
from rotator.ledger.base import BackOff, Intent, Record, Seal
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Shelf
from rotator.plan import Agreement, AnswerSeen, IntentSeen, Seen, ShelfSeen
from rotator.policy import Choice, Holding, Renewal, Source
from rotator.rotation.holdings import Holdings
from rotator.rotation.sealed import parsed
from rotator.rotation.tools import Tools
from rotator.rotation.wants import Newest, due, joined, reason_for, want
from rotator.store.base import Version

LAG = timedelta(minutes=1)
"""For so long after our last write a read may show an earlier version of ours."""
KEPT_BACK = frozenset({"Garbled", "Unanswered"})
"""Outcomes of a seal that stays until another rotator, another job file or a person reads it."""
LONGEST_BACK_OFF = timedelta(days=2)
"""A back-off that ends further off than this was stored by a clock that jumped: it is void."""


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
    staleness: timedelta
    """The slowest consumer's cache."""
    survive: timedelta
    """The outage that must not cost a consumer its token."""

    def seal(self, intent_id: str) -> Seal:
        return next(seal for seal in self.record.seals if seal.intent.id == intent_id)

    def intent(self, intent_id: str) -> Intent:
        return next(intent for intent in self.record.open_intents if intent.id == intent_id)

    @property
    def published_lives(self) -> bool:
        """Whether what is published lives for longer than consumers need to notice a change."""
        version, now = self.versions.get(Shelf.TOKEN), self.seen.now
        if version is None or version.generation <= self.record.row.killed_through:
            return False
        expires_at = parsed(version.fields.get("expires_at", ""))
        return expires_at is not None and now + self.staleness < expires_at

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
    back_offs = {what: back_off.until for what, back_off in active_back_offs(record, now).items()}
    reasons = {
        REFRESH_TOKEN: reason_for(REFRESH_TOKEN, refresh, refresh_due, record, now),
        ACCESS_TOKEN: reason_for(ACCESS_TOKEN, access, access_due, record, now),
    }
    wanted = _wanted(credential, holdings, reasons, paused=record.row.paused_at is not None)
    choices = {token: choice for token in wanted if (choice := holdings.choose(token))}
    wants = tuple(
        want(token, reason, choices.get(token), record.open_intents, back_offs, now)
        for token, reason in wanted.items()
    )
    renewals = {ACCESS_TOKEN: access_due, REFRESH_TOKEN: refresh_due}
    seed = _seed_to_keep(credential, holdings)
    seen = Seen(
        now=now,
        shelves={shelf: _shelf(record, shelf, version, now) for shelf, version in versions.items()},
        answers=tuple(_answer(tools, credential, seal, now) for seal in record.seals),
        intents=tuple(_intent(credential, intent) for intent in record.open_intents),
        wants=wants,
        seed_to_keep=seed is not None,
        chain_to_adopt=_chain_to_adopt(tools, credential, record, holdings, now),
        back_offs=back_offs,
        renew_at=tuple(at.at for name, at in renewals.items() if at and name not in wanted),
    )
    return Sight(
        seen=seen, record=record, versions=versions, holdings=holdings, choices=choices,
        access=access, access_due=access_due, refresh=refresh, refresh_due=refresh_due,
        seed_to_keep=seed, staleness=credential.schedule.consumer_max_staleness,
        survive=credential.schedule.survive,
    )  # fmt: skip


def reader(tools: Tools, credential: Credential) -> str:
    """Who reads an answer: another rotator or another job file may understand it."""
    return f"{tools.version} {credential.digest}"


def active_back_offs(record: Record, now: datetime) -> dict[str, BackOff]:
    """Those that still hold: a manual request passes the ones stored before it was asked."""
    asked = max((manual.asked_at for manual in record.manuals), default=None)
    return {
        what: back_off
        for what, back_off in record.back_offs.items()
        if now < back_off.until < now + LONGEST_BACK_OFF and not (asked and back_off.since < asked)
    }


def _wanted(
    credential: Credential,
    holdings: Holdings,
    reasons: Mapping[str, Reason | None],
    *,
    paused: bool,
) -> dict[str, Reason]:
    """Tokens to replace now, the refresh token first; a hopeless chain is told before it is due."""
    if paused:
        return {}
    wanted = {token: reason for token, reason in reasons.items() if reason}
    if not credential.provider.is_chain:
        wanted.pop(REFRESH_TOKEN, None)
        return wanted
    choice = holdings.choose(ACCESS_TOKEN)
    if choice is None and ACCESS_TOKEN not in wanted:
        wanted.setdefault(REFRESH_TOKEN, Reason.MISSING)
    if choice and not choice.grant.spends and _presents(choice, holdings.doubted):
        wanted.setdefault(ACCESS_TOKEN, Reason.UNANSWERED)
    return wanted


def _presents(choice: Choice, fingerprints: frozenset[str]) -> bool:
    return any(held.fingerprint in fingerprints for held in choice.presents)


def _seed_to_keep(credential: Credential, holdings: Holdings) -> Holding | None:
    """A seed on which a chain hangs: it is kept, with its real dates, before anything is spent."""
    choice = holdings.choose(ACCESS_TOKEN) if credential.provider.is_chain else None
    presented = choice.presents if choice else ()
    seeds = (held for held in presented if held.source is Source.SEED)
    return next((held for held in seeds if held.name == REFRESH_TOKEN), None)


def _chain_to_adopt(
    tools: Tools, credential: Credential, record: Record, holdings: Holdings, now: datetime
) -> bool:
    """Another ledger's keyring that has stood still for a settle time, and was never taken over."""
    on_record = record.row.records.get(Shelf.KEYRING)
    return (
        holdings.foreign
        and not holdings.was_adopted
        and on_record is not None
        and now >= on_record.put_at + tools.settle_time
        and REFRESH_TOKEN in credential.provider.inspections
    )


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
    if held is None:
        return None
    return Newest(issued_at=held.token.issued_at, expires_at=held.token.expires_at, generation=0)


def _answer(tools: Tools, credential: Credential, seal: Seal, now: datetime) -> AnswerSeen:
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
    )


def _worth_storing(seal: Seal, now: datetime) -> frozenset[str]:
    """A refresh token always; an access token while it lives."""
    return frozenset(
        name
        for name, (_, expires_at) in seal.tokens.items()
        if name == REFRESH_TOKEN
        or (name == ACCESS_TOKEN and (expires_at is None or now < expires_at))
    )


def _intent(credential: Credential, intent: Intent) -> IntentSeen:
    grant = credential.provider.grant(intent.grant)
    replay = grant.replay if grant and intent.spends else timedelta(0)
    return IntentSeen(
        id=intent.id,
        settles_at=intent.settles_at,
        replayable_until=intent.first_intended_at + replay,
    )


def _shelf(record: Record, shelf: Shelf, version: Version | None, now: datetime) -> ShelfSeen:
    if version is None:
        return ShelfSeen()
    agreement = _agreement(record, shelf, version, now)
    return ShelfSeen(agreement=agreement, generation=version.generation)


def _agreement(record: Record, shelf: Shelf, version: Version, now: datetime) -> Agreement:
    """How the current version compares with the one on record.

    A keyring of an equal generation is adopted too: thrown back, it may be the only living key.
    """
    on_record = record.row.records.get(shelf)
    if version.id in {seal.intent.id for seal in record.seals}:
        return Agreement.SAME
    if on_record is None:
        return Agreement.FOREIGN_NEWER if version.fields.get("schema") else Agreement.SAME
    if version.id == on_record.version_id:
        return Agreement.SAME
    if version.id in record.versions.get(shelf, {}):
        return Agreement.LAGGING if now - on_record.put_at < LAG else Agreement.OLDER
    newer = version.generation + (shelf is Shelf.KEYRING) > on_record.generation
    return Agreement.FOREIGN_NEWER if newer else Agreement.FOREIGN
