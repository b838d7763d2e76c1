"""Alation's plug-in against its fake, and against what its pages do not say."""

import json
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rotator.errors import (
    Garbled,
    Misconfigured,
    ProviderError,
    Rejected,
    Throttled,
    Unanswered,
    Unreachable,
)
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers.alation import plugin
from rotator.providers.alation.settings import Credential, Job
from rotator.providers.base import Alive, Answer, Dead, Grant, Provider, Request, Unknown, Verdict
from rotator.providers.registry import plugins
from rotator.rotation.tools import Door as Doorway
from rotator.sandbox import fakes
from rotator.sandbox.alation import AlationFake
from rotator.sandbox.server import InProcessDoor
from tests.contract.stage import TurnedClock

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
HOST = "https://acme.alationcloud.com"
USER, NAME, PASSWORD = 1151, "svc-etl@example.com", "planted-password"
PLANTED = "planted-token-0123456789"
V1 = "/integration/v1/"


class World:
    """A provider, its fake, and a door between them."""

    def __init__(self, clock: TurnedClock, fake: AlationFake, door: Doorway, url: str) -> None:
        self.clock, self.fake, self.door, self.url = clock, fake, door, url
        self.provider = self.built()

    def built(self, *, user_id: int = USER, seeds: str = "refresh_token password") -> Provider:
        job = Job.model_validate({"base_url": self.url})
        return plugin.build(
            job, Credential(user_id=user_id, username=NAME), frozenset(seeds.split())
        )

    def obtain(self, grant: str, keyring: Keyring) -> Keyring:
        chosen = self.provider.grant(grant)
        assert chosen is not None
        sent_at = self.clock.now()
        answer = self.door.send(chosen.ask(keyring), spending=chosen.spends is not None)
        return chosen.read(answer, sent_at)

    def inspect(self, token: str, keyring: Keyring) -> Verdict:
        inspection = self.provider.inspections[token]
        return inspection.read(self.door.send(inspection.ask(keyring)))

    def seeded(self) -> dict[str, Token]:
        return {REFRESH_TOKEN: Token(value=Secret(self.fake.hand_made(USER)))}


@pytest.fixture
def fake(clock: TurnedClock) -> AlationFake:
    return AlationFake(now=clock.now, passwords={NAME: (PASSWORD, USER)})


@pytest.fixture
def world(clock: TurnedClock, fake: AlationFake, reached: tuple[Doorway, str]) -> World:
    return World(clock, fake, *reached)


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
    with pytest.raises(Rejected, match=r"invalid.*user_id"):
        world.obtain("refresh_token", world.seeded())


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


# Dates


@pytest.mark.parametrize("dates", ["Z", "offset", "whole seconds"])
@pytest.mark.parametrize("skew", [-26 * HOUR, -2 * HOUR, 0 * HOUR, 2 * HOUR], ids=str)
def test_a_token_never_seems_to_live_longer_than_it_does(
    world: World, dates: str, skew: timedelta
) -> None:
    world.fake.dates = "Z" if dates == "Z" else "offset" if dates == "offset" else "whole seconds"
    world.fake.now = lambda: world.clock.at + skew
    token = world.obtain("refresh_token", world.seeded())[ACCESS_TOKEN]
    assert token.expires_at is not None
    shortest = min(DAY, DAY + skew) if DAY + skew > timedelta(0) else DAY
    assert shortest - timedelta(seconds=2) < token.expires_at - NOW <= DAY
    assert token.expires_at.tzinfo is UTC


def test_tokens_without_dates_are_kept_and_get_a_short_life(world: World) -> None:
    world.fake.dates = "none"
    seeded = world.seeded()
    assert world.obtain("refresh_token", seeded)[ACCESS_TOKEN].lifespan == HOUR
    assert world.obtain("regenerate", seeded)[REFRESH_TOKEN].lifespan == DAY
    assert world.inspect(REFRESH_TOKEN, world.seeded()) == Alive(None, None)


