"""Where the demo is seen: a live table on a terminal, lines anywhere else."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rotator.clock import Clock
from rotator.durations import display
from rotator.ledger.facts import Row
from rotator.rotation.standing import standing
from rotator.sandbox.journal import Event, Journal
from rotator.sandbox.stage import Stage
from rotator.sandbox.summary import Summary
from rotator.sandbox.troupe import Part

_EVERY = 5.0
"""Real seconds between two status lines."""
_THIN = 3.0
"""Real seconds in which one renewal of a credential is shown, and no more."""
_RULE = "*" * 78
_EVENTS = 10
_COLOURS = {"fresh": "green", "due": "yellow", "rotating": "yellow"}
_MINUTE = timedelta(minutes=1)
_NOW, _DEAD = "now", "dead"


@dataclass(frozen=True, slots=True)
class View:
    """What there is to see at one instant."""

    stage: Stage
    cast: Sequence[Part]
    journal: Journal
    rows: Mapping[str, Row]
    """The ledger's, by credential."""
    title: str

    @property
    def now(self) -> datetime:
        return self.stage.clock.now()

    def state(self, part: Part) -> str:
        row = self.rows.get(part.name)
        if row is None:
            return "starting"
        return standing(part.name, row, part.credential, self.now, at_work=True).state.value

    def due(self, part: Part) -> str:
        row = self.rows.get(part.name)
        return left(row.access_renew_at if row else None, self.now, _NOW)

    def refresh_lives(self, part: Part) -> str:
        if not part.is_chain:
            return "-"
        row = self.rows.get(part.name)
        return left(row.refresh_expires_at if row else None, self.now, _DEAD)


class Screen(Protocol):
    """What the play shows itself on."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None: ...  # fmt: skip

    def event(self, event: Event) -> None:
        """Something happened; from any thread."""
        ...

    def show(self, view: View) -> None:
        """Called a few times a second."""
        ...


class Lines:
    """For logs and pipes: a line an event, and the state of all every few seconds.

    Of a credential that is renewed again and again some renewals are shown, the others counted.
    What is grave stands apart.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._clock = console, Clock()
        self._next = self._clock.monotonic() + _EVERY
        self._shown: dict[str, float] = {}
        self._more: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def event(self, event: Event) -> None:
        if event.grave:
            say(self._console, f"\n{_RULE}\n{event.at}  {event.text}\n{_RULE}\n")
        elif not self._is_one_of_many(event):
            say(self._console, f"{event.at}  {event.text}")

    def show(self, view: View) -> None:
        if self._clock.monotonic() < self._next:
            return
        self._next += _EVERY
        with self._lock:
            more, self._more = self._more, Counter()
        say(self._console, f"{view.journal.time(view.now)}  -- {_status(view, more)}")

    def _is_one_of_many(self, event: Event) -> bool:
        """Whether another renewal of the same credential was shown a moment ago."""
        now, whose = self._clock.monotonic(), event.renewed
        with self._lock:
            if not whose or now - self._shown.get(whose, float("-inf")) >= _THIN:
                self._shown[whose] = now
                return False
            self._more[whose] += 1
            return True


class Terminal:
    """One table a credential a row, the last events under it."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def event(self, event: Event) -> None:
        """It is in the journal, which `show` reads."""

    def show(self, view: View) -> None:
        self._live.update(Group(_table(view), _events(view)), refresh=True)


def screen(console: Console) -> Screen:
    """The one that fits where the output goes."""
    return Terminal(console) if console.is_terminal else Lines(console)


def say(console: Console, text: str, style: str = "") -> None:
    """One line as it is: not wrapped, nothing in it taken for markup."""
    console.print(Text(text, style), soft_wrap=True)


def show_summary(console: Console, summary: Summary) -> None:
    say(console, "")
    for check in summary.checks:
        say(console, f"{'ok  ' if check.held else 'FAIL'}  {check.text}",
            "green" if check.held else "bold red")  # fmt: skip
    for figure in summary.figures:
        say(console, f"      {figure}")


def left(at: datetime | None, now: datetime, over: str) -> str:
    """How long until an instant, to the minute; `over` once it has passed."""
    if at is None:
        return "?"
    minutes = (at - now) // _MINUTE * _MINUTE
    return display(minutes) if at > now else over


def _status(view: View, more: Mapping[str, int]) -> str:
    """All credentials in one line, what they add up to in another."""
    if not view.rows:
        return "the worker is starting"
    accepted = sum(part.tally.accepted for part in view.cast)
    healed = sum(part.tally.healed for part in view.cast)
    stayed = sum(part.tally.stayed for part in view.cast)
    calls = f"{accepted} calls accepted, {healed} after one re-read, {stayed} refused"
    sums = [calls, f"{view.stage.aws.writes_per_second:.1f} AWS writes/s"]
    sums += [f"renewed besides: {name} {_times(count)}" for name, count in sorted(more.items())]
    return "; ".join(_state(view, part) for part in view.cast) + f"\n{'':16}{'; '.join(sums)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _state(view: View, part: Part) -> str:
    due = view.due(part)
    return f"{part.name} {view.state(part)}, due {due if due == _NOW else f'in {due}'}"


def _table(view: View) -> Table:
    title = (
        f"{view.journal.time(view.now)}  ·  {view.title}  ·  {view.journal.rotations} rotations"
        f"  ·  {view.stage.aws.writes_per_second:.1f} AWS writes/s"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("credential", "state"):
        table.add_column(heading)
    for heading in (
        "generation", "renewed", "due in", "access expires in", "refresh expires in",
        "accepted", "healed", "refused",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for part in view.cast:
        table.add_row(*_cells(view, part))
    return table


def _cells(view: View, part: Part) -> list[Text]:
    access, state, tally = part.access, view.state(part), part.tally
    plain = (
        str(access.generation if access else 0),
        str(part.renewals),
        view.due(part),
        left(access.expires_at if access else None, view.now, _DEAD),
        view.refresh_lives(part),
        str(tally.accepted),
        str(tally.healed),
    )
    return [
        Text(part.name),
        Text(state, _COLOURS.get(state, "bold red")),
        *(Text(cell) for cell in plain),
        Text(str(tally.stayed), "bold red" if tally.stayed else ""),
    ]


def _events(view: View) -> Text:
    """The newest last; a kill stays on top for as long as the demo lasts."""
    events = tuple(view.journal.events)
    older = [event for event in events[:-_EVENTS] if event.grave]
    shown = [*older[-3:], *events[-_EVENTS:]]
    lines = (
        Text(f"{event.at}  {event.text}", "bold red" if event.grave else "dim") for event in shown
    )
    return Text("\n").join(lines)
