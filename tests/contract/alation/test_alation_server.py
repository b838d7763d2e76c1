"""Every grant and inspection against the fake; and that it is strict itself."""

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from rotator.errors import Rejected, Unanswered
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers.alation import plugin
from rotator.providers.alation.settings import Credential, Job
from rotator.providers.base import Alive, Dead, Request, Unknown
from rotator.sandbox import fakes
from rotator.sandbox.alation import AlationFake
from tests.contract.alation.stage import DAY, NOW, PASSWORD, USER, V1, World


def value(keyring: Keyring, name: str) -> str:
    return keyring[name].value.reveal()


# Every grant


def test_a_refresh_token_mints_an_access_token(world: World) -> None:
    new = world.obtain("refresh_token", world.seeded())
    assert set(new) == {ACCESS_TOKEN}
    assert world.fake.is_alive(value(new, ACCESS_TOKEN))
    assert new[ACCESS_TOKEN].issued_at == NOW
    assert new[ACCESS_TOKEN].lifespan == DAY - timedelta(microseconds=500)


def test_regenerating_replaces_the_refresh_token(world: World) -> None:
    old = world.seeded()
    new = world.obtain("regenerate", old)
    assert set(new) == {REFRESH_TOKEN}
    assert not world.fake.is_alive(value(old, REFRESH_TOKEN))
    assert world.fake.is_alive(value(new, REFRESH_TOKEN))
    assert new[REFRESH_TOKEN].lifespan == 60 * DAY - timedelta(microseconds=500)


def test_a_password_gives_a_refresh_token(world: World) -> None:
    new = world.obtain("password", {"password": Token(value=Secret(PASSWORD))})
    assert set(world.obtain("refresh_token", new)) == {ACCESS_TOKEN}


@pytest.mark.parametrize("encoding", ["json", "form"])
def test_both_encodings_are_understood(world: World, encoding: str) -> None:
    job = Job.model_validate({"base_url": world.url, "body_encoding": encoding})
    world.provider = plugin.build(job, Credential(user_id=USER), frozenset())
    assert set(world.obtain("refresh_token", world.seeded())) == {ACCESS_TOKEN}


def test_a_consumer_gets_in_with_the_header_and_403_after_expiry(world: World) -> None:
    token = world.obtain("refresh_token", world.seeded())[ACCESS_TOKEN]
    name, sent = world.provider.header(token)
    call = Request(
        url=f"{world.url}/integration/v2/datasource/", method="GET", headers={name: Secret(sent)}
    )
    assert (name, sent) == ("TOKEN", token.value.reveal())
    assert world.door.send(call).status == 200
    world.clock.at += DAY
    assert world.door.send(call).status == 403


def test_a_spent_refresh_token_is_rejected(world: World) -> None:
    old = world.seeded()
    world.obtain("regenerate", old)
    for grant in ("regenerate", "refresh_token"):
        with pytest.raises(Rejected, match="expired or revoked"):
            world.obtain(grant, old)
    assert world.fake.counts["presented_twice"] == 1  # a mint only asks whether it lives


def test_a_wrong_user_looks_like_a_dead_token(world: World) -> None:
    world.provider = world.built(user_id=7)
    with pytest.raises(Rejected, match=r"token provided is invalid"):
        world.obtain("refresh_token", world.seeded())
    suspects = {each.name: each.suspects for each in world.provider.grants}
    assert suspects == {
        "refresh_token": ("user_id",), "regenerate": ("user_id",), "password": ("username",),
    }  # fmt: skip


def test_a_wrong_password_is_rejected(world: World) -> None:
    with pytest.raises(Rejected):
        world.obtain("password", {"password": Token(value=Secret("another"))})


def test_minting_ends_the_earlier_access_token(world: World) -> None:
    seeded = world.seeded()
    first = world.obtain("refresh_token", seeded)
    world.obtain("refresh_token", seeded)
    assert not world.fake.is_alive(value(first, ACCESS_TOKEN))


def test_regenerating_ends_the_access_tokens(world: World) -> None:
    seeded = world.seeded()
    first = world.obtain("refresh_token", seeded)
    world.obtain("regenerate", seeded)
    assert not world.fake.is_alive(value(first, ACCESS_TOKEN))


def test_a_lost_answer_to_regenerate_leaves_the_old_token_dead(world: World) -> None:
    seeded = world.seeded()
    world.fake.fail_next(f"{V1}regenRefreshToken/", fakes.LOST_ANSWER)
    with pytest.raises(Unanswered):
        world.obtain("regenerate", seeded)
    assert isinstance(world.inspect(REFRESH_TOKEN, seeded), Dead)


# Inspections


def test_living_tokens_are_vouched_for_with_their_dates(world: World) -> None:
    keyring = world.seeded()
    keyring |= world.obtain("refresh_token", keyring)
    almost = timedelta(microseconds=500)
    assert world.inspect(REFRESH_TOKEN, keyring) == Alive(NOW, NOW + 60 * DAY - almost)
    assert world.inspect(ACCESS_TOKEN, keyring) == Alive(NOW, NOW + DAY - almost)


@pytest.mark.parametrize("style", ["401", "200"])
def test_expired_tokens_are_dead_in_either_style(world: World, style: str) -> None:
    world.fake.expired_answers = "401" if style == "401" else "200"
    keyring = world.seeded()
    keyring |= world.obtain("refresh_token", keyring)
    world.clock.at += 61 * DAY
    assert isinstance(world.inspect(REFRESH_TOKEN, keyring), Dead)
    assert isinstance(world.inspect(ACCESS_TOKEN, keyring), Dead)


@pytest.mark.parametrize(
    "fault", [fakes.html(401), fakes.html(502), fakes.throttled(), fakes.broken(500)]
)
def test_what_is_not_alations_word_settles_nothing(world: World, fault: fakes.Fault) -> None:
    world.fake.fail_next("*", fault)
    assert isinstance(world.inspect(REFRESH_TOKEN, world.seeded()), Unknown)


# The fake is strict


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("createAPIAccessToken", {"refresh_token": "x", "user_id": 1}, 301),
        ("createAPIAccessToken/", {"refresh_token": "x"}, 400),
        ("createAPIAccessToken/", {"refresh_token": "x", "user_id": 1, "more": 1}, 400),
        ("createAPIAccessToken/?a=b", {"refresh_token": "x", "user_id": 1}, 400),
        ("createAPIAccessToken/", {"refresh_token": "x", "user_id": 1}, 401),
        ("createOtherToken/", {"refresh_token": "x", "user_id": 1}, 404),
    ],
)
def test_the_fake_is_strict(
    fake: AlationFake, path: str, fields: Mapping[str, object], status: int
) -> None:
    headers = {"content-type": "application/json"}
    assert fake.handle("POST", V1 + path, headers, json.dumps(fields).encode()).status == status
    assert fake.handle("GET", f"{V1}createAPIAccessToken/", headers, b"").status == 405
    assert fake.handle("POST", f"{V1}createAPIAccessToken/", {}, b"").status == 415


def test_the_fake_revokes_all_access_tokens_at_once(fake: AlationFake) -> None:
    headers = {"content-type": "application/json"}
    fields = {"refresh_token": fake.hand_made(USER), "user_id": USER}
    body = json.dumps(fields).encode()
    minted = fake.handle("POST", f"{V1}createAPIAccessToken/", headers, body)
    revoked = fake.handle("POST", f"{V1}revokeAPIAccessTokens/", headers, body)
    assert "Revoked active access tokens" in json.loads(revoked.body)["detail"]
    assert not fake.is_alive(json.loads(minted.body)["api_access_token"])
