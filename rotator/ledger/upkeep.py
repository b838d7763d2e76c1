"""What is thrown away, and when. What may still matter is never touched.

Kept for ever: open requests, every seal, every mark, manual requests that nobody has met, and each
credential's highest generation. All else goes by age, steps and versions by number too. It goes in
batches, so that no worker waits long for its turn to write.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, func, select

from rotator.ledger import holders, values
from rotator.ledger.connect import Database
from rotator.ledger.statements import Connection
from rotator.ledger.tables import manual, request, seal, step, version

KEPT_FOR = timedelta(days=90)
STEPS_KEPT = 2_000
VERSIONS_KEPT = 50
_BATCH = 2_000

_old: BindParameter[int] = bindparam("old_")
_most: BindParameter[int] = bindparam("most_")
_top = (
    select(func.max(request.c.generation).label("generation"), request.c.credential)
    .group_by(request.c.credential)
    .subquery()
)
_settled = (
    select(request.c.id)
    .join_from(request, _top, request.c.credential == _top.c.credential)
    .where(
        request.c.outcome.is_not(None),
        request.c.settles_at < _old,
        request.c.generation < _top.c.generation,
        ~select(seal.c.request).where(seal.c.request == request.c.id).exists(),
    )
)
_met = select(manual.c.id).where(manual.c.met_at < _old)
_walked = select(step.c.id).where(step.c.at < _old)
_talkative = select(step.c.credential).group_by(step.c.credential).having(
    func.count() > _most
)  # fmt: skip
_steps_of = (
    select(step.c.id)
    .where(step.c.credential == bindparam("credential_"))
    .order_by(step.c.id.desc())
    .offset(_most)
)
_crowded = (
    select(version.c.credential, version.c.shelf)
    .group_by(version.c.credential, version.c.shelf)
    .having(func.count() > _most)
)
_shelf = (
    version.c.credential == bindparam("credential_"),
    version.c.shelf == bindparam("shelf_"),
)
_versions_of = (
    select(version.c.version_id)
    .where(*_shelf)
    .order_by(version.c.generation.desc(), version.c.put_at.desc())
    .offset(_most)
)
_drop_version = delete(version).where(*_shelf, version.c.version_id == bindparam("version_id_"))


def prune(database: Database, now: datetime) -> None:
    old = {"old_": values.micros(now - KEPT_FOR)}
    _delete(database, request, _settled, old)
    _delete(database, manual, _met, old)
    _delete(database, step, _walked, old)
    with database.read() as connection:
        talkative = connection.column(_talkative, {"most_": STEPS_KEPT})
        crowded = connection.all(_crowded, {"most_": VERSIONS_KEPT})
    with database.write() as connection:
        holders.forget_silent(connection, now)
    for name in talkative:
        _delete(database, step, _steps_of, {"credential_": name, "most_": STEPS_KEPT})
    for batch in _batches(crowded):
        with database.write() as connection:
            for name, shelf in batch:
                _trim(connection, {"credential_": name, "shelf_": shelf})


def _trim(connection: Connection, shelf: dict[str, str]) -> None:
    beyond = connection.column(_versions_of, {**shelf, "most_": VERSIONS_KEPT})
    if beyond:
        connection.execute(_drop_version, [{**shelf, "version_id_": one} for one in beyond])


def _delete(database: Database, table: Any, doomed: Any, given: dict[str, Any]) -> None:
    """By id, in batches: what was found may be deleted whatever happens between them."""
    with database.read() as connection:
        ids = connection.column(doomed, given)
    for batch in _batches(ids):
        with database.write() as connection:
            connection.execute(delete(table).where(table.c.id.in_(batch)))


def _batches(of: Sequence[Any]) -> Iterator[list[Any]]:
    rest = iter(of)
    while batch := list(islice(rest, _BATCH)):
        yield batch
