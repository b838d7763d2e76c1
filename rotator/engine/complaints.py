"""What broke, as the log has it: once a minute at most, for it may last."""

from typing import Any

from rotator import triage
from rotator.clock import Clock
from rotator.errors import BadJobs, RotatorError

_REPEAT = 60.0
"""Seconds between two log lines about one failure that lasts."""


class Complaints:
    """Thread-safe as far as it matters: a line too many does no harm."""

    def __init__(self, log: Any, clock: Clock) -> None:
        self._log, self._clock = log, clock
        self._told_at: dict[str, float] = {}

    def tell(self, name: str, error: Exception) -> None:
        """`name`: of the credential, empty where it was none's."""
        key = f"{name} {type(error).__name__}"
        now = self._clock.monotonic()
        if now - self._told_at.get(key, float("-inf")) < _REPEAT:
            return
        self._told_at[key] = now
        whose = {"credential": name} if name else {}
        self._log.error(_event(name, error), **whose, **_facts(error))


def _event(name: str, error: Exception) -> str:
    if isinstance(error, BadJobs):
        return "the job files could not be read, and those that are known go on"
    return "a rotation broke off" if name else "the schedule could not be read"


def _facts(error: Exception) -> dict[str, Any]:
    """Our own errors in their words, with what comes next; others with their traceback."""
    if not isinstance(error, RotatorError):
        return {"exc_info": error}
    facts: dict[str, Any] = {"error": type(error).__name__, "text": str(error)}
    if trouble := triage.trouble_of(triage.outcome_of(error)):
        facts |= {"class": trouble.name, "action": trouble.action}
    return facts
