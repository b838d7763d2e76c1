"""What the ledger knows, read in one transaction each."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, exists, func, select

from rotator.errors import LedgerError
from rotator.ledger import codec, facts, holders, marks, values
from rotator.ledger.codec import decoded
from rotator.ledger.facts import BackOff, Intent, Line, Manual, OnRecord, Record, Stepped
from rotator.ledger.statements import Connection
from rotator.ledger.tables import (
    IN_DOUBT,
    PUBLISHED,
    back_off,
    credential,
    holder,
    manual,
    mark,
    on_record,
    request,
    seal,
    spent,
    step,
    version,
)
from rotator.model import Reason, Shelf, State

_whose: BindParameter[str] = bindparam("credential_")
_of_it: Mapping[str, ColumnElement[bool]] = {
    "has_intents": and_(request.c.credential == _whose, request.c.outcome.is_(None)),
    "has_seals": seal.c.credential == _whose,
    "has_back_offs": back_off.c.credential == _whose,
    "has_refusals": mark.c.credential == _whose,
    "has_doubts": and_(spent.c.by_credential == _whose, IN_DOUBT),
    "has_manuals": and_(manual.c.credential == _whose, manual.c.met_at.is_(None)),
    "has_holders": holder.c.credential == _whose,
}
"""What a row tells of other tables: most hold nothing of it, and need not be asked."""
_row = select(
    credential,
    select(func.max(request.c.generation))
    .where(request.c.credential == _whose)
    .scalar_subquery()
    .label("top_request"),
    *(exists().where(there).label(name) for name, there in _of_it.items()),
).where(credential.c.name == _whose)
_on_record = select(on_record).where(on_record.c.credential == _whose)
VERSIONS_KNOWN = 8
"""Of both secrets together, the newest: reads lag for a minute, in which hardly two are made."""
_SHELVES = {shelf.value: shelf for shelf in Shelf}
_versions = (
    select(version.c.shelf, version.c.version_id, version.c.generation)
    .where(version.c.credential == _whose)
    .order_by(version.c.generation.desc())
    .limit(VERSIONS_KNOWN)
)
_open = (
    select(request)
    .where(request.c.credential == _whose, request.c.outcome.is_(None))
    .order_by(request.c.intended_at, request.c.generation)
)
_seals = (
    select(
        *(column for column in request.c if column.name != "outcome"),
        seal.c.ciphertext, seal.c.sent_at, seal.c.answered_at, seal.c.read_at, seal.c.reader,
        seal.c.outcome.label("seal_outcome"), seal.c.tokens, seal.c.keyring,
    )
    .join_from(seal, request, seal.c.request == request.c.id)
    .where(seal.c.credential == _whose)
    .order_by(seal.c.answered_at, request.c.generation)
)  # fmt: skip
_back_offs = select(back_off).where(back_off.c.credential == _whose).order_by(back_off.c.what)
_manuals = (
    select(manual)
    .where(manual.c.credential == _whose, manual.c.met_at.is_(None))
    .order_by(manual.c.asked_at)
)
_request = select(request).where(request.c.id == bindparam("id_"))
_published_by = (
    select(on_record.c.credential)
    .where(PUBLISHED, on_record.c.fingerprint == bindparam("fingerprint_"))
    .order_by(on_record.c.credential)
)
_manual = select(manual).where(manual.c.id == bindparam("id_"))


def look(connection: Connection, name: str) -> Record | None:
    whose = {"credential_": name}
    found = connection.first(_row, whose)
    if found is None:
        return None
    records = _records(connection, name)
    versions = _versions_of(connection, whose, records)
    held_back = back_offs(connection, name) if found.has_back_offs else ()
    generations = [made for shelf in versions.values() for made in shelf.values()]
    return Record(
        row=decoded("credential", name, codec.row, found, records),
        open_intents=_all(
            connection, _open, "request", name, codec.intent, there=found.has_intents
        ),
        seals=_all(connection, _seals, "seal", name, codec.seal, there=found.has_seals),
        marks=marks.of(connection, name) if found.has_refusals or found.has_doubts else (),
        back_offs={held.what: held for held in held_back},
        manuals=_all(connection, _manuals, "manual", name, codec.manual, there=found.has_manuals),
        versions=versions,
        top_generation=decoded(
            "request or version",
            name,
            values.generation,
            max(found.top_request or 0, *generations, 0),
        ),
        held=holders.held(connection, name) if found.has_holders else {},
    )


def back_offs(connection: Connection, name: str) -> list[BackOff]:
    return list(_all(connection, _back_offs, "back_off", name, codec.back_off))


def manual_of(connection: Connection, manual_id: str) -> Manual | None:
    found = connection.first(_manual, {"id_": manual_id})
    if found is None:
        return None
    return decoded("manual", found.credential, codec.manual, found)


def request_of(connection: Connection, request_id: str) -> Intent | None:
    found = connection.first(_request, {"id_": request_id})
    if found is None:
        return None
    return decoded("request", found.credential, codec.intent, found)


def published_by(connection: Connection, fingerprint: str) -> tuple[str, ...]:
    found = connection.all(_published_by, {"fingerprint_": fingerprint})
    return tuple(one.credential for one in found)


def _records(connection: Connection, name: str) -> tuple[OnRecord, ...]:
    return _all(connection, _on_record, "on_record", name, codec.on_record)


def _versions_of(
    connection: Connection, whose: Mapping[str, Any], records: Iterable[OnRecord]
) -> dict[Shelf, dict[str, int]]:
    versions: dict[Shelf, dict[str, int]] = {shelf: {} for shelf in Shelf}
    for shelf, version_id, generation in connection.all(_versions, whose):
        known = _SHELVES.get(shelf) or decoded("version", whose["credential_"], Shelf, shelf)
        versions[known][version_id] = generation
    for record in records:
        versions[record.shelf].setdefault(record.version_id, record.generation)
    return versions


def _all(connection: Connection, statement: Any, table: str, name: str, read: Any,
         *, there: object = True) -> tuple[Any, ...]:  # fmt: skip
    """`there`: whether there is any, where that is known."""
    found = connection.all(statement, {"credential_": name}) if there else ()
    return tuple(decoded(table, name, read, one) for one in found)


# For the faces. A row that cannot be read is shown as such, and hides no other.

_rows, _every_on_record = select(credential).order_by(credential.c.name), select(on_record)
# As one parameter, so that any number of names is one statement, compiled once.
_named = select(func.json_each(bindparam("names_")).table_valued("value").c.value)
_rows_named = _rows.where(credential.c.name.in_(_named))
_on_record_named = _every_on_record.where(on_record.c.credential.in_(_named))


def rows(connection: Connection, names: Iterable[str] | None) -> list[facts.Row]:
    every, recorded, given = _rows, _every_on_record, dict[str, str]()
    if names is not None:
        every, recorded = _rows_named, _on_record_named
        given = {"names_": json.dumps(list(names))}
    shelves: dict[str, list[Any]] = defaultdict(list)
    for found in connection.all(recorded, given):
        shelves[found.credential].append(found)
    return [_shown(found, shelves[found.name]) for found in connection.all(every, given)]


def _shown(found: Any, shelves: Iterable[Any]) -> facts.Row:
    try:
        records = [decoded("on_record", found.name, codec.on_record, one) for one in shelves]
        return decoded("credential", found.name, codec.row, found, records)
    except LedgerError as error:
        return facts.Row(
            credential=found.name,
            job=found.job,
            due_at=None,
            state=State.NEEDS_A_PERSON,
            reason=Reason.UNEXPECTED,
            text=str(error),
        )


_history = select(step).order_by(step.c.id.desc()).limit(bindparam("limit_"))


def history(connection: Connection, name: str, limit: int, run: str) -> list[Line]:
    statement = _history
    if name:
        statement = statement.where(step.c.credential == _whose)
    if run:
        statement = statement.where(step.c.run == bindparam("run_"))
    given = {"credential_": name, "run_": run, "limit_": limit}
    return [_line(found) for found in connection.all(statement, given)]


def _line(found: Any) -> Line:
    try:
        return decoded("step", found.credential, codec.line, found)
    except LedgerError as error:
        unread = Stepped(
            run=found.run,
            seq=found.seq,
            at=values.instant(0),
            step="?",
            reason=Reason.UNEXPECTED,
            text=str(error),
        )
        return Line(credential=found.credential, stepped=unread)
