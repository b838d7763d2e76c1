"""What a sealed answer means for the ledger: tokens, marks and back-offs, as one transaction.

Pure but for the sealing of the tokens that it found, so an answer may be read again at any time.
What is no tokens at all is told in `refusing`.
"""

from dataclasses import replace
from datetime import timedelta

from rotator.errors import Garbled, ProviderError
from rotator.jobs.job import Credential
from rotator.ledger.facts import Because, MarkKind, Seal
from rotator.ledger.writes import Change, Drop, Killed, Lift, LiftMark, MarkRead
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Shelf, Token
from rotator.policy.when import SKEW
from rotator.rotation.answered import Answered, Reading, closed, spent
from rotator.rotation.doubts import killed_through
from rotator.rotation.look import Sight
from rotator.rotation.patience import patience
from rotator.rotation.refusing import refusal
from rotator.rotation.remembered import reader
from rotator.rotation.sealed import pack_tokens, parsed, unpack_answer
from rotator.rotation.tools import Tools

WORTH_KEEPING = timedelta(days=1)
"""The same refresh token is kept again when its expiry has moved by more than this."""


def read_answer(tools: Tools, credential: Credential, sight: Sight, seal: Seal) -> Reading:
    """Raises SealError where the seal does not open; then it stays as it is."""
    plain = tools.sealing.open(seal.ciphertext, bound_to=tools.bound_to(seal.intent, "answer"))
    answered = Answered(
        tools=tools, credential=credential, sight=sight, seal=seal, sealed=unpack_answer(plain)
    )
    try:
        return _tokens(answered, _parsed(answered))
    except ProviderError as error:
        return refusal(answered, error)


def _parsed(answered: Answered) -> Keyring:
    grant = answered.grant
    if grant is None:
        raise Garbled("the job file no longer has the grant that this answers")
    try:
        return grant.read(answered.sealed.answer, answered.seal.sent_at)
    except ProviderError:
        raise
    except Exception as error:  # noqa: BLE001 - a plug-in's bug must never lose a sealed answer
        raise Garbled(f"the plug-in failed to read it: {type(error).__name__}") from None


# --- tokens --------------------------------------------------------------------------------------


def _tokens(answered: Answered, found: Keyring) -> Reading:
    arrived = {name: _arrived(answered, name, token) for name, token in found.items()}
    same_access = _same_access(answered, arrived)
    stored = {
        name: token
        for name, token in arrived.items()
        if not (name == ACCESS_TOKEN and same_access)
        and not (name == REFRESH_TOKEN and _same_refresh(answered, token))
    }
    changes: list[Change] = [
        *_marks(answered, arrived),
        *_taken_again(answered),
        *answered.closed(*answered.same_requests),
        *([Lift(what=answered.line)] if answered.line in answered.sight.record.back_offs else []),
        *([] if same_access else _killed(answered)),
        _mark_read(answered, stored),
        *patience(answered, arrived, stored, same_access=same_access),
    ]
    names = "the same access token again" if same_access else " and ".join(sorted(stored))
    intent = answered.seal.intent  # told here too: OBTAIN's own line may have died with its worker
    return Reading(
        changes=changes, text=f"generation {intent.generation} by {intent.grant}: {names}"
    )


def _arrived(answered: Answered, name: str, token: Token) -> Token:
    """A token with the dates that we go by.

    Where the provider gives no expiry, the job's stated lifespan; where it was dead on arrival by
    our clock but not by the provider's own Date, our clock is off by the difference. What is
    published already keeps its first date of issue.
    """
    if name == ACCESS_TOKEN and _is_published(answered, token):
        issued_at = parsed(answered.sight.published_fields.get("issued_at", ""))
        token = replace(token, issued_at=issued_at or token.issued_at)
    stated = answered.credential.schedule.token(name).lifespan
    if token.expires_at is None and stated and token.issued_at and name == REFRESH_TOKEN:
        return replace(token, expires_at=token.issued_at + stated)
    answer = answered.sealed.answer
    if token.expires_at is None or token.expires_at > answer.received_at or answer.date is None:
        return token
    ahead = answer.received_at - answer.date
    return replace(token, expires_at=token.expires_at + ahead) if ahead > SKEW else token


