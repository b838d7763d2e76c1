"""The job files that this process goes by: those in the folder, but for chains that may be lost."""
# ruff: noqa: PLC0415 - `rotator health` answers before pydantic's models are even loaded

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rotator.settings import Settings, variable

if TYPE_CHECKING:
    from rotator.errors import Mistake
    from rotator.jobs.job import Job, JobBook


def load_book(settings: Settings, environ: Mapping[str, str]) -> "JobBook":
    """The job files as they are now, without chains where the ledger may be lost."""
    from rotator.jobs.files import load
    from rotator.ledger.lockfile import is_ephemeral

    book = load(settings.jobs_dir, settings, environ)
    if settings.allow_ephemeral_state or not is_ephemeral(settings.state_dir):
        return book
    chains = [job for job in book.jobs if _is_chain(job)]
    mistakes = sorted([*book.mistakes, *(_at_risk(job, settings) for job in chains)])
    sound = tuple(job for job in book.jobs if job not in chains)
    return replace(book, jobs=sound, mistakes=tuple(mistakes))


def _is_chain(job: "Job") -> bool:
    return any(credential.provider.is_chain for credential in job.credentials)


def _at_risk(job: "Job", settings: Settings) -> "Mistake":
    from rotator.errors import Mistake
    from rotator.ledger.lockfile import filesystem

    kind = filesystem(settings.state_dir)
    text = (
        f"the ledger lies on {kind}, which may not outlive the worker; an answer that is lost with"
        " it holds the only refresh token of its chain, and a person must make a new one"
    )
    remedy = (
        f"Put {variable('state_dir')} on a local disk that stays, or set"
        f" {variable('allow_ephemeral_state')}=true to accept that"
    )
    return Mistake(job.file, 1, "provider", text, remedy)
