"""`rotator worker`: the process around the worker. Its lock, its signals, its exit code.

Signals are blocked and waited for in a thread of their own, so that none ever breaks into anything.
The first SIGTERM or SIGINT stops the worker, more of them change nothing: what is being sealed is
being sealed.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, NamedTuple

from rotator import __version__
from rotator.clock import Clock
from rotator.engine import alerts, assembly, hardening, logs, notices, webhooks
from rotator.engine.book import load_book
from rotator.engine.notify import Notifier
from rotator.engine.worker import Order, Orders, Told, Worker
from rotator.environment import load_settings
from rotator.errors import RotatorError
from rotator.jobs.job import JobBook
from rotator.ledger import migrations
from rotator.ledger.damage import refuse_damaged
from rotator.ledger.lockfile import WorkerLock
from rotator.ledger.sql import SqlLedger
from rotator.references import Place
from rotator.settings import Settings, variable
from rotator.store.aws_client import refuse_without_region

_STOP = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOP, signal.SIGHUP)
_SECRET = ("alert_urls", "api_key", "notify_key", "notify_urls")
"""Settings that no child of the worker is handed."""
_STANDBY_LOOK = timedelta(seconds=10)
"""Real time between two words to systemd while standing by."""


Beside = Callable[[Settings, SqlLedger, Clock, Callable[[], JobBook]], AbstractContextManager[None]]
"""What runs beside the worker for as long as it holds the ledger: rotator.web, a layer above."""


class _Around(NamedTuple):
    """Who is told, and what else runs."""

    notifier: Notifier
    send: alerts.Send | None
    addresses: Sequence[notices.Address]
    beside: Beside


def _nothing(*_: object) -> AbstractContextManager[None]:
    return nullcontext()


def main(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    standby: bool = True,
    beside: Beside = _nothing,
) -> int:
    """Work until told to stop; the exit code. Raises RotatorError where it cannot begin.

    While another worker holds the ledger it stands by, or raises LedgerBusy without `standby`.
    """
    environ = dict(environ)  # ours alone: the process's own forgets its seeds
    hardening.keep_memory_private()
    hardening.keep_files_private()
    logs.set_up(settings)
    log = logs.logger()
    log.info("starting", version=__version__, pid=os.getpid(), state_dir=str(settings.state_dir))
    refuse_without_region()  # else each credential would fail by itself, and go on failing
    send = alerts.sender(settings.alert_urls)
    addresses = notices.addresses(settings)
    notifier = Notifier(environ, Clock())
    orders, stop = Orders(), threading.Event()
    lock = assembly.worker_lock(settings)
    with _heard(orders, stop), lock:
        if not standby:
            lock.take()
        elif not _stand_by(lock, stop, notifier, log, lambda: assembly.warm(settings, environ)):
            return 0
        return _work(settings, environ, orders, _Around(notifier, send, addresses, beside))


def _stand_by(
    lock: WorkerLock,
    stop: threading.Event,
    notifier: Notifier,
    log: Any,
    warm: Callable[[], JobBook],
) -> bool:
    """Whether the lock is ours now; False where we were told to stop first.

    `warm`: called once, if there is time for it.
    """
    told = False

    def wait(pid: str) -> None:
        nonlocal told
        if not told:
            log.info("another worker holds the ledger: standing by", holder=pid)
            notifier.ready("standing by")  # a supervisor must not take patience for a hang
            told = True
            _complain(log, warm())
        notifier.alive()

    while not lock.wait(stop, wait, _STANDBY_LOOK):
        if stop.is_set():
            return False
    if told:
        log.info("taking over")
    return True


def _complain(log: Any, book: JobBook) -> None:
    """Of what a person would learn only when this one takes over, and may by then not be there."""
    if (unread := book.unread) is not None:
        facts = {"folder": unread.file, "text": unread.text, "remedy": unread.remedy}
        log.error("this standby's job files cannot be read", **facts)
    elif book.mistakes:
        files = sorted({each.file for each in book.mistakes})
        log.error("this standby's job files have mistakes", files=files, remedy="`rotator check`")


def _work(
    settings: Settings,
    environ: Mapping[str, str],
    orders: Orders,
    around: _Around,
) -> int:
    log = logs.logger()
    refuse_damaged(assembly.ledger_path(settings))
    copy = migrations.migrate(assembly.ledger_path(settings))
    if copy is not None:
        log.info("migrated the ledger", schema=migrations.HEAD, copy=str(copy))
    place = settings.environment or settings.secret_prefix
    with (
        assembly.open_ledger(settings) as ledger,
        assembly.open_tools(settings, environ, ledger=ledger) as tools,
    ):
        worker = Worker(
            tools,
            ledger,
            lambda: _book(settings, environ),
            slots=settings.threads,
            told=Told(
                alerts.Alerts(around.send, ledger, tools.clock, log, place),
                webhooks.opened(
                    around.addresses,
                    ledger,
                    tools.clock,
                    log,
                    assembly.trust_of_receivers(settings),
                ),
                around.notifier,
            ),
        )
        with around.beside(settings, ledger, tools.clock, lambda: worker.book):
            gc.freeze()  # what is loaded by now stays: nobody need look through it for garbage
            return worker.run(orders)


def _book(settings: Settings, environ: Mapping[str, str]) -> JobBook:
    """The job files as they are now; from here on no child is handed their seeds."""
    book = load_book(settings, environ)
    seeds = {ref for each in book.credentials.values() for ref in each.seeds.values()}
    named = (ref.name for ref in seeds if ref.place is Place.ENV)
    hardening.hide_from_children([*map(variable, _SECRET), *named])
    return book


@contextmanager
def _heard(orders: Orders, stop: threading.Event) -> Iterator[None]:
    """Turn signals into orders. They stay blocked afterwards: the process is about to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def listen() -> None:
        while True:
            if signal.sigwait(_SIGNALS) in _STOP:
                stop.set()
                orders.put(Order.STOP)
            else:
                orders.put(Order.RELOAD)

    threading.Thread(target=listen, name="signals", daemon=True).start()
    yield


if __name__ == "__main__":
    try:
        sys.exit(main(load_settings(os.environ), os.environ))
    except RotatorError as problem:
        sys.exit(f"rotator: {problem}")