def _is_published(answered: Answered, token: Token) -> bool:
    """Whether consumers have it from an earlier answer."""
    version = answered.sight.versions.get(Shelf.TOKEN)
    if version is None or version.id == answered.seal.intent.id:  # put before this was on record
        return False
    return version.fields.get(ACCESS_TOKEN) == token.value.reveal()


def _same_access(answered: Answered, arrived: Keyring) -> bool:
    """What consumers hold, handed out again; where it was thought dead it is published anew."""
    token, version = arrived.get(ACCESS_TOKEN), answered.sight.versions.get(Shelf.TOKEN)
    if token is None or version is None or not _is_published(answered, token):
        return False
    return version.generation > killed_through(answered.sight.record)


def _same_refresh(answered: Answered, token: Token) -> bool:
    """The token that was presented, handed back with about the same expiry."""
    fingerprint = answered.tools.fingerprints.fingerprint(token.value)
    held = answered.sight.holdings.by_fingerprint(fingerprint)
    if held is None or fingerprint not in answered.seal.intent.presented.values():
        return False
    if held.expires_at is None or token.expires_at is None:
        return held.expires_at == token.expires_at
    worth = min(WORTH_KEEPING, (token.lifespan or WORTH_KEEPING) / 4)
    return abs(token.expires_at - held.expires_at) <= worth


def _marks(answered: Answered, arrived: Keyring) -> list[Change]:
    """What was spent for a new token is spent for ever; what was only presented is alive."""
    intent, at = answered.seal.intent, answered.seal.answered_at
    new = arrived.get(REFRESH_TOKEN)
    replaced = new and answered.tools.fingerprints.fingerprint(new.value) != intent.spends
    if intent.spends:
        return spent(intent, intent.spends, at, Because.ANSWERED) if replaced else []
    doubted = answered.sight.holdings.doubted_before(intent.intended_at)
    alive = doubted & set(intent.presented.values())
    lifted = [LiftMark(kind=MarkKind.SPENT, key=key) for key in sorted(alive)]
    return [*lifted, *_never_acted_on(answered)]


def _never_acted_on(answered: Answered) -> list[Change]:
    """Requests in doubt, of which this one, sent when they were over, shows that they did nothing.

    It presented what they would have spent, and it was taken.
    """
    intent = answered.seal.intent
    record = answered.sight.record
    return [
        change
        for other in record.open_intents
        if other.spends in intent.presented.values() and other.settles_at <= intent.intended_at
        for change in closed(record, other.id, "alive")
    ]


def _taken_again(answered: Answered) -> list[Change]:
    """What was refused before it was sent once more, and is not any longer: a new row begins."""
    mark = answered.sight.holdings.refusals.mark(answered.refusal)
    if mark is None or mark.at > answered.seal.intent.intended_at:
        return []
    return [LiftMark(kind=MarkKind.REFUSED, key=mark.key)]


def _killed(answered: Answered) -> list[Change]:
    """Earlier access tokens may be dead; a published one too, if this answer came after it.

    A pair's request kills nothing of what was published when it was made. What another worker has
    published since may hang on the same chain.
    """
    intent, grant = answered.seal.intent, answered.grant
    published = answered.sight.record.row.records.get(Shelf.TOKEN)
    late = (
        published is not None
        and published.generation > intent.generation
        and (published.issued_at is None or published.issued_at < answered.seal.answered_at)
    )
    kills = grant.kills if late and grant else intent.kills
    if ACCESS_TOKEN not in kills:
        return []
    return [Killed(through=published.generation if late and published else intent.generation - 1)]


def _mark_read(answered: Answered, stored: Keyring) -> Change:
    intent = answered.seal.intent
    if not stored:
        return Drop(intent_id=intent.id)
    plain = pack_tokens(stored, answered.sealed.carried)
    bound_to = answered.tools.bound_to(intent, "tokens")
    return MarkRead(
        intent_id=intent.id,
        read_at=answered.sight.seen.now,
        reader=reader(answered.tools, answered.credential),
        outcome="tokens",
        tokens={name: (token.issued_at, token.expires_at) for name, token in stored.items()},
        keyring=answered.tools.sealing.seal(plain, bound_to=bound_to),
    )