def test_the_case_of_the_status_does_not_matter(world: World) -> None:
    world.fake.upper_status = False
    seeded = world.seeded()
    assert isinstance(world.inspect(REFRESH_TOKEN, seeded), Alive)
    assert world.obtain("refresh_token", seeded)


# Facts


def provider(seeds: str = "refresh_token password", **settings: object) -> Provider:
    job = Job.model_validate({"base_url": "https://Acme.AlationCloud.com:443", **settings})
    return plugin.build(job, Credential(user_id=USER, username=NAME), frozenset(seeds.split()))


def grant(name: str) -> Grant:
    found = provider().grant(name)
    assert found is not None
    return found


def test_the_registry_finds_it() -> None:
    assert plugins()["alation"] is plugin


def test_requests_are_written_as_documented() -> None:
    keyring = {
        name: Token(value=Secret(name)) for name in (REFRESH_TOKEN, ACCESS_TOKEN, "password")
    }
    mint = grant("refresh_token").ask(keyring)
    assert mint.url == "https://acme.alationcloud.com/integration/v1/createAPIAccessToken/"
    assert mint.body is not None
    assert json.loads(mint.body.reveal()) == {"refresh_token": REFRESH_TOKEN, "user_id": USER}
    log_in = grant("password").ask(keyring)
    assert log_in.body is not None
    assert json.loads(log_in.body.reveal()) == {
        "username": NAME,
        "password": "password",
        "name": "rotator",
    }
    asked = provider().inspections[ACCESS_TOKEN].ask(keyring)
    assert asked.url.endswith("/integration/v1/validateAPIAccessToken/")


def test_grants_say_what_they_spend_and_kill() -> None:
    built = provider()
    assert [found.name for found in built.grants] == ["refresh_token", "regenerate", "password"]
    assert [found.spends for found in built.grants] == [None, REFRESH_TOKEN, None]
    assert all(found.kills == {ACCESS_TOKEN} for found in built.grants)
    mild = provider(mint_kills=False, regenerate_kills=False)
    assert [bool(found.kills) for found in mild.grants] == [False, False, True]
    assert built.is_chain
    assert built.host == "https://acme.alationcloud.com"
    assert built.identity == {"user_id": "1151", "username": NAME}


def test_without_a_password_there_is_no_password_grant() -> None:
    assert [found.name for found in provider("refresh_token").grants] == [
        "refresh_token",
        "regenerate",
    ]


def test_a_password_needs_its_username() -> None:
    job = Job.model_validate({"base_url": "https://acme.example"})
    with pytest.raises(ValueError, match="username"):
        plugin.build(job, Credential(user_id=1), frozenset({"password"}))


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="token_nam"):
        Job.model_validate({"base_url": "https://acme.example", "token_nam": "x"})
    with pytest.raises(ValueError, match="user_id"):
        Credential.model_validate({"user_id": 0})


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


# Answers that the documentation does not give

GOOD_MINT = {
    "api_access_token": PLANTED,
    "user_id": USER,
    "created_at": "2026-03-01T12:00:00Z",
    "token_expires_at": "2026-03-02T12:00:00Z",
    "token_status": "ACTIVE",
}
GOOD_REGEN = {"refresh_token": PLANTED, **{k: GOOD_MINT[k] for k in list(GOOD_MINT)[1:]}}
HTML = f"<html><body>Log in, {PLANTED}</body></html>"
TOLD = {"detail": f"no, {PLANTED}", "code": "401000"}
TOKENS = "tokens"

