"""Amino (AminoTV, AminoMOVE): a login gives a pair of JWTs, and the pair is renewed as a pair.

Sources: the vendor's pages "Obtaining access token and refresh token", "Cookie-token exchange" and
"User login" (Confluence space MAPI). They name the renewal by its anchor only, so its path and body
are settings here; the platform's word that it follows JSON:API stands for its errors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import Field

from rotator.durations import Duration
from rotator.errors import Garbled, Misconfigured, Rejected
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Secret, Token
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

_ACCEPT = {"accept": Secret("application/vnd.api+json, application/json")}
_BOTH = frozenset({ACCESS_TOKEN, REFRESH_TOKEN})
_REFUSED = frozenset({400, 401, 403, 422})
_WRONG_ADDRESS = frozenset({404, 405, 406, 415})


class Job(JobSettings):
    """Where an Amino installation is, and what its operator's pages leave open."""

    renew_path: str = Field(
        "/api/auth/v1/access_tokens",
        pattern="^/",
        description="Where a refresh token is renewed. The vendor's pages do not say: a guess.",
    )
    renew_encoding: BodyEncoding = Field("json", description="How the renewal's body is written.")
    refresh_field: str = Field("refresh_token", description="The renewal's field for the token.")
    password_path: str = Field(
        "",
        pattern="^(/.*)?$",
        description="Where a username and password give tokens, if your version can do so at all.",
    )
    password_grant_type: str = Field("", description="Sent as `grant_type` there, if set.")
    username_field: str = Field("username", description="That body's field for the username.")
    password_field: str = Field("password", description="That body's field for the password.")
    cookie_path: str = Field(
        "/api/user/{username}/login",
        pattern="^/",
        description="Where the cookies of a web session are exchanged for tokens.",
    )
    service: str = Field("", description="The exchange's `service`, as the operator names it.")
    inspect_path: str = Field(
        "",
        pattern="^(/.*)?$",
        description="A harmless GET that a living access token may make, such as /channels.",
    )
    access_lifespan: Duration = Field(
        timedelta(hours=1), description="An access token's life, where no answer tells it."
    )
    refresh_lifespan: Duration = Field(
        timedelta(days=30), description="A refresh token's life, where no answer tells it."
    )
    refresh_rotates: bool = Field(
        default=True, description="Whether a refresh token counts as used up by its renewal."
    )
    replay: Duration | None = Field(
        None,
        description="How long a renewal may be repeated; unset: as long as the token lives,"
        " since the vendor keeps no tokens and cannot tell.",
    )


class Credential(Settings):
    """Who logs in."""

    username: Identity = Field("", description="Needed by a password, and by cookies.")


@dataclass(frozen=True, slots=True)
class _Amino:
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
            f"HTTP {answer.status} with JSON:API errors", remedy="look at the job's paths"
        )
    shapes.refuse_unless_documented(answer)


def _has_errors(answer: Answer) -> bool:
    errors = shapes.object_or_empty(answer).get("errors")
    return isinstance(errors, list) and bool(errors) and all(isinstance(e, dict) for e in errors)


def _read_inspect(answer: Answer) -> Verdict:
    """A page of HTML under 200 is a proxy's or a login's, and vouches for nothing."""
    if _has_errors(answer):
        return Dead() if answer.status in {401, 403} else Unknown(f"HTTP {answer.status}")
    try:
        spoke = not answer.body or answer.json() is not None
    except Garbled:
        spoke = False
    return Alive() if answer.ok and spoke else Unknown(f"HTTP {answer.status}")


def header(token: Token) -> tuple[str, str]:
    """What the vendor's page shows under "Access Token Usage"."""
    return "Authorization", f"Bearer {token.value.reveal()}"


def build(job: Job, credential: Credential, seeds: frozenset[str]) -> Provider:
    """Raises ValueError where the settings do not fit the seeds."""
    _check(job, credential, seeds)
    amino = _Amino(job, credential.username)
    inspection = Inspection(
        needs=frozenset({ACCESS_TOKEN}), ask=amino.ask_inspect, read=_read_inspect
    )
    return Provider(
        name=plugin.name,
        host=shapes.origin(str(job.base_url)),
        identity={"username": credential.username} if credential.username else {},
        grants=tuple(_grants(amino, seeds)),
        header=header,
        inspections={ACCESS_TOKEN: inspection} if job.inspect_path else {},
    )


def _check(job: Job, credential: Credential, seeds: frozenset[str]) -> None:
    if "password" in seeds and not job.password_path:
        raise ValueError("the seed `password` is of no use without the setting `password_path`")
    if len(seeds & {"ssid", "usid"}) == 1:
        raise ValueError("the seeds `ssid` and `usid` are of use only together")
    if seeds & {"password", "ssid"} and not credential.username:
        raise ValueError("`username` is missing: a password and cookies are presented with one")


def _grants(amino: _Amino, seeds: frozenset[str]) -> Iterator[Grant]:
    job = amino.job
    yield Grant(
        name="refresh_token",
        needs=frozenset({REFRESH_TOKEN}),
        yields=_BOTH,
        spends=REFRESH_TOKEN if job.refresh_rotates else None,
        replay=job.refresh_lifespan if job.replay is None else job.replay,
        ask=amino.ask_refresh,
        read=amino.read,
    )
    logins = (
        ("password", {"password"}, amino.ask_password),
        ("cookie", {"ssid", "usid"}, amino.ask_cookie),
    )
    for name, needs, ask in logins:
        if needs <= seeds:
            yield Grant(name=name, needs=frozenset(needs), yields=_BOTH, ask=ask, read=amino.read)


_EXAMPLE = """\
provider = "amino"
base_url = { env = "AMINO_BASE_URL" }    # https://… of the operator's installation
# renew_path = "/api/auth/v1/access_tokens"  # the vendor's pages do not say; ask your operator
# renew_encoding = "json"                    # or "form"
# inspect_path = "/channels"                 # a harmless GET; tells a living token from a dead one
# password_path = "/api/auth/v1/access_tokens"  # if your version gives tokens for a password
# service = "webui"                          # for the exchange of cookies

[schedule]
survive = "4h"                  # an outage this long must not cost a consumer its token
consumer_max_staleness = "10m"  # the slowest consumer's cache

[schedule.access_token]
lifespan = "24h"                # what you expect; what the provider answers wins

[schedule.refresh_token]
lifespan = "4d"

[[credentials]]
name = "epg"
seeds = { refresh_token = { env = "AMINO_EPG_REFRESH_TOKEN" } }  # from the last login's answer

# [[credentials]]
# name = "portal"
# username = "portal@example.com"
# seeds = { ssid = { env = "AMINO_PORTAL_SSID" }, usid = { env = "AMINO_PORTAL_USID" } }
"""

plugin = Plugin(
    name="amino",
    title="Amino (AminoTV, AminoMOVE; JSON Web Tokens)",
    job=Job,
    credential=Credential,
    seeds={
        REFRESH_TOKEN: "The refresh token in the answer to the last login.",
        "password": "The password of `username`, where `password_path` is set.",
        "ssid": "The cookie of that name of a web session that is logged in.",
        "usid": "The cookie of that name of the same session.",
    },
    build=build,
    cannot=(
        "Log in by Digest, in two stages: seed a refresh token, a password or cookies instead.",
        "Revoke: Amino keeps no tokens; forgetting deletes what is stored, a leaked one lives on.",
        "Know where a token is renewed: the vendor's pages do not say, see `renew_path`.",
    ),
    example=_EXAMPLE,
)
