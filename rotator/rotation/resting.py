"""How a walk ends: what every face shows until the next one, and when that is. Pure."""

from datetime import datetime, timedelta

from rotator.durations import display
from rotator.jobs.job import Credential
from rotator.ledger.facts import BackOff, Record
from rotator.ledger.writes import Change, Met, Reported, Rest
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Shelf, State
from rotator.plan.seen import ShelfSeen
from rotator.plan.table import Step
from rotator.policy.when import SKEW, GaveWay, Renewal
from rotator.rotation.doubts import killed_through, long_doubts
from rotator.rotation.jumps import asked_at
from rotator.rotation.look import Sight
from rotator.rotation.remedies import remedy
from rotator.rotation.remembered import active_back_offs


def rest(credential: Credential, sight: Sight, step: Step) -> Rest:
    """Until when, in which state, and what a person should know or do."""
    seen, row = sight.seen, sight.record.row
    # Nothing is decided on what reads show too late, nor told to anybody.
    state = row.state if step.reason is Reason.READ_LAG else _state(sight)
    return Rest(
        due_at=step.until or seen.now,
        seen_due_at=row.due_at,
        state=state,
        reason=_reason(sight, step),
        text=_text(credential, sight, state),
        access_renew_at=sight.access_due.at if sight.access_due else None,
        refresh_renew_at=sight.refresh_due.at if sight.refresh_due else None,
        refresh_expires_at=sight.refresh.expires_at if sight.refresh else None,
        at=seen.now,
    )


def _reason(sight: Sight, step: Step) -> Reason:
    """The class of the trouble where there is any, not only that there is."""
    if step.reason is Reason.NO_GRANT_LEFT:
        return sight.holdings.trouble
    if step.reason is Reason.BACKING_OFF:
        return _newest(sight).reason
    return step.reason


def _newest(sight: Sight) -> BackOff:
    """The back-off that was stored last."""
    held = active_back_offs(sight.record, sight.seen.now).values()
    return max(held, key=lambda back_off: (back_off.since, _told(back_off)))


def _told(back_off: BackOff) -> str:
    return back_off.text or back_off.reason


def blind_rest(record: Record, waiting: BackOff, now: datetime) -> Rest:
    """Rest where the store could not be read: what was known before stays."""
    row = record.row
    expires_at = row.access_expires_at
    dead = expires_at is not None and expires_at <= now
    state = State.EXPIRED if dead else State.BACKING_OFF
    return Rest(
        due_at=waiting.until,
        seen_due_at=row.due_at,
        state=State.NEEDS_A_PERSON if waiting.reason is Reason.NOT_OURS else state,
        reason=waiting.reason,
        text=waiting.text,
        access_renew_at=row.access_renew_at,
        refresh_renew_at=row.refresh_renew_at,
        refresh_expires_at=row.refresh_expires_at,
        at=now,
    )


def _state(sight: Sight) -> State:
    """The gravest that holds."""
    seen, row = sight.seen, sight.record.row
    if row.paused_at is not None:
        return State.PAUSED
    if seen.stuck or _unreadable(sight) or _hangs_in_doubt(sight):
        return State.NEEDS_A_PERSON
    if _dead(sight):
        return State.EXPIRED
    wanted = any(want.token == ACCESS_TOKEN for want in seen.wants)
    if wanted and _late(sight):
        return State.LATE
    if seen.back_offs:
        return State.BACKING_OFF
    return State.DUE if seen.wants else State.FRESH


def _unreadable(sight: Sight) -> list[BackOff]:
    """What failed on a seal that does not open: only a person can bring its key back."""
    waiting = active_back_offs(sight.record, sight.seen.now).values()
    return [each for each in waiting if each.reason is Reason.SEAL_UNREADABLE]


def _hangs_in_doubt(sight: Sight) -> list[BackOff]:
    """What all hangs on while consumers run out of time: a person need not wait for the answer.

    Where the provider cannot be reached at all, a person could do no more than we.
    """
    return [
        waiting
        for intent, waiting in long_doubts(sight.record)
        if waiting.reason in (Reason.IN_DOUBT, Reason.UNANSWERED)
        and sight.holdings.without(intent.spends or "") is None
        and (_dead(sight) or _late(sight) or sight.access is None)
    ]


def _dead(sight: Sight) -> bool:
    """Whether consumers hold a token that is dead, or may be."""
    access = sight.access
    if access is None:
        return False
    killed = access.generation <= killed_through(sight.record)
    return killed or (access.expires_at is not None and access.expires_at <= sight.seen.now)


