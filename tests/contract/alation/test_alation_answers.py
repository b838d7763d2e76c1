"""Answers that the documentation does not give."""

import json

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
from rotator.model import REFRESH_TOKEN
from rotator.providers.base import Alive, Dead, Unknown
from rotator.sandbox.alation import AlationFake
from rotator.sandbox.server import InProcessDoor
from tests.contract.alation.stage import (
    GOOD_MINT,
    GOOD_REGEN,
    PLANTED,
    TOKENS,
    USER,
    World,
    answer,
    grant,
    outcome,
    provider,
)
from tests.contract.stage import TurnedClock

HTML = f"<html><body>Log in, {PLANTED}</body></html>"
TOLD = {"detail": f"no, {PLANTED}", "code": "401000"}

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


def test_nobody_there_is_unreachable(clock: TurnedClock) -> None:
    world = World(clock, AlationFake(now=clock.now), InProcessDoor({}, clock), "https://a.example")
    with pytest.raises(Unreachable):
        world.obtain("refresh_token", world.seeded())
