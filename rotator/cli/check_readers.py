"""What `check` says of those who read: whether what they keep can be dead before they read anew."""

from collections.abc import Iterator
from datetime import timedelta

from rotator.cli.check_schedule import example, lifespan_of
from rotator.cli.checking import NOTE, OK, WARN, Finding
from rotator.cli.out import rough
from rotator.clock import Clock
from rotator.jobs.job import Credential
from rotator.ledger.base import Row
from rotator.model import ACCESS_TOKEN
from rotator.policy import SKEW
from rotator.readers import READERS, dead_for

_ZERO = timedelta(0)


def overlap(credential: Credential, row: Row | None, clock: Clock) -> timedelta | None:
    """How long the old token lives on beside the new one; None where nobody knows its lifespan.

    A grant that kills leaves none, but for a pair of chains: there the old one lives until the
    chain that it came of mints again, a renewal later.
    """
    lifespan = lifespan_of(credential, ACCESS_TOKEN, row)
    if lifespan is None:
        return None
    interval = example(credential, ACCESS_TOKEN, lifespan, clock).at - clock.now()
    left = max(lifespan - interval - SKEW, _ZERO)
    if not any(ACCESS_TOKEN in grant.kills for grant in credential.provider.grants):
        return left
    return min(left, interval) if credential.provider.second_by else _ZERO


def readers(credential: Credential, row: Row | None, clock: Clock) -> Iterator[Finding]:
    """One line a credential: who notices in time, and who serves a dead token for how long."""
    found = overlap(credential, row, clock)
    if found is None:
        return
    lives = f"the old token lives {rough(found)} on" if found else "the old token dies at once"
    late = [(each.name, dead_for(each, found)) for each in READERS]
    dead = [f"{name} {rough(time)}" for name, time in late if time]
    stuck = [name for name, time in late if time is None]
    asked = credential.schedule.consumer_max_staleness
    level = WARN if found < asked else NOTE if dead else OK
    parts = [
        lives,
        f"may serve it dead: {', '.join(dead)}" if dead else "every cache notices first",
    ]
    parts.append(f"{', '.join(stuck)}: restart them on the event, see deploy/consumers/README.md")
    closes = found < asked and credential.provider.isolated
    remedy = f"a second chain closes the gap: `rotator seed --spare {credential.qualified}`"
    yield Finding(
        level=level,
        part=credential.job,
        about=credential.qualified,
        what="readers",
        text="; ".join(parts),
        remedy=remedy if closes else "",
    )
