"""Every effect goes through a counted door, and a worker can be killed at each of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """SIGKILL, as far as one process can play it: nothing catches it, nothing runs after it."""


@dataclass
class Effects:
    """Counts effects, and kills before or after the one that was named."""

    kill_at: tuple[int, str] | None = None
    """(number of the effect from 1, "before" or "after")."""
    names: list[str] = field(default_factory=list)
    dead: bool = False

    def through(self, name: str, act: Callable[[], Any]) -> Any:
        if self.dead:
            raise Killed(name)
        self.names.append(name)
        number = len(self.names)
        self._die_if((number, "before"), name)
        result = act()
        self._die_if((number, "after"), name)
        return result

    def _die_if(self, here: tuple[int, str], name: str) -> None:
        if self.kill_at == here:
            self.dead = True
            raise Killed(f"{here[1]} {name}")


class Counted:
    """A ledger, store or door whose every method is one effect; attributes pass through."""

    def __init__(self, inner: object, room: str, effects: Effects) -> None:
        self._inner = inner
        self._room = room
        self._effects = effects

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def effect(*args: Any, **kwargs: Any) -> Any:
            label = f"{self._room}.{name}"
            return self._effects.through(label, lambda: found(*args, **kwargs))

        return effect
