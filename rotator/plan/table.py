"""What to do next, from one look. Pure, total, a table; the first line that fits is taken.

| seen | next |
|---|---|
| the lease is gone | STOP |
| less than a minute after our last write a secret shows another version, and none newer | WAIT |
| the current version of either secret is not the one on record | MEND |
| a sealed answer not yet read | READ |
| a read answer that each secret it has a token for has reached or passed | DROP |
| a refresh token read and not kept; a pair to turn; a seed or a chain to take over | KEEP |
| an access token read, alive, of a higher generation than the published one | PUBLISH |
| a request past `settles_at` with no answer | SETTLE |
| a token wanted, a grant usable, nothing open on what it would present | OBTAIN |
| an old token to revoke, past every consumer's staleness | REVOKE |
| a token wanted and due, no grant left, no pair to turn | WAIT for a person |
| none of these | WAIT |

A line that is backing off is passed over, and no other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rotator.model import Reason
from rotator.plan.seen import ADOPT, IDLE, SEED, TURN, Seen

LAG_POLL = timedelta(seconds=2)


class Verb(StrEnum):
    """The lines of the table."""

    STOP = "stop"
    WAIT = "wait"
    MEND = "mend"
    READ = "read"
    DROP = "drop"
    KEEP = "keep"
    PUBLISH = "publish"
    SETTLE = "settle"
    OBTAIN = "obtain"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, to what, and why."""

    verb: Verb
    reason: Reason
    subject: str = ""
    until: datetime | None = None


_WHY_KEEP = {
    TURN: Reason.TOKEN_IN_USE,
    SEED: Reason.SEED_NEW,
    ADOPT: Reason.ANOTHER_LEDGER,
}


def next_step(seen: Seen) -> Step:  # noqa: C901 - it is the table, a case a line
    """The first line of the table that fits."""
    match seen:
        case Seen(leased=False):
            return Step(Verb.STOP, Reason.LEASE_GONE)
        case Seen(lagging=True):
            return Step(Verb.WAIT, Reason.READ_LAG, until=seen.now + LAG_POLL)
        case Seen(strays=[(shelf, reason), *_]):
            return Step(Verb.MEND, reason, shelf)
        case Seen(unread=[answer, *_]):
            return Step(Verb.READ, Reason.ANSWER_UNREAD, answer.id)
        case Seen(done=[answer, *_]):
            return Step(Verb.DROP, Reason.ANSWER_DONE, answer.id)
        case Seen(unkept=[subject, *_]):
            return Step(Verb.KEEP, _WHY_KEEP.get(subject, Reason.REFRESH_TOKEN_NEW), subject)
        case Seen(unpublished=[answer, *_]):
            return Step(Verb.PUBLISH, Reason.ACCESS_TOKEN_NEW, answer.id)
        case Seen(unsettled=[intent, *_]):
            return Step(Verb.SETTLE, Reason.UNANSWERED, intent.id)
        case Seen(obtainable=[want, *_]):
            return Step(Verb.OBTAIN, want.reason, want.token)
        case Seen(revocable=[version_id]):
            return Step(Verb.REVOKE, Reason.OUTLIVED, version_id)
        case _:
            until = min(seen.next_look, seen.now + IDLE)
            return Step(Verb.WAIT, _why_wait(seen), until=until)


def _why_wait(seen: Seen) -> Reason:
    if seen.stuck:
        return Reason.NO_GRANT_LEFT
    if seen.back_offs:
        return Reason.BACKING_OFF
    return Reason.REQUEST_OPEN if seen.intents else Reason.FRESH
