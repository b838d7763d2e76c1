"""When a refresh token dies, where the provider does not tell and a person must."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from rotator.cli.exits import BadUsage

if TYPE_CHECKING:
    from rotator.jobs.job import Credential
    from rotator.model import Token
    from rotator.providers.base import Verdict

NEVER = "never"


def instant(text: str) -> datetime | None:
    """A date is the beginning of its day, in UTC; None for never."""
    if text == NEVER:
        return None
    try:
        at = datetime.fromisoformat(text)
        if len(text) == len("2026-12-31"):
            return at.replace(tzinfo=UTC)
        if at.tzinfo is None:
            raise BadUsage("--expires-at has no time zone", remedy="end it with Z")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadUsage("--expires-at is no date", remedy="2026-12-31, or never") from None


def refuse_past(token: "Token", now: datetime) -> None:
    if token.expires_at is not None and token.expires_at <= now:
        raise BadUsage("the token would be dead already", remedy="look at --expires-at")


def must_ask(verdict: "Verdict") -> bool:
    from rotator.providers.base import Alive, Dead

    return not isinstance(verdict, Dead) and not (isinstance(verdict, Alive) and verdict.expires_at)


def asked(credential: "Credential", now: datetime) -> datetime | None:
    """At the prompt: whoever made the token can tell. The job's own lifespan is proposed."""
    question = f"When does the refresh token of {credential.qualified} die (nobody else can tell)"
    return instant(str(typer.prompt(question, default=proposed(credential, now))))


def undecided(credential: "Credential", now: datetime) -> BadUsage:
    remedy = f"--expires-at {proposed(credential, now)}"
    return BadUsage("the provider does not tell when this token dies", remedy=remedy)


def proposed(credential: "Credential", now: datetime) -> str:
    from rotator.model import REFRESH_TOKEN

    lifespan = credential.schedule.token(REFRESH_TOKEN).lifespan
    return f"{now + lifespan:%Y-%m-%d}" if lifespan else NEVER
