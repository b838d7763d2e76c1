"""What stands in every job file, whichever its provider: schedule, limits, credentials, seeds.

The descriptions are the documentation: jobs/README.md is made of them. A refusal reads "what is
wrong; what to write instead".
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from rotator import cron
from rotator.durations import Duration
from rotator.providers.base import Settings
from rotator.references import Place, SeedRef
from rotator.schedule import Limits, Schedule, TokenSchedule, Window

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SHORTEST_WINDOW = timedelta(minutes=15)

_LITERAL = 'a literal secret, and none stands in a job file; write { env = "NAME" } for it'
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,255}")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError("not a name; use a-z, 0-9, _ and -, at most 64, a letter or digit first")
    return text


def _cron(text: str) -> str:
    cron.trigger(text)
    return text


def _zone(text: str) -> str:
    cron.zone(text)
    return text


def variable_name(text: str) -> str:
    """The name of a variable. Upper case, so that no password passes for one and is then shown."""
    if not _VARIABLE.fullmatch(text):
        raise ValueError("not the name of a variable; use A-Z, 0-9 and _, a letter first")
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or ".." in text.split("/") or not text.isprintable():
        raise ValueError("not an absolute path; begin it with /, without ..")
    return text


Name = Annotated[str, AfterValidator(_name)]
Cron = Annotated[str, AfterValidator(_cron)]


class WindowModel(Settings):
    """The table `[schedule.window]`."""

    cron: Cron = Field(description="When it opens: minute hour day month weekday (mon-fri).")
    duration: Duration = Field(
        ge=SHORTEST_WINDOW, le=timedelta(days=31), description="For how long, at least 15m."
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="Of `cron`, as in Europe/Berlin."
    )


class TokenModel(Settings):
    """The table `[schedule.access_token]`."""

    lifespan: Duration | None = Field(
        None,
        ge=timedelta(minutes=1),
        description="What you expect. What the provider answers wins, and a difference is shown.",
    )
    cron: Cron | None = Field(
        None, description="Renew at these times (UTC) in place of a share of the lifespan."
    )


class ScheduleModel(Settings):
    """The table `[schedule]`."""

    survive: Duration = Field(
        timedelta(hours=8), description="An outage this long must not cost a consumer its token."
    )
    consumer_max_staleness: Duration = Field(
        timedelta(minutes=15), description="How long the slowest consumer keeps what it has read."
    )
    window: WindowModel | None = Field(
        None,
        description="The hours in which to renew. No token dies of it: where the window does not"
        " open while `survive` is still kept, the token is renewed outside of it, as if there were"
        " none. A token of 24h with a window each night is renewed in it about every other time;"
        " refused is only a window that stays shut for longer than the token can wait.",
    )
    access_token: TokenModel = Field(TokenModel(), description="What consumers read.")
    refresh_token: TokenModel = Field(TokenModel(), description="What the worker alone needs.")

    def facts(self) -> Schedule:
        tokens = {
            name: TokenSchedule(lifespan=said.lifespan, cron=said.cron)
            for name in ("access_token", "refresh_token")
            if (said := getattr(self, name)).model_fields_set
        }
        window = Window(**self.window.model_dump()) if self.window else None
        return Schedule(
            survive=self.survive,
            consumer_max_staleness=self.consumer_max_staleness,
            window=window,
            tokens=tokens,
        )


class LimitsModel(Settings):
    """The table `[limits]`."""

    requests_per_minute: int | None = Field(
        None, ge=1, description="So many requests to the provider in any minute; unset: any number."
    )
    at_once: int | None = Field(
        None, ge=1, description="So many requests to the provider at the same time; unset: any."
    )

    def facts(self) -> Limits:
        return Limits(requests_per_minute=self.requests_per_minute, at_once=self.at_once)


class SeedModel(Settings):
    """A reference to a seed: exactly one of `env`, `file` and `secret`."""

    env: Annotated[str, AfterValidator(variable_name)] | None = Field(
        None, description="The name of an environment variable, read at the start."
    )
    file: Annotated[str, AfterValidator(_path)] | None = Field(
        None, description="An absolute path, read at each rotation."
    )
    secret: str | None = Field(
        None, description="The name of a secret, or name#json_key, read at each rotation."
    )
    expires_at: AwareDatetime | None = Field(
        None, description="When the seed dies, if you know: 2026-11-23T02:14:00Z."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError(_LITERAL)  # noqa: TRY004 - pydantic wants a ValueError
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(place is not None for place in (self.env, self.file, self.secret)) != 1:
            raise ValueError('not one reference; write { env = "…" } or { file = "…" }')
        return self

    def reference(self) -> SeedRef:
        at: datetime | None = self.expires_at
        if self.env is not None:
            return SeedRef(place=Place.ENV, name=self.env, expires_at=at)
        if self.file is not None:
            return SeedRef(place=Place.FILE, name=self.file, expires_at=at)
        name, _, key = (self.secret or "").partition("#")
        return SeedRef(place=Place.SECRET, name=name, key=key, expires_at=at)


class CredentialModel(Settings):
    """The table `[[credentials]]`."""

    name: Name = Field(description="Its name within the job.")
    seeds: dict[str, SeedModel] = Field(description="What a person gave, by reference.")
