"""When the next SIGKILL falls: drawn from the seed, sprung by what the worker does."""

import random  # noqa: TID251 - a soak's Random(seed)
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rotator.clock import Clock
from tests.soak.gate import Moment
from tests.soak.town import SPENDING
from tests.soak.victims import Victim

FAMILIES = ("spending", "provider", "AWS keyring", "AWS token", "AWS")
_PATIENCE = 4.0
"""Real seconds until a kill falls that nothing has sprung: nobody did what it waits for."""
_LOOK = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One kill."""

    how: str
    """`effect`, `time` or `ledger`."""
    family: str = ""
    moment: Moment = Moment.RECEIVED
    nth: int = 1
    delay: float = 0.0
    """Real seconds: after an effect's last byte or the ledger's write; from the start by `time`."""


def draw(dice: "random.Random") -> Plan:
    """Half of them at effects, most of these around requests that spend; half in between."""
    how = dice.choices(("effect", "time", "ledger"), (55, 20, 25))[0]
    if how == "time":
        return Plan(how=how, delay=dice.uniform(0, 1.2))
    if how == "ledger":
        return Plan(how=how, nth=dice.randint(1, 60), delay=dice.uniform(0, 0.002))
    return Plan(
        how=how,
        family=dice.choices(FAMILIES, (40, 15, 20, 15, 10))[0],
        moment=dice.choice(tuple(Moment)),
        nth=dice.choice((1, 1, 2, 3, 5)),
        delay=dice.choice((0.0, dice.uniform(0, 0.004), dice.uniform(0, 0.03))),
    )


class Trap:
    """Set for one worker at a time. Thread-safe: the gates ask from their own threads."""

    def __init__(self) -> None:
        self.hits: Counter[tuple[str, str]] = Counter()
        """How many kills fell at which moment of which effect."""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._plan: Plan | None = None
        self._victim: Victim | None = None
        self._seen = 0
        self._clock = Clock()

    def spring(self, plan: Plan, victim: Victim, ledger: Path) -> None:
        """Returns when the worker is dead."""
        with self._lock:
            self._plan, self._victim, self._seen = plan, victim, 0
            self._over.clear()
        if plan.how == "effect":
            self._over.wait(_PATIENCE)
        elif plan.how == "ledger":
            self._watch(ledger, plan)
        else:
            self._over.wait(plan.delay)
        if self._taken():
            where = "nothing that it waited for" if plan.how == "effect" else plan.how
            self.hits[where, ""] += 1
            victim.kill()
        else:
            self._over.wait()  # whoever sprang it is at it

    def falls(self, effect: str, moment: Moment) -> bool:
        """Asked at each moment of each effect: whether the worker has just been killed there."""
        plan, victim = self._plan, self._victim
        if plan is None or victim is None or not _fits(plan, effect, moment):
            return False
        with self._lock:
            if plan is not self._plan:
                return False
            self._seen += 1
            if self._seen < plan.nth:
                return False
            self._plan = None
        if moment is Moment.ANSWERED:
            threading.Event().wait(plan.delay)
        victim.kill()
        self.hits[effect, moment] += 1
        self._over.set()
        return True

    def _taken(self) -> bool:
        """Whether nobody else has sprung it, nor can from now on."""
        with self._lock:
            mine, self._plan = self._plan is not None, None
            return mine

    def _watch(self, ledger: Path, plan: Plan) -> None:
        """Until the ledger's log has changed so often: a kill between or within its writes."""
        log, seen, changes = ledger.with_name(ledger.name + "-wal"), (0, 0), 0
        ends = self._clock.monotonic() + _PATIENCE
        while changes < plan.nth and self._clock.monotonic() < ends:
            threading.Event().wait(_LOOK)
            now = _stamp(log)
            changes += now != seen
            seen = now
        threading.Event().wait(plan.delay)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _fits(plan: Plan, effect: str, moment: Moment) -> bool:
    if plan.how != "effect" or moment is not plan.moment:
        return False
    match plan.family:
        case "spending":
            return effect in SPENDING
        case "provider":
            return not effect.startswith("AWS")
        case "AWS keyring":
            return effect.startswith("AWS") and effect.endswith("keyring")
        case "AWS token":
            return effect.startswith("AWS") and effect.endswith("token")
        case _:
            return effect.startswith("AWS")
