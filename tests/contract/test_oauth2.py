"""The OAuth 2.0 plug-in against a server that keeps to the RFCs, and against those that do not."""

import json
import tomllib
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.errors import (
    Garbled,
    Misconfigured,
    ProviderError,
    Rejected,
    Throttled,
    Unanswered,
)
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers.base import Alive, Answer, Dead, Grant, Provider, Request, Unknown
from rotator.providers.http import Door
from rotator.providers.oauth2 import build, plugin
from rotator.providers.oauth2.settings import Credential, Job
from rotator.sandbox.fakes import html, json_reply
from rotator.sandbox.oauth2 import INTROSPECT, ME, REVOKE, TOKEN, OAuthFake
from rotator.sandbox.server import InProcessDoor, served
from tests.contract.stage import TurnedClock, answered

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOST = "https://auth.example.com"
PLANTED = "planted-secret"
BOTH = {ACCESS_TOKEN, REFRESH_TOKEN}


@pytest.fixture
def fake(clock: TurnedClock) -> OAuthFake:
    return OAuthFake(now=clock.now)


@pytest.fixture
def door(fake: OAuthFake, clock: TurnedClock) -> InProcessDoor:
    return InProcessDoor({HOST: fake}, clock)


def oauth(*seeds: str, client_id: str = "sandbox-client", **settings: Any) -> Provider:
    job = Job.model_validate({"token_url": HOST + TOKEN, **settings})
    return build(job, Credential(client_id=client_id), frozenset(seeds or (REFRESH_TOKEN,)))


def ring(**values: str) -> Keyring:
    named = {"client_secret": "sandbox-client-secret", **values}
    return {name: Token(value=Secret(value)) for name, value in named.items()}


def only(provider: Provider) -> Grant:
    (grant,) = provider.grants
    return grant


def fields(request: Request) -> dict[str, str]:
    assert request.body is not None
    assert request.content_type == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.body.reveal(), keep_blank_values=True, strict_parsing=True))


def read(answer: Answer, provider: Provider | None = None) -> Keyring:
    return only(provider or oauth()).read(answer, NOW)


answer = partial(answered, NOW)


def obtain(door: InProcessDoor, provider: Provider, keyring: Keyring) -> Keyring:
    """What one walk leaves in the keyring."""
    return {**keyring, **read(door.send(only(provider).ask(keyring)), provider)}


def consumer(token: Token, door: InProcessDoor, provider: Provider) -> int:
    name, value = provider.header(token)
    return door.send(Request(url=HOST + ME, method="GET", headers={name: Secret(value)})).status


# What is sent


def test_a_refresh_is_a_form_with_the_client_in_a_basic_header() -> None:
    """RFC 6749, 2.3.1: both parts are form-encoded before base64."""
    provider = oauth(client_id="id:with colon")
    request = only(provider).ask(ring(refresh_token="r+/=", client_secret="sé cret%"))
    assert (request.method, request.url) == ("POST", HOST + TOKEN)
    assert fields(request) == {"grant_type": "refresh_token", "refresh_token": "r+/="}
    scheme, encoded = request.headers["authorization"].reveal().split(" ")
    assert scheme == "Basic"
    assert b64decode(encoded) == b"id%3Awith+colon:s%C3%A9+cret%25"
    assert request.headers["accept"].reveal() == "application/json"


def test_a_client_may_be_named_in_the_body() -> None:
    request = only(oauth(client_auth="post")).ask(ring(refresh_token="r", client_secret="s"))
    client = {"client_id": "sandbox-client", "client_secret": "s"}
    assert fields(request) == {"grant_type": "refresh_token", "refresh_token": "r", **client}
    assert "authorization" not in request.headers


def test_a_public_client_only_says_who_it_is() -> None:
    provider = oauth(client_auth="none")
    request = only(provider).ask({REFRESH_TOKEN: Token(value=Secret("r"))})
    assert fields(request)["client_id"] == "sandbox-client"
    assert only(provider).needs == {REFRESH_TOKEN}


def test_scope_and_extra_fields_go_with_every_token_request() -> None:
    more: dict[str, Any] = {"scope": "read write", "extra": {"audience": "https://api.example.com"}}
    for seed in ("refresh_token", "client_secret"):
        asked = fields(only(oauth(seed, **more)).ask(ring(refresh_token="r")))
        assert asked["scope"] == "read write"
        assert asked["audience"] == "https://api.example.com"


