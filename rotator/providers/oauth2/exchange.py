"""What is sent to an OAuth 2.0 server, and what its answers mean: RFC 6749, 7009 and 7662.

Vendors' own names for errors and lifespans stand beside the vendor.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus

from rotator.errors import Garbled, Misconfigured, Rejected, Throttled, Unanswered
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers import shapes
from rotator.providers.base import Alive, Answer, Dead, Request, Unknown, Verdict
from rotator.providers.oauth2.settings import SECRET, GrantName, Job

_ASSUMED = timedelta(hours=1)
_ACCESS_LIVES = ("expires_in",)
_REFRESH_LIVES = ("refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in")
"""Not in RFC 6749: GitHub, Keycloak and Intuit."""

_DEAD = frozenset({
    "invalid_grant",  # RFC 6749, 5.2
    "bad_refresh_token",  # GitHub, under HTTP 200
    "invalid_refresh_token", "token_expired", "token_revoked",  # Slack, under HTTP 200
    "invalid_code",  # Zoho, under HTTP 200
})  # fmt: skip
_CLIENT = "correct `client_id`, the seed `client_secret` or `client_auth`"
_GRANT = "register the client for this grant, or correct `grants`"
_WRONG_SETTINGS: Mapping[str, str] = {
    # RFC 6749, 5.2
    "invalid_client": _CLIENT, "unauthorized_client": _GRANT, "unsupported_grant_type": _GRANT,
    "invalid_scope": "correct `scope`",
    "invalid_request": "correct `client_auth`, `scope` or `extra`: a field is missing or unknown",
    "invalid_target": "correct the audience or resource in `extra`",  # RFC 8707, 2
    "incorrect_client_credentials": _CLIENT,  # GitHub
    "invalid_client_id": "correct `client_id`", "bad_client_secret": _CLIENT,  # Slack
    "invalid_grant_type": _GRANT,  # Slack
    "invalid_client_credentials": _CLIENT,  # Salesforce
}  # fmt: skip
"""Whose fault it is, and so what a person corrects."""
_PATIENCE = frozenset({
    "temporarily_unavailable",  # RFC 6749, 4.1.2.1
    "slow_down",  # RFC 8628, 3.5
    "ratelimited", "rate_limit_exceeded",  # Slack, Salesforce
})  # fmt: skip
"""The server says that it did not act: the same token may be presented again."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Every request that a client makes, and how its answer reads."""

    job: Job
    client_id: str

    @property
    def presents(self) -> frozenset[str]:
        """The seeds that authenticate the client."""
        return frozenset() if self.job.client_auth == "none" else frozenset({SECRET})

    @property
    def kills(self) -> frozenset[str]:
        return frozenset({ACCESS_TOKEN}) if self.job.kills_access_token else frozenset()

    def ask_refresh(self, keyring: Keyring) -> Request:
        return self._ask("refresh_token", keyring, {REFRESH_TOKEN: _reveal(keyring, REFRESH_TOKEN)})

    def ask_client(self, keyring: Keyring) -> Request:
        return self._ask("client_credentials", keyring, {})

    def ask_introspect(self, name: str, keyring: Keyring) -> Request:
        fields = {"token": _reveal(keyring, name), "token_type_hint": name}
        return self._post(str(self.job.introspection_url), keyring, fields)

    def ask_revoke(self, keyring: Keyring) -> Request:
        fields = {"token": _reveal(keyring, ACCESS_TOKEN), "token_type_hint": ACCESS_TOKEN}
        return self._post(str(self.job.revocation_url), keyring, fields)

    def read_revoked(self, answer: Answer) -> None:
        """RFC 7009, 2.2: 200 for a token that is dead now, also for one that was unknown."""
        if answer.ok and "html" not in answer.headers.get("content-type", ""):
            return
        error = shapes.object_or_empty(answer).get("error")
        if error == "unsupported_token_type":
            raise Misconfigured(error, remedy="leave revocation_url out: access tokens stay alive")
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise Throttled("HTTP 503", retry_after=shapes.retry_after(answer))
        self._refuse(answer)
        raise Unanswered("a page in place of an answer")

    def read_refresh(self, answer: Answer, sent_at: datetime) -> Keyring:
        """Both tokens, whatever else is said; or one alone, where no error is said.

        No refresh token: the old one stays (RFC 6749, 6).
        """
        found = shapes.object_or_empty(answer)
        access, refresh = shapes.pair(found)
        if not (access and refresh):
            self._refuse(answer)
        if not (access or refresh):
            shapes.required(answer.json_object(), ACCESS_TOKEN)
        job, kind = self.job, _token_type(found)
        life = job.access_lifespan or _ASSUMED  # a refresh token is not held up by a missing date
        tokens = {
            ACCESS_TOKEN: _dated(access, found, sent_at, _ACCESS_LIVES, life, kind),
            REFRESH_TOKEN: _dated(refresh, found, sent_at, _REFRESH_LIVES, job.refresh_lifespan),
        }
        return {name: token for name, token in tokens.items() if token}

    def read_client(self, answer: Answer, sent_at: datetime) -> Keyring:
        """The access token. A refresh token has no business here (RFC 6749, 4.4.3) and is left."""
        self._refuse(answer)
        found = answer.json_object()
        secret, kind = shapes.required(found, ACCESS_TOKEN), _token_type(found)
        token = _dated(secret, found, sent_at, _ACCESS_LIVES, self.job.access_lifespan, kind)
        if token is None or token.expires_at is None:
            raise Garbled("no `expires_in`", remedy="set `access_lifespan` in the job")
        return {ACCESS_TOKEN: token}

    def _ask(self, grant: GrantName, keyring: Keyring, fields: Mapping[str, str]) -> Request:
        scope = {"scope": self.job.scope} if self.job.scope else {}
        asked = {"grant_type": grant, **fields, **scope, **self.job.extra}
        return self._post(str(self.job.token_url), keyring, asked)

    def _post(self, url: str, keyring: Keyring, fields: dict[str, str]) -> Request:
        """By one method only (RFC 6749, 2.3.1); for Basic both parts are form-encoded first."""
        headers: dict[str, Secret] = {}
        if self.job.client_auth == "basic":
            pair = f"{quote_plus(self.client_id)}:{quote_plus(_reveal(keyring, SECRET))}"
            headers["authorization"] = Secret("Basic " + b64encode(pair.encode()).decode())
        else:
            fields = {**fields, "client_id": self.client_id}
        if self.job.client_auth == "post":
            fields = {**fields, SECRET: _reveal(keyring, SECRET)}
        return shapes.post(url, fields, "form", headers)

    def _refuse(self, answer: Answer) -> None:
        """Raise what an answer's `error` says (RFC 6749, 5.2), under HTTP 200 too (GitHub, Slack).

        temporarily_unavailable says that nothing was done: Throttled, the token may go again.
        server_error says that something broke midway, and the token may be spent: Unanswered.
        """
        found = shapes.object_or_empty(answer).get("error")
        error = found if isinstance(found, str) else ""
        if error in _PATIENCE:
            raise Throttled(error, retry_after=shapes.retry_after(answer))
        if answer.ok or answer.status in {400, 401, 403}:
            self._refuse_by_name(error)
        shapes.refuse_unless_documented(answer)
        if found:
            raise Garbled("an `error` that neither RFC 6749 nor the job knows")

    def _refuse_by_name(self, error: str) -> None:
        if error in self.job.dead_token_errors | _DEAD:
            raise Rejected(error)
        if error in _WRONG_SETTINGS:
            raise Misconfigured(error, remedy=_WRONG_SETTINGS[error])
        if error == "server_error":
            raise Unanswered(error)


