"""What is sent to Amino, and what its answers say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from rotator.errors import Garbled, Misconfigured, Rejected
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers import shapes
from rotator.providers.amino.settings import Job
from rotator.providers.base import Alive, Answer, Dead, Request, Unknown, Verdict

_ACCEPT = {"accept": Secret("application/vnd.api+json, application/json")}
_REFUSED = frozenset({400, 401, 403, 422})
_WRONG_ADDRESS = frozenset({404, 405, 406, 415})


def header(token: Token) -> tuple[str, str]:
    """What the vendor's page shows under "Access Token Usage"."""
    return "Authorization", f"Bearer {token.value.reveal()}"


@dataclass(frozen=True, slots=True)
class Exchange:
    job: Job
    username: str

    def ask_refresh(self, keyring: Keyring) -> Request:
        token = keyring[REFRESH_TOKEN].value.reveal()
        fields = {"grant_type": "refresh_token", self.job.refresh_field: token}
        return shapes.post(self._at(self.job.renew_path), fields, self.job.renew_encoding, _ACCEPT)

    def ask_password(self, keyring: Keyring) -> Request:
        kind = self.job.password_grant_type
        fields = {
            **({"grant_type": kind} if kind else {}),
            self.job.username_field: self.username,
            self.job.password_field: keyring["password"].value.reveal(),
        }
        return shapes.post(self._at(self.job.password_path), fields, "json", _ACCEPT)

    def ask_cookie(self, keyring: Keyring) -> Request:
        ssid, usid = (keyring[name].value.reveal() for name in ("ssid", "usid"))
        cookies = {"cookie": Secret(f"ssid={ssid}; usid={usid}")}
        path = self.job.cookie_path.replace("{username}", quote(self.username, safe="@"))
        query = "?" + urlencode({"service": self.job.service}) if self.job.service else ""
        return Request(url=self._at(path) + query, headers=_ACCEPT | cookies)

    def ask_inspect(self, keyring: Keyring) -> Request:
        name, value = header(keyring[ACCESS_TOKEN])
        headers = {**_ACCEPT, name.lower(): Secret(value)}
        return Request(method="GET", url=self._at(self.job.inspect_path), headers=headers)

    def read(self, answer: Answer, sent_at: datetime) -> Keyring:
        """Both tokens, from either envelope; a pair is a pair whatever the status."""
        said = _said(shapes.object_or_empty(answer))
        access, refresh = shapes.pair(said)
        if not (access and refresh):
            _refuse(answer)
        if not (access or refresh):
            answer.json_object()
            raise Garbled("neither `AuthenticationTokens` nor `userStat` holds a token")
        tokens = {
            ACCESS_TOKEN: _dated(access, said["access_end"], sent_at, self.job.access_lifespan),
            REFRESH_TOKEN: _dated(refresh, said["refresh_end"], sent_at, self.job.refresh_lifespan),
        }
        return {name: token for name, token in tokens.items() if token}

    def _at(self, path: str) -> str:
        return str(self.job.base_url).rstrip("/") + path


def _said(found: Mapping[str, Any]) -> dict[str, Any]:
    """Either envelope's tokens and expiries, recognised by shape; empty where it is neither."""
    attributes = _attributes(found.get("data"))
    stat = found.get("userStat")
    if attributes is not None:
        access = attributes.get(ACCESS_TOKEN), attributes.get("expires_at_timestamp")
        refresh = attributes.get(REFRESH_TOKEN), None
    elif isinstance(stat, dict):
        access, refresh = _two(stat.get("accessToken")), _two(stat.get("refreshToken"))
    else:
        return {}
    names = (ACCESS_TOKEN, "access_end", REFRESH_TOKEN, "refresh_end")
    return dict(zip(names, access + refresh, strict=True))


def _attributes(found: Any) -> dict[str, Any] | None:
    """Those of the first AuthenticationTokens in a JSON:API `data`, an array or one object."""
    for resource in found if isinstance(found, list) else [found]:
        if isinstance(resource, dict) and resource.get("type") == "AuthenticationTokens":
            attributes = resource.get("attributes")
            return attributes if isinstance(attributes, dict) else None
    return None


def _two(found: Any) -> tuple[Any, Any]:
    """`[token, expiry]` of a userStat; the vendor's own sample leaves the second out."""
    if not isinstance(found, list):
        return found, None
    return found[0] if found else None, found[1] if len(found) > 1 else None


def _dated(
    secret: Secret | None, stated: object, sent_at: datetime, life: timedelta
) -> Token | None:
    """The earlier of what the answer and the JWT say, else the job's word.

    The vendor advises against relying on claims, and states a refresh token's end nowhere else.
    """
    if secret is None:
        return None
    end = shapes.soonest(sent_at, shapes.instant_if_sane(stated), shapes.jwt_expiry(secret))
    return Token(value=secret, issued_at=sent_at, expires_at=end or sent_at + life)


def _refuse(answer: Answer) -> None:
    """Raise what an answer without a pair says (https://jsonapi.org/format/#errors)."""
    if _has_errors(answer) and answer.status in _REFUSED:
        raise Rejected(f"HTTP {answer.status} with JSON:API errors")
    if _has_errors(answer) and answer.status in _WRONG_ADDRESS:
        raise Misconfigured(
            f"HTTP {answer.status} with JSON:API errors",
            remedy="correct `renew_path`, `password_path`, `cookie_path` or `renew_encoding`",
        )
    shapes.refuse_unless_documented(answer)


def _has_errors(answer: Answer) -> bool:
    errors = shapes.object_or_empty(answer).get("errors")
    return isinstance(errors, list) and bool(errors) and all(isinstance(e, dict) for e in errors)


def read_inspection(answer: Answer) -> Verdict:
    """A page of HTML under 200 is a proxy's or a login's, and vouches for nothing."""
    if _has_errors(answer):
        return Dead() if answer.status in {401, 403} else Unknown(f"HTTP {answer.status}")
    try:
        spoke = not answer.body or answer.json() is not None
    except Garbled:
        spoke = False
    return Alive() if answer.ok and spoke else Unknown(f"HTTP {answer.status}")
