"""Which tokens should be replaced now, and why: the newest of what we have against its schedule.

The access token is judged by the newest of a living unpublished answer and the published version,
the refresh token by the one that its chain hangs on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from rotator.cron import next_firing, openings
from rotator.jobs.job import Credential
from rotator.ledger.facts import Intent, Record
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Token
from rotator.plan.seen import Want
from rotator.policy.grants import Choice, Source
from rotator.policy.when import FLOOR, SKEW, Renewal, Terms, join, renewal
from rotator.rotation.doubts import killed_through, long_doubts
from rotator.rotation.holdings import Holdings
from rotator.rotation.jumps import asked_at, is_void
from rotator.rotation.remembered import worth_storing
from rotator.rotation.sealed import parsed
from rotator.schedule import Schedule
from rotator.store.base import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest token of one name: its dates, and which answer it came with."""

    issued_at: datetime | None
    expires_at: datetime | None
    generation: int = 0

    @classmethod
    def of(cls, token: Token) -> "Newest":
        """A token whose answer does not matter."""
        return cls(issued_at=token.issued_at, expires_at=token.expires_at)


def newest_access(record: Record, version: Version | None, now: datetime) -> Newest | None:
    """Of a living unpublished answer, or the published version."""
    published = version.generation if version else 0
    sealed = [
        Newest(issued_at=issued_at, expires_at=expires_at, generation=seal.intent.generation)
        for seal in record.seals
        if seal.intent.generation > published and ACCESS_TOKEN in worth_storing(seal, now)
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


def newest_refresh(holdings: Holdings) -> Newest | None:
    """The one that the chain hangs on."""
    held = holdings.refresh
    return Newest.of(held.token) if held else None


def terms(schedule: Schedule, name: str, issued_at: datetime, expires_at: datetime) -> Terms:
    """What the job asks for this token; nobody but us reads a refresh token."""
    cron = schedule.token(name).cron
    window = schedule.window
    return Terms(
        survive=schedule.survive,
        staleness=schedule.consumer_max_staleness if name == ACCESS_TOKEN else timedelta(0),
        cron_at=next_firing(cron, issued_at + FLOOR) if cron else None,
        windows=tuple(openings(window, issued_at, expires_at)) if window else None,
    )


_renewal = lru_cache(maxsize=1024)(renewal)
"""One walk asks several times for the same."""


def due(credential: Credential, name: str, newest: Newest | None) -> Renewal | None:
    """When the token should be replaced; None where nobody knows when it dies."""
    if newest is None or newest.issued_at is None or newest.expires_at is None:
        return None
    issued_at, expires_at = newest.issued_at, newest.expires_at
    asked = terms(credential.schedule, name, issued_at, expires_at)
    return _renewal(issued_at, expires_at, asked, f"{credential.qualified} {name}")


def joined(
    credential: Credential, newest: Newest | None, refresh: Renewal | None, access: Renewal | None
) -> Renewal | None:
    """A refresh renewal that kills the access token waits for the next access renewal."""
    if not newest or not newest.expires_at or not refresh or not access:
        return refresh
    kills = any(
        REFRESH_TOKEN in grant.yields and ACCESS_TOKEN not in grant.yields and grant.kills
        for grant in credential.provider.grants
    )
    at = join(refresh.at, newest.expires_at, access.at) if kills else refresh.at
    return refresh._replace(at=at)


def _last_asked(record: Record, token: str, now: datetime) -> datetime | None:
    """When a person last asked for this token, None if nobody did."""
    asked = (asked_at(m, now) for m in record.manuals if token in (m.tokens or {ACCESS_TOKEN}))
    return max(asked, default=None)


def reason_for(
    name: str, newest: Newest | None, due_at: Renewal | None, record: Record, now: datetime
) -> Reason | None:
    """Why the token should be replaced now, None where it should not."""
    asked = _last_asked(record, name, now)
    if newest is None:
        return Reason.MISSING if name == ACCESS_TOKEN else (Reason.ASKED_FOR if asked else None)
    if name == ACCESS_TOKEN and newest.generation <= killed_through(record):
        return Reason.KILLED
    if asked and (newest.issued_at is None or newest.issued_at < asked):
        return Reason.ASKED_FOR
    dead = newest.expires_at is not None and newest.expires_at <= now
    if newest.issued_at is not None and newest.issued_at > now + SKEW:
        return Reason.DUE  # the clock went back: nobody knows when it dies
    return Reason.DUE if dead or (due_at is not None and due_at.at <= now) else None


def wanted_now(
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


def want(
    token: str,
    reason: Reason,
    choice: Choice | None,
    holdings: Holdings,
    record: Record,
    back_offs: Mapping[str, datetime],
) -> Want:
    """The want with the grant that meets it, and until when an open request bars that grant."""
    if choice is None:
        return Want(token=token, reason=reason)
    barring = [
        _open_until(intent, choice, record, back_offs)
        for intent in record.open_intents
        if choice.involves(intent.presented.values()) and not _replays(choice, intent, holdings.now)
    ]
    if choice.grant.spends and holdings.spends_from is not None:
        barring.append(holdings.spends_from)
    return Want(
        token=token,
        reason=reason,
        grant=choice.grant.name,
        open_until=max(barring, default=None),
        keep_first=any(
            held.source is Source.SEED and held.name == choice.grant.spends
            for held in choice.presents
        ),
    )


def _open_until(
    intent: Intent, choice: Choice, record: Record, back_offs: Mapping[str, datetime]
) -> datetime:
    """Until it settles, whatever it presented; after that, what it may have spent alone is open.

    What has been in doubt for long is open to a grant that does not spend it: that asks too.
    """
    asked_again_at = back_offs.get(f"settle:{intent.id}")
    if asked_again_at is None or not choice.involves({intent.spends}):
        return intent.settles_at
    if choice.grant.spends is None and intent in (doubted for doubted, _ in long_doubts(record)):
        return intent.settles_at
    return max(intent.settles_at, asked_again_at)


def _replays(choice: Choice, intent: Intent, now: datetime) -> bool:
    """Whether this would be the same request again, while the vendor still allows that."""
    grant = choice.grant
    same = grant.name == intent.grant and intent.spends is not None and not is_void(intent, now)
    return same and now < intent.first_intended_at + grant.replay
