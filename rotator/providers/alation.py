"""Alation's API tokens: a refresh token of 60 days mints access tokens of 24 hours.

Sources: the vendor's pages "Authentication" and "API Authentication (legacy tokens)" at
developer.alation.com, its own Python SDK (allie-sdk) with its tests, and public clients. Every path
ends with a slash: without it, Django answers 301.

What they leave open is assumed at its worst. Nothing says that minting or regenerating lets
earlier access tokens live, so both count as killing them; regenerating spends the old refresh
token at once, with no grace known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from rotator.errors import Garbled, Misconfigured, Rejected
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Token
from rotator.providers import shapes
from rotator.providers.base import (
    Alive,
    Answer,
    BodyEncoding,
    Dead,
    Grant,
    Identity,
    Inspection,
    JobSettings,
    Plugin,
    Provider,
    Request,
    Settings,
    Unknown,
    Verdict,
)

_PASSWORD = "password"
# A token without dates that make sense is not thrown away. It gets the shortest life that an
# administrator can set: `access_token_lifespan` counts hours, `refresh_token_lifespan` days.
_ASSUMED_ACCESS = timedelta(hours=1)
_ASSUMED_REFRESH = timedelta(days=1)
# The vendor's own sentences, which alone may be repeated in a message.
_SENTENCES = frozenset(
    {
        "Refresh token provided is invalid.",
        "Refresh token provided is expired or revoked.",
        "API Access Token provided is invalid.",
    }
)


class Job(JobSettings):
    """Where an Alation instance is, and what its pages leave open."""

    token_name: str = Field(
        "rotator", min_length=1, description="What refresh tokens made from a password are called."
    )
    body_encoding: BodyEncoding = Field("json", description="How requests are written.")
    mint_kills: bool = Field(
        default=True,
        description="A new access token may end the earlier ones of its refresh token.",
    )
    regenerate_kills: bool = Field(
        default=True, description="A new refresh token may end the access tokens of the old one."
    )

    alternate: bool = Field(
        default=True,
        description="Hold two refresh tokens of the user and use them in turn, so that no renewal"
        " ends the token in use. The second is made with the password; without one, a person makes"
        " it: `rotator seed --spare`.",
    )


class Credential(Settings):
    """Whose tokens they are."""

    user_id: Annotated[int, Field(gt=0, json_schema_extra={"identity": True})] = Field(
        description="The user's number; a wrong one looks like a dead token."
    )
    username: Identity = Field("", description="The user's login; needed with a password.")


@dataclass(frozen=True, slots=True)
class _Alation:
    job: Job
    credential: Credential

    def present(self, operation: str, token: str, field: str, keyring: Keyring) -> Request:
        fields = {field: keyring[token].value.reveal(), "user_id": self.credential.user_id}
        return self._post(operation, fields)

    def log_in(self, keyring: Keyring) -> Request:
        fields = {
            "username": self.credential.username,
            "password": keyring[_PASSWORD].value.reveal(),
            "name": self.job.token_name,
        }
        return self._post("createRefreshToken", fields)

    def minted(self, answer: Answer, sent_at: datetime) -> Keyring:
        found = _granted(answer)
        secret = shapes.required(found, "api_access_token")
        self._require_our_user(found)
        if _status(found) not in ("active", None):
            raise Garbled("`token_status` of a new access token is not active")
        expires_at = _expiry(found, answer, sent_at) or sent_at + _ASSUMED_ACCESS
        return {ACCESS_TOKEN: Token(value=secret, issued_at=sent_at, expires_at=expires_at)}

    def regenerated(self, answer: Answer, sent_at: datetime) -> Keyring:
        """Whatever else the answer says, the token is taken: the one it replaces is dead."""
        found = _granted(answer)
        secret = shapes.required(found, REFRESH_TOKEN)
        expires_at = _expiry(found, answer, sent_at) or sent_at + _ASSUMED_REFRESH
        return {REFRESH_TOKEN: Token(value=secret, issued_at=sent_at, expires_at=expires_at)}

    def logged_in(self, answer: Answer, sent_at: datetime) -> Keyring:
        self._require_our_user(_granted(answer))
        return self.regenerated(answer, sent_at)

    def judged(self, answer: Answer) -> Verdict:
        """An expired token is 401 in one source and 200 with its status in another: both count."""
        found = shapes.object_or_empty(answer)
        if _is_refusal(answer, found) and answer.status == 401:
            return Dead(_sentence(found))
        if not answer.ok or not self._is_ours(found):
            return Unknown(f"HTTP {answer.status}")
        status = _status(found)
        if status in ("expired", "revoked"):
            return Dead(status)
        if status != "active":
            return Unknown("`token_status` is missing or not documented")
        return Alive(_date(found, "created_at"), _date(found, "token_expires_at"))

    def _post(self, operation: str, fields: Mapping[str, object]) -> Request:
        base = str(self.job.base_url).rstrip("/")
        return shapes.post(f"{base}/integration/v1/{operation}/", fields, self.job.body_encoding)

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        return str(found.get("user_id") or self.credential.user_id) == str(self.credential.user_id)

    def _require_our_user(self, found: Mapping[str, Any]) -> None:
        if not self._is_ours(found):
            raise Misconfigured("the token is another user's", remedy="correct `user_id`")


def _granted(answer: Answer) -> dict[str, Any]:
    found = shapes.object_or_empty(answer)
    if _is_refusal(answer, found):
        text = f"HTTP {answer.status}: {_sentence(found)}"
        if answer.status == 400:
            raise Misconfigured(text, remedy="see `user_id` and `body_encoding`")
        raise Rejected(
            text, remedy="or `user_id` is not the token's: Alation says the same to both"
        )
    shapes.refuse_unless_documented(answer)
    return answer.json_object()


def _is_refusal(answer: Answer, found: Mapping[str, Any]) -> bool:
    """Alation's own: `{"detail": …, "code": "401000"}`; a proxy does not know that code."""
    code = str(found.get("code") or "")
    documented = answer.status in (400, 401, 403) and code.isdecimal() and len(code) == 6
    return documented and code.startswith(str(answer.status))


