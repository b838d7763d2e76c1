"""What a person does to a chain: give it a new refresh token, or take it over from a ledger.

Both write the worker's own secret under a lease, with a generation higher than any seen, and ask
for a fresh access token; the next walk goes on from there.
"""

import getpass
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from rotator.clock import new_id
from rotator.errors import LeaseLost, LedgerError, Rejected, RotatorError
from rotator.jobs.job import Credential
from rotator.ledger.facts import Because, Lease, Manual, Mark, MarkKind, Record
from rotator.ledger.writes import AddMark, Change, LiftMark
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret, Shelf, State, Token
from rotator.providers.base import Alive, Dead, Verdict
from rotator.rotation.sealed import (
    NO_PAIR,
    SPARE,
    TURNED,
    handed_down,
    kept_token,
    spare_fields,
)
from rotator.rotation.steps import Hands
from rotator.rotation.tools import Tools
from rotator.store.base import Version


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
    if isinstance(verdict, Dead):
        raise Rejected(f"the provider disowns this token: {verdict.text or 'no reason given'}")
    with _held(tools, credential) as (hands, record):
        _refuse_spent(tools, token.value, verdict)
        if not (replaces or isinstance(verdict, Alive)):
            _refuse_to_replace(hands, record, token)
        return _put(hands, record, token, verdict, "seeded")


def second(tools: Tools, credential: Credential, token: Token, verdict: Verdict) -> Taken:
    """Keep a refresh token beside the one at hand, so that the two are used in turn.

    Raises Rejected if it is dead, and RotatorError where there is no first one to put it beside.
    """
    if isinstance(verdict, Dead):
        raise Rejected(f"the provider disowns this token: {verdict.text or 'no reason given'}")
    with _held(tools, credential) as (hands, record):
        _refuse_spent(tools, token.value, verdict)
        current = hands.versions[Shelf.KEYRING]
        first = kept_token(current.fields) if current else None
        if current is None or first is None or first.value == token.value:
            raise RotatorError(
                f"{credential.qualified} has no other refresh token to put this one beside",
                remedy=f"first `rotator seed {credential.qualified}`, without --spare",
            )
        _refuse_elsewhere(credential, current)
        _refuse_unsettled(hands, record, current)
        dated = _dated(token, verdict, tools.clock.now())
        kept = handed_down(credential.provider, current.fields)
        kept |= spare_fields(dated) | {NO_PAIR: ""}
        generation = _next_generation(hands, record)
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
        _refuse_elsewhere(credential, current)
        _refuse_unsettled(hands, record, current)
        verdict = hands.inspect(REFRESH_TOKEN, token)
        return _put(hands, record, token, verdict, "adopted")


def person() -> str:
    """Who asks, as history shows it."""
    name = os.environ.get("SUDO_USER") or _login()
    return f"{name}@{socket.gethostname()}"


def request(credential: str, now: datetime, why: str, *, tokens: frozenset[str] = frozenset(),
            again: bool = False) -> Manual:  # fmt: skip
    """A person's wish, as the ledger stores it."""
    return Manual(
        id=new_id(),
        credential=credential,
        asked_at=now,
        by=person(),
        why=why,
        tokens=tokens,
        again=again,
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"


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
    fields = _fields(hands.versions[Shelf.KEYRING])
    dated = _dated(token, verdict, now)
    generation = _next_generation(hands, record)
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


def _refuse_elsewhere(credential: Credential, current: Version) -> None:
    """No token goes where it did not come from."""
    host = current.fields.get("host", "")
    if host and host != credential.provider.host:
        raise RotatorError(
            f"the kept token of {credential.qualified} is for {host}",
            remedy="correct the address in the job file, or get a new refresh token, "
            f"then `rotator seed {credential.qualified}`",
        )


def _refuse_to_replace(hands: Hands, record: Record, token: Token) -> None:
    """What may be alive stays, where nobody but the person knows the token that is to follow it."""
    name, kept = hands.credential.qualified, kept_token(_fields(hands.versions[Shelf.KEYRING]))
    sealed = any(seal.may_hold_refresh_token for seal in record.seals)
    if not sealed and (kept is None or kept.value == token.value or _is_over(hands, record, kept)):
        return
    raise RotatorError(
        f"{name} has a refresh token that may be alive, and nobody can say whether this one is",
        remedy="look at it twice; if it is to take the other's place: `rotator seed --replace`",
    )


def _is_over(hands: Hands, record: Record, kept: Token) -> bool:
    """Whether the kept token is known to be no good, or a person was called because of it."""
    expired = kept.expires_at is not None and kept.expires_at <= hands.tools.clock.now()
    needy = record.row.state is State.NEEDS_A_PERSON
    return expired or needy or _spent(hands.tools, kept.value) is not None


def _refuse_unsettled(hands: Hands, record: Record, current: Version) -> None:
    """What is on its way must arrive first: a higher generation would throw it away."""
    name, now = hands.credential.qualified, hands.tools.clock.now()
    if any(now < intent.settles_at for intent in record.open_intents):
        raise LeaseLost(f"a request of {name} may still be answered", remedy="wait two minutes")
    newer = (seal for seal in record.seals if seal.intent.generation > current.generation)
    if any(seal.may_hold_refresh_token for seal in newer):
        raise RotatorError(
            f"a sealed answer of {name} waits to be kept", remedy=f"first `rotator rotate {name}`"
        )


def _fields(version: Version | None) -> Mapping[str, str]:
    return version.fields if version else {}


def _next_generation(hands: Hands, record: Record) -> int:
    there = (version.generation for version in hands.versions.values() if version)
    return 1 + max(record.top_generation, *there, 0)


def _dated(token: Token, verdict: Verdict, now: datetime) -> Token:
    """The provider's own dates before anybody's word."""
    dated = replace(token, issued_at=token.issued_at or now)
    if not isinstance(verdict, Alive) or verdict.expires_at is None:
        return dated
    return replace(
        dated, issued_at=verdict.issued_at or dated.issued_at, expires_at=verdict.expires_at
    )


def _refuse_spent(tools: Tools, token: Secret, verdict: Verdict) -> None:
    """A token that we saw spent stays so; one in doubt needs the provider's word."""
    spent = _spent(tools, token)
    if spent is None or (spent is Because.UNANSWERED and isinstance(verdict, Alive)):
        return
    raise RotatorError(
        "this refresh token was spent already", remedy="have the provider make a new one"
    )


def _lifted(tools: Tools, token: Secret, verdict: Verdict) -> list[Change]:
    """Only a request that went unanswered leaves a mark that a proof of life may lift."""
    alive = isinstance(verdict, Alive)
    if not alive or _spent(tools, token) is not Because.UNANSWERED:
        return []
    return [LiftMark(kind=MarkKind.SPENT, key=tools.fingerprints.fingerprint(token))]


def _barred(tools: Tools, token: Secret, verdict: Verdict) -> list[Change]:
    """No grant spends what the provider disowns; others may try, for vendors disown good tokens."""
    if not isinstance(verdict, Dead) or _spent(tools, token):
        return []
    mark = Mark(
        kind=MarkKind.SPENT,
        key=tools.fingerprints.fingerprint(token),
        at=tools.clock.now(),
        because=Because.UNANSWERED,
        text="an inspection disowned it",
    )
    return [AddMark(mark=mark)]


def _spent(tools: Tools, token: Secret) -> Because | None:
    marks = tools.ledger.spent([tools.fingerprints.fingerprint(token)])
    return marks[0].because if marks else None
