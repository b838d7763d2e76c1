"""Albato Embedded: the partner's master token asks for a session token of one of its users.

Sources: the vendor's wiki, "API: General information and authorization" and "Get user session
token", and its documentation for partners. There is no refresh token, so a lost answer costs
nothing: the master token asks again. The pages contradict each other on the user's field (`id` in
every table, `email` in a sample) and on how the master token is written; both are settings.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, HttpUrl

from rotator.errors import Garbled, Misconfigured, Rejected
from rotator.model import ACCESS_TOKEN, Keyring, Secret, Token
from rotator.providers import shapes
from rotator.providers.base import (
    Answer,
    Grant,
    Identity,
    JobSettings,
    Plugin,
    Provider,
    Request,
    Settings,
)

_PARTNER_TOKEN = "partner_token"
_PERMANENT = "permanent"
# "A preset expiration period determined by Albato", no number given: beyond this it is a mistake.
_LONGEST_SESSION = timedelta(days=366)


class Job(JobSettings):
    """The partner, and what Albato's pages leave open."""

    base_url: HttpUrl = Field(HttpUrl("https://api.albato.com"), description="Albato's address.")
    partner_name: str = Field(
        pattern=r"^[^/?#\s]+$", description="The partner's name in Albato, as in /wl/<name>/."
    )
    auth_encoding: Literal["basic", "raw"] = Field(
        "basic",
        description="How the master token follows `Basic`: as a user name (RFC 7617), or as it is.",
    )
    user_key: Literal["id", "email"] = Field("id", description="What a user is asked for by.")
    publish: Literal["session", "permanent"] = Field(
        "session",
        description="Which token consumers get. A permanent one never expires, nor can be revoked.",
    )
    mint_kills: bool = Field(
        default=True, description="A new session token may end the user's earlier ones."
    )


class Credential(Settings):
    """The user whose token it is."""

    user_id: Identity = Field(
        min_length=1, description="The partner's own id of the user, as given to add-user."
    )


@dataclass(frozen=True, slots=True)
class _Albato:
    job: Job
    credential: Credential

    def ask(self, keyring: Keyring) -> Request:
        token = keyring[_PARTNER_TOKEN].value.reveal()
        login = _basic(token) if self.job.auth_encoding == "basic" else f"Basic {token}"
        base = str(self.job.base_url).rstrip("/")
        partner = quote(self.job.partner_name, safe="")
        return shapes.post(
            f"{base}/wl/{partner}/get-user-session-token",
            {self.job.user_key: self.credential.user_id},
            headers={"Authorization": Secret(login)},
        )

    def read(self, answer: Answer, sent_at: datetime) -> Keyring:
        """Of the two tokens that an answer may hold only the one that the job publishes."""
        found = _granted(answer)
        secret = self._published(found)
        if self.job.publish == _PERMANENT:
            return {ACCESS_TOKEN: Token(value=secret, issued_at=sent_at, kind=_PERMANENT)}
        said = shapes.unix_instant(found.get("sessionTokenValidUntil"), "sessionTokenValidUntil")
        expires_at = shapes.earliest(said, shapes.jwt_expiry(secret))
        if expires_at is None or not sent_at < expires_at <= sent_at + _LONGEST_SESSION:
            raise Garbled("a session token whose end is unknown, past or over a year away")
        token = Token(value=secret, issued_at=sent_at, expires_at=expires_at, kind="session")
        return {ACCESS_TOKEN: token}

    def _published(self, found: dict[str, Any]) -> Secret:
        names = {"session": "sessionToken", _PERMANENT: "permanentToken"}
        wanted = names.pop(self.job.publish)
        for other, name in names.items():
            if found.get(name) and not found.get(wanted):
                raise Misconfigured(
                    f"Albato gives no `{wanted}` here, only a {other} one",
                    remedy="the partner's settings in Albato say which, `publish` which to use",
                )
        return shapes.required(found, wanted)


def _granted(answer: Answer) -> dict[str, Any]:
    """`data` of a success; `success: false` is the one refusal that Albato documents."""
    found = shapes.object_or_empty(answer)
    spoken = answer.ok or (400 <= answer.status < 500 and answer.status != 429)
    if spoken and found.get("success") is False:
        raise Rejected(
            f"HTTP {answer.status}, success: false",
            remedy="check the partner token, `partner_name`, `user_id` and `auth_encoding`",
        )
    shapes.refuse_unless_documented(answer)
    granted = answer.json_object()
    if granted.get("success") is not True:
        raise Garbled("`success` is neither true nor false")
    content = granted.get("data") or {}  # PHP writes an empty object as []
    if not isinstance(content, dict):
        raise Garbled("`data` is not an object")
    return content


def _basic(token: str) -> str:
    """RFC 7617 with the token as the user name and no password."""
    return f"Basic {b64encode(f'{token}:'.encode()).decode()}"


def _header(token: Token) -> tuple[str, str]:
    """The wiki sends a session token as Bearer, the newer pages a permanent one as Basic."""
    value = token.value.reveal()
    return "Authorization", _basic(value) if token.kind == _PERMANENT else f"Bearer {value}"


def build(job: Job, credential: Credential, seeds: frozenset[str]) -> Provider:
    """One user's way in. Raises ValueError where there is no partner token."""
    if _PARTNER_TOKEN not in seeds:
        raise ValueError("the seed `partner_token` is missing")
    albato = _Albato(job, credential)
    access = frozenset({ACCESS_TOKEN})
    grant = Grant(
        name=_PARTNER_TOKEN,
        needs=frozenset({_PARTNER_TOKEN}),
        yields=access,
        kills=access if job.mint_kills else frozenset(),
        suspects=("user_id", "partner_name", "auth_encoding"),
        ask=albato.ask,
        read=albato.read,
    )
    return Provider(
        name="albato",
        host=shapes.origin(str(job.base_url)),
        identity={"user_id": credential.user_id, "partner_name": job.partner_name},
        grants=(grant,),
        header=_header,
        token_type="Basic" if job.publish == _PERMANENT else "Bearer",
    )


plugin = Plugin(
    name="albato",
    title="Albato Embedded, integrations under a partner's brand",
    job=Job,
    credential=Credential,
    seeds={_PARTNER_TOKEN: "The Embedded Panel under Integrations, or your account manager."},
    build=build,
    cannot=(
        "Rotate the partner token: Albato has no call for it, only the panel.",
        "Revoke a token: Albato has no call for it.",
        "Create users: a user must be known to Albato (add-user) before it has tokens.",
    ),
    example="""\
provider = "albato"
partner_name = "acme"             # as in https://api.albato.com/wl/acme/
# auth_encoding = "raw"           # if Albato refuses the partner token as it is encoded by default
# publish = "permanent"           # a token that never expires and cannot be revoked: think twice

[[credentials]]
name = "customer-17"
user_id = "customer-17"           # the id that you gave to add-user
seeds = { partner_token = { env = "ALBATO_PARTNER_TOKEN" } }
""",
)
