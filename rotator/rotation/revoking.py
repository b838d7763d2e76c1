"""REVOKE: the access token before the published one, once no consumer can hold it any more.

Nothing is stored for it: the token is read from the version of the consumers' secret that it was
published in, and what is done is that the ledger forgets that version. A crash between the two asks
again, and a server that knows the token no longer says yes (RFC 7009, 2.2).
"""

from rotator.ledger.writes import Revoked
from rotator.model import ACCESS_TOKEN, Secret, Shelf, Token
from rotator.plan.table import Step
from rotator.rotation.hands import Done, Hands
from rotator.rotation.look import Sight
from rotator.rotation.sealed import parsed
from rotator.rotation.steps import lifted
from rotator.store.base import Version


def revoke(hands: Hands, sight: Sight, step: Step) -> Done:
    """Raises ProviderError, StoreError or SeedMissing where it is to be tried again."""
    generation = sight.record.versions[Shelf.TOKEN][step.subject]
    done = [Revoked(through=generation), *lifted(sight, "revoke")]
    if why_not := _needless(hands, sight, step.subject, generation):
        return Done([*done], text=f"generation {generation} is left alone: {why_not}")
    earlier = hands.tools.store.version(hands.spec(Shelf.TOKEN), step.subject)
    if why_not := _unfit(hands, sight, earlier, generation):
        return Done([*done], text=f"generation {generation} is left alone: {why_not}")
    assert earlier is not None  # noqa: S101 - else it was unfit
    hands.revoke(Token(value=Secret(earlier.fields[ACCESS_TOKEN])))
    return Done([*done], text=f"generation {generation}")


def _needless(hands: Hands, sight: Sight, version_id: str, generation: int) -> str:
    """Why it is not even looked up; empty where it is. No token goes where it did not come from."""
    if generation <= sight.record.row.killed_through:
        return "its successor ended it"
    request = hands.tools.ledger.request(version_id)
    if request is None or request.host != hands.credential.provider.host:
        return "it is not on record as this host's"
    return ""


def _others(hands: Hands, token: Secret) -> list[str]:
    """Who else publishes it: servers hand out one token to all who ask as one client."""
    name = hands.tools.fingerprints.fingerprint(token)
    publishing = hands.tools.ledger.published_by(name)
    return [each for each in publishing if each != hands.credential.qualified]


def _unfit(hands: Hands, sight: Sight, earlier: Version | None, generation: int) -> str:
    """Why it must not or need not be revoked; empty where it may."""
    fields = earlier.fields if earlier else {}
    token = fields.get(ACCESS_TOKEN)
    if not earlier or not token or earlier.generation != generation:
        return "AWS no longer has that version as we made it"
    if fields.get("credential") != hands.credential.qualified:
        return "it is another credential's"
    if token == sight.published_fields.get(ACCESS_TOKEN):
        return "it is the one in use"
    if others := _others(hands, Secret(token)):
        return f"{others[0]} publishes it too"
    expires_at = parsed(fields.get("expires_at", ""))
    return "it has expired" if expires_at is not None and expires_at <= sight.seen.now else ""
