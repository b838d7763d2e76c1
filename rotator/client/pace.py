"""What is kept of a secret, until when hits may have it, and when to look again. Pure.

Instants are seconds since 1970 on the caller's clock; `spread` is a number from 0 to 1, drawn once
a look, that keeps a fleet of consumers from reading in step.
"""

import math
from dataclasses import dataclass, replace

from rotator.client.errors import TokenError, TokenExpired
from rotator.client.reading import Reading

_FIRST_RETRY = 1.0
_LAST_RETRY = 60.0
_SOONEST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """All that is known of one secret. Replaced as a whole, so that reading it needs no lock."""

    reading: Reading | None = None
    until: float = -math.inf
    """A hit before this instant is answered from `reading` and looks at nothing else."""
    due_at: float = math.inf
    """When to read the secret next, ahead of need; never before somebody asked for it."""
    looked_at: float = -math.inf
    """When it was last read, or tried. A clock that shows less was set back: it says nothing."""
    failures: int = 0
    """Reads in a row that yielded no living token."""
    error: TokenError | None = None
    """Of the last of them."""
    in_vain: int = 0
    """Looks since the token was refused that found the same token."""

    def living(self, now: float) -> Reading | None:
        """The last known good: never one that has expired."""
        reading = self.reading
        return reading if reading is not None and now < reading.dies_at else None

    def is_due(self, now: float) -> bool:
        """Whether it is time to look ahead."""
        return self.due_at <= now or now < self.looked_at

    def must_wait(self, now: float) -> bool:
        """Whether the last read failed so lately that nobody should try already."""
        return self.failures > 0 and now < self.due_at


def answered(
    kept: Kept, read: Reading, now: float, staleness: float, spread: float, refused: str = ""
) -> Kept:
    """After a read: hits may have it for `staleness` seconds, and the next look comes before.

    `refused` is a token that a call was refused with. While the secret still holds it, looks come
    soon, and then ever later: a provider may end a token some moments before the next is published.
    """
    newest = _newer(kept.reading, read, now, refused)
    in_vain = kept.in_vain + 1 if newest.value == refused else 0
    ahead = staleness * (0.5 + 0.4 * spread)
    if in_vain:
        ahead = min(ahead, _spaced(in_vain, spread))
    ahead = min(ahead, max((newest.dies_at - now) / 2, _SOONEST))
    until = min(now + staleness, newest.dies_at)
    return Kept(reading=newest, until=until, due_at=now + ahead, looked_at=now, in_vain=in_vain)


def failed(kept: Kept, error: TokenError, now: float, staleness: float, spread: float) -> Kept:
    """After a read that yielded no living token: what is held lives on, and nobody waits for it."""
    failures = kept.failures + 1
    due_at = now + min(_spaced(failures, spread), staleness)
    living = kept.living(now)
    until = min(due_at, living.dies_at) if living else -math.inf
    return replace(kept, until=until, due_at=due_at, looked_at=now, failures=failures, error=error)


def expired(secret: str, reading: Reading) -> TokenExpired:
    """Why there is no token where there was one."""
    at = reading.expires_at.isoformat(timespec="seconds") if reading.expires_at else "never"
    owner = reading.fields.get("credential", "")
    return TokenExpired(
        secret,
        f"the token of generation {reading.generation} expired at {at}, and none newer is there",
        f"see what the worker says: rotator explain {owner}".rstrip(),
    )


def _newer(held: Reading | None, read: Reading, now: float, refused: str) -> Reading:
    """What was read, unless AWS still shows an older version than the one that is held."""
    if held is None or held.value == refused or held.dies_at <= now:
        return read
    is_older = read.generation < held.generation and not _later(read, held)
    return held if is_older else read


def _later(one: Reading, other: Reading) -> bool:
    """A secret that was made anew counts from 1 again, and is younger all the same."""
    if one.issued_at is None or other.issued_at is None:
        return False
    return one.issued_at > other.issued_at


def _spaced(count: int, spread: float) -> float:
    """1, 2, 4 … 60 seconds, each from three quarters of it up."""
    return min(_LAST_RETRY, _FIRST_RETRY * 2.0 ** (min(count, 16) - 1)) * (0.75 + spread / 4)
