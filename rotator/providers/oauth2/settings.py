"""What a job file says of an OAuth 2.0 server, and of the client that is registered with it."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, HttpUrl, field_validator

from rotator.durations import Duration
from rotator.model import REFRESH_TOKEN
from rotator.providers.base import Identity, Settings

SECRET = "client_secret"
_OURS = frozenset({"grant_type", "client_id", SECRET, REFRESH_TOKEN, "scope", "token"})

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
