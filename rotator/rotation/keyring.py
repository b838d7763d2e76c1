"""What a person does to a chain: give it a new refresh token, or take it over from a ledger.

Both write the worker's own secret under a lease, with a generation higher than any seen, and ask
for a fresh access token; the next walk goes on from there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.clock import new_id
from rotator.errors import LeaseLost, LedgerError, RotatorError
from rotator.jobs.job import Credential
from rotator.ledger.facts import Because, Lease, Mark, MarkKind, Record
from rotator.ledger.writes import AddMark, Change, LiftMark
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret, Shelf, Token
from rotator.providers.base import Alive, Dead, Verdict
from rotator.rotation.asking import request
from rotator.rotation.hands import Hands
from rotator.rotation.objections import (
    refuse_disowned,
    refuse_elsewhere,
    refuse_spent,
    refuse_to_replace,
    refuse_unsettled,
    spent_because,
)
from rotator.rotation.sealed import (
    NO_PAIR,
    SPARE,
    TURNED,
    handed_down,
    kept_token,
    spare_fields,
)
from rotator.rotation.tools import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of it."""

    credential: str
    verdict: Verdict
    expires_at: datetime | None
    generation: int
    """0: nothing was written."""
    manual_id: str = ""
    """The request for a fresh access token."""
    was_foreign: bool = False
    """The keyring belonged to another ledger."""
    lifted: int = 0
    """Marks that the provider's word has lifted."""


def inspected(tools: Tools, credential: Credential, token: Token) -> Verdict:
    """What the provider says of a refresh token; nothing is changed."""
    nobodys = Lease(credential="", owner="", fence=0, until=tools.clock.now())
    return Hands(tools, credential, nobodys, {}).inspect(REFRESH_TOKEN, token)


def seed(
    tools: Tools,
    credential: Credential,
    token: Token,
    verdict: Verdict,
    *,
    replaces: bool = False,
) -> Taken:
    """Keep a refresh token that a person brought, with its dates. Raises Rejected if it is dead.

    `replaces`: a chain that may be alive too, by a token for which nobody can vouch. Without it
    that raises RotatorError, for one mistyped character would cost the chain.
    """
    refuse_disowned(verdict)
    with _held(tools, credential) as (hands, record):
        refuse_spent(tools, token.value, verdict)
        if not (replaces or isinstance(verdict, Alive)):
            refuse_to_replace(hands, record, token)
        return _put(hands, record, token, verdict, "seeded")


def second(tools: Tools, credential: Credential, token: Token, verdict: Verdict) -> Taken:
    """Keep a refresh token beside the one at hand, so that the two are used in turn.

    Raises Rejected if it is dead, and RotatorError where there is no first one to put it beside.
    """
    refuse_disowned(verdict)
    with _held(tools, credential) as (hands, record):
        refuse_spent(tools, token.value, verdict)
        current = hands.versions[Shelf.KEYRING]
        first = kept_token(current.fields) if current else None
        if first is not None and first.value == token.value:
            raise RotatorError(
                f"this is the refresh token that {credential.qualified} has already",
                remedy="have the provider make a second one: a spare is another token",
            )
        if current is None or first is None:
            raise RotatorError(
                f"{credential.qualified} has no other refresh token to put this one beside",
                remedy=f"first `rotator seed {credential.qualified}`, without --spare",
            )
        refuse_elsewhere(credential, current)
        refuse_unsettled(hands, record, current)
        dated = _dated(token, verdict, tools.clock.now())
        kept = handed_down(credential.provider, current.fields)
        kept |= spare_fields(dated) | {NO_PAIR: ""}
        generation = hands.next_generation(record)
        hands.extend()
        changes = hands.put_keyring(new_id(), first, generation, kept)
        tools.ledger.write(hands.lease, *changes, *_lifted(tools, token.value, verdict))
    return Taken(
        credential=credential.qualified,
        verdict=verdict,
        expires_at=dated.expires_at,
        generation=generation,
    )


