"""Requests that nobody answered, of whose token the provider says neither yes nor no. Pure.

Such a token may be alive, and then it is the only key to its chain: it is not spent to find out,
and not given up because another grant is there, which may fail. That grant is used beside the
doubt. Two of its answers end it: a new refresh token takes the place of the doubtful one; and where
it presented the very token, as a mint does that spends nothing, the token lives. What the request
may have killed is not waited for: consumers hold it.
"""

from collections.abc import Iterator

from rotator.ledger.facts import BackOff, Intent, Record
from rotator.model import ACCESS_TOKEN, Reason
from rotator.policy.again import TRIES_TO_SETTLE


def times_asked(record: Record, intent: Intent) -> int:
    """How often in a row the question failed, if at last it was answered with neither yes nor no.

    0 while nobody answers it: an outage tells nothing of the token.
    """
    waiting = record.back_offs.get(f"settle:{intent.id}")
    return waiting.failures if waiting and waiting.reason is Reason.IN_DOUBT else 0


def long_doubts(record: Record) -> Iterator[tuple[Intent, BackOff]]:
    """Those that have been asked about so often that another grant is used, if there is one.

    However the question failed: what hangs, or cannot be reached, may be the one address that is
    asked, while the other grant works. In an outage that grant fails as well, and costs nothing.
    """
    for intent in record.open_intents:
        waiting = record.back_offs.get(f"settle:{intent.id}")
        if waiting is not None and waiting.failures >= TRIES_TO_SETTLE:
            yield intent, waiting


def killed_through(record: Record) -> int:
    """Access tokens up to this generation may be dead, whatever their dates."""
    killing = (intent for intent, _ in long_doubts(record) if ACCESS_TOKEN in intent.kills)
    return max([record.row.killed_through, *(intent.generation - 1 for intent in killing)])
