"""What `check` says of job files, the state folder, and what a provider's plug-in cannot."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rotator.cli.checks.findings import FAIL, MACHINE, NOTE, OFF, OK, WARN, Finding
from rotator.cli.opening import House
from rotator.cli.out import counted
from rotator.jobs.folder import why_stray
from rotator.jobs.job import Credential, Job
from rotator.ledger.lockfile import filesystem, is_ephemeral
from rotator.providers.registry import plugins
from rotator.sentences import within


def files(house: House, jobs: set[str] | None) -> Iterator[Finding]:
    """Every mistake of every file, and what each job is; `jobs`: only those, in lower case."""
    if unread := house.book.unread:
        yield Finding(
            level=FAIL, part=unread.file, about=unread.file, what="job file", text=unread.text,
            remedy=unread.remedy,
        )  # fmt: skip
        return
    for mistake in house.book.mistakes:
        place = f"line {mistake.line}" + (f", {mistake.field}" if mistake.field else "")
        file = Path(mistake.file)
        if jobs is not None and file.stem.lower() not in jobs:
            continue
        name = file.name if file.parent == house.settings.jobs_dir else str(file)
        yield Finding(
            level=FAIL, part=name, about=place, what="mistake", text=mistake.text,
            remedy=within(mistake.remedy),
        )  # fmt: skip
    for job in house.book.jobs:
        if jobs is None or job.name in jobs:
            yield _job(job)
    for stray in house.book.strays if jobs is None else ():
        yield Finding(
            level=WARN, part=Path(stray).name, about=stray, what="job file",
            text="it looks like a job file, and nobody reads it", remedy=why_stray(Path(stray))[1],
        )  # fmt: skip
    if not house.book.jobs and not house.book.mistakes:
        folder = str(house.settings.jobs_dir)
        yield Finding(
            level=WARN, part=folder, about=folder, what="job file", text="no job file lies here",
            remedy="`rotator init PROVIDER` writes one",
        )  # fmt: skip


def _job(job: Job) -> Finding:
    if job.off:
        text = f"off until {job.off} is set"
        return Finding(level=OFF, part=job.name, about=job.file, what="job file", text=text)
    hosts = ", ".join(sorted({each.provider.host for each in job.credentials}))
    count = counted(len(job.credentials), "credential")
    text = f"{count} of {job.provider_name} at {hosts}"
    return Finding(level=OK, part=job.name, about=job.file, what="job file", text=text)


def state(house: House) -> Iterator[Finding]:
    """Where the ledger lies."""
    folder = house.settings.state_dir
    if is_ephemeral(folder):
        kind = filesystem(folder)
        text = f"{folder} lies on {kind}, which may not outlive the worker"
        remedy = "put ROTATOR_STATE_DIR on a disk that stays, or chains may lose their tokens"
        yield _machine(WARN, folder, "state folder", text, remedy)
    else:
        yield _machine(OK, folder, "state folder", f"{folder} is on a disk that stays")


def _machine(level: str, about: Path, what: str, text: str, remedy: str = "") -> Finding:
    return Finding(level=level, part=MACHINE, about=str(about), what=what, text=text, remedy=remedy)


def limits(house: House, chosen: Iterable[Credential]) -> Iterator[Finding]:
    """What the plug-ins in use cannot do."""
    jobs = {each.job for each in chosen}
    for job in house.book.jobs:
        for text in plugins()[job.provider_name].cannot if job.name in jobs else ():
            yield Finding(
                level=NOTE, part=job.name, about=job.provider_name, what="cannot", text=within(text)
            )
