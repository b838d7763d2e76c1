"""When a job wants its tokens renewed, and how hard it may ask. Facts only: policy decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The hours in which to renew where that costs no token: from each firing on for `duration`."""

    cron: str
    duration: timedelta
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSchedule:
    """What the job says about one of its tokens."""

    lifespan: timedelta | None = None
    """What the job expects; what the provider answers wins."""
    cron: str | None = None
    """Renew at these firings (in UTC) in place of a share of the lifespan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How hard a job may ask its provider; None: as hard as it takes."""

    requests_per_minute: int | None = None
    at_once: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The `[schedule]` of one job."""

    survive: timedelta = timedelta(hours=8)
    """An outage this long must not cost a consumer its token."""
    consumer_max_staleness: timedelta = timedelta(minutes=15)
    """How long the slowest consumer goes on with a token that it has read."""
    window: Window | None = None
    tokens: Mapping[str, TokenSchedule] = field(default_factory=dict)

    def token(self, name: str) -> TokenSchedule:
        """What the job says about the token of that name, which may be nothing."""
        return self.tokens.get(name, TokenSchedule())
