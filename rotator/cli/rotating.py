"""`rotator rotate`."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from socket import gethostname
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli import options
from rotator.cli.exits import BadUsage, Exit, Interrupted

if TYPE_CHECKING:
    from rotator.cli.opening import House
    from rotator.cli.wishes import Ended
    from rotator.jobs.job import Credential
    from rotator.ledger.base import Ledger
    from rotator.ledger.facts import Manual

_STORED = "what was asked for stays stored; `rotator status` shows what becomes of it"
_WHATS = ("access", "refresh", "both")

_Timeout = Annotated[
    int,
    typer.Option(
        parser=options.whole("seconds", 1), metavar="SECONDS", help="How long to wait at most."
    ),
]


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
    timeout: _Timeout = 300,
    as_json: options.Json = False,
) -> int:
    """Replace tokens now, whatever is backing off.

    With a worker alive the request is stored and the worker does it; without one, this command
    takes the worker's lock and rotates by itself. Either way a failure is told with its cause and
    with what comes next; the request stays stored until it is met. With --all the exit code is 3
    where all went well, but job files with mistakes were left out.
    """
    if what not in _WHATS:
        raise BadUsage(f"--what cannot be {what}", remedy=f"one of {', '.join(_WHATS)}")
    if bool(names) == every:
        raise BadUsage("name credentials or say --all" + (", not both" if every else ""))
    from rotator.cli.opening import House

    house = House.open()
    if every and house.book.mistakes and not house.book.credentials:
        return _left_out(house)
    chosen = house.chosen(names or ["*"])
    order = Order(
        house, what, why, again=again, wait=wait, timeout=timedelta(seconds=timeout), quiet=as_json
    )
    try:
        ended = _shown(order.carried_out(chosen), len(chosen), quiet=as_json)
    except KeyboardInterrupt:
        raise Interrupted("no longer waiting", remedy=_STORED) from None
    code = _report(house, ended, as_json=as_json)
    wrong = _left_out(house) if every else Exit.DONE
    return code or wrong


class Order:
    """One command to rotate."""

    def __init__(
        self,
        house: "House",
        what: str,
        why: str,
        *,
        again: bool,
        wait: bool,
        timeout: timedelta,
        quiet: bool,
    ) -> None:
        from rotator.cli.wishes import What

        self._house = house
        self._what = What(what)
        self._why = why
        self._again = again
        self._wait = wait
        self._timeout = timeout
        self._quiet = quiet

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
                if not self._quiet:
                    self._say_who_does_it(len(manuals))
                yield from wishes.watched(ledger, manuals, self._timeout, self._house)
            else:
                yield from (_asked(each, self._worker()) for each in manuals)

    def _worker(self) -> str:
        return f"the worker (pid {self._house.lock().holder() or 'unknown'} on {gethostname()})"

    def _say_who_does_it(self, count: int) -> None:
        from rotator.cli import out

        if count:
            what = "it" if count == 1 else f"{count} credentials"
            longest = out.rough(self._timeout)
            out.warn(f"asked {self._worker()} to rotate {what}; waiting, {longest} at most …")

    def _alone(self, chosen: "list[Credential]") -> "Iterator[Ended]":
        from rotator.cli import wishes

        with self._house.tools() as tools:
            self._house.enrol(tools.ledger)
            tools.ledger.free_all()
            refused, manuals = self._sorted(chosen, tools.ledger)
            yield from refused
            wishes.store(tools.ledger, manuals)
            if not self._wait:
                yield from (_asked(each, "the next worker") for each in manuals)
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


def _asked(manual: "Manual", whom: str) -> "Ended":
    from rotator.cli.wishes import Ended

    text = f"{whom} does it"
    return Ended(credential=manual.credential, outcome="asked", text=text, request=manual.id)


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


def _report(house: "House", ended: "list[Ended]", *, as_json: bool) -> int:
    from dataclasses import asdict

    from rotator.cli import out

    ended.sort(key=lambda each: each.credential)
    if as_json:
        out.say_json([asdict(each) for each in ended])
    else:
        out.say(*(_line(each, house) for each in ended))
    outcomes = {each.outcome for each in ended}
    if "needs a person" in outcomes:
        return Exit.PERSON
    if outcomes == {"skipped"}:
        return Exit.USAGE
    return Exit.FAILED if outcomes & {"failed", "waiting", "paused"} else Exit.DONE


def _line(each: "Ended", house: "House") -> str:
    """`job/credential: failed: its class: its cause; the next try is due …`."""
    from rotator.cli import out

    said = dict.fromkeys([each.outcome, each.reason or "", each.text])
    line = f"{each.credential}: {': '.join(part for part in said if part)}"
    if each.next_at is None:
        return line
    when = out.both(each.next_at, house.clock.now())
    return f"{line}; the next try is due {when}" + _unless_alive(house)


def _unless_alive(house: "House") -> str:
    return "" if house.worker_is_alive() else ", once a worker runs: `rotator worker`"


def _left_out(house: "House") -> int:
    """Whatever else went well: files that nobody could read hold credentials, too."""
    from rotator.cli import out

    files = len({mistake.file for mistake in house.book.mistakes})
    if not files:
        return Exit.DONE
    if house.unread:
        out.warn(f"rotator: {house.unread}")
        return Exit.WRONG
    out.warn(f"rotator: left out: {out.counted(files, 'job file')} with mistakes: `rotator check`")
    return Exit.WRONG
