"""Albato's plug-in against its fake, and against what its pages do not say."""

import json
import traceback
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from rotator.errors import (
    Garbled,
    Misconfigured,
    ProviderError,
    Rejected,
    Throttled,
    Unanswered,
)
from rotator.model import ACCESS_TOKEN, Secret, Token
from rotator.providers.albato import Credential, Job, plugin
from rotator.providers.base import Answer, Provider, Request
from rotator.providers.registry import plugins
from rotator.rotation.tools import Door as Doorway
from rotator.sandbox import fakes
from rotator.sandbox.albato import AlbatoFake
from tests.contract.stage import TurnedClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOST = "https://api.albato.com"
LATER = NOW + 12 * HOUR
PARTNER, USER, PLANTED = "planted-partner-token", "customer-17", "planted-token-0123456789"
PATH = "/wl/acme/get-user-session-token"


class World:
    """A provider, its fake, and a door between them."""

    def __init__(self, clock: TurnedClock, fake: AlbatoFake, door: Doorway, url: str) -> None:
        self.clock, self.fake, self.door, self.url = clock, fake, door, url

    def obtain(self, **settings: object) -> Token:
        sent_at = self.clock.now()
        (grant,) = self.built(**settings).grants
        given = self.door.send(grant.ask({"partner_token": Token(value=Secret(PARTNER))}))
        return grant.read(given, sent_at)[ACCESS_TOKEN]

    def built(self, **settings: object) -> Provider:
        return provider(base_url=self.url, **settings)

    def consume(self, token: Token) -> int:
        name, sent = self.built().header(token)
        call = Request(
            url=f"{self.url}/wl/acme/get-own-credential",
            headers={name: Secret(sent)},
            content_type="application/json",
        )
        return self.door.send(call).status


def provider(**settings: object) -> Provider:
    job = Job.model_validate({"partner_name": "acme", **settings})
    return plugin.build(job, Credential(user_id=USER), frozenset({"partner_token"}))


@pytest.fixture
def fake(clock: TurnedClock) -> AlbatoFake:
    return AlbatoFake(now=clock.now, partner_token=PARTNER, users={USER})


@pytest.fixture
def world(clock: TurnedClock, fake: AlbatoFake, reached: tuple[Doorway, str]) -> World:
    return World(clock, fake, *reached)


# The grant


def test_the_partner_token_gives_a_session_token(world: World) -> None:
    token = world.obtain()
    assert (token.kind, token.issued_at, token.expires_at) == ("session", NOW, LATER)
    assert world.consume(token) == 200


def test_a_consumer_is_refused_after_expiry(world: World) -> None:
    token = world.obtain()
    world.clock.at = LATER
    assert world.consume(token) == 401
    assert world.fake.counts["consumer refused"] == 1


def test_a_new_session_may_end_the_earlier_one(world: World) -> None:
    first = world.obtain()
    second = world.obtain()
    assert (world.consume(first), world.consume(second)) == (401, 200)


def test_the_same_token_may_be_handed_out_again(world: World) -> None:
    world.fake.same_until_expiry = True
    first = world.obtain()
    world.clock.at += HOUR
    again = world.obtain()
    assert again.value == first.value
    assert again.expires_at == first.expires_at


@pytest.mark.parametrize("missing", ["absent", "null", "empty"])
def test_a_permanent_token_is_published_only_if_asked_for(world: World, missing: str) -> None:
    world.fake.missing = (
        "absent" if missing == "absent" else "null" if missing == "null" else "empty"
    )
    world.fake.enabled = frozenset({"session", "permanent"})
    assert world.obtain().kind == "session"
    permanent = world.obtain(publish="permanent")
    assert (permanent.kind, permanent.issued_at, permanent.expires_at) == ("permanent", NOW, None)
    world.clock.at += 1000 * HOUR
    assert world.consume(permanent) == 200


