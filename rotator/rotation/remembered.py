"""What store and ledger say by themselves, before it is asked what is wanted. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from rotator.jobs.job import Credential
from rotator.ledger.facts import BackOff, Intent, Record, Seal
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Shelf
from rotator.plan.seen import AnswerSeen, IntentSeen, Seen
from rotator.rotation.holdings import Holdings
from rotator.rotation.jumps import asked_at, holds, is_void
from rotator.rotation.shelves import shelf_seen
from rotator.rotation.tools import Tools
from rotator.store.base import Version

KEPT_BACK = frozenset({"Garbled", "Unanswered"})
"""Outcomes of a seal that stays until another rotator, another job file or a person reads it."""


def remembered(
    tools: Tools,
    credential: Credential,
    record: Record,
    versions: Mapping[Shelf, Version | None],
    holdings: Holdings,
) -> Seen:
    """The facts for the plan but for what is called for."""
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
        holds=may_hold if kept_back else worth_storing(seal, now),
        kept_back=kept_back,
        overtaken=overtaken,
    )


def worth_storing(seal: Seal, now: datetime) -> frozenset[str]:
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
