"""Rotations that people ask for: stored, then done by the worker that is alive or by ourselves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.cli.opening import House, refuse_unmet
from rotator.clock import Clock
from rotator.errors import LedgerError
from rotator.jobs.job import Credential
from rotator.ledger.base import Ledger
from rotator.ledger.facts import BackOff, Manual, Row
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, State
from rotator.rotation.asking import request
from rotator.rotation.telling import Outcome
from rotator.rotation.tools import Tools
from rotator.rotation.walk import rotate as walk

_POLL = timedelta(milliseconds=200)
_LAG = timedelta(seconds=1)
_PASSING = frozenset({Reason.READ_LAG, Reason.LEASE_GONE})
"""Rests that end by themselves within seconds."""
_FOR_PEOPLE = frozenset({State.NEEDS_A_PERSON, State.PAUSED})


class What(StrEnum):
    """Which tokens are asked for."""

    ACCESS = "access"
    REFRESH = "refresh"
    BOTH = "both"


_TOKENS: Mapping[What, frozenset[str]] = {
    What.ACCESS: frozenset({ACCESS_TOKEN}),
    What.REFRESH: frozenset({REFRESH_TOKEN}),
    What.BOTH: frozenset({ACCESS_TOKEN, REFRESH_TOKEN}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of one request."""

    credential: str
    outcome: str
    """rotated, asked, waiting, failed, paused, skipped, or needs a person."""
    text: str = ""
    """The cause, or what a person does."""
    request: str = ""
    state: State | None = None
    reason: Reason | None = None
    """The class of the failure."""
    next_at: datetime | None = None
    """When the worker tries again by itself."""


def refusal(credential: Credential, row: Row | None, what: What) -> Ended | None:
    """Why it cannot be asked for at all."""
    name = credential.qualified
    if what is What.REFRESH and not credential.provider.is_chain:
        return Ended(credential=name, outcome="skipped", text="it has no refresh token of its own")
    if row is not None and row.paused_at is not None:
        text = f"by {row.paused_by}: {row.paused_why}; first `rotator resume {name}`"
        return Ended(credential=name, outcome="paused", text=text, state=State.PAUSED)
    return None


def wishes(
    credentials: Sequence[Credential], what: What, why: str, now: datetime, *, again: bool
) -> list[Manual]:
    return [
        request(each.qualified, now, why, tokens=_tokens(each, what), again=again)
        for each in credentials
    ]


def _tokens(credential: Credential, what: What) -> frozenset[str]:
    """Both, of what has only one, is that one."""
    return _TOKENS[what if credential.provider.is_chain else What.ACCESS]


def store(ledger: Ledger, manuals: Sequence[Manual]) -> None:
    """Raises LedgerError where the worker has not met a credential yet."""
    refuse_unmet(ledger, [each.credential for each in manuals])
    for each in manuals:
        ledger.ask(each)


# --- with a worker alive -------------------------------------------------------------------------


def watched(
    ledger: Ledger, manuals: Sequence[Manual], timeout: timedelta, house: House
) -> Iterator[Ended]:
    """Each request as the worker ends it; what is left when time is up is told as waiting."""
    real, left = Clock(), {each.id: each for each in manuals}
    ends = real.monotonic() + timeout.total_seconds()
    while left:
        for each in list(left.values()):
            if ended := _ended(ledger, each):
                del left[each.id]
                yield ended
        if left and real.monotonic() >= ends:
            break
        if left:
            real.sleep(_POLL)
    alive = not left or house.worker_is_alive()
    text = "the request stays stored; " + (
        "the worker is at it" if alive else "no worker is alive any more"
    )
    for each in left.values():
        yield Ended(credential=each.credential, outcome="waiting", text=text, request=each.id)


def _ended(ledger: Ledger, wish: Manual) -> Ended | None:
    """How it ended, None while it has not."""
    found = ledger.manual(wish.id)
    if found is None:
        gone = "forgotten while we waited"
        return Ended(credential=wish.credential, outcome="failed", text=gone, request=wish.id)
    if found.met_at is None and not found.outcome:
        return None
    row = next(iter(ledger.rows([wish.credential])), None)
    if row is None or (found.met_at is None and row.reason in _PASSING):
        return None
    return _told(ledger, found, row)


def _told(ledger: Ledger, wish: Manual, row: Row) -> Ended:
    """With its cause: the newest back-off of the credential, or what its row says."""
    ended = Ended(credential=wish.credential, outcome="rotated", request=wish.id, state=row.state)
    if wish.met_at is not None:
        return ended
    outcome = row.state.value if row.state in _FOR_PEOPLE else "failed"
    cause = _cause(ledger, wish)
    text = row.text if row.state in _FOR_PEOPLE or cause is None else cause.text
    return replace(
        ended,
        outcome=outcome,
        text=text or wish.outcome,
        reason=cause.reason if cause else row.reason,
        next_at=row.due_at if outcome == "failed" else None,
    )


def _cause(ledger: Ledger, wish: Manual) -> BackOff | None:
    """What failed since it was asked for, the newest of it."""
    found = [each for each in ledger.back_offs(wish.credential) if each.since >= wish.asked_at]
    return max(found, key=lambda each: each.since, default=None)


# --- without one ---------------------------------------------------------------------------------


def walked(
    tools: Tools,
    credentials: Mapping[str, Credential],
    manuals: Sequence[Manual],
    timeout: timedelta,
    threads: int,
) -> Iterator[Ended]:
    """Each request as we end it ourselves; the caller holds the worker's lock."""
    ends = tools.clock.monotonic() + timeout.total_seconds()
    with ThreadPoolExecutor(threads) as pool:
        futures = [
            pool.submit(_walked, tools, credentials[each.credential], each, ends)
            for each in manuals
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:  # after Ctrl-C what is in flight is finished, and nothing new begun
            pool.shutdown(cancel_futures=True)


def _walked(tools: Tools, credential: Credential, wish: Manual, ends: float) -> Ended:
    cause = f"manual by {wish.by}" + (f": {wish.why}" if wish.why else "")
    try:
        _until_rest(lambda: walk(tools, credential, lambda _: None, cause), tools, ends)
    except LedgerError as error:
        name = credential.qualified
        return Ended(credential=name, outcome="failed", text=str(error), request=wish.id)
    (row,) = tools.ledger.rows([credential.qualified])
    return _told(tools.ledger, tools.ledger.manual(wish.id) or wish, row)


def _until_rest(once: Callable[[], Outcome], tools: Tools, ends: float) -> Outcome:
    """Walk again while it rests only for what passes within seconds."""
    outcome = once()
    while outcome.reason in _PASSING and tools.clock.monotonic() < ends:
        tools.clock.sleep(tools.clock.stretch(_LAG))
        outcome = once()
    return outcome
