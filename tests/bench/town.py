"""Many credentials on one stage, and what is read off a worker process."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rotator.clock import Clock
from rotator.sandbox.stage import Stage, Worker

HEADS = {
    "alation": 'provider = "alation"\nbase_url = { env = "ALATION_BASE_URL" }\n',
    "albato": (
        'provider = "albato"\nbase_url = { env = "ALBATO_BASE_URL" }\npartner_name = "acme"\n'
    ),
    "amino": 'provider = "amino"\nbase_url = { env = "AMINO_BASE_URL" }\n',
    "oauth2": (
        'provider = "oauth2"\ntoken_url = { env = "OAUTH2_TOKEN_URL" }\n'
        '[schedule]\nsurvive = "20m"\nconsumer_max_staleness = "5m"\n'
    ),
}
BODIES = {
    "alation": 'user_id = {n}\nseeds.refresh_token = { env = "A{n}" }\n',
    "albato": 'user_id = "u{n}"\nseeds.partner_token = { env = "ALBATO_PARTNER_TOKEN" }\n',
    "amino": 'seeds.refresh_token = { env = "M{n}" }\n',
    "oauth2": (
        'client_id = "reports-service"\n'
        'seeds.client_secret = { env = "OAUTH2_REPORTS_CLIENT_SECRET" }\n'
    ),
}
_PATIENCE = 600.0


@contextmanager
def town(sizes: dict[str, int], **settings: str) -> Iterator[Stage]:
    """A stage with so many credentials of each provider; `settings`: more variables."""
    with tempfile.TemporaryDirectory(prefix="rotator-bench-") as folder:
        jobs = Path(folder)
        for provider, size in sizes.items():
            (jobs / f"{provider}.toml").write_text(_job(provider, size))
        with Stage(Clock(), jobs=jobs, extra=settings) as stage:
            stage.environ.update(_seeds(stage, sizes))
            yield stage


def names(sizes: dict[str, int]) -> list[str]:
    """`job/credential` of all."""
    return [f"{provider}/c{n}" for provider, size in sizes.items() for n in range(1, size + 1)]


def until(holds: Callable[[], bool], worker: Worker, stage: Stage, every: float = 0.05) -> float:
    """Wait; the seconds it took."""
    clock, pause = Clock(), threading.Event()
    began = clock.monotonic()
    while not holds():
        if not worker.is_alive or clock.monotonic() - began > _PATIENCE:
            raise SystemExit(f"the worker is stuck or gone:\n{stage.last_words(30)}")
        pause.wait(every)
    return clock.monotonic() - began


def is_ready(stage: Stage) -> bool:
    """Whether a worker has said so."""
    return b"] ready " in stage.log.read_bytes()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident now, and at its highest (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split() for line in lines}
    return int(found["VmRSS"][1]) / 1024, int(found["VmHWM"][1]) / 1024


def _job(provider: str, size: int) -> str:
    credentials = (
        f'[[credentials]]\nname = "c{n}"\n' + BODIES[provider].replace("{n}", str(n))
        for n in range(1, size + 1)
    )
    return HEADS[provider] + "\n".join(credentials)


def _seeds(stage: Stage, sizes: dict[str, int]) -> dict[str, str]:
    cast = stage.cast
    cast.albato.users.update(f"u{n}" for n in range(1, sizes.get("albato", 0) + 1))
    alation = {f"A{n}": cast.alation.hand_made(n) for n in range(1, sizes.get("alation", 0) + 1)}
    amino = {f"M{n}": cast.amino.enrol() for n in range(1, sizes.get("amino", 0) + 1)}
    return alation | amino
