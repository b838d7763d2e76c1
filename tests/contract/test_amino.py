"""Amino's plug-in against a server that keeps its promises, and against all that may come."""

import json
import tomllib
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import HttpUrl

from rotator.errors import (
    Garbled,
    Misconfigured,
    ProviderError,
    Rejected,
    Throttled,
    Unanswered,
)
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers.amino import build, plugin
from rotator.providers.amino.settings import Credential, Job
from rotator.providers.base import Alive, Answer, Dead, Provider, Request, Unknown
from rotator.providers.http import Door
from rotator.sandbox.amino import CHANNELS, RENEW, AminoFake
from rotator.sandbox.fakes import html
from rotator.sandbox.server import InProcessDoor, served
from tests.contract.stage import TurnedClock, answered

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOST = "https://tv.example.com"
PLANTED = "planted-secret"


@pytest.fixture
def fake(clock: TurnedClock) -> AminoFake:
    return AminoFake(now=clock.now)


@pytest.fixture
def door(fake: AminoFake, clock: TurnedClock) -> InProcessDoor:
    return InProcessDoor({HOST: fake}, clock)


def amino(*seeds: str, username: str = "", **settings: Any) -> Provider:
    job = Job(base_url=settings.pop("base_url", HOST), **settings)
    return build(job, Credential(username=username), frozenset(seeds))


def ring(**values: str) -> Keyring:
    return {name: Token(value=Secret(value)) for name, value in values.items()}


def ask(provider: Provider, grant: str, keyring: Keyring) -> Request:
    found = provider.grant(grant)
    assert found is not None
    return found.ask(keyring)


def read(answer: Answer, provider: Provider | None = None, sent_at: datetime = NOW) -> Keyring:
    found = (provider or amino()).grant("refresh_token")
    assert found is not None
    return found.read(answer, sent_at)


answer = partial(answered, NOW)


def consumer(token: Token, door: InProcessDoor, provider: Provider) -> int:
    name, value = provider.header(token)
    request = Request(url=HOST + CHANNELS, method="GET", headers={name: Secret(value)})
    return door.send(request).status


def renew(door: InProcessDoor, provider: Provider, keyring: Keyring) -> Keyring:
    return read(door.send(ask(provider, "refresh_token", keyring)), provider)


# What is sent


def test_a_renewal_is_json_with_the_refresh_token_at_the_guessed_path() -> None:
    request = ask(amino(), "refresh_token", ring(refresh_token="r-1"))
    assert (request.method, request.url) == ("POST", f"{HOST}/api/auth/v1/access_tokens")
    assert request.body is not None
    assert json.loads(request.body.reveal()) == {
        "grant_type": "refresh_token",
        "refresh_token": "r-1",
    }
    assert request.headers["accept"].reveal() == "application/vnd.api+json, application/json"


def test_a_renewal_goes_where_and_how_the_job_says() -> None:
    provider = amino(renew_path="/renew", renew_encoding="form", refresh_field="token")
    request = ask(provider, "refresh_token", ring(refresh_token="a+b"))
    assert request.url == f"{HOST}/renew"
    assert request.content_type == "application/x-www-form-urlencoded"
    assert request.body == Secret("grant_type=refresh_token&token=a%2Bb")


def test_a_base_url_may_have_a_path() -> None:
    provider = amino(base_url="https://proxy.example.com/tv/")
    request = ask(provider, "refresh_token", ring(refresh_token="r"))
    assert request.url == "https://proxy.example.com/tv/api/auth/v1/access_tokens"
    assert provider.host == "https://proxy.example.com"


def test_a_password_is_sent_in_the_fields_that_the_job_names() -> None:
    provider = amino(
        "password",
        username="ann",
        password_path="/login",
        username_field="user",
        password_field="pass",
        password_grant_type="password",
    )
    request = ask(provider, "password", ring(password="p"))
    assert request.url == f"{HOST}/login"
    assert request.body is not None
    fields = {"grant_type": "password", "user": "ann", "pass": "p"}
    assert json.loads(request.body.reveal()) == fields


