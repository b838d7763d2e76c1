"""Records to columns and back. A row that makes no sense is a LedgerError that names it."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, TypeVar

from rotator.errors import LedgerError
from rotator.ledger.facts import (
    BackOff,
    Because,
    Holder,
    Intent,
    Line,
    Manual,
    Mark,
    MarkKind,
    OnRecord,
    Row,
    Seal,
    Stepped,
)
from rotator.ledger.values import (
    dates,
    dates_in,
    generation,
    instant,
    instant_or_none,
    mapping,
    mapping_in,
    micros,
    micros_or_none,
    names,
    names_in,
    often,
)
from rotator.model import Reason, Shelf, State

_T = TypeVar("_T")
_UNREADABLE = (ValueError, TypeError, OverflowError, AttributeError)


def decoded(table: str, credential: str, read: Callable[..., _T], *stored: Any) -> _T:
    """What `read` makes of a row; LedgerError where it can make nothing of it."""
    try:
        return read(*stored)
    except _UNREADABLE as error:
        raise LedgerError(
            f"the ledger's {table} row of {credential} cannot be read: {type(error).__name__}",
            remedy=f"restore the ledger from a copy, or `rotator forget {credential}`",
        ) from None


def row(found: Any, records: Iterable[OnRecord]) -> Row:
    return Row(
        credential=found.name,
        job=found.job,
        due_at=instant_or_none(found.due_at),
        state=State(found.state),
        state_since=instant_or_none(found.state_since),
        reason=Reason(found.reason),
        text=found.text,
        killed_through=generation(found.killed_through),
        mended_at=instant_or_none(found.mended_at),
        access_renew_at=instant_or_none(found.access_renew_at),
        refresh_renew_at=instant_or_none(found.refresh_renew_at),
        refresh_expires_at=instant_or_none(found.refresh_expires_at),
        paused_at=instant_or_none(found.paused_at),
        paused_by=found.paused_by,
        paused_why=found.paused_why,
        leased_until=instant_or_none(found.lease_until),
        records={record.shelf: record for record in records},
    )


def on_record(found: Any) -> OnRecord:
    return OnRecord(
        shelf=Shelf(found.shelf),
        version_id=found.version_id,
        generation=generation(found.generation),
        issued_at=instant_or_none(found.issued_at),
        expires_at=instant_or_none(found.expires_at),
        put_at=instant(found.put_at),
        fingerprint=found.fingerprint,
    )


def back_off(found: Any) -> BackOff:
    return BackOff(
        what=found.what,
        until=instant(found.until),
        since=instant(found.since),
        failures=often(found.failures),
        reason=Reason(found.reason),
        text=found.text,
    )


def manual(found: Any) -> Manual:
    return Manual(
        id=found.id,
        credential=found.credential,
        asked_at=instant(found.asked_at),
        by=found.asked_by,
        why=found.why,
        tokens=names_in(found.tokens),
        again=bool(found.again),
        met_at=instant_or_none(found.met_at),
        outcome=found.outcome,
    )


def intent(found: Any) -> Intent:
    return Intent(
        id=found.id,
        credential=found.credential,
        generation=generation(found.generation),
        made_from=generation(found.made_from),
        grant=found.grant,
        host=found.host,
        presented=mapping_in(found.presented),
        spends=found.spends,
        kills=names_in(found.kills),
        intended_at=instant(found.intended_at),
        first_intended_at=instant(found.first_intended_at),
        send_by=instant(found.send_by),
        settles_at=instant(found.settles_at),
    )


def intent_columns(of: Intent) -> dict[str, Any]:
    return {
        "id": of.id,
        "credential": of.credential,
        "generation": of.generation,
        "made_from": of.made_from,
        "grant": of.grant,
        "host": of.host,
        "presented": mapping(of.presented),
        "spends": of.spends,
        "kills": names(of.kills),
        "intended_at": micros(of.intended_at),
        "first_intended_at": micros(of.first_intended_at),
        "send_by": micros(of.send_by),
        "settles_at": micros(of.settles_at),
    }


def seal(found: Any) -> Seal:
    """From a row of the seal joined with its request."""
    return Seal(
        intent=intent(found),
        ciphertext=found.ciphertext,
        sent_at=instant(found.sent_at),
        answered_at=instant(found.answered_at),
        read_at=instant_or_none(found.read_at),
        reader=found.reader,
        outcome=found.seal_outcome,
        tokens=dates_in(found.tokens),
        keyring=found.keyring,
    )


def seal_columns(of: Seal) -> dict[str, Any]:
    return {
        "request": of.intent.id,
        "credential": of.intent.credential,
        "ciphertext": of.ciphertext,
        "sent_at": micros(of.sent_at),
        "answered_at": micros(of.answered_at),
        "read_at": micros_or_none(of.read_at),
        "reader": of.reader,
        "outcome": of.outcome,
        "tokens": dates(of.tokens),
        "keyring": of.keyring,
    }


def mark(by: str, kind: str, found: Any, times: int = 1) -> Mark:
    return Mark(
        kind=MarkKind(kind),
        key=found.key,
        at=instant(found.at),
        because=Because(found.because),
        text=found.text,
        times=often(times),
        by=by,
    )


def holder(found: Any) -> Holder:
    return Holder(
        credential=found.credential,
        consumer=found.consumer,
        generation=found.generation,
        seen_at=instant(found.seen_at),
    )


def line(found: Any) -> Line:
    stepped = Stepped(
        run=found.run,
        seq=found.seq,
        at=instant(found.at),
        step=found.step,
        reason=Reason(found.reason),
        outcome=found.outcome,
        text=found.text,
        duration=timedelta(microseconds=found.duration),
        cause=found.cause,
    )
    return Line(credential=found.credential, stepped=stepped)