@pytest.mark.parametrize(("enabled", "asked"), [("permanent", "session"), ("session", "permanent")])
@pytest.mark.parametrize("missing", ["absent", "null", "empty"])
def test_a_kind_that_the_partner_has_not_enabled_is_our_mistake(
    world: World, enabled: str, asked: str, missing: str
) -> None:
    world.fake.missing = (
        "absent" if missing == "absent" else "null" if missing == "null" else "empty"
    )
    world.fake.enabled = frozenset({enabled})
    with pytest.raises(Misconfigured, match=f"only a {enabled} one"):
        world.obtain(publish=asked)


def test_no_tokens_at_all_is_garbled(world: World) -> None:
    world.fake.enabled = frozenset()
    with pytest.raises(Garbled, match="sessionToken"):
        world.obtain()


@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_an_unknown_user_is_rejected_under_any_status(world: World, status: int) -> None:
    world.fake.refusal_status = status
    world.fake.users.clear()
    with pytest.raises(Rejected, match="success: false"):
        world.obtain()


def test_the_open_questions_are_settings(world: World) -> None:
    world.fake.auth_encoding, world.fake.user_key = "raw", "email"
    with pytest.raises(Rejected):
        world.obtain()
    assert world.obtain(auth_encoding="raw", user_key="email").kind == "session"


def test_a_proxys_401_is_nobodys_refusal(world: World) -> None:
    world.fake.fail_next(PATH, fakes.html(401))
    with pytest.raises(Unanswered):
        world.obtain()


def test_a_lost_answer_costs_nothing(world: World) -> None:
    world.fake.fail_next(PATH, fakes.LOST_ANSWER)
    with pytest.raises(Unanswered):
        world.obtain()
    assert world.consume(world.obtain()) == 200


# Facts


def ask(**settings: object) -> Request:
    (grant,) = provider(**settings).grants
    return grant.ask({"partner_token": Token(value=Secret(PARTNER))})


def test_the_registry_finds_it() -> None:
    assert plugins()["albato"] is plugin


def test_the_request_is_written_as_documented() -> None:
    request = ask()
    assert request.url == "https://api.albato.com/wl/acme/get-user-session-token"
    assert request.body is not None
    assert json.loads(request.body.reveal()) == {"id": USER}
    scheme, _, login = request.headers["Authorization"].reveal().partition(" ")
    assert (scheme, b64decode(login)) == ("Basic", f"{PARTNER}:".encode())
    assert ask(auth_encoding="raw").headers["Authorization"].reveal() == f"Basic {PARTNER}"


def test_a_partners_name_is_quoted() -> None:
    assert "/wl/%C3%BCber%26co/" in ask(partner_name="über&co").url
    with pytest.raises(ValueError, match="partner_name"):
        Job.model_validate({"partner_name": "a/../b"})


def test_it_spends_nothing_and_may_kill_what_it_gave() -> None:
    (grant,) = provider().grants
    assert grant.spends is None
    assert grant.kills == grant.yields == {ACCESS_TOKEN}
    (mild,) = provider(mint_kills=False).grants
    assert not mild.kills
    assert not provider().is_chain
    assert provider().identity == {"user_id": USER, "partner_name": "acme"}


def test_a_consumer_is_told_what_to_send() -> None:
    session = Token(value=Secret("t"), kind="session")
    permanent = Token(value=Secret("t"), kind="permanent")
    assert provider().header(session) == ("Authorization", "Bearer t")
    assert provider().header(permanent) == ("Authorization", "Basic dDo=")
    assert provider().token_type == "Bearer"
    assert provider(publish="permanent").token_type == "Basic"


def test_a_job_needs_its_partner_token() -> None:
    with pytest.raises(ValueError, match="partner_token"):
        plugin.build(Job(partner_name="acme"), Credential(user_id="x"), frozenset())


