"""Instants that a clock wrote which ran ahead: what is further off than it can be is void. Pure."""

from datetime import datetime

from rotator.ledger.base import Intent, Manual
from rotator.policy import SKEW


def asked_at(manual: Manual, now: datetime) -> datetime:
    """When a person asked; by a clock that ran ahead: a moment ago."""
    return manual.asked_at if manual.asked_at <= now else now - SKEW


def is_void(intent: Intent, now: datetime) -> bool:
    """Whether none of its instants holds."""
    return intent.intended_at > now + SKEW
