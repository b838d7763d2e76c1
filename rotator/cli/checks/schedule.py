"""What `check` says of lifespans against the schedule, and of what no software can close."""

from collections.abc import Iterator
from datetime import timedelta

from rotator.cli.checks.findings import NOTE, OK, WARN, Finding
from rotator.cli.out import rough
from rotator.clock import Clock
from rotator.jobs.job import Credential
from rotator.ledger.facts import OnRecord, Row
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Shelf
from rotator.policy.when import SHORT_LIFE, GaveWay, Renewal, fits, renewal
from rotator.providers.base import Grant
from rotator.providers.registry import plugins
from rotator.rotation.wants import terms

_SHELVES = {ACCESS_TOKEN: Shelf.TOKEN, REFRESH_TOKEN: Shelf.KEYRING}
_AHEAD = 20
_TOLERANCE = 0.05
"""A lifespan that differs by less from what was expected is the same."""


def schedule(credential: Credential, row: Row | None, clock: Clock) -> Iterator[Finding]:
    """Each token's lifespan, observed or expected, against what the job asks."""
    for name, shelf in _SHELVES.items():
        if shelf not in credential.secrets:
            continue
        record = row.records.get(shelf) if row else None
        observed, hoped = _observed(record), expected(credential, name)
        lifespan = observed or hoped
        if lifespan is None:
            yield _unknown(credential, name, record)
            continue
        if observed and hoped and abs(observed - hoped) > hoped * _TOLERANCE:
            text = f"lives {rough(observed)}, and {rough(hoped)} was expected"
            remedy = f"if that is meant, write it as lifespan under [schedule.{name}]"
            yield _finding(WARN, credential, name, text, remedy)
        yield _fitting(credential, name, lifespan, clock)
        if credential.schedule.window:
            yield from _outside(credential, name, lifespan, clock)


def _finding(level: str, credential: Credential, what: str, text: str, remedy: str = "") -> Finding:
    return Finding(
        level=level, part=credential.job, about=credential.qualified, what=what, text=text,
        remedy=remedy,
    )  # fmt: skip


def _observed(record: OnRecord | None) -> timedelta | None:
    if record is None or record.issued_at is None or record.expires_at is None:
        return None
    return record.expires_at - record.issued_at


def lifespan_of(credential: Credential, name: str, row: Row | None) -> timedelta | None:
    """As the last token had it, else as it is expected; None where nobody knows."""
    record = row.records.get(_SHELVES[name]) if row else None
    return _observed(record) or expected(credential, name)


def expected(credential: Credential, name: str) -> timedelta | None:
    """The job's word, or else the vendor's."""
    stated = credential.schedule.token(name).lifespan
    return stated or plugins()[credential.provider.name].lifespans.get(name)


def _unknown(credential: Credential, name: str, record: OnRecord | None) -> Finding:
    if record is None:
        return _finding(NOTE, credential, name, "its lifespan shows with the first one")
    remedy = f"write lifespan under [schedule.{name}]"
    if name == REFRESH_TOKEN:
        remedy += f", or `rotator seed {credential.qualified} --expires-at`"
    return _finding(WARN, credential, name, "nobody tells when it dies", remedy)


def _fitting(credential: Credential, name: str, lifespan: timedelta, clock: Clock) -> Finding:
    asked = credential.schedule
    if name == ACCESS_TOKEN and not fits(lifespan, asked.consumer_max_staleness):
        text = f"lives {rough(lifespan)}, too short for consumers that look every "
        remedy = "lower consumer_max_staleness, or have the provider issue tokens that live longer"
        return _finding(WARN, credential, name, text + rough(asked.consumer_max_staleness), remedy)
    found = example(credential, name, lifespan, clock)
    if found.gave_way not in (GaveWay.NOTHING, GaveWay.WINDOW):
        text = f"{found.gave_way}: survives {rough(found.survives)} of {rough(asked.survive)}"
        remedy = "lower survive, or have the provider issue tokens that live longer"
        return _finding(WARN, credential, name, text, remedy)
    text = f"lives {rough(lifespan)}, survives an outage of {rough(found.survives)}"
    return _finding(OK, credential, name, text)


def _outside(
    credential: Credential, name: str, lifespan: timedelta, clock: Clock
) -> Iterator[Finding]:
    """How many of the next renewals fall outside of the window, each renewed when it should be."""
    at, outside = clock.now(), 0
    for _ in range(_AHEAD):
        asked = terms(credential.schedule, name, at, at + lifespan)
        found = renewal(at, at + lifespan, asked, f"{credential.qualified} {name}")
        at, outside = found.at, outside + (found.gave_way is GaveWay.WINDOW)
    if outside:
        text = (
            f"{outside} of the next {_AHEAD} renewals fall outside of the window: waiting for it"
            f" would not leave {rough(credential.schedule.survive)} for an outage"
        )
        yield _finding(NOTE, credential, name, text)


def example(credential: Credential, name: str, lifespan: timedelta, clock: Clock) -> Renewal:
    """As if it were issued now."""
    now = clock.now()
    asked = terms(credential.schedule, name, now, now + lifespan)
    return renewal(now, now + lifespan, asked, f"{credential.qualified} {name}")


# --- what software cannot close -----------------------------------------------------------------


def gaps(credential: Credential) -> Iterator[Finding]:
    """Said plainly, for each credential that has them: (a) to (c) of the README's limits."""
    grants = credential.provider.grants
    if any(grant.spends and not grant.replay for grant in grants) and not _comes_back(credential):
        yield _finding(NOTE, credential, "limit", _lost_answer(credential))
    if credential.provider.is_chain:
        text = (
            "a ledger restored from a copy, or a machine frozen for minutes while sending, may"
            " spend a refresh token twice: `rotator adopt` after every restore"
        )
        yield _finding(NOTE, credential, "limit", text)


def _comes_back(credential: Credential) -> bool:
    """Whether seeds alone lead to a token, without the chain."""
    return any(_from_seeds(credential, grant) for grant in credential.provider.grants)


def _from_seeds(credential: Credential, grant: Grant) -> bool:
    wanted = {ACCESS_TOKEN, REFRESH_TOKEN}
    from_seeds = grant.needs <= credential.seeds.keys() and REFRESH_TOKEN not in grant.needs
    return from_seeds and bool(grant.yields & wanted)


def _lost_answer(credential: Credential) -> str:
    text = (
        "should an answer with a new refresh token be lost, only a person can make another"
        f" (`rotator seed {credential.qualified}`)"
    )
    lifespan = expected(credential, REFRESH_TOKEN)
    if lifespan is None or lifespan < timedelta(days=1):
        return text
    share = lifespan / 2 if lifespan <= SHORT_LIFE else lifespan * 2 / 3
    left = lifespan - share
    return f"{text}; renewed by day {share.days} of {lifespan.days}, which leaves {left.days} days"
