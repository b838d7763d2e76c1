"""An Amino installation: JWTs that nobody stores, renewed as a pair.

It keeps what the vendor's pages promise ("neither tokens or sessions are stored in the system"), so
an old refresh token works until it expires; with `deny_list` it is a later one that knows each
token's `jti` and takes it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import jwt
from jwt.types import Options

from rotator.sandbox.fakes import Fake, Refused, Reply, json_reply, parsed

RENEW = "/api/auth/v1/access_tokens"
CHANNELS = "/channels"

_TITLES = {401: "Unauthorized", 404: "Not found", 405: "Method not allowed", 406: "Not acceptable"}


@dataclass(kw_only=True)
class AminoFake(Fake):
    """Strict: the body's encoding, its fields and the Accept header must be right."""

    access_lifespan: timedelta = timedelta(hours=24)
    refresh_lifespan: timedelta = timedelta(days=4)
    username: str = "epg@example.com"
    password: str = "sandbox-password"
    encoding: Literal["json", "form"] = "json"
    deny_list: bool = False
    """Whether a refresh token is taken once; `counts["presented_twice"]`: how often it was not."""
    _sessions: set[tuple[str, str]] = field(default_factory=set, repr=False)
    _spent: set[str] = field(default_factory=set, repr=False)

    def enrol(self) -> str:
        """The refresh token of a login that a person made."""
        with self.lock:
            return self._jwt("refresh", self.refresh_lifespan)

    def session(self) -> dict[str, str]:
        """The cookies of a web session that is logged in."""
        with self.lock:
            cookies = self.fresh(26), self.fresh(26)
            self._sessions.add(cookies)
            return dict(zip(("ssid", "usid"), cookies, strict=True))

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        where = urlsplit(path).path
        if where == CHANNELS:
            return self._channels(method, headers)
        if method != "POST":
            raise _refusal(405)
        if "application/vnd.api+json" not in headers.get("accept", ""):
            raise _refusal(406)
        if where == RENEW:
            return self._access_tokens(parsed(headers, body), headers)
        if unquote(where) == f"/api/user/{self.username}/login":
            return self._exchange(headers)
        raise _refusal(404)

    def _access_tokens(self, fields: Mapping[str, Any], headers: Mapping[str, str]) -> Reply:
        if self.encoding not in headers["content-type"]:
            raise _refusal(415)
        if fields.get("grant_type") == "refresh_token":
            self._take(fields.get("refresh_token"))
        elif (fields.get("username"), fields.get("password")) != (self.username, self.password):
            raise _refusal(401)
        return _json_api(201, {"data": [self._authentication_tokens()]})

    def _take(self, token: object) -> None:
        claims = self._claims(token, "refresh")
        if self.deny_list and claims["jti"] in self._spent:
            self.counts["presented_twice"] += 1
            raise _refusal(401)
        self._spent.add(claims["jti"])

    def _authentication_tokens(self) -> dict[str, Any]:
        return {
            "type": "AuthenticationTokens",
            "id": self.fresh(22),
            "attributes": {
                "login_timestamp": _seconds(self.now()),
                "user_id": 1234,
                "user_profile_id": self.fresh(22),
                "access_token": self._jwt("access", self.access_lifespan),
                "expires_at_timestamp": _seconds(self.now() + self.access_lifespan),
                "refresh_token": self._jwt("refresh", self.refresh_lifespan),
            },
        }

    def _exchange(self, headers: Mapping[str, str]) -> Reply:
        """Cookies for tokens, in the older envelope: `[token, expiry]`."""
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            raise _refusal(401) from None
        values = {name: morsel.value for name, morsel in cookies.items()}
        if (values.get("ssid", ""), values.get("usid", "")) not in self._sessions:
            raise _refusal(401)
        lives = {"access": self.access_lifespan, "refresh": self.refresh_lifespan}
        tokens = {
            f"{kind}Token": [self._jwt(kind, life), _seconds(self.now() + life)]
            for kind, life in lives.items()
        }
        stat = {"maxAllowedSession": 5, "currentSession": 1, "migrated": True, **tokens}
        return json_reply(200, {"userStat": stat})

    def _channels(self, method: str, headers: Mapping[str, str]) -> Reply:
        """What a consumer calls."""
        if method != "GET":
            raise _refusal(405)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        self._claims(token if scheme == "Bearer" else None, "access")
        return _json_api(200, {"data": [{"type": "Channels", "id": "1"}]})

    def _jwt(self, kind: str, life: timedelta) -> str:
        now = self.now()
        claims = {
            "iss": "com.aminocom",
            "aud": "sandbox",
            "sub": self.username,
            "iat": _seconds(now),
            "exp": _seconds(now + life),
            "jti": self.fresh(22),
            "type": kind,
        }
        return jwt.encode(claims, self._key(), algorithm="HS256")

    def _claims(self, token: object, kind: str) -> dict[str, Any]:
        """A living token's claims. Expiry is judged by the fake's clock. Raises Refused."""
        checks: Options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
        try:
            claims = jwt.decode(str(token), self._key(), algorithms=["HS256"], options=checks)
        except jwt.PyJWTError:
            raise _refusal(401) from None
        if claims["type"] != kind or claims["exp"] <= self.now().timestamp():
            raise _refusal(401)
        return claims

    def _key(self) -> bytes:
        return sha512(f"{self.seed}:key".encode()).digest()


def _seconds(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp())


def _json_api(status: int, content: object) -> Reply:
    return json_reply(status, content)._replace(
        headers={"content-type": "application/vnd.api+json"}
    )


def _refusal(status: int) -> Refused:
    """https://jsonapi.org/format/#errors."""
    title = _TITLES.get(status, "Refused")
    error = {"status": str(status), "code": f"AM{status}", "title": title, "detail": title}
    return Refused(_json_api(status, {"errors": [error]}))
