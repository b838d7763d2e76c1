"""Alation's token endpoints as they are documented and observed, and one call for consumers.

Strict where the real one is: Django's slashes, a token and its user validated as a pair, and a
refresh token that dies by being regenerated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal
from urllib.parse import urlsplit

from rotator.sandbox.fakes import Fake, Refused, Reply, json_reply, parsed

_PREFIX = "/integration/v1/"
_OPERATIONS: Mapping[str, frozenset[str]] = {
    "createRefreshToken": frozenset({"username", "password", "name"}),
    "regenRefreshToken": frozenset({"refresh_token", "user_id"}),
    "validateRefreshToken": frozenset({"refresh_token", "user_id"}),
    "createAPIAccessToken": frozenset({"refresh_token", "user_id"}),
    "validateAPIAccessToken": frozenset({"api_access_token", "user_id"}),
    "revokeAPIAccessTokens": frozenset({"refresh_token", "user_id"}),
}
_BAD_REFRESH = "Refresh token provided is invalid."
_OLD_REFRESH = "Refresh token provided is expired or revoked."
_BAD_ACCESS = "API Access Token provided is invalid."


@dataclass
class _Issued:
    """One token of either kind, as the fake keeps it."""

    value: str
    user_id: int
    created_at: datetime
    expires_at: datetime
    name: str = ""
    mints: bool = False
    """Whether it is a refresh token."""
    revoked: bool = False
    children: list["_Issued"] = field(default_factory=list)
    """The living access tokens of a refresh token."""


@dataclass
class AlationFake(Fake):
    """One instance with its users. What the vendor leaves open is an argument."""

    access_lifespan: timedelta = timedelta(hours=24)
    refresh_lifespan: timedelta = timedelta(days=60)
    mint_revokes_siblings: bool = True
    regenerate_revokes_access: bool = True
    second_revokes_first: bool = False
    """Whether a log-in ends the user's earlier refresh tokens; the sources differ."""
    expired_answers: Literal["401", "200"] = "401"
    """How a validate call tells of a token that it knows and that is over."""
    dates: Literal["Z", "offset", "whole seconds", "none"] = "Z"
    upper_status: bool = True
    passwords: dict[str, tuple[str, int]] = field(default_factory=dict, repr=False)
    """username -> password and user id; a user without one logs in by SSO."""
    _refresh: dict[str, _Issued] = field(default_factory=dict, repr=False)
    _access: dict[str, _Issued] = field(default_factory=dict, repr=False)

    def hand_made(self, user_id: int, name: str = "by hand") -> str:
        """A refresh token that a person made in the web pages."""
        with self.lock:
            return self._new_refresh(user_id, name).value

    def is_alive(self, token: str) -> bool:
        """Whether a token of either kind works now."""
        with self.lock:
            issued = self._refresh.get(token) or self._access.get(token)
            return issued is not None and self._lives(issued)

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        bare = urlsplit(path).path
        if bare.startswith("/integration/v2/"):
            return self._catalog(headers)
        operation = bare.removeprefix(_PREFIX).removesuffix("/")
        if not bare.startswith(_PREFIX) or operation not in _OPERATIONS:
            return json_reply(404, {"detail": "Not found.", "code": "404000"})
        if not bare.endswith("/"):
            return Reply(301, {"location": f"{bare}/"}, b"")
        if method != "POST":
            return json_reply(405, {"detail": f'Method "{method}" not allowed.', "code": "405000"})
        fields = parsed(headers, body)
        if bare != path or set(fields) != _OPERATIONS[operation]:
            return json_reply(400, {"title": "Invalid Payload", "code": "400000"})
        return self._operations()[operation](fields)

    def _operations(self) -> dict[str, Callable[[dict[str, Any]], Reply]]:
        return {
            "createRefreshToken": self._create_refresh,
            "regenRefreshToken": self._regenerate,
            "validateRefreshToken": self._validate_refresh,
            "createAPIAccessToken": self._mint,
            "validateAPIAccessToken": self._validate_access,
            "revokeAPIAccessTokens": self._revoke_access,
        }

    def _catalog(self, headers: Mapping[str, str]) -> Reply:
        """Any call of a consumer: an access token that is over gets 403, not 401."""
        issued = self._access.get(headers.get("token", ""))
        if issued is None or not self._lives(issued):
            self.counts["consumer refused"] += 1
            return json_reply(403, {"detail": "Authentication credentials were not provided."})
        return json_reply(200, [])

    def _create_refresh(self, fields: dict[str, Any]) -> Reply:
        password, user_id = self.passwords.get(fields["username"], ("", 0))
        if not password or fields["password"] != password:
            raise _refused("Unable to log in with the provided credentials.")
        if self.second_revokes_first:
            self._revoke_user(user_id)
        return json_reply(201, self._told(self._new_refresh(user_id, fields["name"])))

    def revoke(self, token: str) -> None:
        """As an administrator does in the web pages: a refresh token with all that came of it."""
        with self.lock:
            issued = self._refresh[token]
            issued.revoked = True
            self._revoke_children(issued)

    def _revoke_user(self, user_id: int) -> None:
        for issued in self._refresh.values():
            if issued.user_id == user_id:
                issued.revoked = True
                self._revoke_children(issued)

    def _regenerate(self, fields: dict[str, Any]) -> Reply:
        spent = self._refresh.get(str(fields["refresh_token"]))
        if spent is not None and spent.revoked:  # a mint with it only asks whether it lives
            self.counts["presented_twice"] += 1
        old = self._presented(fields)
        old.revoked = True
        if self.regenerate_revokes_access:
            self._revoke_children(old)
        return json_reply(201, self._told(self._new_refresh(old.user_id, old.name)))

    def _validate_refresh(self, fields: dict[str, Any]) -> Reply:
        issued = self._refresh.get(str(fields["refresh_token"]))
        return self._validated(issued, fields, _BAD_REFRESH, _OLD_REFRESH)

    def _validate_access(self, fields: dict[str, Any]) -> Reply:
        issued = self._access.get(str(fields["api_access_token"]))
        return self._validated(issued, fields, _BAD_ACCESS, _BAD_ACCESS)

    def _mint(self, fields: dict[str, Any]) -> Reply:
        parent = self._presented(fields)
        if self.mint_revokes_siblings:
            self._revoke_children(parent)
        at = self.now()
        issued = _Issued(self.fresh(43), parent.user_id, at, at + self.access_lifespan)
        self._access[issued.value] = issued
        parent.children.append(issued)
        return json_reply(201, self._told(issued))

    def _revoke_access(self, fields: dict[str, Any]) -> Reply:
        parent = self._presented(fields)
        self._revoke_children(parent)
        text = f"Revoked active access tokens for refresh token: '{parent.name}' with id: 1"
        return json_reply(200, {"detail": text})

    def _presented(self, fields: dict[str, Any]) -> _Issued:
        """The living refresh token that a request presents, with the user it belongs to."""
        issued = self._refresh.get(str(fields["refresh_token"]))
        if issued is None or str(issued.user_id) != str(fields["user_id"]):
            raise _refused(_BAD_REFRESH)
        if not self._lives(issued):
            raise _refused(_OLD_REFRESH)
        return issued

    def _validated(
        self, issued: _Issued | None, fields: dict[str, Any], unknown: str, over: str
    ) -> Reply:
        if issued is None or str(issued.user_id) != str(fields["user_id"]):
            raise _refused(unknown)
        if not self._lives(issued) and self.expired_answers == "401":
            raise _refused(over)
        return json_reply(200, self._told(issued))

    def _new_refresh(self, user_id: int, name: str) -> _Issued:
        at = self.now()
        issued = _Issued(self.fresh(), user_id, at, at + self.refresh_lifespan, name, mints=True)
        self._refresh[issued.value] = issued
        return issued

    def _revoke_children(self, parent: _Issued) -> None:
        for issued in parent.children:
            issued.revoked = True
        parent.children.clear()

    def _lives(self, issued: _Issued) -> bool:
        return not issued.revoked and self.now() < issued.expires_at

    def _told(self, issued: _Issued) -> dict[str, object]:
        status = "active" if self._lives(issued) else "revoked" if issued.revoked else "expired"
        told: dict[str, object] = {
            "user_id": issued.user_id,
            "created_at": self._written(issued.created_at),
            # The real one stamps the expiry a moment before the creation.
            "token_expires_at": self._written(issued.expires_at - timedelta(microseconds=500)),
            "token_status": status.upper() if self.upper_status else status,
        }
        if not issued.mints:
            return {"api_access_token": issued.value, **told}
        return {"refresh_token": issued.value, **told, "last_used_at": None, "name": issued.name}

    def _written(self, at: datetime) -> str | None:
        if self.dates == "none":
            return None
        if self.dates == "offset":
            return at.astimezone(timezone(timedelta(hours=-7))).isoformat()
        if self.dates == "whole seconds":
            at = at.replace(microsecond=0)
        return at.isoformat().replace("+00:00", "Z")


def _refused(detail: str) -> Refused:
    return Refused(json_reply(401, {"detail": detail, "code": "401000"}))
