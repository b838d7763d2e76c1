"""What a sealed answer means for the ledger: tokens, marks and back-offs, as one transaction.

Pure but for the sealing of the tokens that it found, so an answer may be read again at any time.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.errors import Garbled, ProviderError, Rejected, Unanswered
from rotator.jobs import Credential
from rotator.ledger.base import (
    AddMark,
    BackOff,
    Because,
    Change,
    Close,
    Drop,
    Intent,
    Killed,
    Lift,
    LiftMark,
    Mark,
    MarkKind,
    MarkRead,
    Met,
    Seal,
)
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Reason, Shelf, Token
from rotator.policy import SKEW, Holding, Source, same_again
from rotator.providers.base import Grant
from rotator.rotation.failing import back_off
from rotator.rotation.look import KEPT_BACK, Sight, reader
from rotator.rotation.sealed import Sealed, pack_tokens, unpack_answer
from rotator.rotation.tools import Tools
from rotator.rotation.wants import Newest, due

WORTH_KEEPING = timedelta(days=1)
"""The same refresh token is kept again only when its expiry has moved by more than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The changes that an answer means, and how to tell it in one line."""

    changes: list[Change]
    outcome: str = "tokens"
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """One answer, and everything that its meaning depends on."""

    tools: Tools
    credential: Credential
    sight: Sight
    seal: Seal
    sealed: Sealed

    @property
    def grant(self) -> Grant | None:
        """The grant that was used, None where the job file no longer has it."""
        same_host = self.seal.intent.host == self.credential.provider.host
        return self.credential.provider.grant(self.seal.intent.grant) if same_host else None

    @property
    def line(self) -> str:
        return f"grant:{self.seal.intent.grant}"


def read_answer(tools: Tools, credential: Credential, sight: Sight, seal: Seal) -> Reading:
    """Raises SealError where the seal does not open; then it stays as it is."""
    plain = tools.sealing.open(seal.ciphertext, bound_to=tools.bound_to(seal.intent, "answer"))
    context = _Context(
        tools=tools, credential=credential, sight=sight, seal=seal, sealed=unpack_answer(plain)
    )
    try:
        return _tokens(context, _parsed(context))
    except ProviderError as error:
        return _refusal(context, error)


def _parsed(context: _Context) -> Keyring:
    grant = context.grant
    if grant is None:
        raise Garbled("the job file no longer has the grant that this answers")
    try:
        return grant.read(context.sealed.answer, context.seal.sent_at)
    except ProviderError:
        raise
    except Exception as error:  # noqa: BLE001 - a plug-in's bug must never lose a sealed answer
        raise Garbled(f"the plug-in failed to read it: {type(error).__name__}") from None


# --- tokens --------------------------------------------------------------------------------------


def _tokens(context: _Context, found: Keyring) -> Reading:
    arrived = {name: _arrived(context, name, token) for name, token in found.items()}
    same_access = _same_access(context, arrived)
    stored = {
        name: token
        for name, token in arrived.items()
        if not (name == ACCESS_TOKEN and same_access)
        and not (name == REFRESH_TOKEN and _same_refresh(context, token))
    }
    changes: list[Change] = [
        *_marks(context, arrived),
        *_closed(context),
        Lift(what=context.line),
        *([] if same_access else _killed(context)),
        _mark_read(context, stored),
        *_patience(context, arrived.get(ACCESS_TOKEN), same=same_access),
    ]
    text = "the same access token again" if same_access else " and ".join(sorted(stored))
    return Reading(changes=changes, text=text)


def _arrived(context: _Context, name: str, token: Token) -> Token:
    """A token with the dates that we go by.

    Where the provider gives no expiry, the job's stated lifespan; where it was dead on arrival by
    our clock but not by the provider's own Date, our clock is off by the difference.
    """
    stated = context.credential.schedule.token(name).lifespan
    if token.expires_at is None and stated and token.issued_at and name == REFRESH_TOKEN:
        return replace(token, expires_at=token.issued_at + stated)
    answer = context.sealed.answer
    if token.expires_at is None or token.expires_at > answer.received_at or answer.date is None:
        return token
    ahead = answer.received_at - answer.date
    return replace(token, expires_at=token.expires_at + ahead) if ahead > SKEW else token


def _same_access(context: _Context, arrived: Keyring) -> bool:
    token = arrived.get(ACCESS_TOKEN)
    on_record = context.sight.record.row.records.get(Shelf.TOKEN)
    if token is None or on_record is None:
        return False
    return context.tools.fingerprints.fingerprint(token.value) == on_record.fingerprint


def _same_refresh(context: _Context, token: Token) -> bool:
    """The token that was presented, handed back with about the same expiry."""
    fingerprint = context.tools.fingerprints.fingerprint(token.value)
    held = context.sight.holdings.by_fingerprint(fingerprint)
    if held is None or fingerprint not in context.seal.intent.presented.values():
        return False
    if held.expires_at is None or token.expires_at is None:
        return held.expires_at == token.expires_at
    return abs(token.expires_at - held.expires_at) <= WORTH_KEEPING


def _marks(context: _Context, arrived: Keyring) -> list[Change]:
    """What was spent for a new token is spent for ever; what was only presented is alive."""
    intent, at = context.seal.intent, context.seal.answered_at
    new = arrived.get(REFRESH_TOKEN)
    replaced = new and context.tools.fingerprints.fingerprint(new.value) != intent.spends
    if intent.spends:
        return spent(intent, at, Because.ANSWERED) if replaced else []
    doubted = context.sight.holdings.doubted_before(intent.intended_at)
    alive = doubted & set(intent.presented.values())
    return [LiftMark(kind=MarkKind.SPENT, key=key) for key in sorted(alive)]


def spent(intent: Intent, at: datetime, because: Because) -> list[Change]:
    """The mark that bars what a request spends from every grant that would spend it again."""
    if intent.spends is None:
        return []
    mark = Mark(
        kind=MarkKind.SPENT, key=intent.spends, at=at, because=because, text=f"by {intent.grant}"
    )
    return [AddMark(mark=mark)]


def _closed(context: _Context) -> list[Change]:
    """This request, and every earlier one that was the same request."""
    intent = context.seal.intent
    same = [
        other.id
        for other in context.sight.record.open_intents
        if other.id != intent.id
        and other.grant == intent.grant
        and other.spends is not None
        and other.spends == intent.spends
    ]
    return [Close(intent_id=intent_id, outcome="answered") for intent_id in [intent.id, *same]]


def _killed(context: _Context) -> list[Change]:
    """Earlier access tokens may be dead; a published one too, if this answer came after it."""
    intent = context.seal.intent
    if ACCESS_TOKEN not in intent.kills:
        return []
    published = context.sight.record.row.records.get(Shelf.TOKEN)
    late = (
        published is not None
        and published.generation > intent.generation
        and (published.issued_at is None or published.issued_at < context.seal.answered_at)
    )
    return [Killed(through=published.generation if late and published else intent.generation - 1)]


def _mark_read(context: _Context, stored: Keyring) -> Change:
    intent = context.seal.intent
    if not stored:
        return Drop(intent_id=intent.id)
    plain = pack_tokens(stored, context.sealed.carried)
    bound_to = context.tools.bound_to(intent, "tokens")
    return MarkRead(
        intent_id=intent.id,
        read_at=context.sight.seen.now,
        reader=reader(context.tools, context.credential),
        outcome="tokens",
        tokens={name: (token.issued_at, token.expires_at) for name, token in stored.items()},
        keyring=context.tools.sealing.seal(plain, bound_to=bound_to),
    )


def _patience(context: _Context, access: Token | None, *, same: bool) -> list[Change]:
    """Never a loop: the same token again, or one that is due on arrival, backs its grant off."""
    now = context.sight.seen.now
    grant = context.grant
    if access is None and grant and ACCESS_TOKEN in grant.yields:
        lacking = Garbled("the answer held no access token that can be used")
        return [back_off(context.line, lacking, context.sight.record, now, None)]
    if access is None:
        return []
    if same:
        until = same_again(now, access.expires_at or now)
        met = [Met(manual_id=m.id, at=now) for m in context.sight.record.manuals]
        text = "the provider handed out the same token again"
        again = BackOff(
            what=context.line, until=until, since=now, failures=0,
            reason=Reason.DUE_ON_ARRIVAL, text=text,
        )  # fmt: skip
        return [again, *met]
    published = context.sight.record.row.records.get(Shelf.TOKEN)
    if published is not None and published.generation > context.seal.intent.generation:
        return []  # it came late, and its grant has worked since
    newest = Newest(issued_at=access.issued_at, expires_at=access.expires_at, generation=0)
    renewal = due(context.credential, ACCESS_TOKEN, newest)
    dead = access.expires_at is not None and access.expires_at <= now
    if not dead and (renewal is None or renewal.at > now):
        return []
    arrived = Garbled("the token was due on arrival")
    return [back_off(context.line, arrived, context.sight.record, now, None, Reason.DUE_ON_ARRIVAL)]


# --- anything else -------------------------------------------------------------------------------


def _refusal(context: _Context, error: ProviderError) -> Reading:
    """No tokens: a documented refusal is marked, all else backs the grant off."""
    intent = context.seal.intent
    if isinstance(error, Rejected) and _replayed_too_late(context):
        error = Unanswered("a replay was refused after the vendor's window for it had passed")
    changes: list[Change] = []
    if isinstance(error, Rejected):
        changes += [_refused(context, error), Lift(what=context.line)]
    else:
        changes.append(_backing_off(context, error))
    outcome = type(error).__name__
    if outcome not in KEPT_BACK:
        changes += [*_closed(context), Drop(intent_id=intent.id)]
        return Reading(changes=changes, outcome=outcome, text=str(error))
    if intent.spends is None and not (intent.kills and isinstance(error, Unanswered)):
        changes += _closed(context)
    changes.append(_kept_back(context, outcome))
    return Reading(changes=changes, outcome=outcome, text=str(error))


def _replayed_too_late(context: _Context) -> bool:
    """Whether this was a replay whose window closed before the answer came: it proves nothing."""
    intent, grant = context.seal.intent, context.grant
    if grant is None or intent.first_intended_at == intent.intended_at:
        return False
    return context.seal.answered_at > intent.first_intended_at + grant.replay


def _refused(context: _Context, error: Rejected) -> Change:
    intent, grant = context.seal.intent, context.grant
    assert grant is not None  # noqa: S101 - only a grant's own `read` raises Rejected
    presents = tuple(
        Holding(name=name, fingerprint=fingerprint, source=Source.SEAL)
        for name, fingerprint in sorted(intent.presented.items())
    )
    key = context.tools.refusal(context.credential.provider, grant, presents)
    mark = Mark(
        kind=MarkKind.REFUSED,
        key=key,
        at=context.seal.answered_at,
        because=Because.REFUSED,
        text=f"by {intent.grant}: {error.text}",
    )
    return AddMark(mark=mark)


def _backing_off(context: _Context, error: ProviderError) -> Change:
    access = context.sight.access
    deadline = access.expires_at if access else None
    return back_off(context.line, error, context.sight.record, context.sight.seen.now, deadline)


def _kept_back(context: _Context, outcome: str) -> Change:
    return MarkRead(
        intent_id=context.seal.intent.id,
        read_at=context.sight.seen.now,
        reader=reader(context.tools, context.credential),
        outcome=outcome,
        tokens={},
        keyring=b"",
    )
