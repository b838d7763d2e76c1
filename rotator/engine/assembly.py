"""Where everything is put together: settings in, working parts out. Nothing else builds them.

Each part is imported when it is built, so that a verb pays for what it uses alone.
"""
# ruff: noqa: PLC0415 - `rotator health` answers before boto3, httpcore and alembic are even loaded

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.clock import Clock
from rotator.settings import Settings, variable

if TYPE_CHECKING:
    from rotator.jobs.job import JobBook
    from rotator.ledger.lockfile import WorkerLock
    from rotator.ledger.sql import SqlLedger
    from rotator.ledger.unlocking import KeyHolder
    from rotator.providers.http import Door
    from rotator.providers.tls import Trust
    from rotator.rotation.tools import Tools
    from rotator.store.secrets_manager import SecretsManagerStore

_SEND_WITHIN = timedelta(seconds=10)


def clock_of(settings: Settings) -> Clock:
    return Clock(settings.clock_factor, settings.clock_epoch)


def ledger_path(settings: Settings) -> Path:
    return settings.state_dir / "ledger.db"


def lock_path(settings: Settings) -> Path:
    return settings.state_dir / "worker.lock"


def worker_lock(settings: Settings) -> "WorkerLock":
    """Held by whoever rotates with this ledger."""
    from rotator.ledger.lockfile import WorkerLock

    return WorkerLock(lock_path(settings))


def owner_name() -> str:
    """This process, as leases and logs name it."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def open_ledger(settings: Settings, *, create: bool = True) -> "Iterator[SqlLedger]":
    """The ledger, closed at the end. LedgerError where it is not there and `create` is off."""
    from rotator.ledger.sql import MAX_LEASE, SqlLedger

    longest = clock_of(settings).stretch(MAX_LEASE)
    ledger = SqlLedger.open(ledger_path(settings), create=create, max_lease=longest)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def open_key_holder(settings: Settings) -> "Iterator[KeyHolder]":
    """Who is to hold the ledger's sealing keys, as the settings say."""
    with _holder(settings.seal_kms_key, settings.key_file, settings) as holder:
        yield holder


@contextmanager
def open_present_holder(
    settings: Settings, ledger: "SqlLedger", key_file: Path | None = None
) -> "Iterator[KeyHolder]":
    """Who holds them now, as the ledger says; `key_file`: where another one than the settings'."""
    from rotator.ledger.unlocking import held_by

    now_by = held_by(ledger)
    kms_key = now_by if now_by.startswith("arn:") else ""
    with _holder(kms_key, key_file or settings.key_file, settings) as holder:
        yield holder


@contextmanager
def _holder(kms_key: str, key_file: Path, settings: Settings) -> "Iterator[KeyHolder]":
    from rotator.ledger.keyfile import KeyFile

    if not kms_key:
        yield KeyFile(key_file, settings.state_dir)
        return
    from rotator.store.kms import KmsKey

    holder = KmsKey(kms_key)
    try:
        yield holder
    finally:
        holder.close()


@contextmanager
def open_store(settings: Settings) -> "Iterator[SecretsManagerStore]":
    """Secrets Manager, as AWS's own variables and files describe it."""
    from rotator.store.secrets_manager import SecretsManagerStore

    store = SecretsManagerStore(
        clock_of(settings),
        prefix=settings.secret_prefix,
        writes_per_second=settings.write_budget,
        threads=settings.threads,
        put_timeout=settings.put_timeout,
    )
    try:
        yield store
    finally:
        store.close()


def trust_of(settings: Settings) -> "Trust":
    """Whom TLS towards providers believes, and what it shows of us."""
    from rotator.providers.tls import Trust

    return Trust(
        settings.tls_ca_file,
        settings.tls_client_cert,
        settings.tls_client_key,
        settings.presents_certificate_to,
    )


def trust_of_receivers(settings: Settings) -> "Trust":
    """Likewise towards those that are told of new tokens.

    An authority of theirs is believed of them alone: providers are sent passwords.
    """
    theirs = settings.notify_ca_file
    found = trust_of(settings)
    if theirs is None:
        return found
    return replace(found, authorities=theirs, authorities_from=variable("notify_ca_file"))


def open_door(settings: Settings, clock: Clock) -> "Door":
    """The one way out to providers. Raises BadSettings where a file of TLS is of no use."""
    from rotator.providers.http import Door

    return Door(
        clock,
        settings.request_timeout,
        trust=trust_of(settings),
        allowed=settings.allowed_addresses,
    )


@contextmanager
def open_tools(
    settings: Settings,
    environ: Mapping[str, str],
    owner: str = "",
    *,
    ledger: "SqlLedger | None" = None,
) -> "Iterator[Tools]":
    """All that a rotation works with, closed at the end, but for a `ledger` that was given.

    Raises LedgerError, SealError where the key is not this ledger's, or StoreError where KMS does
    not open it.
    """
    from rotator import __version__
    from rotator.ledger.unlocking import unlock
    from rotator.rotation.tools import Tools
    from rotator.store.seeds import Seeds

    clock = clock_of(settings)
    with ExitStack() as opened:
        ledger = ledger or opened.enter_context(open_ledger(settings))
        with open_key_holder(settings) as holder:
            sealer, fingerprints = unlock(ledger, holder, clock.now())
        store = opened.enter_context(open_store(settings))
        door = open_door(settings, clock)
        opened.callback(door.close)
        yield Tools(
            ledger=ledger,
            store=store,
            door=door,
            seeds=Seeds(environ, store.read_secret, settings.allows_file),
            sealing=sealer,
            fingerprints=fingerprints,
            clock=clock,
            owner=owner or owner_name(),
            version=__version__,
            request_timeout=settings.request_timeout,
            send_within=min(_SEND_WITHIN, settings.request_timeout),
            put_timeout=settings.put_timeout,
        )


def warm(settings: Settings, environ: Mapping[str, str]) -> "JobBook":
    """Load and build once what a worker needs, so that a standby takes over without doing so.

    The job files as they are now count for nothing: all is read again by whoever holds the ledger.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    from rotator.engine.book import load_book
    from rotator.ledger.sql import SqlLedger
    from rotator.providers.http import Door

    book = load_book(settings, environ)
    Door(clock_of(settings)).close()
    SqlLedger.in_memory().close()
    with suppress(BotoCoreError):  # said properly by the worker, once it is one
        boto3.session.Session().client("secretsmanager").close()
    return book
