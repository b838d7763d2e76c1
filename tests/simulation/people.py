"""What people do, for good and for ill: to tokens, passwords, job files and chains."""

from datetime import timedelta
from typing import Any

from rotator.errors import RotatorError
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret, Token
from rotator.rotation import asking, keyring
from rotator.rotation.tools import Tools
from tests.simulation.citizen import PASSWORD_CHANGED, Citizen, lives


def help_out(tools: Tools, citizen: Citizen, told: str, digest: str) -> bool:
    """Do what the credential's own text says; False where it did not work yet."""
    try:
        _mend_seeds(citizen, digest)
        if "rotator adopt" in told:
            keyring.adopt(tools, citizen.credential)
        elif "rotator seed" in told:
            _bring_token(tools, citizen)
        asked = asking.request(citizen.name, tools.clock.now(), "helped", again=True)
        tools.ledger.ask(asked)
    except RotatorError:
        return False
    return True


def _mend_seeds(citizen: Citizen, digest: str) -> None:
    fake = citizen.fake
    if "password" in citizen.values:
        known = getattr(fake, "passwords", None)
        citizen.values["password"] = known["etl"][0] if known else fake.password
    citizen.edited(digest)


def _bring_token(tools: Tools, citizen: Citizen) -> None:
    token = Token(value=Secret(_new_token(citizen.fake)), **_dates(tools, citizen.fake))
    verdict = keyring.inspected(tools, citizen.credential, token)
    keyring.seed(tools, citizen.credential, token, verdict)


def pair(tools: Tools, citizen: Citizen, second: str) -> None:
    """A refresh token beside the one at hand, so that the two are used in turn."""
    token = Token(value=Secret(second), **_dates(tools, citizen.fake))
    verdict = keyring.inspected(tools, citizen.credential, token)
    keyring.second(tools, citizen.credential, token, verdict)


def _new_token(fake: Any) -> str:
    """A refresh token that a person makes in the provider's pages."""
    made: str = fake.hand_made(7) if hasattr(fake, "hand_made") else fake.enrol()
    return made


def _dates(tools: Tools, fake: Any) -> dict[str, Any]:
    now = tools.clock.now()
    lifespan: timedelta = fake.refresh_lifespan
    return {"issued_at": now, "expires_at": now + lifespan}


def change_password(citizen: Citizen, new: str) -> None:
    """At the provider, and nobody tells the worker."""
    known = getattr(citizen.fake, "passwords", None)
    if known and "password" in citizen.values:
        known["etl"] = (new, known["etl"][1])
    elif "password" in citizen.values:
        citizen.fake.password = new
    if "password" in citizen.values:
        citizen.causes.add(PASSWORD_CHANGED)


def revoke_access(citizen: Citizen, published: str) -> None:
    """An administrator ends the token that consumers hold."""
    fake = citizen.fake
    access = getattr(fake, "_access", {}).get(published)
    if access is not None and hasattr(access, "revoked"):
        access.revoked = True
    elif access is not None:
        access.expires_at = min(access.expires_at, fake.now())
    elif published in getattr(fake, "_sessions", ()):
        fake._sessions[published] = fake.now()  # noqa: SLF001 - its own books
    citizen.revoked.add(published)


def revoke_refresh(citizen: Citizen, kept: str) -> None:
    """An administrator ends the refresh token."""
    issued = getattr(citizen.fake, "_refresh", {}).get(kept)
    if issued is None:
        return
    # Over, and not what the fakes call spent: nobody presented it.
    issued.expires_at = min(issued.expires_at, citizen.fake.now())
    citizen.causes.add("an administrator revoked a refresh token")


def refresh_beside(tools: Tools, citizen: Citizen, kept: str) -> None:
    """Somebody presents our refresh token, and keeps what comes to himself.

    Raises RotatorError where that fares as badly as a request of ours may.
    """
    provider = citizen.credential.provider
    spending = [g for g in provider.grants if g.spends == REFRESH_TOKEN]
    if not spending or not lives(citizen.fake, kept):
        return
    grant = spending[0]
    held = {REFRESH_TOKEN: Token(value=Secret(kept))}
    for need in grant.needs - {REFRESH_TOKEN}:
        held[need] = Token(value=Secret(citizen.values[need]))
    citizen.causes.add("somebody else spent the refresh token")
    citizen.spent_by_others = True
    if ACCESS_TOKEN in grant.kills:
        citizen.revoked.add("*")
    tools.door.send(grant.ask(held))