def adopt(tools: Tools, credential: Credential) -> Taken | None:
    """Take the keyring for ours, whoever wrote it; None where there is none.

    A token that the provider disowns counts as spent, until it is found alive.
    """
    with _held(tools, credential) as (hands, record):
        current = hands.versions[Shelf.KEYRING]
        token = kept_token(current.fields) if current else None
        if current is None or token is None:
            return None
        refuse_elsewhere(credential, current)
        refuse_unsettled(hands, record, current)
        verdict = hands.inspect(REFRESH_TOKEN, token)
        return _put(hands, record, token, verdict, "adopted")


@contextmanager
def _held(tools: Tools, credential: Credential) -> Iterator[tuple[Hands, Record]]:
    """The lease, both secrets as they are now, and the ledger's record."""
    name, now = credential.qualified, tools.clock.now()
    lease = tools.ledger.take(name, tools.owner, now, now + tools.lease_time)
    record = tools.ledger.look(name)
    if record is None:
        raise LedgerError(f"the ledger does not know {name} yet", remedy="start the worker once")
    if lease is None:
        raise LeaseLost(f"a walk of {name} is under way", remedy="try again in a minute")
    hands = Hands(tools, credential, lease, {})
    try:
        for shelf, spec in credential.secrets.items():
            hands.versions[shelf] = tools.store.get(spec)
        yield hands, record
    finally:
        tools.ledger.release(hands.lease)


def _put(hands: Hands, record: Record, token: Token, verdict: Verdict, why: str) -> Taken:
    name, now = hands.credential.qualified, hands.tools.clock.now()
    fields = hands.fields(Shelf.KEYRING)
    dated = _dated(token, verdict, now)
    generation = hands.next_generation(record)
    hands.extend()
    carried = handed_down(hands.credential.provider, fields)
    if (first := kept_token(fields)) is None or first.value != token.value:
        carried[TURNED] = str(generation)  # it has minted nothing yet
    if carried.get(SPARE) == token.value.reveal():
        carried |= spare_fields(None) | {TURNED: ""}  # or it has: it was the other one
    changes = hands.put_keyring(new_id(), dated, generation, carried)
    lifted = _lifted(hands.tools, token.value, verdict)
    barred = _barred(hands.tools, token.value, verdict)
    hands.tools.ledger.write(hands.lease, *changes, *lifted, *barred)
    wish = request(name, now, why, tokens=frozenset({ACCESS_TOKEN}), again=True)
    hands.tools.ledger.ask(wish)
    owner = fields.get("ledger_id", "")
    return Taken(
        credential=name,
        verdict=verdict,
        expires_at=dated.expires_at,
        generation=generation,
        manual_id=wish.id,
        was_foreign=bool(owner) and owner != hands.tools.ledger.ledger_id,
        lifted=len(lifted),
    )


def _dated(token: Token, verdict: Verdict, now: datetime) -> Token:
    """The provider's own dates before anybody's word."""
    dated = replace(token, issued_at=token.issued_at or now)
    if not isinstance(verdict, Alive) or verdict.expires_at is None:
        return dated
    return replace(
        dated, issued_at=verdict.issued_at or dated.issued_at, expires_at=verdict.expires_at
    )


def _lifted(tools: Tools, token: Secret, verdict: Verdict) -> list[Change]:
    """Only a request that went unanswered leaves a mark that a proof of life may lift."""
    alive = isinstance(verdict, Alive)
    if not alive or spent_because(tools, token) is not Because.UNANSWERED:
        return []
    return [LiftMark(kind=MarkKind.SPENT, key=tools.fingerprints.fingerprint(token))]


def _barred(tools: Tools, token: Secret, verdict: Verdict) -> list[Change]:
    """No grant spends what the provider disowns; others may try, for vendors disown good tokens."""
    if not isinstance(verdict, Dead) or spent_because(tools, token):
        return []
    mark = Mark(
        kind=MarkKind.SPENT,
        key=tools.fingerprints.fingerprint(token),
        at=tools.clock.now(),
        because=Because.UNANSWERED,
        text="an inspection disowned it",
    )
    return [AddMark(mark=mark)]
