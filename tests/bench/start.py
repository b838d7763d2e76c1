"""Start-up time and memory of a worker that knows 10,000 credentials already."""

import sqlite3
from datetime import timedelta

from rotator.clock import Clock
from rotator.ledger.sql import SqlLedger
from rotator.ledger.values import micros
from rotator.sandbox.stage import Stage
from tests.bench.town import cpu_seconds, is_ready, memory_mib, names, town, until

SIZES = {"albato": 5_000, "oauth2": 5_000}


def run() -> int:
    with town(SIZES) as stage:
        _enrol(stage)
        worker = stage.start_worker()
        took = until(lambda: is_ready(stage), worker, stage, every=0.01)
        cpu = cpu_seconds(worker.pid)
        now, most = memory_mib(worker.pid)
        worker.end()
    size = sum(SIZES.values())
    print(f"{size} credentials: ready after {took:.1f} s ({cpu:.1f} s of CPU),", end=" ")
    print(f"{now:.0f} MiB resident, {most:.0f} at most")
    return 0


def _enrol(stage: Stage) -> None:
    """A ledger as it is on an ordinary day: everybody is known, nobody is due yet."""
    stage.ledger_file.parent.mkdir(parents=True, exist_ok=True)
    now = Clock().now()
    ledger = SqlLedger.open(stage.ledger_file)
    jobs = {job: names({job: size}) for job, size in SIZES.items()}
    ledger.enrol(jobs, now)
    ledger.close()
    with sqlite3.connect(stage.ledger_file) as database:
        later = micros(now + timedelta(hours=6))
        database.execute("UPDATE credential SET due_at = ?, state = 'fresh'", (later,))
    database.close()