def test_cookies_go_to_the_login_without_a_body() -> None:
    provider = amino("ssid", "usid", username="ann/x@example.com", service="web ui")
    request = ask(provider, "cookie", ring(ssid="s", usid="u"))
    assert request.url == f"{HOST}/api/user/ann%2Fx@example.com/login?service=web+ui"
    assert request.headers["cookie"].reveal() == "ssid=s; usid=u"
    assert request.body is None


def test_no_secret_shows_in_a_request() -> None:
    provider = amino("ssid", "usid", "password", username="ann", password_path="/login")
    seeds = ring(refresh_token=PLANTED, password=PLANTED, ssid=PLANTED, usid=PLANTED)
    asked = [grant.ask(seeds) for grant in provider.grants]
    assert len(asked) == 3
    assert PLANTED not in repr(asked)


# Which grants there are


def test_a_refresh_token_counts_as_used_up_but_may_go_again_while_it_lives() -> None:
    grant = amino(refresh_lifespan="4d").grants[0]
    assert grant.spends == REFRESH_TOKEN
    assert grant.replay == 4 * DAY
    assert grant.yields == {ACCESS_TOKEN, REFRESH_TOKEN}
    assert not grant.kills


def test_a_job_may_say_that_refresh_tokens_stay_or_are_taken_once() -> None:
    assert amino(refresh_rotates=False).grants[0].spends is None
    assert amino(replay="0s").grants[0].replay == timedelta(0)


def test_renewing_comes_before_logging_in() -> None:
    provider = amino("ssid", "usid", "password", username="ann", password_path="/login")
    assert [grant.name for grant in provider.grants] == ["refresh_token", "password", "cookie"]
    assert provider.identity == {"username": "ann"}


