"""Why a person's hand is stayed: what may be alive is not thrown away, what is dead not taken.

Each raises a RotatorError with the way out, or does nothing.
"""

from rotator.errors import LeaseLost, Rejected, RotatorError
from rotator.jobs.job import Credential
from rotator.ledger.facts import Because, Record
from rotator.model import Secret, Shelf, State, Token
from rotator.providers.base import Alive, Dead, Verdict
from rotator.rotation.hands import Hands
from rotator.rotation.sealed import kept_token
from rotator.rotation.tools import Tools
from rotator.store.base import Version


def refuse_disowned(verdict: Verdict) -> None:
    """A dead token is of no use to anybody."""
    if isinstance(verdict, Dead):
        raise Rejected(f"the provider disowns this token: {verdict.text or 'no reason given'}")


def refuse_elsewhere(credential: Credential, current: Version) -> None:
    """No token goes where it did not come from."""
    host = current.fields.get("host", "")
    if host and host != credential.provider.host:
        raise RotatorError(
            f"the kept token of {credential.qualified} is for {host}",
            remedy="correct the address in the job file, or get a new refresh token, "
            f"then `rotator seed {credential.qualified}`",
        )


def refuse_to_replace(hands: Hands, record: Record, token: Token) -> None:
    """What may be alive stays, where nobody but the person knows the token that is to follow it."""
    name, kept = hands.credential.qualified, kept_token(hands.fields(Shelf.KEYRING))
    sealed = any(seal.may_hold_refresh_token for seal in record.seals)
    if not sealed and (kept is None or kept.value == token.value or _is_over(hands, record, kept)):
        return
    raise RotatorError(
        f"{name} has a refresh token that may be alive, and nobody can say whether this one is",
        remedy="look at it twice; if it is to take the other's place: `rotator seed --replace`",
    )


def refuse_unsettled(hands: Hands, record: Record, current: Version) -> None:
    """What is on its way must arrive first: a higher generation would throw it away."""
    name, now = hands.credential.qualified, hands.tools.clock.now()
    if any(now < intent.settles_at for intent in record.open_intents):
        raise LeaseLost(f"a request of {name} may still be answered", remedy="wait two minutes")
    newer = (seal for seal in record.seals if seal.intent.generation > current.generation)
    if any(seal.may_hold_refresh_token for seal in newer):
        raise RotatorError(
            f"a sealed answer of {name} waits to be kept", remedy=f"first `rotator rotate {name}`"
        )


def refuse_spent(tools: Tools, token: Secret, verdict: Verdict) -> None:
    """A token that we saw spent stays so; one in doubt needs the provider's word."""
    spent = spent_because(tools, token)
    if spent is None or (spent is Because.UNANSWERED and isinstance(verdict, Alive)):
        return
    raise RotatorError(
        "this refresh token was spent already", remedy="have the provider make a new one"
    )


def _is_over(hands: Hands, record: Record, kept: Token) -> bool:
    """Whether the kept token is known to be no good, or a person was called because of it."""
    expired = kept.expires_at is not None and kept.expires_at <= hands.tools.clock.now()
    needy = record.row.state is State.NEEDS_A_PERSON
    return expired or needy or spent_because(hands.tools, kept.value) is not None


def spent_because(tools: Tools, token: Secret) -> Because | None:
    """Why the token counts as spent, None where it does not."""
    marks = tools.ledger.spent([tools.fingerprints.fingerprint(token)])
    return marks[0].because if marks else None
