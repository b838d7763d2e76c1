"""What a walk tells: each step and its rest to whoever watches, how it ended to whoever asked."""

from collections.abc import Callable
from dataclasses import dataclass

from rotator.ledger.facts import Stepped
from rotator.ledger.writes import Rest
from rotator.model import Reason, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line for the log, the pages and the alerts."""

    credential: str
    run: str
    stepped: Stepped | None = None
    rest: Rest | None = None
    was: State | None = None
    """The state before the walk, with `rest`."""


Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a walk ended."""

    credential: str
    state: State
    reason: Reason
    text: str = ""
    steps: tuple[Stepped, ...] = ()
