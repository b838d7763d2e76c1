"""Instants that a clock wrote which ran ahead: what is further off than it can be is void. Pure."""

from datetime import datetime, timedelta

from rotator.ledger.facts import BackOff, Intent, Manual
from rotator.policy.again import LONGEST_BACK_OFF
from rotator.policy.when import SKEW

VOID_BEYOND = LONGEST_BACK_OFF + timedelta(hours=1)
"""A back-off that ends further off than this was stored by a clock that jumped."""


def asked_at(manual: Manual, now: datetime) -> datetime:
    """When a person asked; by a clock that ran ahead: a moment ago."""
    return manual.asked_at if manual.asked_at <= now else now - SKEW


def is_void(intent: Intent, now: datetime) -> bool:
    """Whether none of its instants holds."""
    return intent.intended_at > now + SKEW


def holds(back_off: BackOff, now: datetime) -> bool:
    """Whether it has not ended yet, and no clock stored it that ran ahead."""
    return back_off.since - SKEW <= now < back_off.until < now + VOID_BEYOND