def _reveal(keyring: Keyring, name: str) -> str:
    return keyring[name].value.reveal()


def _dated(
    secret: Secret | None,
    found: Mapping[str, Any],
    sent_at: datetime,
    names: tuple[str, ...],
    life: timedelta | None,
    kind: str = "",
) -> Token | None:
    """Dated from before the request left; a JWT's word wins if it is earlier, `life` if none is."""
    if secret is None:
        return None
    lives = (shapes.life_if_sane(found.get(name)) for name in names)
    stated = (sent_at + told for told in lives if told)
    end = shapes.soonest(sent_at, *stated, shapes.jwt_expiry(secret))
    end = end or (sent_at + life if life else None)
    return Token(value=secret, issued_at=sent_at, expires_at=end, kind=kind)


def _token_type(found: Mapping[str, Any]) -> str:
    """The answer's `token_type` as given; "" for none, and for Bearer in any case (5.1)."""
    said = found.get("token_type")
    if not isinstance(said, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,31}", said):
        return ""
    return "" if said.lower() == "bearer" else said


def read_introspection(answer: Answer) -> Verdict:
    """RFC 7662, 2.2."""
    found = shapes.object_or_empty(answer)
    active = found.get("active") if answer.ok else None
    if active is True:
        issued_at, expires_at = (shapes.instant_if_sane(found.get(name)) for name in ("iat", "exp"))
        return Alive(issued_at=issued_at, expires_at=expires_at)
    return Dead("not active") if active is False else Unknown(f"HTTP {answer.status}")
