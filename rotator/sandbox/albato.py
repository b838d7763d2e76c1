"""Albato's call for a user's session token, and one user-level call for consumers."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from json import dumps
from typing import Literal
from urllib.parse import quote, urlsplit

from rotator.sandbox.fakes import Fake, Refused, Reply, json_reply, parsed


@dataclass
class AlbatoFake(Fake):
    """One partner with its users. What the vendor leaves open is an argument."""

    partner_name: str = "acme"
    partner_token: str = field(default="sandbox-partner-token", repr=False)
    users: set[str] = field(default_factory=set)
    session_lifespan: timedelta = timedelta(hours=12)
    auth_encoding: Literal["basic", "raw"] = "basic"
    user_key: Literal["id", "email"] = "id"
    enabled: frozenset[str] = frozenset({"session"})
    """Which tokens the partner's settings let users have: session, permanent."""
    missing: Literal["absent", "null", "empty"] = "absent"
    """How a token that is not enabled shows."""
    mint_revokes_earlier: bool = True
    same_until_expiry: bool = False
    """Whether a living session token is handed out again."""
    refusal_status: int = 200
    _sessions: dict[str, datetime] = field(default_factory=dict, repr=False)
    _of_user: dict[str, list[str]] = field(default_factory=dict, repr=False)
    _permanent: dict[str, str] = field(default_factory=dict, repr=False)

    def is_alive(self, token: str) -> bool:
        """Whether a token of either kind works now."""
        with self.lock:
            until = self._sessions.get(token)
            return token in self._permanent.values() or (until is not None and self.now() < until)

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        prefix = f"/wl/{quote(self.partner_name, safe='')}/"
        called = urlsplit(path).path.removeprefix(prefix)
        if not path.startswith(prefix) or "?" in path:
            return json_reply(404, {"message": "Not found"})
        if method != "POST":
            return json_reply(405, {"message": "Method not allowed"})
        if headers.get("content-type") != "application/json":
            return json_reply(415, {"message": "Unsupported media type"})
        if called == "get-user-session-token":
            return self._session(headers, body)
        if called == "get-own-credential":
            return self._credential(headers)
        return json_reply(404, {"message": "Not found"})

    def _session(self, headers: Mapping[str, str], body: bytes) -> Reply:
        if self._username(headers.get("authorization", "")) != self.partner_token:
            raise self._refused("Wrong authorization")
        fields = parsed(headers, body)
        if set(fields) != {self.user_key}:
            raise self._refused(f"Field {self.user_key} is required, and no other")
        user = fields[self.user_key]
        if user not in self.users:
            raise self._refused("User not found")
        return json_reply(200, {"success": True, "data": self._tokens(user) or []})

    def _credential(self, headers: Mapping[str, str]) -> Reply:
        """What a consumer calls, with either kind of token."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        token = value if scheme == "Bearer" else self._username(headers.get("authorization", ""))
        if not self.is_alive(token):
            self.counts["consumer refused"] += 1
            return json_reply(401, {"success": False, "message": "Unauthorized"})
        return json_reply(200, {"success": True, "data": []})

    def _username(self, header: str) -> str:
        scheme, _, value = header.partition(" ")
        if scheme != "Basic":
            return ""
        if self.auth_encoding == "raw":
            return value
        try:
            name, colon, password = b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return ""
        return name if colon and not password else ""

    def _tokens(self, user: str) -> dict[str, object]:
        blank = "" if self.missing == "empty" else None
        told: dict[str, object] = dict.fromkeys(
            ("permanentToken", "sessionToken", "sessionTokenValidUntil"), blank
        )
        if "permanent" in self.enabled:
            told["permanentToken"] = self._permanent.setdefault(user, self.fresh())
        if "session" in self.enabled:
            token = self._session_token(user)
            told["sessionToken"] = token
            told["sessionTokenValidUntil"] = int(self._sessions[token].timestamp())
        return {name: value for name, value in told.items() if value or self.missing != "absent"}

    def _session_token(self, user: str) -> str:
        earlier = self._of_user.setdefault(user, [])
        if self.same_until_expiry and earlier and self.is_alive(earlier[-1]):
            return earlier[-1]
        if self.mint_revokes_earlier:
            for token in earlier:
                del self._sessions[token]
            earlier.clear()
        expires_at = (self.now() + self.session_lifespan).replace(microsecond=0)
        token = _jwt({"sub": user, "exp": int(expires_at.timestamp())}, self.fresh(43))
        self._sessions[token] = expires_at
        earlier.append(token)
        return token

    def _refused(self, message: str) -> Refused:
        return Refused(json_reply(self.refusal_status, {"success": False, "message": message}))


def _jwt(claims: Mapping[str, object], signature: str) -> str:
    parts = [
        urlsafe_b64encode(dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    ]
    return ".".join([*parts, signature])
