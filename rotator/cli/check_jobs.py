"""What `check` says of job files, the state folder, seeds, and what a provider's plug-in cannot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rotator.cli.checking import ERROR, NOTE, OK, WARNING, Finding
from rotator.cli.opening import House
from rotator.errors import SeedMissing
from rotator.jobs.job import Credential
from rotator.ledger.base import Row
from rotator.ledger.lockfile import filesystem, is_ephemeral
from rotator.model import REFRESH_TOKEN, Shelf
from rotator.providers.registry import plugins
from rotator.references import Place, SeedRef
from rotator.store.secrets_manager import SecretsManagerStore
from rotator.store.seeds import Seeds, warning


def files(house: House) -> Iterator[Finding]:
    """Every mistake of every file, and the jobs that are off."""
    for mistake in house.book.mistakes:
        text = f"{mistake.field}: {mistake.text}. {mistake.remedy}"
        yield Finding(ERROR, f"{mistake.file}:{mistake.line}", "job file", text)
    for job in house.book.jobs:
        if job.off:
            yield Finding(NOTE, job.name, "job file", f"off until {job.off} is set")
        else:
            yield Finding(OK, job.name, "job file", f"{len(job.credentials)} credential(s)")
    if not house.book.jobs and not house.book.mistakes:
        folder = str(house.settings.jobs_dir)
        yield Finding(WARNING, folder, "job file", "there is none: `rotator init PROVIDER`")


def state(house: House) -> Iterator[Finding]:
    """Where the ledger lies."""
    folder = house.settings.state_dir
    if is_ephemeral(folder):
        kind = filesystem(folder)
        text = f"lies on {kind}, which may not outlive the worker: chains may lose their tokens"
        yield Finding(WARNING, str(folder), "state folder", text)
    else:
        yield Finding(OK, str(folder), "state folder", "on a disk that stays")


def limits(house: House, chosen: Iterable[Credential]) -> Iterator[Finding]:
    """What the plug-ins in use cannot do, once each."""
    jobs = {each.job for each in chosen}
    used = sorted({job.provider_name for job in house.book.jobs if job.name in jobs})
    for name in used:
        for text in plugins()[name].cannot:
            yield Finding(NOTE, name, "cannot", text)


def seeds(
    house: House,
    chosen: Sequence[Credential],
    store: SecretsManagerStore,
    rows: Mapping[str, Row],
    *,
    offline: bool,
) -> Iterator[Finding]:
    """Whether each reference leads to a seed. No value is shown, nor is its length."""
    reader = Seeds(house.environ, store.read_secret, house.settings.allows_file)
    for credential in chosen:
        row = rows.get(credential.qualified)
        grown = row is not None and Shelf.KEYRING in row.records
        for name, ref in sorted(credential.seeds.items()):
            if offline and ref.place is Place.SECRET:
                continue
            optional = grown and name == REFRESH_TOKEN
            yield _seed(reader, credential.qualified, name, ref, optional=optional)


def _seed(reader: Seeds, about: str, name: str, ref: SeedRef, *, optional: bool) -> Finding:
    """A chain that grew from its seed needs it no more."""
    what = f"seed {name}"
    try:
        reader.read(ref)
    except SeedMissing as error:
        return Finding(NOTE if optional else ERROR, about, what, str(error))
    unwise = warning(ref)
    return Finding(WARNING if unwise else OK, about, what, unwise or f"readable from {ref}")
