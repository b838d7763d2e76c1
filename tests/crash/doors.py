"""Every effect goes through a counted door, and a worker can be killed at each of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rotator.ledger.writes import Intend


class Killed(BaseException):
    """SIGKILL, as far as one process can play it: nothing catches it, nothing runs after it."""


@dataclass
class Effects:
    """Counts effects, and kills before or after the one that was named."""

    kill_at: tuple[int, str] | None = None
    """(number of the effect from 1, "before" or "after")."""
    names: list[str] = field(default_factory=list)
    died: str = ""
    """Where, in words; nothing goes through a dead worker's doors any more."""
    stopped: Callable[[], Any] | None = None
    """What the worker was about to do, for one that is frozen and not dead."""
    grant: str = ""
    """Of the intent that was written last, until its request goes out."""

    def through(self, name: str, act: Callable[[], Any]) -> Any:
        if self.died:
            raise Killed(self.died)
        self.names.append(name)
        number = len(self.names)
        self.stopped = act
        self._die_if((number, "before"), name)
        try:
            return act()
        finally:  # a request that went unanswered has had its effect, too
            self._die_if((number, "after"), name)

    def labelled(self, name: str, args: tuple[object, ...]) -> str:
        """The effect's name; an intent and the request that follows it, with their grant."""
        intents = [change.intent for change in args if isinstance(change, Intend)]
        if intents:
            self.grant = intents[0].grant
            return f"{name} intent [{self.grant}]"
        if name == "provider.send" and self.grant:
            grant, self.grant = self.grant, ""
            return f"{name} [{grant}]"
        return name

    def wake(self) -> None:
        """The worker was only frozen: it does what it was about to do."""
        assert self.stopped is not None
        self.stopped()

    def _die_if(self, here: tuple[int, str], name: str) -> None:
        if self.kill_at == here:
            self.died = f"{here[1]} {name}"
            raise Killed(self.died)


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
            label = self._effects.labelled(f"{self._room}.{name}", args)
            return self._effects.through(label, lambda: found(*args, **kwargs))

        return effect
