"""`rotator rotate`."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli import options
from rotator.cli.exits import BadUsage, Exit

if TYPE_CHECKING:
    from rotator.cli.opening import House
    from rotator.cli.wishes import Ended
    from rotator.jobs.job import Credential
    from rotator.ledger.base import Ledger, Manual

_WHATS = ("access", "refresh", "both")


def rotate(
    names: options.Names = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every credential of every job.")] = False,
    what: Annotated[str, typer.Option(metavar="TOKEN", help="access, refresh or both.")] = "access",
    why: Annotated[str, typer.Option(metavar="TEXT", help="For the history.")] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Present seeds again that were refused before.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the outcome and report it.")] = True,
    timeout: Annotated[
        int,
        typer.Option(
            parser=options.whole("seconds", 1), metavar="SECONDS", help="How long to wait at most."
        ),
    ] = 300,
    as_json: options.Json = False,
) -> int:
    """Replace tokens now, whatever is backing off.

    With a worker alive the request is stored and the worker does it; without one, this command
    takes the worker's lock and rotates by itself.
    """
    if what not in _WHATS:
        raise BadUsage(f"--what {what}", remedy=f"one of {', '.join(_WHATS)}")
    if bool(names) == every:
        raise BadUsage("name credentials, or say --all")
    from rotator.cli.opening import House

    house = House.open()
    chosen = house.chosen(names or ["*"])
    order = Order(house, what, why, again=again, wait=wait, timeout=timedelta(seconds=timeout))
    ended = _shown(order.carried_out(chosen), len(chosen), quiet=as_json)
    return _report(ended, as_json=as_json)


class Order:
    """One command to rotate."""

    def __init__(
        self, house: "House", what: str, why: str, *, again: bool, wait: bool, timeout: timedelta
    ) -> None:
        from rotator.cli.wishes import What

        self._house = house
        self._what = What(what)
        self._why = why
        self._again = again
        self._wait = wait
        self._timeout = timeout

    def carried_out(self, chosen: "list[Credential]") -> "Iterator[Ended]":
        """With a worker or without; nobody starts one between our look and our lock."""
        lock = self._house.lock()
        if lock.attempt():
            with lock:
                yield from self._alone(chosen)
        else:
            yield from self._by_the_worker(chosen)

    def _by_the_worker(self, chosen: "list[Credential]") -> "Iterator[Ended]":
        from rotator.cli import wishes

        with self._house.ledger() as ledger:
            refused, manuals = self._sorted(chosen, ledger)
            yield from refused
            wishes.store(ledger, manuals)
            if self._wait:
                yield from wishes.watched(ledger, manuals, self._timeout, self._house)
            else:
                yield from map(_asked, manuals)

    def _alone(self, chosen: "list[Credential]") -> "Iterator[Ended]":
        from rotator.cli import wishes

        with self._house.tools() as tools:
            self._house.enrol(tools.ledger)
            tools.ledger.free_all()
            refused, manuals = self._sorted(chosen, tools.ledger)
            yield from refused
            wishes.store(tools.ledger, manuals)
            if not self._wait:
                yield from map(_asked, manuals)
                return
            by_name = {each.qualified: each for each in chosen}
            threads = self._house.settings.threads
            yield from wishes.walked(tools, by_name, manuals, self._timeout, threads)

    def _sorted(
        self, chosen: "list[Credential]", ledger: "Ledger"
    ) -> "tuple[list[Ended], list[Manual]]":
        from rotator.cli import wishes

        rows = {row.credential: row for row in ledger.rows([c.qualified for c in chosen])}
        refused = {
            each.qualified: ended
            for each in chosen
            if (ended := wishes.refusal(each, rows.get(each.qualified), self._what))
        }
        willing = [each for each in chosen if each.qualified not in refused]
        now = self._house.clock.now()
        manuals = wishes.wishes(willing, self._what, self._why, now, again=self._again)
        return list(refused.values()), manuals


def _asked(manual: "Manual") -> "Ended":
    from rotator.cli.wishes import Ended

    return Ended(credential=manual.credential, outcome="asked", request=manual.id)


def _shown(ended: "Iterable[Ended]", count: int, *, quiet: bool) -> "list[Ended]":
    """All of them, with a bar where somebody watches and there is more than one."""
    from rotator.cli.out import console

    to = console(stderr=True)
    if quiet or count < 2 or not to.is_terminal:
        return list(ended)
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=to, transient=True) as progress:
        bar = progress.add_task("rotating", total=count)
        found = []
        for each in ended:
            found.append(each)
            progress.advance(bar)
        return found


def _report(ended: "list[Ended]", *, as_json: bool) -> int:
    from dataclasses import asdict

    from rotator.cli import out

    ended.sort(key=lambda each: each.credential)
    if as_json:
        out.say_json([asdict(each) for each in ended])
    else:
        for each in ended:
            out.say(f"{each.credential}: {each.outcome}" + (f": {each.text}" if each.text else ""))
    outcomes = {each.outcome for each in ended}
    if "needs a person" in outcomes:
        return Exit.PERSON
    if outcomes == {"skipped"}:
        return Exit.USAGE
    return Exit.FAILED if outcomes & {"failed", "waiting", "paused"} else Exit.DONE
