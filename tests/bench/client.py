"""What a consumer pays for a token: rotator.client beside AWS's own cache, in one run.

Both read the same secret from the same Secrets Manager on loopback; the floor is the attribute of
an object. A hit is timed in batches, so that the timer itself does not count.
"""

import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import boto3
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from rich.console import Console
from rich.table import Table

from rotator.client import STALENESS, SecretsManager, Token
from rotator.client.testing import FakeSecret
from rotator.clock import Clock, new_id
from rotator.sandbox.secrets_manager import SecretsManager as Fake
from rotator.sandbox.secrets_manager_http import serve

NAME = "rotator/token/alation/etl"
BATCH = 200
ROUNDS = 500
THREADS = 8
BAR = 2.0
"""Microseconds that a hit may take at the median."""


class Row(NamedTuple):
    name: str
    median: float
    """Microseconds, of batches, each divided by its size."""
    p99: float
    crowded: float
    """Microseconds of wall time a hit, with THREADS threads at once."""
    stale: str
    reread: str


class _Plain:
    value = "t0ken"


def run() -> int:
    clock = Clock()
    service = Fake(clock.now, clock.monotonic)
    with serve(service) as server:
        aws = boto3.Session(
            region_name="eu-central-1", aws_access_key_id="bench", aws_secret_access_key="bench"
        )
        secrets = aws.client("secretsmanager", endpoint_url=server.url)
        fake = FakeSecret(NAME)
        secrets.create_secret(Name=NAME, SecretString=fake(NAME) or "")

        def publish() -> None:
            fake.rotate()
            secrets.put_secret_value(
                SecretId=NAME, SecretString=fake(NAME) or "", ClientRequestToken=new_id()
            )

        token = Token(NAME, fetch=SecretsManager(lambda: secrets))
        cache = SecretCache(client=secrets)
        rows = [_floor(), _ours(token, publish), _theirs(cache, publish)]
    _show(rows)
    ours = rows[1].median
    print(f"a hit of rotator.client: {ours:.2f} µs at the median (bar: at most {BAR:g})")
    return int(ours > BAR)


def _floor() -> Row:
    plain = _Plain()
    return Row("an attribute", *_timed(lambda: plain.value), "-", "-")


def _ours(token: Token, publish: Callable[[], None]) -> Row:
    """With the call that a 401 or 403 leads to."""
    assert token.value
    times = _timed(lambda: token.value)
    refused = token.value
    publish()
    took = _seconds(lambda: token.refused(refused))
    assert token.value != refused
    return Row("rotator.client: token.value", *times, _minutes(0, STALENESS.seconds), took)


def _theirs(cache: SecretCache, publish: Callable[[], None]) -> Row:
    """As its documentation has it: the string, as it is; to parse it costs more."""
    before = cache.get_secret_string(NAME)
    times = _timed(lambda: cache.get_secret_string(NAME))
    publish()
    took = _seconds(lambda: cache.refresh_secret_now(NAME))
    assert cache.get_secret_string(NAME) != before
    interval = SecretCacheConfig().secret_refresh_interval
    return Row(
        "aws-secretsmanager-caching: get_secret_string", *times,
        _minutes(interval // 2, interval), took,
    )  # fmt: skip


def _timed(call: Callable[[], object]) -> tuple[float, float, float]:
    """Median and 99th percentile alone, and the mean among threads, in microseconds a call."""
    batches = sorted(_batch(call) for _ in range(ROUNDS))
    return statistics.median(batches), batches[int(ROUNDS * 0.99)], _crowded(call)


def _batch(call: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    for _ in range(BATCH):
        call()
    return (time.perf_counter_ns() - began) / BATCH / 1000


def _crowded(call: Callable[[], object]) -> float:
    """Wall time by the number of all calls: what one costs where the interpreter is shared."""
    barrier = threading.Barrier(THREADS + 1)

    def work() -> None:
        barrier.wait()
        for _ in range(50):
            _batch(call)
        barrier.wait()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    barrier.wait()
    began = time.perf_counter_ns()
    barrier.wait()
    spent = time.perf_counter_ns() - began
    for thread in threads:
        thread.join()
    return spent / (THREADS * 50 * BATCH) / 1000


def _seconds(call: Callable[[], object]) -> str:
    clock = Clock()
    began = clock.monotonic()
    call()
    took = clock.monotonic() - began
    return f"{took:.1f} s" if took >= 1 else f"{took * 1000:.0f} ms"


def _minutes(least: int, most: int) -> str:
    return f"{least // 60} to {most // 60} min" if least else f"at most {most // 60} min"


def _show(rows: list[Row]) -> None:
    table = Table(title=f"a hit, in microseconds (Python {sys.version.split()[0]})")
    for head in ("", "p50", "p99", f"{THREADS} threads", "stale by default", "a forced re-read"):
        table.add_column(head)
    for row in rows:
        numbers = (f"{value:.2f}" for value in (row.median, row.p99, row.crowded))
        table.add_row(row.name, *numbers, row.stale, row.reread)
    Console(width=120).print(table)
