"""What every ledger promises, held against SqlLedger on a file and in memory: what is written."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.ledger.base import Ledger
from rotator.ledger.facts import (
    BackOff,
    Because,
    Holder,
    Intent,
    Lease,
    Manual,
    Mark,
    MarkKind,
    OnRecord,
    Record,
    Row,
    Seal,
    Stepped,
)
from rotator.ledger.writes import (
    AddMark,
    Change,
    Close,
    Drop,
    Intend,
    Killed,
    Lift,
    LiftMark,
    MarkRead,
    Mended,
    Met,
    Reported,
    Rest,
    Revoked,
)
from rotator.model import Reason, Shelf, State

NOW = datetime(2026, 11, 22, 3, 14, 15, 926535, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ETL = "alation/etl"
BI = "alation/bi"
ALBATO = "albato/main"


def leased(ledger: Ledger, credential: str = ETL, owner: str = "worker-1") -> Lease:
    lease = ledger.take(credential, owner, NOW, NOW + 5 * MINUTE)
    assert lease is not None
    return lease


def write(ledger: Ledger, *changes: Change, credential: str = ETL) -> None:
    """One walk's writes under a lease that is given back."""
    lease = leased(ledger, credential)
    ledger.write(lease, *changes)
    ledger.release(lease)


def look(ledger: Ledger, credential: str = ETL) -> Record:
    record = ledger.look(credential)
    assert record is not None
    return record


def row(ledger: Ledger, credential: str = ETL) -> Row:
    (found,) = ledger.rows([credential])
    return found


def intent(id_: str = "request-1", generation: int = 1, **changed: Any) -> Intent:
    made = Intent(
        id=id_,
        credential=ETL,
        generation=generation,
        made_from=generation - 1,
        grant="regenerate",
        host="acme.example.com",
        presented={"refresh_token": "f" * 64, "password": "0" * 64},
        spends="f" * 64,
        kills=frozenset({"access_token"}),
        intended_at=NOW,
        first_intended_at=NOW - MINUTE,
        send_by=NOW + 10 * timedelta(seconds=1),
        settles_at=NOW + 2 * MINUTE,
    )
    return dataclasses.replace(made, **changed)


def sealed(of: Intent | None = None, **changed: Any) -> Seal:
    made = Seal(
        intent=of or intent(),
        ciphertext=b"\x00\xffciphertext",
        sent_at=NOW + timedelta(seconds=1),
        answered_at=NOW + timedelta(seconds=2),
    )
    return dataclasses.replace(made, **changed)


def on_record(shelf: Shelf = Shelf.TOKEN, generation: int = 1, **changed: Any) -> OnRecord:
    made = OnRecord(
        shelf=shelf,
        version_id=f"version-{generation}",
        generation=generation,
        issued_at=NOW,
        expires_at=NOW + DAY,
        put_at=NOW + timedelta(seconds=generation),
        fingerprint="a" * 64,
    )
    return dataclasses.replace(made, **changed)


def rest(**changed: Any) -> Rest:
    made = Rest(
        due_at=NOW + DAY,
        seen_due_at=NOW,
        state=State.FRESH,
        reason=Reason.FRESH,
        at=NOW + MINUTE,
    )
    return dataclasses.replace(made, **changed)


def manual(id_: str = "manual-1", **changed: Any) -> Manual:
    made = Manual(
        id=id_,
        credential=ETL,
        asked_at=NOW + MINUTE,
        by="ann",
        why="a new token leaked",
        tokens=frozenset({"access_token", "refresh_token"}),
        again=True,
    )
    return dataclasses.replace(made, **changed)


def sweep(ledger: Ledger, at: datetime = NOW, limit: int = 10, **narrowed: Any) -> list[str]:
    return ledger.sweep(at, limit, until=at + 10 * MINUTE, **narrowed)


def every_change() -> list[Change]:
    return [
        Intend(intent=intent("request-2", 2)),
        Close(intent_id="request-1", outcome="settled"),
        MarkRead(
            intent_id="request-1", read_at=NOW, reader="1", outcome="tokens", tokens={}, keyring=b""
        ),
        Drop(intent_id="request-1"),
        AddMark(mark=mark()),
        LiftMark(kind=MarkKind.SPENT, key="k"),
        back_off(),
        Lift(what="keep"),
        Killed(through=3),
        Revoked(through=0),
        Mended(at=NOW),
        on_record(),
        Met(manual_id="manual-1", at=NOW),
        Reported(manual_id="manual-1", outcome="done"),
        stepped(),
        rest(),
    ]


def mark(kind: MarkKind = MarkKind.SPENT, because: Because = Because.ANSWERED) -> Mark:
    return Mark(kind=kind, key="k" * 64, at=NOW, because=because, text="by request-1", by=ETL)


def back_off(**changed: Any) -> BackOff:
    made = BackOff(
        what="grant:regenerate",
        until=NOW + MINUTE,
        since=NOW,
        failures=3,
        reason=Reason.UNREACHABLE,
        text="ConnectTimeout",
    )
    return dataclasses.replace(made, **changed)


def stepped(run: str = "run-1", seq: int = 1, **changed: Any) -> Stepped:
    made = Stepped(
        run=run,
        seq=seq,
        at=NOW + seq * timedelta(seconds=1),
        step="OBTAIN",
        reason=Reason.DUE,
        outcome="Unreachable",
        text="ConnectTimeout",
        duration=timedelta(milliseconds=1234),
        cause="manual by ann: leak",
    )
    return dataclasses.replace(made, **changed)


def said(consumer: str, generation: int, at: datetime = NOW, credential: str = ETL) -> Holder:
    return Holder(credential=credential, consumer=consumer, generation=generation, seen_at=at)