@pytest.mark.parametrize(
    ("seeds", "username", "word"),
    [
        (("password",), "ann", "password_path"),
        (("ssid",), "ann", "together"),
        (("ssid", "usid"), "", "username"),
    ],
)
def test_a_seed_that_no_grant_can_use_is_a_mistake(
    seeds: tuple[str, ...], username: str, word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        amino(*seeds, username=username)


def test_the_example_is_a_job() -> None:
    job = tomllib.loads(plugin.example)
    assert job.pop("provider") == plugin.name
    settings = {name: job[name] for name in job.keys() - {"schedule", "credentials"}}
    assert Job.model_validate({**settings, "base_url": HOST}) == Job(base_url=HttpUrl(HOST))


# Against the server


def test_a_seed_becomes_a_pair_and_the_pair_a_pair(door: InProcessDoor, fake: AminoFake) -> None:
    provider = amino()
    first = renew(door, provider, ring(refresh_token=fake.enrol()))
    second = renew(door, provider, first)
    assert {first[ACCESS_TOKEN].expires_at, second[ACCESS_TOKEN].expires_at} == {NOW + DAY}
    assert {token.lifespan for token in second.values()} == {DAY, 4 * DAY}
    assert consumer(second[ACCESS_TOKEN], door, provider) == 200


def test_an_old_refresh_token_works_until_it_expires(
    door: InProcessDoor, fake: AminoFake, clock: TurnedClock
) -> None:
    provider, seed = amino(), ring(refresh_token=fake.enrol())
    renew(door, provider, seed)
    assert renew(door, provider, seed)
    clock.at += 4 * DAY
    with pytest.raises(Rejected):
        renew(door, provider, seed)
    assert not fake.counts["presented_twice"]


def test_a_deny_list_takes_a_refresh_token_once(door: InProcessDoor, fake: AminoFake) -> None:
    fake.deny_list = True
    provider, seed = amino(), ring(refresh_token=fake.enrol())
    renew(door, provider, seed)
    with pytest.raises(Rejected):
        renew(door, provider, seed)
    assert fake.counts["presented_twice"] == 1


def test_consumers_keep_the_old_access_token_until_it_expires(
    door: InProcessDoor, fake: AminoFake, clock: TurnedClock
) -> None:
    provider = amino()
    first = renew(door, provider, ring(refresh_token=fake.enrol()))
    renew(door, provider, first)
    assert consumer(first[ACCESS_TOKEN], door, provider) == 200
    clock.at += DAY
    assert consumer(first[ACCESS_TOKEN], door, provider) == 401


def test_a_form_is_taken_where_the_installation_wants_one(
    door: InProcessDoor, fake: AminoFake
) -> None:
    fake.encoding = "form"
    seed = ring(refresh_token=fake.enrol())
    assert renew(door, amino(renew_encoding="form"), seed)
    with pytest.raises(Misconfigured):
        renew(door, amino(), seed)


def test_a_wrong_path_is_a_setting_and_refuses_no_token(
    door: InProcessDoor, fake: AminoFake
) -> None:
    with pytest.raises(Misconfigured):
        renew(door, amino(renew_path="/nowhere"), ring(refresh_token=fake.enrol()))


def test_a_password_gives_a_pair(door: InProcessDoor, fake: AminoFake) -> None:
    provider = amino("password", username=fake.username, password_path=RENEW)
    good = door.send(ask(provider, "password", ring(password=fake.password)))
    assert set(read(good)) == {ACCESS_TOKEN, REFRESH_TOKEN}
    bad = door.send(ask(provider, "password", ring(password=PLANTED)))
    with pytest.raises(Rejected):
        read(bad)


def test_cookies_give_a_pair_in_the_older_envelope(door: InProcessDoor, fake: AminoFake) -> None:
    provider = amino("ssid", "usid", username=fake.username)
    tokens = read(door.send(ask(provider, "cookie", ring(**fake.session()))))
    assert {name: token.lifespan for name, token in tokens.items()} == {
        ACCESS_TOKEN: DAY,
        REFRESH_TOKEN: 4 * DAY,
    }
    with pytest.raises(Rejected):
        read(door.send(ask(provider, "cookie", ring(ssid="s", usid="u"))))


def test_an_inspection_tells_a_living_token_from_a_dead_one(
    door: InProcessDoor, fake: AminoFake, clock: TurnedClock
) -> None:
    provider = amino(inspect_path=CHANNELS)
    tokens = renew(door, provider, ring(refresh_token=fake.enrol()))
    inspection = provider.inspections[ACCESS_TOKEN]
    assert inspection.read(door.send(inspection.ask(tokens))) == Alive()
    clock.at += DAY
    assert inspection.read(door.send(inspection.ask(tokens))) == Dead()
    fake.fail_next(CHANNELS, html(401))
    assert isinstance(inspection.read(door.send(inspection.ask(tokens))), Unknown)


def test_nothing_is_inspected_unless_the_job_names_a_call() -> None:
    assert not amino().inspections


@pytest.fixture
def wire(clock: TurnedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    for name in ("all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    door = Door(clock, timedelta(seconds=20))
    yield door
    door.close()


def test_it_renews_over_a_real_socket(fake: AminoFake, wire: Door) -> None:
    with served(fake) as url:
        provider = amino(base_url=url)
        request = ask(provider, "refresh_token", ring(refresh_token=fake.enrol()))
        assert len(read(wire.send(request, spending=True))) == 2


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", RENEW, {}, 405),
        ("POST", CHANNELS, {}, 405),
        ("POST", "/nowhere", {}, 404),
        ("POST", RENEW, {"accept": "application/json"}, 406),
        ("POST", RENEW, {"content-type": "text/plain"}, 415),
        ("POST", RENEW, {}, 401),
        ("POST", "/api/user/somebody@example.com/login", {}, 404),
        ("POST", "/api/user/epg@example.com/login", {}, 401),
        ("POST", "/api/user/epg@example.com/login", {"cookie": "a@b=1"}, 401),
        ("GET", CHANNELS, {"authorization": "Basic x"}, 401),
    ],
)
def test_the_server_is_strict(
    fake: AminoFake, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    usual = {"accept": "application/vnd.api+json", "content-type": "application/json"}
    assert fake.handle(method, path, usual | headers, b"{}").status == status


def test_an_access_token_renews_nothing(door: InProcessDoor, fake: AminoFake) -> None:
    provider = amino()
    access = renew(door, provider, ring(refresh_token=fake.enrol()))[ACCESS_TOKEN]
    with pytest.raises(Rejected):
        renew(door, provider, {REFRESH_TOKEN: access})


# Dates


def jwt_with(**claims: Any) -> str:
    return jwt.encode(claims, b"k" * 64, algorithm="HS256")


def unix(at: datetime) -> int:
    return int(at.timestamp())


def resource(**attributes: Any) -> dict[str, Any]:
    return {"type": "AuthenticationTokens", "id": "1", "attributes": attributes}


def pair(**attributes: Any) -> dict[str, Any]:
    both = {"access_token": "a-1", "refresh_token": "r-1"}
    return {"data": [resource(**(both | attributes))]}


def ends(content: object) -> dict[str, timedelta]:
    """How long after sending each token in this answer ends."""
    tokens = read(answer(201, content))
    return {name: token.expires_at - NOW for name, token in tokens.items() if token.expires_at}


HOUR = timedelta(hours=1)
FALLBACK = {ACCESS_TOKEN: HOUR, REFRESH_TOKEN: 30 * DAY}


def test_the_earlier_of_stamp_and_claim_counts() -> None:
    at = unix(NOW + 2 * HOUR)
    late, early = jwt_with(exp=at + 503), jwt_with(exp=at - 503)
    assert ends(pair(access_token=late, expires_at_timestamp=at))[ACCESS_TOKEN] == 2 * HOUR
    short = ends(pair(access_token=early, expires_at_timestamp=at))[ACCESS_TOKEN]
    assert short == 2 * HOUR - timedelta(seconds=503)


def test_a_refresh_token_ends_as_its_claim_says_else_as_the_job_does() -> None:
    claim = jwt_with(exp=unix(NOW + 98 * DAY))
    assert ends(pair(refresh_token=claim))[REFRESH_TOKEN] == 98 * DAY
    assert ends(pair()) == FALLBACK
    tokens = read(answer(201, pair()), amino(refresh_lifespan="5d", access_lifespan="2h"))
    assert [token.lifespan for token in tokens.values()] == [2 * HOUR, 5 * DAY]


def test_a_stamp_of_the_login_itself_yields_to_the_claim() -> None:
    stamp = unix(NOW)
    content = pair(
        access_token=jwt_with(exp=unix(NOW + 7 * DAY)),
        login_timestamp=stamp,
        expires_at_timestamp=stamp,
    )
    assert ends(content)[ACCESS_TOKEN] == 7 * DAY


def test_a_token_that_is_dead_on_arrival_is_kept_with_its_dates() -> None:
    past = unix(NOW - DAY)
    content = pair(refresh_token=jwt_with(exp=past), expires_at_timestamp=past)
    assert ends(content) == {ACCESS_TOKEN: -DAY, REFRESH_TOKEN: -DAY}


def test_the_vendors_own_sample_is_read() -> None:
    """The sample's stamp is 503 s before its token's `exp`, and equals its `login_timestamp`."""
    sent_at = datetime.fromtimestamp(1537522174, UTC)
    content = pair(
        access_token=jwt_with(iat=1537522174, exp=1538126979, type="access"),
        refresh_token=jwt_with(iat=1537522174, exp=1545989379, type="refresh"),
        login_timestamp=1538126476,
        expires_at_timestamp=1538126476,
    )
    tokens = read(answer(200, content), sent_at=sent_at)
    found = [unix(token.expires_at) for token in tokens.values() if token.expires_at]
    assert found == [1538126476, 1545989379]


def test_the_array_that_lacks_its_second_element_is_read() -> None:
    """As in the vendor's cookie page; its refresh expiry differs from the claim by 13.6 days."""
    claim = jwt_with(exp=unix(NOW + 16 * DAY))
    stat = {"accessToken": ["a-1"], "refreshToken": [claim, unix(NOW + 30 * DAY)]}
    assert ends({"userStat": stat}) == {ACCESS_TOKEN: HOUR, REFRESH_TOKEN: 16 * DAY}


@pytest.mark.parametrize(
    "stamp",
    [
        *(None, "", "soon", -1, 0, True, [], {}, 1e999, float("nan"), 10**30, "9" * 400),
        unix(NOW) * 1000,
        unix(NOW + 5000 * DAY),
        "2026-03-02T00:00:00Z",
    ],
    ids=repr,
)
def test_a_bad_date_loses_no_token(stamp: object) -> None:
    assert ends(pair(expires_at_timestamp=stamp)) == FALLBACK
    stat = {"accessToken": ["a-1", stamp], "refreshToken": ["r-1", stamp]}
    assert ends({"userStat": stat}) == FALLBACK


# Answers that are not what the pages say


ERRORS = {"errors": [{"status": "401", "code": "x", "title": "No", "detail": PLANTED}]}
HTML = f"<html><title>Login</title>{PLANTED}</html>".encode()

NO_TOKENS: list[tuple[str, Answer, type[ProviderError]]] = [
    ("JSON:API errors, 400", answer(400, ERRORS), Rejected),
    ("JSON:API errors, 401", answer(401, ERRORS), Rejected),
    ("JSON:API errors, 403", answer(403, ERRORS), Rejected),
    ("JSON:API errors, 422", answer(422, ERRORS), Rejected),
    ("JSON:API errors, 404", answer(404, ERRORS), Misconfigured),
    ("JSON:API errors, 405", answer(405, ERRORS), Misconfigured),
    ("JSON:API errors, 415", answer(415, ERRORS), Misconfigured),
    ("JSON:API errors, 409", answer(409, ERRORS), Unanswered),
    ("JSON:API errors, 429", answer(429, ERRORS), Throttled),
    ("JSON:API errors, 500", answer(500, ERRORS), Unanswered),
    ("JSON:API errors, 200", answer(200, ERRORS), Garbled),
    ("no error in the errors", answer(401, {"errors": []}), Unanswered),
    ("errors that are an object", answer(401, {"errors": {"detail": PLANTED}}), Unanswered),
    ("errors that are strings", answer(401, {"errors": [PLANTED]}), Unanswered),
    ("another shape of error", answer(401, {"detail": PLANTED}), Unanswered),
    ("an OAuth error", answer(400, {"error": "invalid_grant", "x": PLANTED}), Unanswered),
    ("a proxy's page, 401", answer(401, HTML), Unanswered),
    ("a proxy's page, 407", answer(407, HTML), Unanswered),
    ("a gateway's page, 502", answer(502, HTML), Unanswered),
    ("a redirect", answer(302, b"", location="/login"), Unanswered),
    ("a login page, 200", answer(200, HTML), Garbled),
    ("429 without a body", answer(429, b""), Throttled),
    ("503 without a body", answer(503, b""), Unanswered),
    ("nothing, 200", answer(200, b""), Garbled),
    ("nothing, 204", answer(204, b""), Garbled),
    ("null", answer(200, None), Garbled),
    ("an array", answer(200, [pair()]), Garbled),
    ("an empty object", answer(200, {}), Garbled),
    ("half a body", answer(200, json.dumps(pair()).encode()[:-9]), Garbled),
    ("bytes", answer(200, b"\xff\xfe\x00" + PLANTED.encode()), Garbled),
    ("deep nesting", answer(200, b"[" * 100_000), Garbled),
    ("no data", answer(200, {"data": []}), Garbled),
    ("data of another type", answer(200, {"data": [{"type": "Users"}]}), Garbled),
    ("attributes of null", answer(200, {"data": [resource() | {"attributes": None}]}), Garbled),
    ("no tokens", answer(200, pair(access_token=None, refresh_token="")), Garbled),
    ("tokens that are numbers", answer(200, pair(access_token=1, refresh_token=2)), Garbled),
    ("an array as a token", answer(200, pair(refresh_token=[PLANTED])), Garbled),
    ("a broken refresh token", answer(200, pair(refresh_token=f"{PLANTED}\n")), Garbled),
    ("a refresh token of 40,000", answer(200, pair(refresh_token="x" * 40_000)), Garbled),
    ("a lone broken access token", answer(200, {"data": resource(access_token="é")}), Garbled),
    ("an empty userStat", answer(200, {"userStat": {}}), Garbled),
    ("userStat with empty arrays", answer(200, {"userStat": {"accessToken": []}}), Garbled),
    ("userStat of null", answer(200, {"userStat": None}), Garbled),
    ("an access token under 401", answer(401, {"data": resource(access_token="a")}), Unanswered),
]


@pytest.mark.parametrize(
    ("odd", "error"), [case[1:] for case in NO_TOKENS], ids=[case[0] for case in NO_TOKENS]
)
def test_what_holds_no_tokens_has_its_class_and_says_no_secret(
    odd: Answer, error: type[ProviderError]
) -> None:
    with pytest.raises(ProviderError) as caught:
        read(odd)
    assert type(caught.value) is error
    told = [repr(caught.value), str(caught.value), *traceback.format_exception(caught.value)]
    assert PLANTED not in "".join(told)


BOTH, ONE = {ACCESS_TOKEN, REFRESH_TOKEN}, {REFRESH_TOKEN}

TOKENS: list[tuple[str, Answer, set[str]]] = [
    (
        "data as one object",
        answer(200, {"data": resource(**pair()["data"][0]["attributes"])}),
        BOTH,
    ),
    ("another resource first", answer(200, {"data": [{"type": "Users"}, *pair()["data"]]}), BOTH),
    ("junk beside the resource", answer(200, {"data": [None, 1, *pair()["data"]]}), BOTH),
    ("an unknown attribute", answer(200, pair(later=[PLANTED])), BOTH),
    ("text/html as the type", answer(200, pair(), **{"content-type": "text/html"}), BOTH),
    ("a byte order mark", answer(200, b"\xef\xbb\xbf" + json.dumps(pair()).encode()), BOTH),
    ("errors beside the data", answer(200, pair() | ERRORS), BOTH),
    ("a pair under 500", answer(500, pair()), BOTH),
    ("no new refresh token", answer(200, pair(refresh_token=None)), {ACCESS_TOKEN}),
    ("no access token", answer(200, pair(access_token=None)), ONE),
    ("a broken access token", answer(200, pair(access_token="a b")), ONE),
    ("userStat with strings", answer(200, {"userStat": {"refreshToken": "r"}}), ONE),
]


@pytest.mark.parametrize(
    ("odd", "names"), [case[1:] for case in TOKENS], ids=[case[0] for case in TOKENS]
)
def test_tokens_are_found_however_they_come(odd: Answer, names: set[str]) -> None:
    assert set(read(odd)) == names


KEYS = st.sampled_from([
    *("data", "type", "attributes", "access_token", "refresh_token", "expires_at_timestamp"),
    *("userStat", "accessToken", "refreshToken", "errors"),
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SHAPED: list[Callable[[Any], Any]] = [
    lambda found: found,
    lambda found: {"data": resource(access_token=found, refresh_token="r")},
    lambda found: pair(expires_at_timestamp=found),
    lambda found: {"data": {"type": "AuthenticationTokens", "attributes": found}},
    lambda found: {"userStat": {"accessToken": found, "refreshToken": found}},
]


@given(st.integers(100, 599), st.sampled_from(SHAPED), JSON)
def test_no_json_breaks_the_reader(status: int, shape: Callable[[Any], Any], found: object) -> None:
    _read_either_way(answer(status, shape(found)))


@given(st.integers(100, 599), st.binary(max_size=200))
def test_no_bytes_break_the_reader(status: int, body: bytes) -> None:
    _read_either_way(answer(status, body))


def _read_either_way(odd: Answer) -> None:
    provider = amino(inspect_path=CHANNELS)
    assert provider.inspections[ACCESS_TOKEN].read(odd) is not None
    with suppress(ProviderError):
        assert set(read(odd, provider)) <= BOTH
