"""One worker's exclusive, expiring hold on a credential.

Each lease given has a higher fencing number than the one before, also over a `forget`. While it
lasts the row counts as claimed, so that no sweep hands it out.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, case, or_, update

from rotator.errors import LeaseLost
from rotator.ledger import values
from rotator.ledger.facts import Lease
from rotator.ledger.statements import Connection
from rotator.ledger.tables import credential

FENCE_FLOOR = "fence_floor"
"""In `meta`: what a new row's fencing number starts from."""

_LAST_FENCE = 1 << 62
"""Only damage leads there. Beyond 64 bits the number could be counted up no more, and no lease be
taken ever again; to begin anew is safe, for a lease is known by its owner, too."""

_c = credential.c
_until: BindParameter[int] = bindparam("until_")
_take = (
    update(credential)
    .where(
        _c.name == bindparam("credential_"),
        or_(
            _c.lease_until.is_(None),
            _c.lease_until <= bindparam("now_"),
            _c.lease_until > bindparam("void_"),
        ),
    )
    .values(
        lease_owner=bindparam("owner_"),
        lease_until=_until,
        fence=case((_c.fence < _LAST_FENCE, _c.fence + 1), else_=1),
        dispatched_until=_until,
    )
    .returning(_c.fence)
)
_held = update(credential).where(
    _c.name == bindparam("credential_"),
    _c.fence == bindparam("fence_"),
    _c.lease_owner == bindparam("owner_"),
)
_extend = _held.values(lease_until=_until, dispatched_until=_until)
_release = _held.values(lease_owner=None, lease_until=None, dispatched_until=None)
_free_all = update(credential).where(
    or_(_c.lease_owner.is_not(None), _c.dispatched_until.is_not(None))
)
_free_all = _free_all.values(lease_owner=None, lease_until=None, dispatched_until=None)


def take(connection: Connection, credential_name: str, owner: str, at: Mapping[str, Any],
         until: datetime) -> Lease | None:  # fmt: skip
    given = {**at, "credential_": credential_name, "owner_": owner, "until_": values.micros(until)}
    fence = connection.scalar(_take, given)
    if fence is None:
        return None
    return Lease(credential=credential_name, owner=owner, fence=fence, until=until)


def extend(connection: Connection, lease: Lease, until: datetime) -> Lease:
    given = {**_of(lease), "until_": values.micros(until)}
    if connection.execute(_extend, given) != 1:
        raise LeaseLost(f"another worker holds {lease.credential}")
    return Lease(credential=lease.credential, owner=lease.owner, fence=lease.fence, until=until)


def release(connection: Connection, lease: Lease) -> None:
    connection.execute(_release, _of(lease))


def free_all(connection: Connection) -> None:
    connection.execute(_free_all)


def _of(lease: Lease) -> dict[str, Any]:
    return {
        "credential_": lease.credential,
        "fence_": lease.fence,
        "owner_": lease.owner,
    }
