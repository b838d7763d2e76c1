"""Any token endpoint that keeps to OAuth 2.0 (RFC 6749); known vendors' habits are settings.

Sources: RFC 6749 sections 2.3.1, 4.4, 5 and 6; RFC 7662 for introspection; RFC 7009 for
revocation; RFC 9700, 4.14 for refresh tokens that rotate. Vendors' own names for errors and
lifespans stand beside the vendor.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote_plus

from pydantic import Field, HttpUrl, field_validator

from rotator.durations import Duration
from rotator.errors import Garbled, Misconfigured, Rejected, Throttled, Unanswered
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers import shapes
from rotator.providers.base import (
    Alive,
    Answer,
    Dead,
    Grant,
    Identity,
    Inspection,
    Plugin,
    Provider,
    Request,
    Revocation,
    Settings,
    Unknown,
    Verdict,
)

_SECRET = "client_secret"
_OURS = frozenset({"grant_type", "client_id", _SECRET, REFRESH_TOKEN, "scope", "token"})
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
_WRONG_SETTINGS = frozenset({
    "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
    "invalid_request", "invalid_target",  # RFC 6749, 5.2; RFC 8707, 2
    "incorrect_client_credentials",  # GitHub
    "invalid_client_id", "bad_client_secret", "invalid_grant_type",  # Slack
    "invalid_client_credentials",  # Salesforce
})  # fmt: skip
_PATIENCE = frozenset({
    "temporarily_unavailable",  # RFC 6749, 4.1.2.1
    "slow_down",  # RFC 8628, 3.5
    "ratelimited", "rate_limit_exceeded",  # Slack, Salesforce
})  # fmt: skip
"""The server says that it did not act: the same token may be presented again."""

GrantName = Literal["refresh_token", "client_credentials"]


class Job(Settings):
    """Where the token endpoint is, and how this server reads RFC 6749."""

    token_url: HttpUrl = Field(description="The token endpoint, https://… (http for loopback).")
    client_auth: Literal["basic", "post", "none"] = Field(
        "basic", description="How the client's id and secret are sent (RFC 6749, 2.3.1)."
    )
    grants: tuple[GrantName, ...] = Field(
        (),
        description='The grants to use, in order; unset: "refresh_token" where the job file gives'
        ' that seed, else "client_credentials".',
    )
    scope: str = Field("", description="Sent with every token request, if set.")
    extra: dict[str, str] = Field(
        default_factory=dict, description="More fields of the token request: audience, resource …"
    )
    access_lifespan: Duration | None = Field(
        None, description="An access token's life, where the server does not tell it."
    )
    refresh_lifespan: Duration | None = Field(
        None, description="A refresh token's life, where the server does not tell it; unset: none."
    )
    refresh_reusable: bool = Field(
        default=False, description="Whether a refresh token survives its use (Google, Zoho, Entra)."
    )
    replay: Duration = Field(
        timedelta(0),
        description="How long a used refresh token still answers the same request (Xero 30m,"
        " Atlassian 10m, Okta 30s).",
    )
    kills_access_token: bool = Field(
        default=False, description="Whether a new access token ends the earlier one (GitHub Apps)."
    )
    dead_token_errors: frozenset[str] = Field(
        frozenset(), description="More names of `error` that say: this refresh token is dead."
    )
    header_name: str = Field(
        "Authorization", pattern=r"^[A-Za-z0-9-]+$", description="The header consumers send."
    )
    scheme: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]*$",
        description='What stands before the token there, "" for nothing; unset: the answer\'s'
        " `token_type` (Zoho needs Zoho-oauthtoken, Slack Bearer).",
    )
    introspection_url: HttpUrl | None = Field(
        None, description="The introspection endpoint (RFC 7662), on the token endpoint's host."
    )

    revocation_url: HttpUrl | None = Field(
        None,
        description="The revocation endpoint (RFC 7009), on the token endpoint's host: an access"
        " token is ended once no consumer can hold it any more.",
    )
    revocation_spares: bool = Field(
        default=False,
        description="Whether revoking an access token leaves its refresh token and its siblings"
        " alive. RFC 7009, 2.1 lets a server end them all.",
    )

    @field_validator("extra")
    @classmethod
    def _leaves_our_fields_alone(cls, extra: dict[str, str]) -> dict[str, str]:
        if ours := sorted(_OURS & extra.keys()):
            raise ValueError(f"{', '.join(ours)}: rotator sets this itself")
        return extra


class Credential(Settings):
    """The client, as it is registered with the server."""

    client_id: Identity = Field(min_length=1, description="The client's id.")


@dataclass(frozen=True, slots=True)
class _OAuth:
    job: Job
    client_id: str

    @property
    def presents(self) -> frozenset[str]:
        """The seeds that authenticate the client."""
        return frozenset() if self.job.client_auth == "none" else frozenset({_SECRET})

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
            pair = f"{quote_plus(self.client_id)}:{quote_plus(_reveal(keyring, _SECRET))}"
            headers["authorization"] = Secret("Basic " + b64encode(pair.encode()).decode())
        else:
            fields = {**fields, "client_id": self.client_id}
        if self.job.client_auth == "post":
            fields = {**fields, _SECRET: _reveal(keyring, _SECRET)}
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
            raise Misconfigured(error, remedy="compare the job and the seeds with the client")
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


def _read_introspection(answer: Answer) -> Verdict:
    """RFC 7662, 2.2."""
    found = shapes.object_or_empty(answer)
    active = found.get("active") if answer.ok else None
    if active is True:
        issued_at, expires_at = (shapes.instant_if_sane(found.get(name)) for name in ("iat", "exp"))
        return Alive(issued_at=issued_at, expires_at=expires_at)
    return Dead("not active") if active is False else Unknown(f"HTTP {answer.status}")


def _header(job: Job, token: Token) -> tuple[str, str]:
    scheme = (token.kind or "Bearer") if job.scheme is None else job.scheme
    return job.header_name, f"{scheme} {token.value.reveal()}".lstrip()


def build(job: Job, credential: Credential, seeds: frozenset[str]) -> Provider:
    """Raises ValueError where the settings contradict one another."""
    _check(job, seeds)
    oauth = _OAuth(job, credential.client_id)
    inspected = (ACCESS_TOKEN, REFRESH_TOKEN) if job.introspection_url else ()
    return Provider(
        name=plugin.name,
        host=shapes.origin(str(job.token_url)),
        identity={"client_id": credential.client_id},
        grants=tuple(_grants(oauth, seeds)),
        header=partial(_header, job),
        token_type=job.scheme or "Bearer",
        inspections={name: _inspection(oauth, name) for name in inspected},
        revocation=_revocation(oauth) if job.revocation_url else None,
    )


def _check(job: Job, seeds: frozenset[str]) -> None:
    if job.client_auth == "none" and "client_credentials" in _names(job, seeds):
        raise ValueError("the grant client_credentials needs a client_auth (RFC 6749, 4.4)")
    if job.client_auth == "none" and _SECRET in seeds:
        raise ValueError('the seed `client_secret` is of no use with client_auth = "none"')
    for name in ("introspection_url", "revocation_url"):
        url = str(getattr(job, name) or job.token_url)
        if shapes.origin(url) != shapes.origin(str(job.token_url)):
            raise ValueError(f"{name} is on another host than token_url")
    chained = "refresh_token" in _names(job, seeds)
    if job.revocation_url and chained and not job.revocation_spares:
        raise ValueError(
            "revocation_url beside a refresh token, which a server may revoke with the access token"
            " (RFC 7009, 2.1); if yours does not, write revocation_spares = true"
        )


def _names(job: Job, seeds: frozenset[str]) -> tuple[GrantName, ...]:
    by_seed: GrantName = "refresh_token" if REFRESH_TOKEN in seeds else "client_credentials"
    return tuple(dict.fromkeys(job.grants)) or (by_seed,)


def _grants(oauth: _OAuth, seeds: frozenset[str]) -> Iterator[Grant]:
    for name in _names(oauth.job, seeds):
        yield _refresh(oauth) if name == "refresh_token" else _client(oauth)


def _refresh(oauth: _OAuth) -> Grant:
    return Grant(
        name="refresh_token",
        needs=frozenset({REFRESH_TOKEN}) | oauth.presents,
        yields=frozenset({ACCESS_TOKEN, REFRESH_TOKEN}),
        spends=None if oauth.job.refresh_reusable else REFRESH_TOKEN,
        kills=oauth.kills,
        replay=oauth.job.replay,
        ask=oauth.ask_refresh,
        read=oauth.read_refresh,
    )


def _client(oauth: _OAuth) -> Grant:
    return Grant(
        name="client_credentials",
        needs=oauth.presents,
        yields=frozenset({ACCESS_TOKEN}),
        kills=oauth.kills,
        ask=oauth.ask_client,
        read=oauth.read_client,
    )


def _inspection(oauth: _OAuth, name: str) -> Inspection:
    needs = frozenset({name}) | oauth.presents
    return Inspection(
        needs=needs, ask=partial(oauth.ask_introspect, name), read=_read_introspection
    )


def _revocation(oauth: _OAuth) -> Revocation:
    needs = frozenset({ACCESS_TOKEN}) | oauth.presents
    return Revocation(needs=needs, ask=oauth.ask_revoke, read=oauth.read_revoked)


_EXAMPLE = """\
provider = "oauth2"
token_url = "https://auth.example.com/oauth/token"
client_auth = "basic"             # or "post", or "none" for a public client
# scope = "read write"
# extra = { audience = "https://api.example.com" }
# grants = ["refresh_token"]      # unset: refresh_token if seeded here, else client_credentials
# access_lifespan = "1h"          # where the server sends no expires_in
# refresh_lifespan = "60d"        # where refresh tokens expire and the server does not say when
# refresh_reusable = true         # Google, Zoho, Entra: a refresh token survives its use
# replay = "30m"                  # Xero 30m, Atlassian 10m: a lost answer may be asked for again
# kills_access_token = true       # GitHub Apps: the earlier access token ends with the new one
# scheme = "Zoho-oauthtoken"      # what stands before the token in the Authorization header
# introspection_url = "https://auth.example.com/oauth/introspect"
# revocation_url = "https://auth.example.com/oauth/revoke"  # end what nobody holds any more
# revocation_spares = true        # revoking an access token ends neither siblings nor the chain

