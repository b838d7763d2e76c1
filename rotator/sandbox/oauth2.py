"""An OAuth 2.0 server as the certified ones behave (RFC 6749, 7009, 7662; RFC 9700, 4.14).

Refresh tokens rotate; one that is presented again ends its whole family, except within `grace`,
where the same request gets an equivalent answer.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import unquote_plus, urlsplit

from rotator.sandbox.fakes import Fake, Refused, Reply, json_reply, parsed

TOKEN = "/oauth/token"
INTROSPECT = "/oauth/introspect"
REVOKE = "/oauth/revoke"
ME = "/api/me"


@dataclass
class _Issued:
    """A token on the server's books."""

    family: str
    issued_at: datetime
    expires_at: datetime
    spent_at: datetime | None = None
    successor: str = ""


@dataclass(kw_only=True)
class OAuthFake(Fake):
    """One registered client, and the families of tokens that grew from its logins."""

    access_lifespan: timedelta = timedelta(hours=1)
    refresh_lifespan: timedelta = timedelta(days=1)
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-client-secret"
    client_auth: Literal["basic", "post", "none"] = "basic"
    """How the client is registered; any other way is refused."""
    scopes: frozenset[str] = frozenset({"read", "write"})
    rotates: bool = True
    grace: timedelta = timedelta(0)
    kills_access_token: bool = False
    """Whether a new access token ends the earlier ones of its family, as GitHub Apps do."""
    _refresh: dict[str, _Issued] = field(default_factory=dict, repr=False)
    _access: dict[str, _Issued] = field(default_factory=dict, repr=False)

    def enrol(self) -> str:
        """The refresh token of an authorization that a person granted: a new family."""
        with self.lock:
            return self._issue(self._refresh, self.fresh(12), self.refresh_lifespan)

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        where = urlsplit(path).path
        if where == ME:
            return self._me(method, headers)
        answers = {TOKEN: self._token, INTROSPECT: self._introspect, REVOKE: self._revoke}
        if where not in answers:
            raise Refused(json_reply(404, {"message": "not found"}))
        if method != "POST":
            raise Refused(json_reply(405, {"message": "POST only"}))
        return answers[where](self._authenticated(headers, _form(headers, body)))

    def _authenticated(self, headers: Mapping[str, str], fields: dict[str, str]) -> dict[str, str]:
        """The fields of a request whose client is who it says (RFC 6749, 2.3)."""
        basic, posted = "authorization" in headers, "client_secret" in fields
        if basic and posted:
            raise _error(400, "invalid_request")
        method = "basic" if basic else "post" if posted else "none"
        known = (self.client_id, "" if self.client_auth == "none" else self.client_secret)
        presented = fields.get("client_id", ""), fields.get("client_secret", "")
        if basic:
            presented = _basic(headers["authorization"])
        if (method, presented) != (self.client_auth, known):
            raise _error(401, "invalid_client", **{"www-authenticate": 'Basic realm="sandbox"'})
        return fields

    def _token(self, fields: dict[str, str]) -> Reply:
        grants = {"refresh_token": self._refreshed, "client_credentials": self._for_client}
        if "grant_type" not in fields:
            raise _error(400, "invalid_request")
        if fields["grant_type"] not in grants:
            raise _error(400, "unsupported_grant_type")
        scope = frozenset(fields.get("scope", "").split())
        if scope - self.scopes:
            raise _error(400, "invalid_scope")
        answer = grants[fields["grant_type"]](fields)
        granted = {"scope": " ".join(sorted(scope))} if scope else {}
        return json_reply(200, {**answer, **granted}, **{"cache-control": "no-store"})

    def _for_client(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """RFC 6749, 4.4: never a refresh token."""
        del fields
        if self.client_auth == "none":
            raise _error(400, "unauthorized_client")
        return self._access_for(family=f"client:{self.client_id}")

    def _refreshed(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """RFC 6749, 6."""
        if not (token := fields.get("refresh_token")):
            raise _error(400, "invalid_request")
        issued = self._refresh.get(token)
        if issued and issued.spent_at:
            return self._again(issued, issued.spent_at)
        if issued is None or not self._lives(issued):
            raise _error(400, "invalid_grant")
        if not self.rotates:
            return self._access_for(issued.family)
        issued.spent_at = self.now()
        issued.successor = self._issue(self._refresh, issued.family, self.refresh_lifespan)
        return {**self._access_for(issued.family), "refresh_token": issued.successor}

    def _again(self, issued: _Issued, spent_at: datetime) -> dict[str, Any]:
        """A used token comes again: a lost answer within the grace, else a thief somewhere."""
        lost = self._lives(self._refresh[issued.successor])
        if lost and self.now() - spent_at < self.grace:
            return {**self._access_for(issued.family), "refresh_token": issued.successor}
        self.counts["presented_twice"] += 1
        self._end(self._refresh, issued.family)
        self._end(self._access, issued.family)
        raise _error(400, "invalid_grant")

    def _lives(self, issued: _Issued) -> bool:
        return issued.spent_at is None and self.now() < issued.expires_at

    def _end(self, books: dict[str, _Issued], family: str) -> None:
        for issued in books.values():
            if issued.family == family:
                issued.expires_at = min(issued.expires_at, self.now())

    def _access_for(self, family: str) -> dict[str, Any]:
        if self.kills_access_token:
            self._end(self._access, family)
        token = self._issue(self._access, family, self.access_lifespan)
        life = int(self.access_lifespan.total_seconds())
        return {"access_token": token, "token_type": "bearer", "expires_in": life}

    def _issue(self, books: dict[str, _Issued], family: str, life: timedelta) -> str:
        token, now = self.fresh(43), self.now()
        books[token] = _Issued(family, now, now + life)
        return token

    def _introspect(self, fields: Mapping[str, str]) -> Reply:
        """RFC 7662: changes nothing, and a dead token is no error."""
        if not (token := fields.get("token")):
            raise _error(400, "invalid_request")
        issued = self._access.get(token) or self._refresh.get(token)
        if issued is None or not self._lives(issued):
            return json_reply(200, {"active": False})
        dates = {"iat": issued.issued_at.timestamp(), "exp": issued.expires_at.timestamp()}
        whole = {name: int(at) for name, at in dates.items()}
        return json_reply(200, {"active": True, "client_id": self.client_id, **whole})

    def _revoke(self, fields: Mapping[str, str]) -> Reply:
        """RFC 7009: one access token, and no other; an unknown one is no error."""
        if not (token := fields.get("token")):
            raise _error(400, "invalid_request")
        if token in self._refresh:
            raise _error(400, "unsupported_token_type")
        issued = self._access.get(token)
        if issued is not None and self._lives(issued):
            self.counts["revoked"] += 1
            issued.expires_at = self.now()
        return Reply(200, {}, b"")

    def _me(self, method: str, headers: Mapping[str, str]) -> Reply:
        """What a consumer calls."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        issued = self._access.get(token) if scheme == "Bearer" and method == "GET" else None
        if issued is None or not self._lives(issued):
            challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
            raise Refused(json_reply(401, {"error": "invalid_token"}, **challenge))
        return json_reply(200, {"client_id": self.client_id})


def _form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """A form without repeated fields, from a client that reads JSON (RFC 6749, 3.2)."""
    if "json" in headers.get("content-type", ""):
        raise _error(400, "invalid_request")
    if "application/json" not in headers.get("accept", ""):
        raise Refused(json_reply(406, {"message": "JSON only"}))
    try:
        return parsed(headers, body)
    except Refused:
        raise _error(400, "invalid_request") from None


def _basic(value: str) -> tuple[str, str]:
    """The id and secret of a Basic header, each form-encoded first (RFC 6749, 2.3.1)."""
    scheme, _, encoded = value.partition(" ")
    try:
        user, _, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (unquote_plus(user), unquote_plus(password)) if scheme == "Basic" else ("", "")


def _error(status: int, error: str, **headers: str) -> Refused:
    return Refused(json_reply(status, {"error": error}, **headers))
