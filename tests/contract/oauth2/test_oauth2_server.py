"""Against the server: chains, graces, clients; and that it is strict itself."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest

from rotator.errors import Misconfigured, Rejected
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers.base import Request
from rotator.providers.http import Door
from rotator.sandbox.oauth2 import INTROSPECT, ME, TOKEN, OAuthFake
from rotator.sandbox.server import InProcessDoor, served
from tests.contract.oauth2.stage import BOTH, DAY, HOUR, consumer, oauth, obtain, only, read, ring
from tests.contract.stage import TurnedClock


def test_each_refresh_token_gives_the_next(door: InProcessDoor, fake: OAuthFake) -> None:
    provider = oauth()
    keyring = ring(refresh_token=fake.enrol())
    for _ in range(3):
        keyring = obtain(door, provider, keyring)
        assert consumer(keyring[ACCESS_TOKEN], door, provider) == 200
    assert keyring[ACCESS_TOKEN].lifespan == HOUR
    assert keyring[REFRESH_TOKEN].expires_at is None
    assert not fake.counts["presented_twice"]


def test_a_refresh_token_used_twice_ends_its_family(door: InProcessDoor, fake: OAuthFake) -> None:
    """RFC 9700, 4.14.2."""
    provider, seed = oauth(), ring(refresh_token=fake.enrol())
    other = obtain(door, provider, ring(refresh_token=fake.enrol()))
    first = obtain(door, provider, seed)
    for dead in (seed, first, seed):
        with pytest.raises(Rejected):
            obtain(door, provider, dead)
    assert fake.counts["presented_twice"] == 2
    assert consumer(first[ACCESS_TOKEN], door, provider) == 401
    assert consumer(other[ACCESS_TOKEN], door, provider) == 200


def test_within_the_grace_a_lost_answer_can_be_asked_for_again(
    door: InProcessDoor, fake: OAuthFake, clock: TurnedClock
) -> None:
    fake.grace = timedelta(minutes=30)
    provider, seed = oauth(replay="30m"), ring(refresh_token=fake.enrol())
    lost = obtain(door, provider, seed)
    clock.at += timedelta(minutes=29)
    again = obtain(door, provider, seed)
    assert again[REFRESH_TOKEN].value == lost[REFRESH_TOKEN].value
    assert "presented_twice" not in fake.counts
    clock.at += timedelta(minutes=1)
    with pytest.raises(Rejected):
        obtain(door, provider, seed)
    assert fake.counts["presented_twice"] == 1


def test_the_grace_ends_where_the_successor_is_used(door: InProcessDoor, fake: OAuthFake) -> None:
    fake.grace = DAY
    provider, seed = oauth(), ring(refresh_token=fake.enrol())
    obtain(door, provider, obtain(door, provider, seed))
    with pytest.raises(Rejected):
        obtain(door, provider, seed)
    assert fake.counts["presented_twice"] == 1


def test_a_server_that_does_not_rotate_leaves_the_old_refresh_token(
    door: InProcessDoor, fake: OAuthFake
) -> None:
    fake.rotates = False
    provider, seed = oauth(refresh_reusable=True), ring(refresh_token=fake.enrol())
    tokens = read(door.send(only(provider).ask(seed)), provider)
    assert set(tokens) == {ACCESS_TOKEN}
    assert obtain(door, provider, seed)


def test_a_new_access_token_may_end_the_old(door: InProcessDoor, fake: OAuthFake) -> None:
    fake.kills_access_token = True
    provider = oauth(kills_access_token=True)
    first = obtain(door, provider, ring(refresh_token=fake.enrol()))
    second = obtain(door, provider, first)
    assert consumer(first[ACCESS_TOKEN], door, provider) == 401
    assert consumer(second[ACCESS_TOKEN], door, provider) == 200


def test_tokens_die_as_the_clock_turns(
    door: InProcessDoor, fake: OAuthFake, clock: TurnedClock
) -> None:
    provider = oauth()
    keyring = obtain(door, provider, ring(refresh_token=fake.enrol()))
    clock.at += HOUR
    assert consumer(keyring[ACCESS_TOKEN], door, provider) == 401
    clock.at += DAY
    with pytest.raises(Rejected):
        obtain(door, provider, keyring)


def test_client_credentials_give_an_access_token_alone(
    door: InProcessDoor, fake: OAuthFake
) -> None:
    provider = oauth("client_secret", scope="read")
    tokens = read(door.send(only(provider).ask(ring())), provider)
    assert set(tokens) == {ACCESS_TOKEN}
    assert consumer(tokens[ACCESS_TOKEN], door, provider) == 200
    assert not provider.is_chain
    assert fake.counts[TOKEN] == 1


def test_each_way_to_name_the_client_is_taken_where_it_is_registered(
    door: InProcessDoor, fake: OAuthFake
) -> None:
    ways = ("basic", "post", "none")
    for registered in ways:
        fake.client_auth = registered  # type: ignore[assignment]
        for way in ways:
            keyring = ring(refresh_token=fake.enrol())
            if way == registered:
                assert obtain(door, oauth(client_auth=way), keyring)
                continue
            with pytest.raises(Misconfigured):
                obtain(door, oauth(client_auth=way), keyring)


def test_two_ways_at_once_are_an_invalid_request(door: InProcessDoor, fake: OAuthFake) -> None:
    seed = ring(refresh_token=fake.enrol())
    basic, post = (only(oauth(client_auth=way)).ask(seed) for way in ("basic", "post"))
    both = Request(
        url=post.url, headers=basic.headers, body=post.body, content_type=post.content_type
    )
    with pytest.raises(Misconfigured, match="invalid_request"):
        read(door.send(both))


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        ({}, {"client_secret": "wrong"}),
        ({"client_id": "nobody"}, {}),
        ({"scope": "admin"}, {}),
        ({"extra": {"resource": "x"}, "client_auth": "post"}, {}),
    ],
    ids=["secret", "id", "scope", "method"],
)
def test_a_wrong_setting_is_no_fault_of_the_token(
    door: InProcessDoor, fake: OAuthFake, settings: dict[str, Any], secrets: dict[str, str]
) -> None:
    seed = fake.enrol()
    with pytest.raises(Misconfigured):
        obtain(door, oauth(**settings), ring(refresh_token=seed, **secrets))
    assert obtain(door, oauth(), ring(refresh_token=seed))


def test_it_refreshes_over_a_real_socket(fake: OAuthFake, wire: Door) -> None:
    with served(fake) as url:
        request = only(oauth(token_url=url + TOKEN)).ask(ring(refresh_token=fake.enrol()))
        assert set(read(wire.send(request, spending=True))) == BOTH


BASIC = "Basic " + b64encode(b"sandbox-client:sandbox-client-secret").decode()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", TOKEN, {}, "", 405),
        ("POST", "/nowhere", {}, "", 404),
        ("POST", ME, {}, "", 401),
        ("POST", TOKEN, {"accept": "text/html"}, "grant_type=client_credentials", 406),
        ("POST", TOKEN, {"content-type": "application/json"}, "{}", 400),
        ("POST", TOKEN, {}, "grant_type=refresh_token&grant_type=refresh_token", 400),
        ("POST", TOKEN, {}, "scope=read", 400),
        ("POST", TOKEN, {}, "grant_type=password", 400),
        ("POST", TOKEN, {}, "grant_type=refresh_token", 400),
        ("POST", TOKEN, {"authorization": "Basic ?"}, "grant_type=client_credentials", 401),
        ("POST", TOKEN, {"authorization": f"Bearer{BASIC[5:]}"}, "grant_type=x", 401),
        ("POST", TOKEN, {}, "grant_type=client_credentials", 200),
        ("POST", INTROSPECT, {}, "token_type_hint=access_token", 400),
        ("POST", INTROSPECT, {}, "token=unknown", 200),
    ],
)
def test_the_server_is_strict(
    fake: OAuthFake, method: str, path: str, headers: dict[str, str], body: str, status: int
) -> None:
    usual = {
        "accept": "application/json",
        "authorization": BASIC,
        "content-type": "application/x-www-form-urlencoded",
    }
    assert fake.handle(method, path, usual | headers, body.encode()).status == status


def test_a_public_client_is_no_grant_of_its_own(fake: OAuthFake) -> None:
    fake.client_auth = "none"
    form = "application/x-www-form-urlencoded"
    body = b"grant_type=client_credentials&client_id=sandbox-client"
    headers = {"accept": "application/json", "content-type": form}
    assert b"unauthorized_client" in fake.handle("POST", TOKEN, headers, body).body