[schedule]
survive = "20m"                 # an outage this long must not cost a consumer its token
consumer_max_staleness = "5m"   # the slowest consumer's cache

[schedule.access_token]
lifespan = "1h"                 # what you expect; what the server answers wins

[[credentials]]
name = "reports"
client_id = "reports-service"
seeds.client_secret = { env = "REPORTS_CLIENT_SECRET" }
seeds.refresh_token = { env = "REPORTS_REFRESH_TOKEN" }  # from the login that a person granted
"""

plugin = Plugin(
    name="oauth2",
    title="OAuth 2.0 (any token endpoint that keeps to RFC 6749)",
    job=Job,
    credential=Credential,
    seeds={
        _SECRET: "The client's secret, from where the client is registered.",
        REFRESH_TOKEN: "The refresh token in the answer to the login that a person granted.",
    },
    build=build,
    cannot=(
        "Log a person in: the first refresh token comes from an authorization that they granted.",
        "Authenticate the client by private_key_jwt, client_secret_jwt or mutual TLS.",
        "Bind tokens to a key (DPoP, mutual TLS).",
        "Read tokens that stand deeper in the answer, such as Slack's `authed_user`.",
        "Revoke a refresh token (RFC 7009): only access tokens that were replaced, if told to.",
    ),
    example=_EXAMPLE,
)
