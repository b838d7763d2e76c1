"""What `check` says of those who read: whether what they keep can be dead before they read anew."""

from collections.abc import Iterator
from datetime import timedelta

from rotator.cli.checks.findings import NOTE, OK, WARN, Finding
from rotator.cli.checks.schedule import example, lifespan_of
from rotator.cli.out import rough
from rotator.clock import Clock
from rotator.errors import RotatorError
from rotator.jobs.job import Credential
from rotator.ledger.facts import Row
from rotator.model import ACCESS_TOKEN
from rotator.policy.when import SKEW
from rotator.readers import READERS, dead_for
from rotator.rotation.sealed import spare_token
from rotator.store.secrets_manager import SecretsManagerStore

_ZERO = timedelta(0)


def overlap(
    credential: Credential, row: Row | None, clock: Clock, *, paired: bool
) -> timedelta | None:
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
    return min(left, interval) if paired else _ZERO


def is_paired(credential: Credential, store: SecretsManagerStore | None) -> bool:
    """Whether two chains are used in turn, or will be from the next renewal on."""
    spec, provider = credential.keyring_secret, credential.provider
    if not provider.isolated or spec is None or provider.second_by:
        return bool(provider.second_by)
    try:
        version = store.get(spec) if store else None
    except RotatorError:  # told where AWS is looked at
        return False
    return version is not None and spare_token(version.fields) is not None


def readers(
    credential: Credential, row: Row | None, clock: Clock, store: SecretsManagerStore | None
) -> Iterator[Finding]:
    """What the old token's death means for those who read; `store`: None where AWS is not asked."""
    found = overlap(credential, row, clock, paired=is_paired(credential, store))
    if found is None:
        return
    late = [(each.name, dead_for(each, found)) for each in READERS]
    dead = [f"{name} {rough(time)}" for name, time in late if time]
    yield _summary(credential, found, caches_are_late=bool(dead))
    if dead:
        yield _note(credential, f"by default they serve a dead token for: {', '.join(dead)}")
    stuck = ", ".join(name for name, time in late if time is None)
    yield _note(credential, f"{stuck}: read once, so restart them (deploy/consumers/README.md)")


def _summary(credential: Credential, found: timedelta, *, caches_are_late: bool) -> Finding:
    short = found < credential.schedule.consumer_max_staleness
    if not found:
        text = "the old token dies with each renewal, and whoever caches it must read anew on a"
        text += " 401 or 403, as rotator.client does"
    else:
        what = "some caches keep it longer" if caches_are_late else "no cache keeps it as long"
        text = f"the old token lives {rough(found)} beside the new one; {what}"
    closes = short and credential.provider.isolated
    remedy = f"two refresh tokens close the gap: `rotator seed --spare {credential.qualified}`"
    return Finding(
        level=WARN if short else NOTE if caches_are_late else OK,
        part=credential.job,
        about=credential.qualified,
        what="readers",
        text=text,
        remedy=remedy if closes else "",
    )


def _note(credential: Credential, text: str) -> Finding:
    return Finding(
        level=NOTE, part=credential.job, about=credential.qualified, what="readers", text=text
    )
