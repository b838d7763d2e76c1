"""What people are told of a credential, and when: it needs somebody, is well again, or runs out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rotator.model import Reason, State

DAYS = (14, 7, 3, 1)
"""Of a refresh token's life are left."""
NEEDS = "needs a person"
_RUNS_OUT = "refresh token"
_LISTED = 20
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one credential gives cause to tell."""

    credential: str
    key: str
    """What it is told for once; empty: it is the end of something told before."""
    title: str
    body: str


class Standing(Protocol):
    """What a row and the end of a walk have in common."""

    @property
    def state(self) -> State: ...
    @property
    def reason(self) -> Reason: ...
    @property
    def text(self) -> str: ...
    @property
    def refresh_renew_at(self) -> datetime | None: ...
    @property
    def refresh_expires_at(self) -> datetime | None: ...


def running_out(standing: Standing, now: datetime) -> int | None:
    """Which of DAYS a refresh token has come to that should have been renewed long ago.

    One that is renewed in time is nobody's concern, however short its life: the first tenth of what
    is left after its `renew_at` is silent.
    """
    expires_at, renew_at = standing.refresh_expires_at, standing.refresh_renew_at
    if expires_at is None or now >= expires_at:
        return None
    if renew_at is not None and now < renew_at + (expires_at - renew_at) / 10:
        return None
    return min((days for days in DAYS if expires_at - now <= days * _DAY), default=None)


def needs(credential: str, standing: Standing) -> Message:
    return Message(
        credential=credential,
        key=NEEDS,
        title=f"rotator: {credential} needs a person",
        body=f"{standing.reason}.\n{standing.text}\nMore: rotator explain {credential}",
    )


def mended(credential: str) -> Message:
    return Message(
        credential=credential,
        key="",
        title=f"rotator: {credential} is fresh again",
        body="Nobody needs to do anything.",
    )


def runs_out(credential: str, standing: Standing, days: int) -> Message:
    at = standing.refresh_expires_at
    until = f"{at:%Y-%m-%d %H:%M}Z" if at else "?"
    return Message(
        credential=credential,
        key=f"{_RUNS_OUT} {until} {days}",
        title=f"rotator: the refresh token of {credential} dies within {days} d",
        body=f"It lives until {until} and was not renewed: {standing.reason}.\n{standing.text}\n"
        f"More: rotator explain {credential}",
    )


def together(messages: Sequence[Message]) -> Message:
    lines = [message.title.removeprefix("rotator: ") for message in messages[:_LISTED]]
    if len(messages) > _LISTED:
        lines.append(f"and {len(messages) - _LISTED} more")
    return Message(
        credential="",
        key="",
        title=f"rotator: {len(messages)} credentials",
        body="\n".join([*lines, "More: rotator status"]),
    )
