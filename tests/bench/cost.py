"""CPU per rotation against a bare loop of the same calls; and AWS writes per rotation.

Both are processes of their own with eight threads, against the same fakes. The rotations are asked
for by hand, so that every secret is there already: steady state. The worker keeps to its budget of
writes, so the bare loop runs flat out and once more at that pace: see `bare.py`.
"""

import sys

from rotator.clock import Clock, new_id
from rotator.ledger.facts import Manual
from rotator.ledger.sql import SqlLedger
from rotator.model import ACCESS_TOKEN
from rotator.sandbox.stage import Stage, Worker
from tests.bench.town import cpu_seconds, names, town, until

AIM = 1.6
PACE = 50
"""Rotations a second: the worker's budget of writes."""
WAVES = 2
SIZES = {"albato": 300, "amino": 50}


def run() -> int:
    with town(SIZES, ROTATOR_WRITE_BUDGET=str(PACE)) as stage:
        worker = stage.start_worker()
        _until_published(stage, worker, SIZES, 0)
        one = {"albato": SIZES["albato"]}
        ours = _cpu_of_waves(stage, worker, one)
        chain = {"amino": SIZES["amino"]}
        _cpu_of_waves(stage, worker, chain)
        worker.end()
        flat_out, paced = _bare(stage, SIZES["albato"] * WAVES)
    print(f"CPU a rotation, at {PACE} a second: {ours * 1000:.1f} ms")
    _compare(ours, flat_out, "flat out")
    _compare(ours, paced, f"at {PACE} a second")
    return 0


def _compare(ours: float, bare: float, how: str) -> None:
    print(
        f"a bare get, POST and put, {how}: {bare * 1000:.1f} ms;"
        f" ratio: {ours / bare:.2f} (aim: at most {AIM})"
    )


def _cpu_of_waves(stage: Stage, worker: Worker, sizes: dict[str, int]) -> float:
    """CPU seconds a rotation; prints the writes."""
    stats = stage.aws.stats
    writes, versions, cpu = stage.aws.written, stats.versions, cpu_seconds(worker.pid)
    for wave in range(1, WAVES + 1):
        _ask(stage, sizes)
        _until_published(stage, worker, sizes, wave)
    spent = cpu_seconds(worker.pid) - cpu
    rotations = sum(sizes.values()) * WAVES
    print(
        f"{', '.join(sizes)}: {rotations} rotations;"
        f" AWS writes a rotation: {(stage.aws.written - writes) / rotations:.2f},"
        f" versions made: {(stats.versions - versions) / rotations:.2f}"
    )
    return spent / rotations


def _ask(stage: Stage, sizes: dict[str, int]) -> None:
    """As `rotator rotate --all` does."""
    ledger = SqlLedger.open(stage.ledger_file, create=False)
    try:
        for name in names(sizes):
            ledger.ask(
                Manual(
                    id=new_id(), credential=name, asked_at=Clock().now(), by="bench", why="",
                    tokens=frozenset(),
                )
            )  # fmt: skip
    finally:
        ledger.close()


def _until_published(stage: Stage, worker: Worker, sizes: dict[str, int], wave: int) -> None:
    every = names(sizes)

    def done() -> bool:
        return all(
            stage.aws.newest(name, ACCESS_TOKEN) and stage.aws.changes(name, ACCESS_TOKEN) >= wave
            for name in every
        )

    until(done, worker, stage)


def _bare(stage: Stage, rounds: int) -> tuple[float, float]:
    """CPU seconds a round of `bare.py`, flat out and paced; it tells them on its last line."""
    told = [stage.urls["albato"], str(rounds), str(PACE)]
    command = [sys.executable, "-m", "tests.bench.bare", *told]
    process = Worker(command, stage.environ, stage.log)
    until(lambda: not process.is_alive or b"bare: " in stage.log.read_bytes(), process, stage)
    process.end()
    said = stage.log.read_text().rpartition("bare: ")[2].split()
    return float(said[0]), float(said[1])