def _sentence(found: Mapping[str, Any]) -> str:
    detail = found.get("detail")
    return detail if isinstance(detail, str) and detail in _SENTENCES else "refused"


def _status(found: Mapping[str, Any]) -> str | None:
    """Lower case in the documentation, upper case in every sample."""
    status = found.get("token_status")
    return None if status is None else str(status).casefold()


def _date(found: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return shapes.iso_instant(found.get(name), name)
    except Garbled:
        return None


def _expiry(found: Mapping[str, Any], answer: Answer, sent_at: datetime) -> datetime | None:
    """The earlier of Alation's word and our own clock plus the lifespan: clocks may differ."""
    expires_at = _date(found, "token_expires_at")
    created_at = _date(found, "created_at") or answer.date
    counted = shapes.counted(sent_at, created_at, expires_at)
    return shapes.soonest(sent_at, expires_at, counted)


def _inspection(alation: _Alation, operation: str, token: str, field: str) -> Inspection:
    ask = partial(alation.present, operation, token, field)
    return Inspection(needs=frozenset({token}), ask=ask, read=alation.judged)


def _grants(alation: _Alation) -> tuple[Grant, Grant, Grant]:
    refresh, access = frozenset({REFRESH_TOKEN}), frozenset({ACCESS_TOKEN})
    mint = Grant(
        name="refresh_token",
        needs=refresh,
        yields=access,
        kills=access if alation.job.mint_kills else frozenset(),
        ask=partial(alation.present, "createAPIAccessToken", REFRESH_TOKEN, REFRESH_TOKEN),
        read=alation.minted,
    )
    regenerate = Grant(
        name="regenerate",
        needs=refresh,
        yields=refresh,
        spends=REFRESH_TOKEN,
        kills=access if alation.job.regenerate_kills else frozenset(),
        ask=partial(alation.present, "regenRefreshToken", REFRESH_TOKEN, REFRESH_TOKEN),
        read=alation.regenerated,
    )
    log_in = Grant(
        name=_PASSWORD,
        needs=frozenset({_PASSWORD}),
        yields=refresh,
        kills=access,  # one source has createRefreshToken revoke the user's earlier tokens
        ask=alation.log_in,
        read=alation.logged_in,
    )
    return mint, regenerate, log_in


def build(job: Job, credential: Credential, seeds: frozenset[str]) -> Provider:
    """One user's way in. Raises ValueError for a password without its username."""
    if _PASSWORD in seeds and not credential.username:
        raise ValueError("`username` is needed where a password is given")
    alation = _Alation(job, credential)
    mint, regenerate, log_in = _grants(alation)
    identity = {"user_id": str(credential.user_id), "username": credential.username}
    return Provider(
        name="alation",
        host=shapes.origin(str(job.base_url)),
        identity={name: value for name, value in identity.items() if value},
        grants=(mint, regenerate, log_in) if _PASSWORD in seeds else (mint, regenerate),
        header=lambda token: ("TOKEN", token.value.reveal()),
        isolated=job.alternate and (job.mint_kills or job.regenerate_kills),
        second_by=_PASSWORD if _PASSWORD in seeds else "",
        token_type="TOKEN",  # noqa: S106 - its kind
        inspections={
            REFRESH_TOKEN: _inspection(
                alation, "validateRefreshToken", REFRESH_TOKEN, REFRESH_TOKEN
            ),
            ACCESS_TOKEN: _inspection(
                alation, "validateAPIAccessToken", ACCESS_TOKEN, "api_access_token"
            ),
        },
    )


plugin = Plugin(
    name="alation",
    title="Alation, data catalog",
    job=Job,
    credential=Credential,
    seeds={
        REFRESH_TOKEN: "<base_url>/account/auth, Create Refresh Token; for SSO users the only way.",
        _PASSWORD: "The user's own, where the instance lets users log in without SSO.",
    },
    build=build,
    lifespans={ACCESS_TOKEN: timedelta(hours=24), REFRESH_TOKEN: timedelta(days=60)},
    cannot=(
        "Revoke one access token: revokeAPIAccessTokens ends the new one with the old.",
        "Revoke a refresh token: only a person can, in Alation's own pages.",
        "Serve its OAuth 2.0 clients: use the provider `oauth2` with <base_url>/oauth/v2/token/.",
    ),
    example="""\
provider = "alation"
base_url = "https://acme.alationcloud.com"

[[credentials]]
name = "etl"
user_id = 1151                    # the number in the address of the user's own profile page
seeds = { refresh_token = { env = "ALATION_ETL_REFRESH_TOKEN" } }
# Without SSO, a password lets rotator come back by itself from a lost refresh token:
# username = "svc-etl@example.com"
# seeds = { password = { env = "ALATION_ETL_PASSWORD" } }
""",
)
