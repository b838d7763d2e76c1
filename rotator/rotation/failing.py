"""Every failure gets one reason and one stored back-off. Pure."""

from datetime import datetime, timedelta

from rotator import errors
from rotator.ledger.facts import BackOff, Record
from rotator.model import Reason
from rotator.plan.table import Step, Verb
from rotator.policy.again import back_off as until
from rotator.rotation.jumps import holds
from rotator.rotation.look import Sight
from rotator.triage import reason_of


def back_off(
    what: str,
    error: Exception,
    record: Record,
    now: datetime,
    deadline: datetime | None,
    reason: Reason | None = None,
) -> BackOff:
    """The line of the table that failed, not again until; failures are counted while they last.

    Where an earlier back-off still holds, a person's request went through it. That try is no part
    of the schedule: it is not counted, and the next one comes no later for it, unless the provider
    itself asks for patience.
    """
    why = reason or reason_of(error)
    earlier = record.back_offs.get(what)
    by_hand = earlier is not None and holds(earlier, now)
    failures = (earlier.failures if earlier else 0) + (not by_hand)
    retry_after: timedelta | None = getattr(error, "retry_after", None)
    key = f"{record.row.credential} {what}"
    at = until(why, max(failures, 1), now, key=key, deadline=deadline, retry_after=retry_after)
    if earlier is not None and by_hand and retry_after is None:
        at = min(at, earlier.until)
    return BackOff(what=what, until=at, since=now, failures=failures, reason=why, text=told(error))


def deadline(sight: Sight, step: Step) -> datetime | None:
    """By when this step has to have worked; None: no token of ours waits for it.

    So it is with a question that another grant goes round: else both would hurry in an outage,
    of which either would notice the end.
    """
    if step.verb is not Verb.SETTLE:
        return sight.deadline
    spends = sight.intent(step.subject).spends or ""
    return sight.deadline if sight.holdings.without(spends) is None else None


def told(error: Exception) -> str:
    """The failure for people: our own errors in their words, others by their class alone."""
    return str(error) if isinstance(error, errors.RotatorError) else type(error).__name__
