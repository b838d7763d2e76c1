"""What one look sees of a credential, as plain facts. Tokens appear as short fingerprints."""

from collections.abc import Iterator, Mapping
from typing import Any

from rotator.errors import LedgerError
from rotator.jobs.job import Credential
from rotator.ledger.facts import MarkKind, Row
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret, Shelf
from rotator.plan.table import next_step
from rotator.rotation.look import Sight, look
from rotator.rotation.resting import rest
from rotator.rotation.sealed import parsed
from rotator.rotation.tools import Tools
from rotator.triage import BY_REASON, classed


def explained(tools: Tools, credential: Credential) -> dict[str, Any]:
    """All of it, as JSON has it."""
    record = tools.ledger.look(credential.qualified)
    if record is None:
        raise LedgerError(f"{credential.qualified} was forgotten meanwhile", remedy="ask again")
    versions = {shelf: tools.store.get(spec) for shelf, spec in credential.secrets.items()}
    sight = look(tools, credential, record, versions, tools.clock.now())
    step = next_step(sight.seen)
    ended = rest(credential, sight, step)
    return {
        "credential": credential.qualified,
        "at": sight.seen.now,
        "provider": credential.provider.name,
        "host": credential.provider.host,
        "state": record.row.state,
        "text": _paused(record.row) or ended.text,
        **classed(BY_REASON.get(ended.reason)),
        "secrets": list(_secrets(tools, credential, sight)),
        "answers": list(_answers(sight)),
        "requests": list(_requests(sight)),
        "marks": list(_marks(sight)),
        "back_offs": list(_back_offs(sight)),
        "asked": list(_asked(sight)),
        "tokens": list(_tokens(sight)),
        "wants": list(_wants(sight)),
        "missing_seeds": list(sight.holdings.missing),
        "next": {
            "step": step.verb,
            "line": LINES[step.verb],
            "reason": step.reason,
            "subject": _subject(step.subject),
            "until": step.until,
            "due_at": record.row.due_at,
        },
    }


def _paused(row: Row) -> str:
    """By whom, since when, why, and the way out; empty where it is not."""
    if row.paused_at is None:
        return ""
    whose = f"paused by {row.paused_by} since {row.paused_at:%F %TZ}: {row.paused_why}"
    return f"{whose}; `rotator resume {row.credential}`"


LINES: Mapping[str, str] = {
    "stop": "the lease is gone",
    "wait": "none of these",
    "mend": "the current version of either secret is not the one on record",
    "read": "a sealed answer not yet read",
    "drop": "a read answer that each secret it has a token for has reached or passed",
    "keep": "a refresh token read and not kept; a pair to turn; a seed or a chain to take over",
    "publish": "an access token read, alive, of a higher generation than the published one",
    "settle": "a request past `settles_at` with no answer",
    "revoke": "an old token to revoke, past every consumer's staleness",
    "obtain": "a token wanted, a grant usable, nothing open on what it would present",
}
"""Step -> the line of the table in rotator/plan/table.py."""


def _secrets(tools: Tools, credential: Credential, sight: Sight) -> Iterator[dict[str, Any]]:

    for shelf, spec in credential.secrets.items():
        version, seen = sight.versions[shelf], sight.seen.shelves[shelf]
        fields = version.fields if version else {}
        value = fields.get(REFRESH_TOKEN if shelf is Shelf.KEYRING else ACCESS_TOKEN, "")
        on_record = sight.record.row.records.get(shelf)
        yield {
            "kind": shelf,
            "name": spec.name,
            "version": version.id if version else None,
            "generation": seen.generation,
            "agreement": seen.agreement if version else "there is none",
            "on_record": on_record.generation if on_record else None,
            "issued_at": parsed(fields.get("issued_at", "")),
            "expires_at": parsed(fields.get("expires_at", "")),
            "fingerprint": _finger(tools.fingerprints.fingerprint(Secret(value)) if value else ""),
            "another_ledger": shelf is Shelf.KEYRING and sight.holdings.foreign,
        }


def _answers(sight: Sight) -> Iterator[dict[str, Any]]:
    for seal in sight.record.seals:
        yield {
            "request": seal.intent.id,
            "grant": seal.intent.grant,
            "generation": seal.intent.generation,
            "answered_at": seal.answered_at,
            "read_at": seal.read_at,
            "outcome": seal.outcome or None,
            "tokens": {name: expires_at for name, (_, expires_at) in seal.tokens.items()},
        }


def _requests(sight: Sight) -> Iterator[dict[str, Any]]:
    for intent in sight.record.open_intents:
        yield {
            "request": intent.id,
            "grant": intent.grant,
            "generation": intent.generation,
            "intended_at": intent.intended_at,
            "settles_at": intent.settles_at,
            "presents": {name: _finger(key) for name, key in intent.presented.items()},
            "spends": _finger(intent.spends or ""),
        }


def _marks(sight: Sight) -> Iterator[dict[str, Any]]:
    for mark in sight.record.marks:
        yield {
            "kind": mark.kind,
            # A refusal's key is a digest of the whole request, and like no token's.
            "fingerprint": _finger(mark.key) if mark.kind is MarkKind.SPENT else None,
            "because": mark.because,
            "at": mark.at,
            "text": mark.text,
            "times": mark.times if mark.kind is MarkKind.REFUSED else None,
            "again_at": sight.holdings.seeds_again_at.get(mark.key),
        }


def _back_offs(sight: Sight) -> Iterator[dict[str, Any]]:
    for what in sight.seen.back_offs:
        held = sight.record.back_offs[what]
        yield {
            "line": what,
            "until": held.until,
            "failures": held.failures,
            "reason": held.reason,
            "text": held.text,
            **classed(BY_REASON[held.reason]),
        }


def _asked(sight: Sight) -> Iterator[dict[str, Any]]:
    for manual in sight.record.manuals:
        yield {
            "request": manual.id,
            "at": manual.asked_at,
            "by": manual.by,
            "why": manual.why,
            "tokens": manual.tokens,
            "outcome": manual.outcome or None,
        }


def _tokens(sight: Sight) -> Iterator[dict[str, Any]]:
    """The newest of each name, and when it should be replaced."""
    both = (
        ("access_token", sight.access, sight.access_due),
        ("refresh_token", sight.refresh, sight.refresh_due),
    )
    for name, newest, due in both:
        if newest is not None:
            yield {
                "token": name,
                "issued_at": newest.issued_at,
                "expires_at": newest.expires_at,
                "renew_at": due.at if due else None,
                "gave_way": due.gave_way if due else None,
            }
    if spare := sight.holdings.spare:
        yield {
            "token": "refresh_token, spare",
            "issued_at": spare.token.issued_at,
            "expires_at": spare.token.expires_at,
            "renew_at": None,
            "gave_way": None,
        }


def _wants(sight: Sight) -> Iterator[dict[str, Any]]:
    for want in sight.seen.wants:
        choice = sight.choices.get(want.token)
        yield {
            "token": want.token,
            "reason": want.reason,
            "grant": want.grant or None,
            "presents": [
                {"name": h.name, "from": h.source, "fingerprint": _finger(h.fingerprint)}
                for h in (choice.presents if choice else ())
            ],
            "open_until": want.open_until,
        }


def _finger(fingerprint: str) -> str | None:
    return fingerprint[:8] or None


def _subject(subject: str) -> str | None:
    return str(subject) or None
