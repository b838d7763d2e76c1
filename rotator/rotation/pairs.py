"""An alternating pair: two chains of one principal, so that no renewal ends the token in use.

Where a grant may kill the access token that consumers hold, and the provider keeps chains apart,
the keyring holds two refresh tokens: the one at hand, which every grant presents, and a spare.
Before a renewal they change places, if the token in use hangs on the one at hand; what the renewal
then kills was replaced a whole renewal ago, and nobody reads it any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.jobs.job import Credential
from rotator.ledger.facts import Record
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason
from rotator.policy.grants import Choice, Source
from rotator.policy.when import SKEW, join
from rotator.providers.base import Grant, Provider
from rotator.rotation.doubts import killed_through
from rotator.rotation.holdings import Holdings
from rotator.rotation.sealed import NO_PAIR, TURNED, handed_down, parsed, spare_fields
from rotator.rotation.wants import Newest, due

TRY_AGAIN = timedelta(days=30)
"""A pair whose second chain did not live is made anew after this, not before."""
_LONGEST = 18
"""Digits of a generation; a keyring is whatever somebody wrote into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a look at one credential says of its two chains."""

    turn_at: datetime | None = None
    """When the chains change places, though no token is wanted yet: one of them grows old."""
    turns: bool = False
    """They change places now."""
    defers: bool = False
    """The refresh token at hand is due, and is renewed once the chains have changed places."""
    second: Choice | None = None
    """The request that makes a second chain, where one is to be made now."""


def pair(
    credential: Credential,
    record: Record,
    holdings: Holdings,
    wanted: Mapping[str, Reason],
    access: Newest | None,
    back_offs: Mapping[str, datetime],
) -> Pair:
    """Nothing at all where chains are not isolated, the first one is unknown or not at rest."""
    provider = credential.provider
    unknown = holdings.kept is None or holdings.foreign
    if not provider.isolated or unknown or _moving(record, provider):
        return Pair()
    in_use = access if access and _in_use(record, access, holdings.now) else None
    if holdings.spare is not None:
        return _turning(credential, holdings, wanted, in_use)
    return Pair(second=_second(provider, holdings, back_offs) if in_use and wanted else None)


def _turning(
    credential: Credential,
    holdings: Holdings,
    wanted: Mapping[str, Reason],
    in_use: Newest | None,
) -> Pair:
    """Before a renewal of which the token in use would die, and away from a chain that is no good.

    What is merely old waits until consumers have noticed the last change.
    """
    useless = bool(wanted) and not holdings.mints
    if (
        in_use is None
        or in_use.issued_at is None
        or stands_apart(holdings.keyring, in_use.generation)
    ):
        return Pair(turns=useless)
    staleness = credential.schedule.consumer_max_staleness
    noticed_at = in_use.issued_at + staleness + SKEW
    defers = wanted == {REFRESH_TOKEN: Reason.DUE} and holdings.now < noticed_at
    old_at = noticed_at if defers else _old_at(credential, holdings, in_use)
    turn_at = max(noticed_at, old_at) if old_at else None
    old = turn_at is not None and turn_at <= holdings.now
    turns = (bool(wanted) and not defers) or old or useless
    return Pair(turn_at=turn_at, turns=turns, defers=defers)


def stands_apart(keyring: Mapping[str, str], published: int) -> bool:
    """Whether what is published came of the pair's other chain, so that this one cannot kill it."""
    turned = keyring.get(TURNED, "")
    number = turned.isascii() and turned.isdecimal() and len(turned) <= _LONGEST
    return number and int(turned) > published


def handed_on(
    provider: Provider, holdings: Holdings, grant: Grant, generation: int
) -> dict[str, str]:
    """What a keyring hands on to the one that this request's answer makes.

    Beside a chain that begins anew, the one that was at hand becomes the spare, if it works and
    there is none.
    """
    carried = handed_down(provider, holdings.keyring)
    begins = REFRESH_TOKEN in grant.yields and REFRESH_TOKEN not in grant.needs
    if not provider.isolated or not begins:
        return carried
    first = holdings.kept if holdings.mints and holdings.spare is None else None
    return carried | (spare_fields(first) if first else {}) | {TURNED: str(generation)}


def spared(provider: Provider, holdings: Holdings, choice: Choice, published: int) -> bool:
    """Whether what is published stays alive, as it hangs on another chain than is presented."""
    held = next((each for each in choice.presents if each.name == REFRESH_TOKEN), None)
    at_hand = held is not None and held.source is Source.KEYRING
    return provider.isolated and at_hand and stands_apart(holdings.keyring, published)


def _in_use(record: Record, access: Newest, now: datetime) -> bool:
    """Whether there is a living token that a renewal could kill."""
    killed = access.generation <= killed_through(record)
    return not killed and access.expires_at is not None and now < access.expires_at


def _moving(record: Record, provider: Provider) -> bool:
    """Whether a new refresh token is on its way: a higher generation would throw it away."""
    sealed = any(seal.may_hold_refresh_token for seal in record.seals)
    asked = (provider.grant(intent.grant) for intent in record.open_intents)
    return sealed or any(grant is None or REFRESH_TOKEN in grant.yields for grant in asked)


def _second(
    provider: Provider, holdings: Holdings, back_offs: Mapping[str, datetime]
) -> Choice | None:
    """By the provider's own grant for it, beside a chain that works; not again for a while."""
    given_up = parsed(holdings.keyring.get(NO_PAIR, ""))
    lately = given_up is not None and holdings.now < given_up + TRY_AGAIN
    if not provider.second_by or lately or not holdings.mints:
        return None
    blocked = f"grant:{provider.second_by}" in back_offs
    return None if blocked else holdings.choice_of(provider.second_by)


def _old_at(credential: Credential, holdings: Holdings, in_use: Newest) -> datetime | None:
    """When the spare is to be renewed: with an access renewal, or sooner where that is too late."""
    spare = holdings.spare.token if holdings.spare else None
    if spare is None or spare.expires_at is None:
        return None
    renewal = due(credential, REFRESH_TOKEN, Newest.of(spare))
    next_access = due(credential, ACCESS_TOKEN, in_use)
    if renewal is None or next_access is None:
        return None
    return join(renewal.at, spare.expires_at, next_access.at)