ODD: list[tuple[str, int, object, type[ProviderError] | str]] = [
    ("201 as documented", 201, {}, TOKENS),
    ("200", 200, {}, TOKENS),
    ("202", 202, {}, TOKENS),
    ("unknown fields", 201, {"more": [1, {"a": None}]}, TOKENS),
    ("user id as text", 201, {"user_id": "1151"}, TOKENS),
    ("no user id", 201, {"user_id": None}, TOKENS),
    ("no status", 201, {"token_status": None}, TOKENS),
    ("no expiry", 201, {"token_expires_at": None}, TOKENS),
    ("expiry is no date", 201, {"token_expires_at": "tomorrow"}, TOKENS),
    ("expiry without an offset", 201, {"token_expires_at": "2026-03-02T12:00:00"}, TOKENS),
    ("expiry as a number", 201, {"token_expires_at": 1772452800}, TOKENS),
    ("expiry in the year 9999", 201, {"token_expires_at": "9999-12-31T23:59:59Z"}, TOKENS),
    ("expiry is an object", 201, {"token_expires_at": {"$date": 1}}, TOKENS),
    ("created after it expires", 201, {"created_at": "2026-05-01T00:00:00Z"}, TOKENS),
    ("no content", 204, b"", Garbled),
    ("empty body", 200, b"", Garbled),
    ("HTML under 200", 200, HTML.encode(), Garbled),
    ("a list", 200, [PLANTED], Garbled),
    ("a bare string", 200, json.dumps(PLANTED).encode(), Garbled),
    ("null", 200, b"null", Garbled),
    ("half a JSON", 200, json.dumps(GOOD_MINT).encode()[:40], Garbled),
    ("not UTF-8", 200, b'{"refresh_token": "\xff\xfe", "api_access_token": "\xff"}', Garbled),
    ("nested too deeply", 200, b"[" * 100_000, Garbled),
    ("failed under 200", 200, b'{"status": "failed", "reason": "planted-token"}', Garbled),
    ("empty object", 200, b"{}", Garbled),
    ("status 401 in 200", 200, b'{"code": "401000", "detail": "x"}', Garbled),
    ("token is null", 201, {"api_access_token": None, "refresh_token": None}, Garbled),
    ("token is empty", 201, {"api_access_token": "", "refresh_token": ""}, Garbled),
    ("token is a number", 201, {"api_access_token": 5, "refresh_token": 5}, Garbled),
    (
        "token with a line break",
        201,
        {"api_access_token": f"{PLANTED}\r\nX: y", "refresh_token": f"{PLANTED}\n"},
        Garbled,
    ),
    (
        "token with letters beyond ASCII",
        201,
        {"api_access_token": "é", "refresh_token": "é"},
        Garbled,
    ),
    ("401 as documented", 401, TOLD, Rejected),
    ("401 with a number as code", 401, {"detail": "x", "code": 401000}, Rejected),
    ("401 with a title", 401, {"title": PLANTED, "code": "401001"}, Rejected),
    ("403 in the same shape", 403, {"detail": PLANTED, "code": "403000"}, Rejected),
    ("400 in the same shape", 400, {"detail": PLANTED, "code": "400000"}, Misconfigured),
    ("401 of a proxy", 401, HTML.encode(), Unanswered),
    ("401 without a body", 401, b"", Unanswered),
    ("401 in another shape", 401, {"error": "invalid_token", "hint": PLANTED}, Unanswered),
    ("401 with another's code", 401, {"detail": PLANTED, "code": "407"}, Unanswered),
    ("401 with a code that differs", 401, {"detail": "x", "code": "403000"}, Unanswered),
    ("403 of a firewall", 403, HTML.encode(), Unanswered),
    ("400 of a proxy", 400, HTML.encode(), Unanswered),
    ("301 to a login page", 301, b"", Unanswered),
    ("302", 302, HTML.encode(), Unanswered),
    ("404 in the same shape", 404, {"detail": "Not found.", "code": "404000"}, Unanswered),
    ("407", 407, HTML.encode(), Unanswered),
    ("500 in the same shape", 500, {"detail": PLANTED, "code": "500000"}, Unanswered),
    ("500 with a token in it", 500, GOOD_MINT, Unanswered),
    ("502", 502, HTML.encode(), Unanswered),
    ("503", 503, b"", Unanswered),
    ("429", 429, b"", Throttled),
    ("429 with a code", 429, {"detail": PLANTED, "code": "429000"}, Throttled),
]
ONLY_A_MINT = [
    ("expired on arrival", 201, {"token_status": "EXPIRED"}, Garbled),
    ("status unknown", 201, {"token_status": "pending"}, Garbled),
    ("status is no text", 201, {"token_status": True}, Garbled),
    ("another user", 201, {"user_id": 7}, Misconfigured),
    ("user is an object", 201, {"user_id": {"id": USER}}, Misconfigured),
]
ONLY_A_REGEN = [
    (name, status, changes, TOKENS) for name, status, changes, _ in ONLY_A_MINT
]  # the token that it replaces is dead: nothing beside the new one matters


