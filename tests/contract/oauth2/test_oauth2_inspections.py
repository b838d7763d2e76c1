"""Introspection and revocation."""

from typing import Any

import pytest

from rotator.errors import Misconfigured, ProviderError, Throttled, Unanswered
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.base import Alive, Answer, Dead, Unknown
from rotator.sandbox.fakes import html, json_reply
from rotator.sandbox.oauth2 import INTROSPECT, REVOKE, OAuthFake
from rotator.sandbox.server import InProcessDoor
from tests.contract.oauth2.stage import DAY, HOST, HOUR, NOW, answer, oauth, obtain, ring
from tests.contract.stage import TurnedClock


def test_introspection_tells_the_living_from_the_dead(
    door: InProcessDoor, fake: OAuthFake, clock: TurnedClock
) -> None:
    provider = oauth(introspection_url=HOST + INTROSPECT)
    seed = ring(refresh_token=fake.enrol())
    tokens = obtain(door, provider, seed)
    for name, life in ((ACCESS_TOKEN, HOUR), (REFRESH_TOKEN, DAY)):
        inspection = provider.inspections[name]
        assert inspection.needs == {name, "client_secret"}
        assert inspection.read(door.send(inspection.ask(tokens))) == Alive(NOW, NOW + life)
    inspection = provider.inspections[REFRESH_TOKEN]
    assert isinstance(inspection.read(door.send(inspection.ask(seed))), Dead)
    fake.fail_next(INTROSPECT, html(502))
    assert isinstance(inspection.read(door.send(inspection.ask(seed))), Unknown)
    clock.at += DAY
    assert isinstance(inspection.read(door.send(inspection.ask(tokens))), Dead)
    assert not fake.counts["presented_twice"]


def test_a_client_that_introspection_does_not_know_learns_nothing(
    door: InProcessDoor, fake: OAuthFake
) -> None:
    provider = oauth(introspection_url=HOST + INTROSPECT)
    inspection = provider.inspections[REFRESH_TOKEN]
    keyring = ring(refresh_token=fake.enrol(), client_secret="wrong")
    assert isinstance(inspection.read(door.send(inspection.ask(keyring))), Unknown)


@pytest.mark.parametrize("active", ["true", 1, None, [], {}], ids=repr)
def test_introspection_vouches_by_true_and_false_alone(active: object) -> None:
    inspection = oauth(introspection_url=HOST + INTROSPECT).inspections[ACCESS_TOKEN]
    assert isinstance(inspection.read(answer(200, {"active": active})), Unknown)
    assert isinstance(inspection.read(answer(500, {"active": True})), Unknown)


def test_revocation_ends_one_access_token_and_neither_sibling_nor_chain(
    door: InProcessDoor, fake: OAuthFake
) -> None:
    provider = oauth(revocation_url=HOST + REVOKE, revocation_spares=True)
    first = obtain(door, provider, ring(refresh_token=fake.enrol()))
    second = obtain(door, provider, first)
    revocation = provider.revocation
    assert revocation is not None
    assert revocation.needs == {ACCESS_TOKEN, "client_secret"}
    for _ in range(2):  # one that is unknown or dead is no error
        revocation.read(door.send(revocation.ask(first)))
    assert fake.counts["revoked"] == 1
    assert obtain(door, provider, second)
    assert oauth().revocation is None


def test_a_client_without_a_refresh_token_needs_no_word_on_what_is_spared() -> None:
    assert oauth("client_secret", revocation_url=HOST + REVOKE).revocation is not None


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        (json_reply(400, {"error": "unsupported_token_type"}), Misconfigured),
        (json_reply(401, {"error": "invalid_client"}), Misconfigured),
        (json_reply(503, {}, **{"retry-after": "7"}), Throttled),
        (json_reply(429, {}), Throttled),
        (json_reply(500, {"error": "server_error"}), Unanswered),
        (html(200).reply, Unanswered),
        (html(502).reply, Unanswered),
    ],
)
def test_a_revocation_that_did_not_happen_says_so(odd: Any, kind: type[ProviderError]) -> None:
    revocation = oauth("client_secret", revocation_url=HOST + REVOKE).revocation
    assert revocation is not None
    given = Answer(status=odd.status, headers=odd.headers, body=odd.body, received_at=NOW)
    with pytest.raises(kind):
        revocation.read(given)