def test_no_secret_shows_in_a_request() -> None:
    keyring = ring(refresh_token=PLANTED, client_secret=PLANTED, access_token=PLANTED)
    introspection = {"introspection_url": HOST + INTROSPECT}
    for client_auth in ("basic", "post"):
        provider = oauth(client_auth=client_auth, **introspection)
        asked = [only(provider).ask(keyring)]
        asked += [inspection.ask(keyring) for inspection in provider.inspections.values()]
        assert len(asked) == 3
        assert PLANTED not in repr(asked)


# Which grants there are


def test_the_seed_decides_on_the_grant_unless_the_job_does() -> None:
    assert only(oauth("refresh_token", "client_secret")).name == "refresh_token"
    assert only(oauth("client_secret")).name == "client_credentials"
    assert only(oauth("client_secret", grants=["refresh_token"])).name == "refresh_token"
    both = oauth("client_secret", grants=["refresh_token", "client_credentials"])
    assert [grant.name for grant in both.grants] == ["refresh_token", "client_credentials"]


def test_a_refresh_token_is_spent_by_its_use_unless_the_job_says_otherwise() -> None:
    assert only(oauth()).spends == REFRESH_TOKEN
    assert only(oauth()).replay == timedelta(0)
    assert only(oauth(refresh_reusable=True)).spends is None
    assert only(oauth(replay="30m")).replay == timedelta(minutes=30)
    assert only(oauth()).needs == {REFRESH_TOKEN, "client_secret"}
    assert only(oauth()).yields == BOTH