def answer(status: int, content: object, good: Mapping[str, object]) -> Answer:
    """`content`: bytes as they are; an object replaces fields of a good answer under 2xx."""
    if isinstance(content, dict) and 200 <= status < 300:
        content = {name: found for name, found in {**good, **content}.items() if found is not None}
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    date = format_datetime(NOW.replace(microsecond=0), usegmt=True)
    return Answer(status=status, headers={"date": date}, body=body, received_at=NOW)


def outcome(grant: Grant, answer: Answer) -> type[ProviderError] | str:
    """The error's class, after a look for secrets in all that it says; else "tokens"."""
    try:
        (token,) = grant.read(answer, NOW).values()
    except ProviderError as error:
        said = [str(error), repr(error), repr(error.__dict__), *traceback.format_exception(error)]
        assert not any("planted" in line for line in said)
        return type(error)
    assert token.value.reveal() == PLANTED
    assert token.issued_at == NOW
    assert token.expires_at is not None
    assert NOW < token.expires_at <= NOW + DAY
    return TOKENS


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in ODD + ONLY_A_MINT],
)
def test_a_mints_odd_answer_has_its_class(status: int, content: object, expected: object) -> None:
    assert outcome(grant("refresh_token"), answer(status, content, GOOD_MINT)) == expected


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [pytest.param(*row[1:], id=row[0]) for row in ODD + ONLY_A_REGEN],
)
def test_a_regenerates_odd_answer_has_its_class(
    status: int, content: object, expected: object
) -> None:
    assert outcome(grant("regenerate"), answer(status, content, GOOD_REGEN)) == expected


def test_a_password_for_another_user_is_our_mistake() -> None:
    given = answer(201, {"user_id": 7}, GOOD_REGEN)
    assert outcome(grant("password"), given) is Misconfigured


@pytest.mark.parametrize(
    ("status", "content"), [pytest.param(*row[1:3], id=row[0]) for row in ODD + ONLY_A_MINT]
)
def test_no_odd_answer_makes_an_inspection_raise(status: int, content: object) -> None:
    verdict = provider().inspections[REFRESH_TOKEN].read(answer(status, content, GOOD_REGEN))
    assert isinstance(verdict, Alive | Dead | Unknown)
    assert "planted" not in str(verdict)
    assert not isinstance(verdict, Dead) or status in (200, 201, 401)


def test_a_date_of_an_unknown_zone_is_read_as_utc() -> None:
    given = answer(201, {"created_at": None}, GOOD_MINT)
    odd = Answer(
        status=201,
        headers={"date": "Sun, 01 Mar 2026 12:00:00 -0000"},
        body=given.body,
        received_at=NOW,
    )
    assert outcome(grant("refresh_token"), odd) == TOKENS


@pytest.mark.parametrize(
    "date",
    ["Sun, 01 Mar 4052 12:00:00 GMT", "Sun, 01 Mar 2026 12:00:17953128000 GMT", "9" * 5000],
    ids=["millennia off", "a second too large", "a number"],
)
def test_a_date_beyond_reason_costs_no_token(date: str) -> None:
    given = answer(201, {"created_at": None}, GOOD_MINT)
    odd = Answer(status=201, headers={"date": date}, body=given.body, received_at=NOW)
    assert outcome(grant("refresh_token"), odd) == TOKENS


def test_nobody_there_is_unreachable(clock: TurnedClock) -> None:
    world = World(clock, AlationFake(now=clock.now), InProcessDoor({}, clock), "https://a.example")
    with pytest.raises(Unreachable):
        world.obtain("refresh_token", world.seeded())