def _late(sight: Sight) -> bool:
    """Whether less is left than the outage that was to be survived from the renewal on.

    Where the token's life does not allow that, than half of what it allows: a token that is renewed
    when it should be is never late, and that its life is short is said beside the state.
    """
    access, due = sight.access, sight.access_due
    if access is None or access.expires_at is None or due is None:
        return False
    left = access.expires_at - sight.schedule.consumer_max_staleness - SKEW - sight.seen.now
    fits = due.gave_way in (GaveWay.NOTHING, GaveWay.WINDOW)
    return left < (min(sight.schedule.survive, due.survives) if fits else due.survives / 2)


def _text(credential: Credential, sight: Sight, state: State) -> str:
    """One sentence for a person, empty where nothing is to be said."""
    waiting = [*_unreadable(sight), *_hangs_in_doubt(sight)]
    if state is State.NEEDS_A_PERSON and waiting and not sight.seen.stuck:
        return waiting[0].text
    if state is State.NEEDS_A_PERSON:
        more = [*_spent_elsewhere(sight), *_next_try(sight)]
        return "; ".join([remedy(credential, sight), *more])
    if sight.seen.back_offs:
        return _told(_newest(sight))
    return _ill_fitting(sight.access_due) if sight.access_due else ""


_LONGER = "have the provider issue tokens that live longer"


def _ill_fitting(due: Renewal) -> str:
    """Which rule of the job's schedule gave way, and what to write instead; empty for none."""
    survives = timedelta(minutes=due.survives // timedelta(minutes=1))
    remedies = {
        GaveWay.SURVIVE: f" (lower `survive` to at most {display(survives)}, or {_LONGER})",
        GaveWay.STALENESS: f" (lower `consumer_max_staleness`, or {_LONGER})",
        GaveWay.EXPIRY: f" ({_LONGER})",
    }
    return "" if due.gave_way is GaveWay.NOTHING else due.gave_way + remedies.get(due.gave_way, "")


def _spent_elsewhere(sight: Sight) -> list[str]:
    """Who took the seed that this credential lives by; nothing else here tells of it."""
    return [
        f"the one here was spent by {name}, and no two credentials can live by one"
        for name in sight.holdings.spent_by_others
    ]


def _next_try(sight: Sight) -> list[str]:
    """When a refused seed is presented once more, though no person does anything."""
    again_at = min(sight.holdings.seeds_again_at.values(), default=None)
    return [f"it is tried once more at {again_at:%Y-%m-%d %H:%M}Z"] if again_at else []


def manual_changes(credential: Credential, sight: Sight) -> list[Change]:
    """Requests by people: met by what was issued since, told how their first walk ended."""
    changes: list[Change] = []
    for manual in sight.record.manuals:
        wished = manual.tokens or {ACCESS_TOKEN}
        can = wished if credential.provider.is_chain else wished - {REFRESH_TOKEN}
        if not can:
            changes.append(Met(manual_id=manual.id, at=sight.seen.now))
            changes.append(Reported(manual_id=manual.id, outcome="it has no refresh token"))
        elif all(_met(sight, token, asked_at(manual, sight.seen.now)) for token in can):
            changes.append(Met(manual_id=manual.id, at=sight.seen.now))
            changes.append(Reported(manual_id=manual.id, outcome="rotated"))
        elif not manual.outcome:
            changes.append(Reported(manual_id=manual.id, outcome=_why_not(sight)))
    return changes


def unmet(record: Record, why: str) -> list[Change]:
    """Whoever asked, and has not been told anything yet, is told why their first walk failed."""
    return [Reported(manual_id=m.id, outcome=why) for m in record.manuals if not m.outcome]


def _met(sight: Sight, token: str, asked: datetime) -> bool:
    """Whether the token was issued since, and has reached its secret, however that may back off."""
    newest, shelf = (
        (sight.access, Shelf.TOKEN) if token == ACCESS_TOKEN else (sight.refresh, Shelf.KEYRING)
    )
    stored = sight.seen.shelves.get(shelf, ShelfSeen()).generation
    waiting = any(
        answer.read
        and not answer.kept_back
        and token in answer.holds
        and answer.generation > stored
        for answer in sight.seen.answers
    )
    issued_at = newest.issued_at if newest else None
    return not waiting and issued_at is not None and issued_at >= asked


def _why_not(sight: Sight) -> str:
    if sight.seen.stuck:
        return Reason.NO_GRANT_LEFT
    return _told(_newest(sight)) if sight.seen.back_offs else Reason.REQUEST_OPEN
