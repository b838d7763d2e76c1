"""What an Alation job says."""

from typing import Annotated

from pydantic import Field

from rotator.providers.base import BodyEncoding, Identity, JobSettings, Settings


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
