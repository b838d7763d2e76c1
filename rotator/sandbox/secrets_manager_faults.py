"""What can go wrong with Secrets Manager, on request; and what it counted meanwhile.

    faults.throttle()                      AWS's own rates, each group of operations by itself
    faults.throttle(20)                    the writes' group at 20 a second
    faults.fail("PutSecretValue", "InternalServiceError", times=2, status=500)
    faults.lose_replies("PutSecretValue")  done, and the connection closes with no answer
    faults.drop("PutSecretValue")          the same with nothing done
    faults.go_dark()                       no answers at all; go_dark("503"), go_dark(until=instant)
    faults.lag = timedelta(seconds=30)     reads answer as of 30 seconds ago
    faults.latency = 0.02                  each call takes that many real seconds longer
    faults.clear()                         none of these

An operation of "*" is any operation. `apply` takes the same from a control request's JSON.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from rotator.sandbox.secrets_manager_rules import AwsError, NoAnswer

WRITES = frozenset(
    {
        "PutSecretValue",
        "UpdateSecret",
        "UpdateSecretVersionStage",
        "ReplicateSecretToRegions",
        "RemoveRegionsFromReplication",
    }
)
_GROUPS = {
    **dict.fromkeys(WRITES, "writes"),
    **dict.fromkeys(("TagResource", "UntagResource"), "tags"),
    **dict.fromkeys(("GetResourcePolicy", "PutResourcePolicy"), "policies"),
}
AWS_RATES = {
    # calls a second and Region; an operation in no group is its own
    "writes": 50.0,
    "tags": 50.0,
    "policies": 50.0,
    "CreateSecret": 50.0,
    "DeleteSecret": 50.0,
    "RestoreSecret": 50.0,
    "BatchGetSecretValue": 100.0,
    "ListSecrets": 100.0,
    "GetSecretValue": 10_000.0,
    "DescribeSecret": 40_000.0,
}
LONGEST_LAG = timedelta(hours=1)


@dataclass(slots=True)
class _Bucket:
    rate: float
    tokens: float
    filled_at: float

    def take(self, at: float) -> bool:
        self.tokens = min(self.rate, self.tokens + (at - self.filled_at) * self.rate)
        self.filled_at = at
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class _Planned:
    """The next `times` calls of `operation` end with `error`."""

    operation: str
    error: AwsError | NoAnswer
    times: int

    def meets(self, operation: str) -> bool:
        if self.times <= 0 or self.operation not in ("*", operation):
            return False
        self.times -= 1
        return True


class Faults:
    """Set from any thread; read under the service's lock."""

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._now = now
        self._monotonic = monotonic
        self.clear()

    def clear(self) -> None:
        self.latency = 0.0
        self._lag = timedelta(0)
        self._dark = ""
        self._dark_until: datetime | None = None
        self._before: list[_Planned] = []
        self._after: list[_Planned] = []
        self._buckets: dict[str, _Bucket] = {}

    @property
    def lag(self) -> timedelta:
        return self._lag

    @lag.setter
    def lag(self, lag: timedelta) -> None:
        if not timedelta(0) <= lag <= LONGEST_LAG:
            raise ValueError(f"a lag is at most {LONGEST_LAG}: older states are not kept")
        self._lag = lag

    def throttle(self, writes_per_second: float = AWS_RATES["writes"]) -> None:
        """From now on, with full buckets."""
        rates = {**AWS_RATES, "writes": writes_per_second}
        at = self._monotonic()
        self._buckets = {group: _Bucket(rate, rate, at) for group, rate in rates.items()}

    def fail(self, operation: str, code: str, *, times: int = 1, status: int = 400) -> None:
        error = AwsError(code, "The sandbox was told to fail this call.", status)
        self._before.append(_Planned(operation, error, times))

    def drop(self, operation: str, *, times: int = 1) -> None:
        self._before.append(_Planned(operation, NoAnswer("dropped"), times))

    def lose_replies(self, operation: str, *, times: int = 1) -> None:
        self._after.append(_Planned(operation, NoAnswer("reply lost"), times))

    def go_dark(self, how: str = "closed", *, until: datetime | None = None) -> None:
        """`how`: "closed" or "503"; "" ends it."""
        if how not in ("", "closed", "503"):
            raise ValueError('an outage is "closed", "503", or "" for none')
        self._dark, self._dark_until = how, until

    def apply(self, wanted: Mapping[str, Any]) -> None:
        """A control request; raises ValueError or TypeError where it makes no sense."""
        verbs: dict[str, Callable[[Any], None]] = {
            "clear": lambda _: self.clear(),
            "lag_seconds": lambda seconds: setattr(self, "lag", timedelta(seconds=seconds)),
            "latency_seconds": lambda seconds: setattr(self, "latency", float(seconds)),
            "writes_per_second": self.throttle,
            "fail": lambda call: self.fail(**call),
            "drop": lambda call: self.drop(**call),
            "lose_replies": lambda call: self.lose_replies(**call),
            "outage": self.go_dark,
            "outage_seconds": lambda seconds: self.go_dark(
                self._dark or "closed", until=self._now() + timedelta(seconds=seconds)
            ),
        }
        if unknown := wanted.keys() - verbs.keys():
            raise ValueError(f"unknown faults: {', '.join(sorted(unknown))}")
        for verb, run in verbs.items():  # in this order, so that "clear" comes first
            if verb in wanted:
                run(wanted[verb])

    def before(self, operation: str) -> None:
        """What keeps a call from being carried out."""
        self._check_dark()
        bucket = self._buckets.get(_GROUPS.get(operation, operation))
        if bucket is not None and not bucket.take(self._monotonic()):
            raise AwsError("ThrottlingException", "Rate exceeded")
        _raise_first(self._before, operation)

    def after(self, operation: str) -> None:
        """What keeps an answer from coming home."""
        _raise_first(self._after, operation)

    def _check_dark(self) -> None:
        if self._dark_until is not None and self._now() >= self._dark_until:
            self._dark, self._dark_until = "", None
        if self._dark == "503":
            raise AwsError("ServiceUnavailableException", "Service unavailable.", 503)
        if self._dark:
            raise NoAnswer("outage")


def _raise_first(planned: list[_Planned], operation: str) -> None:
    for plan in planned:
        if plan.meets(operation):
            raise plan.error.with_traceback(None)


class Call(NamedTuple):
    """One line of the log; never a value."""

    operation: str
    secret: str
    at: datetime
    principal: str
    outcome: str
    """ "ok", an error's code, or why there was no answer."""


class Stats:
    """What was called, and how fast."""

    def __init__(self, monotonic: Callable[[], float], log_size: int | None = None) -> None:
        self._monotonic = monotonic
        self._last_second: deque[float] = deque()
        self.calls: Counter[str] = Counter()
        self.versions = 0
        self.peak_writes_per_second = 0
        """The most write-API calls within any one second, refused ones too."""
        self.log: deque[Call] = deque(maxlen=log_size)

    def count(self, operation: str) -> None:
        self.calls[operation] += 1
        if operation not in WRITES:
            return
        at = self._monotonic()
        self._last_second.append(at)
        while self._last_second[0] <= at - 1:
            self._last_second.popleft()
        self.peak_writes_per_second = max(self.peak_writes_per_second, len(self._last_second))

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": dict(self.calls),
            "versions": self.versions,
            "peak_writes_per_second": self.peak_writes_per_second,
        }

    def log_as_json(self) -> list[dict[str, str]]:
        return [{**call._asdict(), "at": call.at.isoformat()} for call in self.log]
