"""What an Amino job says; the vendor's pages leave much of it open."""

from datetime import timedelta

from pydantic import Field

from rotator.durations import Duration
from rotator.providers.base import BodyEncoding, Identity, JobSettings, Settings


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