@pytest.mark.parametrize(
    ("method", "path", "changes", "status"),
    [
        ("POST", PATH, {}, 200),
        ("GET", PATH, {}, 405),
        ("POST", f"{PATH}/", {}, 404),
        ("POST", f"{PATH}?id=1", {}, 404),
        ("POST", "/wl/other/get-user-session-token", {}, 404),
        ("POST", PATH, {"content-type": "text/plain"}, 415),
        ("POST", PATH, {"authorization": ""}, 403),
        ("POST", PATH, {"authorization": "Basic !"}, 403),
        ("POST", PATH, {"authorization": f"Bearer {PARTNER}"}, 403),
    ],
)
def test_the_fake_is_strict(
    fake: AlbatoFake, method: str, path: str, changes: Mapping[str, str], status: int
) -> None:
    fake.refusal_status = 403
    headers = {"content-type": "application/json"}
    headers["authorization"] = ask().headers["Authorization"].reveal()
    body = json.dumps({"id": USER}).encode()
    assert fake.handle(method, path, headers | dict(changes), body).status == status
    doubled = json.dumps({"id": USER, "email": USER}).encode()
    assert fake.handle("POST", PATH, headers, doubled).status == 403


# Answers that the documentation does not give


def jwt(expires_at: datetime) -> str:
    claims = {"exp": int(expires_at.timestamp()), "sub": PLANTED}
    parts = [urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
    return b".".join([*(part.rstrip(b"=") for part in parts), b"c2ln"]).decode()


UNTIL = int(LATER.timestamp())
HTML = f"<html><body>Log in, {PLANTED}</body></html>".encode()
NO = {"success": False, "message": f"no, {PLANTED}"}
TOKENS = "tokens"


def good(**changes: object) -> dict[str, object]:
    granted = {"sessionToken": PLANTED, "sessionTokenValidUntil": UNTIL, **changes}
    return {"success": True, "data": {name: v for name, v in granted.items() if v is not None}}


ODD: list[tuple[str, int, object, type[ProviderError] | str]] = [
    ("200 as documented", 200, good(), TOKENS),
    ("201", 201, good(), TOKENS),
    ("unknown fields", 200, {**good(planId=3), "more": []}, TOKENS),
    ("a permanent token beside it", 200, good(permanentToken="planted-permanent"), TOKENS),
    ("until as text", 200, good(sessionTokenValidUntil=str(UNTIL)), TOKENS),
    ("until with a fraction", 200, good(sessionTokenValidUntil=UNTIL + 0.0), TOKENS),
    ("a JWT that ends as told", 200, good(sessionToken=jwt(LATER)), TOKENS),
    ("a JWT that ends later", 200, good(sessionToken=jwt(LATER + HOUR)), TOKENS),
    ("only a JWT's end", 200, good(sessionToken=jwt(LATER), sessionTokenValidUntil=None), TOKENS),
    ("no until", 200, good(sessionTokenValidUntil=None), Garbled),
    ("until is empty", 200, good(sessionTokenValidUntil=""), Garbled),
    ("until in milliseconds", 200, good(sessionTokenValidUntil=UNTIL * 1000), Garbled),
    ("until in 1970", 200, good(sessionTokenValidUntil=0), Garbled),
    ("until a lifespan", 200, good(sessionTokenValidUntil=43200), Garbled),
    ("until now", 200, good(sessionTokenValidUntil=int(NOW.timestamp())), Garbled),
    ("until next year but one", 200, good(sessionTokenValidUntil=UNTIL + 2 * 31_536_000), Garbled),
    ("until is true", 200, good(sessionTokenValidUntil=True), Garbled),
    ("until is a date", 200, good(sessionTokenValidUntil="2026-03-02T00:00:00Z"), Garbled),
    ("until is a list", 200, good(sessionTokenValidUntil=[UNTIL]), Garbled),
    ("until below zero", 200, good(sessionTokenValidUntil=-UNTIL), Garbled),
    ("until is not a number", 200, good(sessionTokenValidUntil=float("nan")), Garbled),
    ("until is infinite", 200, good(sessionTokenValidUntil=float("inf")), Garbled),
    ("a JWT that is over", 200, good(sessionToken=jwt(NOW - HOUR)), Garbled),
    ("no token", 200, good(sessionToken=None), Garbled),
    ("an empty token", 200, good(sessionToken=""), Garbled),
    ("a number as token", 200, good(sessionToken=17), Garbled),
    ("a token with a line break", 200, good(sessionToken=f"{PLANTED}\r\nX: y"), Garbled),
    ("only a permanent token", 200, good(sessionToken=None, permanentToken=PLANTED), Misconfigured),
    ("data is an empty list", 200, {"success": True, "data": []}, Garbled),
    ("data is a list", 200, {"success": True, "data": [good()["data"]]}, Garbled),
    ("data is text", 200, {"success": True, "data": PLANTED}, Garbled),
    ("data is null", 200, {"success": True, "data": None}, Garbled),
    ("no data", 200, {"success": True}, Garbled),
    ("no success", 200, {"data": good()["data"]}, Garbled),
    ("success as text", 200, {**good(), "success": "true"}, Garbled),
    ("success as a number", 200, {**good(), "success": 1}, Garbled),
    ("the newer field `token`", 200, {"success": True, "data": {"token": PLANTED}}, Garbled),
    ("empty body", 200, b"", Garbled),
    ("no content", 204, b"", Garbled),
    ("HTML under 200", 200, HTML, Garbled),
    ("a list", 200, [good()], Garbled),
    ("half a JSON", 200, json.dumps(good()).encode()[:50], Garbled),
    ("refused under 200", 200, NO, Rejected),
    ("refused under 200 with data", 200, {**good(), "success": False}, Rejected),
    ("refused under 400", 400, NO, Rejected),
    ("refused under 401", 401, NO, Rejected),
    ("refused under 404", 404, NO, Rejected),
    ("refused under 422", 422, {"success": False, "errors": [PLANTED]}, Rejected),
    ("refused under 500", 500, NO, Unanswered),
    ("refused under 302", 302, NO, Unanswered),
    ("refused for haste", 429, NO, Throttled),
    ("429", 429, b"", Throttled),
    ("401 of a proxy", 401, HTML, Unanswered),
    ("401 in another shape", 401, {"error": PLANTED}, Unanswered),
    ("success under 401", 401, good(), Unanswered),
    ("403 of a firewall", 403, HTML, Unanswered),
    ("301", 301, b"", Unanswered),
    ("404", 404, HTML, Unanswered),
    ("500", 500, b"", Unanswered),
    ("502", 502, HTML, Unanswered),
    ("503 with a token in it", 503, good(), Unanswered),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "content", "expected"), [pytest.param(*row[1:], id=row[0]) for row in ODD]
)
def test_an_odd_answer_has_its_class(status: int, content: object, expected: object) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = Answer(status=status, headers={}, body=body, received_at=NOW)
    assert outcome(given) == expected


def outcome(answer: Answer) -> type[ProviderError] | str:
    """The error's class, after a look for secrets in all that it says; else "tokens"."""
    try:
        (token,) = provider().grants[0].read(answer, NOW).values()
    except ProviderError as error:
        said = [str(error), repr(error), repr(error.__dict__), *traceback.format_exception(error)]
        assert not any("planted" in line for line in said)
        return type(error)
    assert token.value.reveal() in (PLANTED, jwt(LATER), jwt(LATER + HOUR))
    assert (token.kind, token.issued_at, token.expires_at) == ("session", NOW, LATER)
    return TOKENS


def test_a_jwt_that_ends_earlier_is_believed() -> None:
    body = json.dumps(good(sessionToken=jwt(NOW + HOUR))).encode()
    given = Answer(status=200, headers={}, body=body, received_at=NOW)
    (token,) = provider().grants[0].read(given, NOW).values()
    assert token.expires_at == NOW + HOUR
