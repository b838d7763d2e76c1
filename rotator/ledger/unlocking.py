"""From a ledger and whoever holds its keys to the two tools that a worker seals with.

A ledger seals under a key of its own. That key lies in the ledger wrapped, by a key file or by AWS
KMS, and beside it, wrapped under it, everything that it replaced and the key of the fingerprints.
So one question to the holder opens a ledger, at the start; from then on the keys are in memory, and
a seal needs neither file nor network: it must be possible in the moment in which an answer arrived.

One key serves all credentials of a ledger. A key for each would put a call to KMS between a
credential and its seal; that no seal passes for another's is the work of what it is bound to.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_bytes
from typing import Protocol

from rotator.clock import new_id
from rotator.errors import LedgerBusy, SealError
from rotator.ledger.keyfile import KeyFile
from rotator.ledger.keys import FINGERPRINTS, FROM_0_1, WrappedKey, current_of
from rotator.ledger.sealing import FIRST_KEY, KEY_SIZE, Fingerprints, Sealer

_COPY = "restore a copy of the ledger, then `rotator adopt`"


class KeyHolder(Protocol):
    """What keeps sealing keys from whoever copies the ledger. Its `str` names it for people."""

    def holds(self, held_by: str) -> bool:
        """Whether it can unwrap what was wrapped by this name."""
        ...

    def new_key(self, bound_to: tuple[str, ...]) -> tuple[bytes, bytes, str]:
        """A fresh key: plain, wrapped, and by whom. Raises SealError or StoreError."""
        ...

    def unwrap(self, wrapped: bytes, held_by: str, bound_to: tuple[str, ...]) -> bytes:
        """The plain key. Raises SealError or StoreError."""
        ...


class KeyShelf(Protocol):
    """What of a ledger is needed here."""

    ledger_id: str

    def keepsake(self, key: str) -> str | None: ...

    def wrapped_keys(self) -> tuple[WrappedKey, ...]: ...

    def replace_keys(self, current: str, wrapped: Sequence[WrappedKey]) -> bool:
        """Put these in the place of all, unless another than `current` seals now ("": none)."""
        ...


def unlock(ledger: KeyShelf, holder: KeyHolder, now: datetime) -> tuple[Sealer, Fingerprints]:
    """Both tools of one ledger; a new one is given its keys. Raises SealError or StoreError."""
    keys = ledger.wrapped_keys()
    if not keys:
        _begin(ledger, holder, now)
        keys = ledger.wrapped_keys()  # perhaps another process's, which was quicker
    opened = _opened(ledger, holder, keys)
    return opened.sealer(), Fingerprints(opened.fingerprints)


def rekey(ledger: KeyShelf, old: KeyHolder, new: KeyHolder, now: datetime) -> str:
    """Seal under a fresh key of `new` from now on; everything older stays readable through it.

    `old` is needed no more afterwards. Who holds the key now. Raises SealError, StoreError, or
    LedgerBusy where somebody else did it meanwhile; then nothing was changed.
    """
    if not ledger.wrapped_keys():
        is_new = ledger.keepsake(FROM_0_1) is None
        _begin(ledger, new if is_new else old, now)
        if is_new:
            return held_by(ledger)
    before = ledger.wrapped_keys()
    opened = _opened(ledger, old, before)
    older = {**opened.older, opened.current.id: opened.key}
    after = _wrapped(ledger, new, older, opened.fingerprints, now)
    if not ledger.replace_keys(opened.current.id, after):
        raise LedgerBusy("the ledger's sealing key was just replaced", remedy="look again")
    return after[0].held_by


def opens(ledger: KeyShelf, holder: KeyHolder) -> bool:
    """Whether this holder's key is the ledger's now. Raises StoreError."""
    try:
        _opened(ledger, holder, ledger.wrapped_keys())
    except SealError:
        return False
    return True


def held_by(ledger: KeyShelf) -> str:
    """Who holds the key that seals now, empty for a ledger that has none yet."""
    keys = ledger.wrapped_keys()
    return _current(keys).held_by if keys else ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Opened:
    current: WrappedKey
    key: bytes
    older: dict[str, bytes]
    fingerprints: bytes

    def sealer(self) -> Sealer:
        return Sealer(self.key, self.current.id, self.older)


def _opened(ledger: KeyShelf, holder: KeyHolder, keys: Sequence[WrappedKey]) -> _Opened:
    current = _current(keys)
    if not holder.holds(current.held_by):
        raise SealError(
            f"the ledger's sealing key is held by {_named(current.held_by)}, the settings name"
            f" {holder}",
            remedy="`rotator rekey` moves it to what they name; or set ROTATOR_SEAL_KMS_KEY back",
        )
    key = holder.unwrap(current.wrapped, current.held_by, _bound(ledger, current.id))
    under = Sealer(key, current.id)
    inner = {
        each.id: under.open(each.wrapped, bound_to=_bound(ledger, each.id))
        for each in keys
        if each is not current
    }
    if FINGERPRINTS not in inner:
        raise SealError("the ledger has lost the key of its fingerprints", remedy=_COPY)
    fingerprints = inner.pop(FINGERPRINTS)
    return _Opened(current=current, key=key, older=inner, fingerprints=fingerprints)


def _begin(ledger: KeyShelf, holder: KeyHolder, now: datetime) -> None:
    """The first keys of a ledger: fresh ones, or those that rotator 0.1 left."""
    left = ledger.keepsake(FROM_0_1)
    if left is None:
        keys = _wrapped(ledger, holder, {}, token_bytes(KEY_SIZE), now)
    elif isinstance(holder, KeyFile):
        older = holder.own_key()
        keys = _wrapped(ledger, holder, {FIRST_KEY: older}, _left(ledger, older, left), now)
    else:
        raise SealError(
            "the ledger's sealing key is held by the key file",
            remedy="`rotator rekey` moves it to KMS",
        )
    ledger.replace_keys("", keys)


def _left(ledger: KeyShelf, key: bytes, left: str) -> bytes:
    try:
        return Sealer(key).open(base64.b64decode(left), bound_to=(ledger.ledger_id, FROM_0_1))
    except (SealError, ValueError):
        raise SealError(
            "the key file is not this ledger's",
            remedy="restore the key file that this ledger was sealed with; it is ROTATOR_KEY_FILE",
        ) from None


def _wrapped(
    ledger: KeyShelf, holder: KeyHolder, older: dict[str, bytes], prints: bytes, now: datetime
) -> list[WrappedKey]:
    """A fresh key that seals, first; and all others under it."""
    key_id = new_id()
    key, wrapped, held_by = holder.new_key(_bound(ledger, key_id))
    under = Sealer(key, key_id)
    keys = [WrappedKey(id=key_id, held_by=held_by, wrapped=wrapped, made_at=now)]
    for each, plain in {**older, FINGERPRINTS: prints}.items():
        sealed = under.seal(plain, bound_to=_bound(ledger, each))
        keys.append(WrappedKey(id=each, held_by=key_id, wrapped=sealed, made_at=now))
    return keys


def _current(keys: Sequence[WrappedKey]) -> WrappedKey:
    outer = current_of(keys)
    if len(outer) != 1:
        raise SealError("the ledger's sealing keys do not fit together", remedy=_COPY)
    return outer[0]


def _bound(ledger: KeyShelf, key_id: str) -> tuple[str, ...]:
    return (ledger.ledger_id, key_id)


def _named(held_by: str) -> str:
    return held_by if held_by.startswith("arn:") else "a key file"
