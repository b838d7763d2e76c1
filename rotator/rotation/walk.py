"""Look, take one step, look again: the only code that changes the world.

There is no resume: a crash anywhere is answered by the next look, on this machine or another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from rotator.clock import new_id
from rotator.errors import LeaseLost, LedgerError, RotatorError, StoreError
from rotator.jobs.job import Credential
from rotator.ledger.facts import Lease, Manual, Record, Stepped
from rotator.ledger.foresight import foreseen
from rotator.ledger.writes import Change, Lift, Rest
from rotator.model import Reason, State
from rotator.plan.seen import ADOPT, SEED, TURN
from rotator.plan.table import Step, Verb, next_step
from rotator.rotation import steps
from rotator.rotation.failing import back_off, deadline, told
from rotator.rotation.hands import Done, Hands
from rotator.rotation.keeping import keep
from rotator.rotation.look import Sight, look
from rotator.rotation.obtain import obtain
from rotator.rotation.remembered import active_back_offs
from rotator.rotation.resting import blind_rest, manual_changes, rest, unmet
from rotator.rotation.revoking import revoke
from rotator.rotation.settling import settle
from rotator.rotation.telling import Event, Observer, Outcome
from rotator.rotation.tools import SeedsOfAWalk, Tools
from rotator.triage import outcome_of

MOST_STEPS = 20
"""A walk that has not come to rest by then is a bug, and backs off."""
SCHEDULE = "schedule"
"""Why a walk began, where no person asked for it."""
LOOK = "look"
"""The line that fails where the store cannot even be read."""
WALK = "walk"
"""The line that fails where a walk does not come to rest."""

_ACTIONS: Mapping[Verb, Callable[[Hands, Sight, Step], Done]] = {
    Verb.MEND: steps.mend,
    Verb.READ: steps.read,
    Verb.DROP: steps.drop,
    Verb.KEEP: keep,
    Verb.PUBLISH: steps.publish,
    Verb.SETTLE: settle,
    Verb.OBTAIN: obtain,
    Verb.REVOKE: revoke,
}


_OF_ANSWERS = frozenset({Verb.READ, Verb.DROP, Verb.KEEP, Verb.PUBLISH})


def rotate(
    tools: Tools, credential: Credential, observe: Observer, cause: str = SCHEDULE
) -> Outcome:
    """Walk one credential until it rests. Raises LedgerError where our own memory fails.

    "Skipped" (state ROTATING) where another worker holds it: normal, and nothing is lost.
    """
    now = tools.clock.now()
    name = credential.qualified
    lease = tools.ledger.take(name, tools.owner, now, now + tools.lease_time)
    if lease is None:
        return Outcome(credential=name, state=State.ROTATING, reason=Reason.LEASE_GONE)
    walk = _Walk(tools, credential, lease, observe, cause)
    try:
        return walk.until_rest()
    except LeaseLost:
        return Outcome(credential=name, state=State.ROTATING, reason=Reason.LEASE_GONE)
    finally:
        if not walk.rested:  # coming to rest lets go
            tools.ledger.release(walk.hands.lease)


class _Walk:
    """One run: the steps of one credential under one lease."""

    def __init__(
        self, tools: Tools, credential: Credential, lease: Lease, observe: Observer, cause: str
    ) -> None:
        self.seeds = SeedsOfAWalk(tools.seeds)
        self.tools = replace(tools, seeds=self.seeds)
        self.credential = credential
        self.hands = Hands(self.tools, credential, lease, {})
        self.observe = observe
        self.cause = cause
        self.run = new_id()
        self.taken: list[Stepped] = []
        self.owed: list[Change] = []
        """What the ledger is to be told with the next write, at the latest when the walk ends."""
        self.foreseen: Record | None = None
        """What a look will show once that is written; None: what is owed changes nothing there."""
        self.rested = False

    def until_rest(self) -> Outcome:
        for _ in range(MOST_STEPS):
            record, began = self.foreseen or self._record(), self.tools.clock.now()
            if record.manuals and self.cause == SCHEDULE:
                self.cause = _asked(record.manuals[-1])
            try:
                sight = self._look(record)
            except StoreError as error:
                return self._blind(record, LOOK, error, began)
            step = next_step(sight.seen)
            if step.verb in (Verb.WAIT, Verb.STOP):
                said = manual_changes(self.credential, sight)
                lifted = [Lift(what=line) for line in (LOOK, WALK) if line in record.back_offs]
                return self._end(rest(self.credential, sight, step), [*said, *lifted], record)
            if self.foreseen and not _is_of_an_answer(sight, step):
                self._pay()  # what else came meanwhile counts too: look at the ledger again
            else:
                self._take(sight, step)
        looping = RotatorError("the walk did not come to rest", remedy="report it, with `history`")
        began = self.tools.clock.now()
        self._pay()
        return self._blind(self._record(), WALK, looping, began, Reason.TOO_MANY_STEPS)

    def _record(self) -> Record:
        record = self.tools.ledger.look(self.credential.qualified)
        if record is None:
            raise LedgerError(f"{self.credential.qualified} is not enrolled")
        return record

    def _look(self, record: Record) -> Sight:
        """Each secret and each seed is read once a walk; our own puts' answers tell the rest."""
        now = self.tools.clock.now()
        blocked = active_back_offs(record, now).get(LOOK)
        if blocked is not None:
            raise StoreError(blocked.text)
        for shelf, spec in self.credential.secrets.items():
            if shelf not in self.hands.versions:
                self.hands.versions[shelf] = self.tools.store.get(spec)
        return look(self.tools, self.credential, record, self.hands.versions, now)

    def _take(self, sight: Sight, step: Step) -> None:
        began = self.tools.clock.now()
        if self.hands.lease.until < began + self.tools.lease_time / 2:
            self.hands.extend()  # what a step waits for fits into half of a lease
        try:
            done = _ACTIONS[step.verb](self.hands, sight, step)
        except (LeaseLost, LedgerError):
            raise
        except Exception as error:  # noqa: BLE001 - one credential's surprise stops no other
            done = self._failed(sight, step, error)
        if done.look_afresh:
            self.hands.versions.clear()
            self.seeds.forget()
        stepped = self._stepped(step.verb, step.reason, done, began)
        self.owed += [*done.changes, stepped]
        self._tell(stepped)
        may_wait = _is_of_an_answer(sight, step) and not done.look_afresh
        self.foreseen = foreseen(sight.record, done.changes) if may_wait else done.foreseen
        if done.changes and self.foreseen is None:
            self._pay()

    def _pay(self) -> None:
        """Write what is owed; the next look is at the ledger itself."""
        if self.owed:
            self.tools.ledger.write(self.hands.lease, *self.owed)
        self.owed, self.foreseen = [], None

    def _failed(self, sight: Sight, step: Step, error: Exception) -> Done:
        """A back-off for this line of the table and no other."""
        now = self.tools.clock.now()
        stored = back_off(_line(sight, step), error, sight.record, now, deadline(sight, step))
        return Done([stored], outcome_of(error), told(error), look_afresh=True)

    def _stepped(self, step: str, reason: Reason, done: Done, began: datetime) -> Stepped:
        return Stepped(
            run=self.run,
            seq=len(self.taken),
            at=began,
            step=step,
            reason=reason,
            outcome=done.outcome,
            text=done.text,
            duration=self.tools.clock.now() - began,
            cause=self.cause,
        )

    def _tell(self, stepped: Stepped) -> None:
        self.taken.append(stepped)
        self.observe(Event(credential=self.credential.qualified, run=self.run, stepped=stepped))

    def _blind(
        self,
        record: Record,
        line: str,
        error: RotatorError,
        began: datetime,
        reason: Reason | None = None,
    ) -> Outcome:
        """Rest without having seen the store, or without an end in sight: a step that failed."""
        now = self.tools.clock.now()
        waiting = active_back_offs(record, now).get(line)
        changes: list[Change] = []
        if waiting is None:
            expires_at = record.row.access_expires_at
            waiting = back_off(line, error, record, now, expires_at, reason)
            changes.append(waiting)
            failed = Done([waiting], outcome_of(error), waiting.text)
            stepped = self._stepped(line, waiting.reason, failed, began)
            self.owed.append(stepped)
            self._tell(stepped)
        changes += unmet(record, waiting.text)
        return self._end(blind_rest(record, waiting, now), changes, record)

    def _end(self, ended: Rest, changes: Sequence[Change], record: Record) -> Outcome:
        self.tools.ledger.write(self.hands.lease, *self.owed, *changes, ended)
        self.rested = True
        name = self.credential.qualified
        self.observe(Event(credential=name, run=self.run, rest=ended, was=record.row.state))
        return Outcome(
            credential=name,
            state=ended.state,
            reason=ended.reason,
            text=ended.text,
            steps=tuple(self.taken),
        )


def _is_of_an_answer(sight: Sight, step: Step) -> bool:
    """What it changes may wait for the next write: the seal stands for it.

    Should the worker die before that, the next look reads the seal again, and finds in the store
    what was put there. All else is written at once.
    """
    sealed = {seal.intent.id for seal in sight.record.seals}
    return step.verb in _OF_ANSWERS and step.subject in sealed


def _asked(manual: Manual) -> str:
    return f"manual by {manual.by}" + (f": {manual.why}" if manual.why else "")


def _line(sight: Sight, step: Step) -> str:
    """The line of the table, as its back-off is named."""
    match step.verb:
        case Verb.OBTAIN:
            return f"grant:{sight.choices[step.subject].grant.name}"
        case Verb.KEEP:
            return f"keep:{step.subject}" if step.subject in (TURN, SEED, ADOPT) else "keep"
        case Verb.PUBLISH | Verb.REVOKE:
            return step.verb
        case _:
            return f"{step.verb}:{step.subject}"