def test_the_job_says_whether_a_new_access_token_ends_the_old() -> None:
    assert not only(oauth()).kills
    assert only(oauth(kills_access_token=True)).kills == {ACCESS_TOKEN}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"client_auth": "none", "grants": ["client_credentials"]}, "client_auth"),
        ({"client_auth": "none"}, "client_secret"),
        ({"introspection_url": "https://other.example.com/i"}, "another host"),
        ({"revocation_url": "https://other.example.com/r"}, "revocation_url is on another host"),
        ({"revocation_url": HOST + REVOKE}, "write revocation_spares = true"),
        ({"extra": {"client_secret": "x"}}, "client_secret: rotator sets this"),
        ({"extra": {"grant_type": "x"}}, "grant_type: rotator sets this"),
        ({"grants": ["password"]}, "grants"),
        ({"base_url": HOST}, "base_url"),
        ({"access_lifespan": 3600}, "access_lifespan"),
        ({"header_name": "X: y"}, "header_name"),
        ({"scheme": "two words"}, "scheme"),
    ],
    ids=lambda case: case if isinstance(case, str) else "-".join(case),
)
def test_settings_that_contradict_one_another_are_a_mistake(
    settings: dict[str, Any], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        oauth("refresh_token", "client_secret", **settings)


def test_the_example_is_a_job() -> None:
    job = tomllib.loads(plugin.example)
    assert job.pop("provider") == plugin.name
    (credential,) = job.pop("credentials")
    settings = {name: job[name] for name in job.keys() - {"schedule"}}
    provider = build(
        Job.model_validate(settings),
        Credential(client_id=credential["client_id"]),
        frozenset(credential["seeds"]),
    )
    assert only(provider).name == "refresh_token"
    assert credential["seeds"].keys() <= plugin.seeds.keys()


# What a consumer sends


@pytest.mark.parametrize(
    ("said", "settings", "header"),
    [
        ("bearer", {}, ("Authorization", "Bearer t")),
        ("BEARER", {}, ("Authorization", "Bearer t")),
        (None, {}, ("Authorization", "Bearer t")),
        ("two words", {}, ("Authorization", "Bearer t")),
        (PLANTED * 9, {}, ("Authorization", "Bearer t")),
        (7, {}, ("Authorization", "Bearer t")),
        ("DPoP", {}, ("Authorization", "DPoP t")),
        ("bot", {"scheme": "Bearer"}, ("Authorization", "Bearer t")),
        ("Bearer", {"scheme": "Zoho-oauthtoken"}, ("Authorization", "Zoho-oauthtoken t")),
        ("Bearer", {"header_name": "X-Api-Key", "scheme": ""}, ("X-Api-Key", "t")),
    ],
    ids=repr,
)
def test_the_header_is_ready_made(
    said: object, settings: dict[str, Any], header: tuple[str, str]
) -> None:
    provider = oauth(**settings)
    content = {"access_token": "t", "token_type": said, "expires_in": 60}
    token = read(answer(200, content), provider)[ACCESS_TOKEN]
    assert provider.header(token) == header


# Against the server


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


@pytest.fixture
def wire(clock: TurnedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    for name in ("all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    door = Door(clock, timedelta(seconds=20))
    yield door
    door.close()


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


# Dates


def pair(**more: Any) -> dict[str, Any]:
    both = {"access_token": "a-1", "refresh_token": "r-1", "token_type": "Bearer"}
    return {**both, "expires_in": 1800, **more}


def ends(content: object, **settings: Any) -> list[timedelta | None]:
    tokens = read(answer(200, content), oauth(**settings))
    return [tokens[name].lifespan for name in (ACCESS_TOKEN, REFRESH_TOKEN)]


@pytest.mark.parametrize("said", [1800, 1800.0, "1800", "1800.0", " 1800 "], ids=repr)
def test_a_life_is_counted_from_before_the_request_left(said: object) -> None:
    late = Answer(
        status=200,
        headers={},
        body=json.dumps(pair(expires_in=said)).encode(),
        received_at=NOW + timedelta(seconds=20),
    )
    token = read(late)[ACCESS_TOKEN]
    assert (token.issued_at, token.expires_at) == (NOW, NOW + timedelta(minutes=30))


ODD_LIVES: list[object] = [
    *(None, "", "soon", 0, -1, "-1", True, [], {}, float("nan"), 1e999, -1e999, "nan", "inf"),
    *(10**30, "9" * 400, 2**31 - 1),
]


@pytest.mark.parametrize("odd", ODD_LIVES, ids=lambda odd: repr(odd)[:20])
def test_a_life_that_makes_no_sense_is_none_and_loses_no_token(odd: object) -> None:
    assert ends(pair(expires_in=odd, refresh_token_expires_in=odd)) == [HOUR, None]
    known = {"access_lifespan": "2h", "refresh_lifespan": "60d"}
    assert ends(pair(expires_in=odd), **known) == [2 * HOUR, 60 * DAY]


def test_without_a_life_an_access_token_alone_waits_for_the_job_to_tell_one() -> None:
    content = {"access_token": PLANTED}
    with pytest.raises(Garbled, match="access_lifespan") as caught:
        read(answer(200, content), oauth("client_secret"))
    assert PLANTED not in str(caught.value)
    tokens = read(answer(200, content), oauth("client_secret", access_lifespan="15m"))
    assert tokens[ACCESS_TOKEN].lifespan == timedelta(minutes=15)


@pytest.mark.parametrize(
    "name", ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"]
)
def test_vendors_own_names_for_a_refresh_tokens_life_are_read(name: str) -> None:
    assert ends(pair(**{name: 86400}), refresh_lifespan="60d")[1] == DAY


def test_a_jwt_that_ends_earlier_than_the_answer_says_wins() -> None:
    early = jwt.encode({"exp": int((NOW + HOUR / 4).timestamp())}, b"k" * 64)
    past = jwt.encode({"exp": int((NOW - HOUR).timestamp())}, b"k" * 64)
    assert ends(pair(access_token=early))[0] == HOUR / 4
    assert ends(pair(access_token=past))[0] == HOUR / 2


# Answers that are not what RFC 6749 says


def said(error: object, **more: object) -> dict[str, object]:
    return {"error": error, "error_description": PLANTED, **more}


HTML = f"<html><title>Login</title>{PLANTED}</html>".encode()

NO_TOKENS: list[tuple[str, Answer, type[ProviderError]]] = [
    ("invalid_grant, 400", answer(400, said("invalid_grant")), Rejected),
    ("invalid_grant, 401", answer(401, said("invalid_grant")), Rejected),
    ("invalid_grant, 403 (Atlassian)", answer(403, said("invalid_grant")), Rejected),
    ("invalid_grant, 200", answer(200, said("invalid_grant")), Rejected),
    ("bad_refresh_token, 200 (GitHub)", answer(200, said("bad_refresh_token")), Rejected),
    ("Slack's refusal", answer(200, said("invalid_refresh_token", ok=False)), Rejected),
    ("Zoho's refusal", answer(200, said("invalid_code")), Rejected),
    ("the job's own word", answer(400, said("consent_withdrawn")), Rejected),
    ("one the job holds for a dead token", answer(403, said("invalid_target")), Rejected),
    ("invalid_client, 401", answer(401, said("invalid_client")), Misconfigured),
    ("invalid_client, 400", answer(400, said("invalid_client")), Misconfigured),
    ("unauthorized_client", answer(400, said("unauthorized_client")), Misconfigured),
    ("unsupported_grant_type", answer(400, said("unsupported_grant_type")), Misconfigured),
    ("invalid_scope", answer(400, said("invalid_scope")), Misconfigured),
    ("invalid_request", answer(400, said("invalid_request")), Misconfigured),
    ("GitHub's, 200", answer(200, said("incorrect_client_credentials")), Misconfigured),
    ("Slack's, 200", answer(200, said("bad_client_secret", ok=False)), Misconfigured),
    ("temporarily_unavailable, 503", answer(503, said("temporarily_unavailable")), Throttled),
    ("temporarily_unavailable, 400", answer(400, said("temporarily_unavailable")), Throttled),
    ("slow_down", answer(400, said("slow_down")), Throttled),
    ("ratelimited, 200 (Slack)", answer(200, said("ratelimited", ok=False)), Throttled),
    ("429 without a body", answer(429, b""), Throttled),
    ("429 with invalid_grant", answer(429, said("invalid_grant")), Throttled),
    ("server_error, 500", answer(500, said("server_error")), Unanswered),
    ("server_error, 400", answer(400, said("server_error")), Unanswered),
    ("server_error, 200", answer(200, said("server_error")), Unanswered),
    ("invalid_grant, 500", answer(500, said("invalid_grant")), Unanswered),
    ("invalid_grant, 404", answer(404, said("invalid_grant")), Unanswered),
    ("an unknown error, 400", answer(400, said("interaction_required")), Unanswered),
    ("an unknown error, 200", answer(200, said("mystery")), Garbled),
    ("an error as an object, 400", answer(400, said({"message": PLANTED})), Unanswered),
    ("an error as an object, 200", answer(200, said({"message": PLANTED})), Garbled),
    ("an error as a list", answer(200, said(["invalid_grant"])), Garbled),
    ("an error in capitals", answer(400, said("INVALID_GRANT")), Unanswered),
    ("another shape of error", answer(400, {"status": "BAD_REFRESH_TOKEN"}), Unanswered),
    ("an echo of the request", answer(400, {"refresh_token": PLANTED}), Unanswered),
    ("an error beside an access token", answer(200, pair(refresh_token=None, error="x")), Garbled),
    ("a proxy's page, 401", answer(401, HTML), Unanswered),
    ("a gateway's page, 502", answer(502, HTML), Unanswered),
    ("a page, 404", answer(404, HTML), Unanswered),
    ("a redirect", answer(302, b"", location="/login"), Unanswered),
    ("a login page, 200", answer(200, HTML), Garbled),
    ("a form (GitHub without Accept)", answer(200, f"access_token={PLANTED}".encode()), Garbled),
    ("nothing, 200", answer(200, b""), Garbled),
    ("nothing, 204", answer(204, b""), Garbled),
    ("null", answer(200, None), Garbled),
    ("an array", answer(200, [pair()]), Garbled),
    ("an empty object", answer(200, {}), Garbled),
    ("half a body", answer(200, json.dumps(pair()).encode()[:-5]), Garbled),
    ("bytes", answer(200, b"\xff\xfe\x00" + PLANTED.encode()), Garbled),
    ("deep nesting", answer(200, b'{"a":' * 100_000), Garbled),
    ("ok: false and no more", answer(200, {"ok": False}), Garbled),
    ("empty tokens", answer(200, {"access_token": "", "refresh_token": None}), Garbled),
    ("a number as a token", answer(200, {"access_token": 12345}), Garbled),
    ("a broken refresh token", answer(200, pair(refresh_token=f"{PLANTED}\r\n")), Garbled),
    ("an array as a refresh token", answer(200, pair(refresh_token=[PLANTED])), Garbled),
    ("a token of 40,000", answer(200, pair(refresh_token="x" * 40_000)), Garbled),
    ("a token in a data envelope", answer(200, {"data": pair()}), Garbled),
]


@pytest.mark.parametrize(
    ("odd", "error"), [case[1:] for case in NO_TOKENS], ids=[case[0] for case in NO_TOKENS]
)
def test_what_holds_no_tokens_has_its_class_and_says_no_secret(
    odd: Answer, error: type[ProviderError]
) -> None:
    provider = oauth(dead_token_errors=["consent_withdrawn", "invalid_target"])
    with pytest.raises(ProviderError) as caught:
        read(odd, provider)
    assert type(caught.value) is error
    told = [repr(caught.value), str(caught.value), *traceback.format_exception(caught.value)]
    assert PLANTED not in "".join(told)


def test_patience_is_as_long_as_the_server_says() -> None:
    with pytest.raises(Throttled) as caught:
        read(answer(503, said("temporarily_unavailable"), **{"retry-after": "30"}))
    assert caught.value.retry_after == timedelta(seconds=30)


TOKENS: list[tuple[str, Answer, set[str]]] = [
    ("201", answer(201, pair()), BOTH),
    ("unknown members", answer(200, pair(later=[PLANTED], ok=True)), BOTH),
    ("text/html as the type", answer(200, pair(), **{"content-type": "text/html"}), BOTH),
    ("a byte order mark", answer(200, b"\xef\xbb\xbf" + json.dumps(pair()).encode()), BOTH),
    ("an error of null", answer(200, pair(error=None)), BOTH),
    ("an empty error", answer(200, pair(error="", refresh_token=None)), {ACCESS_TOKEN}),
    ("a pair beside an error", answer(200, pair(error="warning")), BOTH),
    ("a pair under 500", answer(500, pair()), BOTH),
    ("no new refresh token", answer(200, pair(refresh_token="")), {ACCESS_TOKEN}),
    ("no access token", answer(200, {"refresh_token": "r-1"}), {REFRESH_TOKEN}),
    ("a broken access token", answer(200, pair(access_token="é")), {REFRESH_TOKEN}),
    ("a token type of null", answer(200, pair(token_type=None)), BOTH),
]


@pytest.mark.parametrize(
    ("odd", "names"), [case[1:] for case in TOKENS], ids=[case[0] for case in TOKENS]
)
def test_tokens_are_found_however_they_come(odd: Answer, names: set[str]) -> None:
    assert set(read(odd)) == names


def test_client_credentials_leave_a_refresh_token_that_has_no_business_there() -> None:
    """RFC 6749, 4.4.3."""
    assert set(read(answer(200, pair()), oauth("client_secret"))) == {ACCESS_TOKEN}


KEYS = st.sampled_from([
    *("access_token", "refresh_token", "expires_in", "token_type", "error", "ok", "active"),
    *("refresh_expires_in", "iat", "exp", "scope"),
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SHAPED: list[Callable[[Any], Any]] = [
    lambda found: found,
    lambda found: pair(expires_in=found, refresh_expires_in=found),
    lambda found: pair(token_type=found),
    lambda found: pair(access_token=found),
    lambda found: {"error": found},
    lambda found: {"active": True, "iat": found, "exp": found},
]
WAYS = [
    oauth(introspection_url=HOST + INTROSPECT),
    oauth("client_secret", introspection_url=HOST + INTROSPECT, revocation_url=HOST + REVOKE),
]


@given(st.integers(100, 599), st.sampled_from(SHAPED), JSON)
def test_no_json_breaks_the_reader(status: int, shape: Callable[[Any], Any], found: object) -> None:
    _read_every_way(answer(status, shape(found)))


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_bytes_break_the_reader(status: int, body: bytes) -> None:
    _read_every_way(answer(status, body))


def _read_every_way(odd: Answer) -> None:
    for provider in WAYS:
        assert provider.inspections[ACCESS_TOKEN].read(odd) is not None
        with suppress(ProviderError):
            assert set(read(odd, provider)) <= only(provider).yields
        with suppress(ProviderError):
            if provider.revocation:
                provider.revocation.read(odd)
