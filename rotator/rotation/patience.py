"""Never a loop: a grant that did not bring what was asked of it backs off. Pure."""

from datetime import datetime

from rotator.errors import Garbled
from rotator.ledger.facts import BackOff
from rotator.ledger.writes import Change, Met, Reported
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Reason, Shelf, Token
from rotator.policy.again import LONGEST_BACK_OFF, same_again
from rotator.policy.when import FLOOR
from rotator.rotation.answered import Answered
from rotator.rotation.failing import back_off
from rotator.rotation.wants import Newest, due

_SHELVES = {ACCESS_TOKEN: Shelf.TOKEN, REFRESH_TOKEN: Shelf.KEYRING}
_SAME = "the provider handed out the same token again"


def patience(
    answered: Answered, arrived: Keyring, stored: Keyring, *, same_access: bool
) -> list[Change]:
    """Back-offs of this answer's grant, the longest last; and who asked for what did not change."""
    found = [
        *_for_access(answered, arrived.get(ACCESS_TOKEN), same=same_access),
        *_for_refresh(answered, arrived, stored.get(REFRESH_TOKEN)),
    ]
    same = {ACCESS_TOKEN} if same_access else set()
    if found and REFRESH_TOKEN not in stored:
        same.add(REFRESH_TOKEN)
    return [*sorted(found, key=lambda waiting: waiting.until), *_met(answered, same)]


def _for_access(answered: Answered, access: Token | None, *, same: bool) -> list[BackOff]:
    """The same token again, none that can be used, or one that is due on arrival."""
    now, grant = answered.sight.seen.now, answered.grant
    if access is None and grant and ACCESS_TOKEN in grant.yields:
        lacking = Garbled("the answer held no access token that can be used")
        return [back_off(answered.line, lacking, answered.sight.record, now, None)]
    if access is None:
        return []
    if same:
        dies_at = access.expires_at or now
        until = same_again(now, dies_at)
        # Not after its end, when there may be another: no version is made of the same one.
        return [_again(answered, min(until, dies_at) if dies_at > now else until, _SAME)]
    return _due_on_arrival(answered, ACCESS_TOKEN, access)


def _for_refresh(answered: Answered, arrived: Keyring, new: Token | None) -> list[BackOff]:
    """A wanted refresh token that was not replaced: asked for with the next access token again."""
    now, grant = answered.sight.seen.now, answered.grant
    if new is not None:
        return _due_on_arrival(answered, REFRESH_TOKEN, new)
    wanted = any(want.token == REFRESH_TOKEN for want in answered.sight.seen.wants)
    if grant is None or REFRESH_TOKEN not in grant.yields or not wanted:
        return []
    access = arrived.get(ACCESS_TOKEN)
    renewal = _renewal_at(answered, ACCESS_TOKEN, access) if access else None
    until = min(renewal or now + LONGEST_BACK_OFF, now + LONGEST_BACK_OFF)
    return [_again(answered, max(until, now + FLOOR), "the provider keeps the refresh token")]


def _due_on_arrival(answered: Answered, name: str, token: Token) -> list[BackOff]:
    now = answered.sight.seen.now
    stored = answered.sight.record.row.records.get(_SHELVES[name])
    if stored is not None and stored.generation > answered.seal.intent.generation:
        return []  # it came late, and its grant has worked since
    arrived_at = answered.seal.answered_at  # a late answer says nothing of the grant
    renew_at = _renewal_at(answered, name, token)
    dead = token.expires_at is not None and token.expires_at <= arrived_at
    if not dead and (renew_at is None or renew_at > arrived_at):
        return []
    arrived = Garbled("the token was due on arrival")
    record, reason = answered.sight.record, Reason.DUE_ON_ARRIVAL
    return [back_off(answered.line, arrived, record, now, None, reason)]


def _renewal_at(answered: Answered, name: str, token: Token) -> datetime | None:
    renewal = due(answered.credential, name, Newest.of(token))
    return renewal.at if renewal else None


def _again(answered: Answered, until: datetime, text: str) -> BackOff:
    now, reason = answered.sight.seen.now, Reason.DUE_ON_ARRIVAL
    return BackOff(what=answered.line, until=until, since=now, failures=0, reason=reason, text=text)


def _met(answered: Answered, same: set[str]) -> list[Change]:
    """People who asked for nothing but what the provider would not change."""
    now = answered.sight.seen.now
    asked = (m for m in answered.sight.record.manuals if (m.tokens or {ACCESS_TOKEN}) <= same)
    return [
        change
        for manual in asked
        for change in (
            Met(manual_id=manual.id, at=now),
            Reported(manual_id=manual.id, outcome=_SAME),
        )
    ]
