"""What job files turn into. Facts only, made whole by files.py and changed by nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from rotator.errors import Mistake
from rotator.jobs.secret_fields import SecretSettings
from rotator.model import Shelf, qualified
from rotator.providers.base import Plugin, Provider
from rotator.references import SeedRef
from rotator.schedule import Limits, Schedule
from rotator.store.base import SecretSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """All that lets one principal in at one provider; the unit of rotation."""

    name: str
    job: str
    provider: Provider
    seeds: Mapping[str, SeedRef]
    token_secret: SecretSpec
    keyring_secret: SecretSpec | None
    """Only a chain has one."""
    schedule: Schedule
    limits: Limits = field(default_factory=Limits)
    digest: str
    """Changes with whatever the job file and its environment say about this credential."""

    @property
    def qualified(self) -> str:
        """`job/credential`."""
        return qualified(self.job, self.name)

    @property
    def identity(self) -> Mapping[str, str]:
        """The settings that are presented beside a token."""
        return self.provider.identity

    @property
    def secrets(self) -> Mapping[Shelf, SecretSpec]:
        """The secrets that this credential writes to."""
        token = {Shelf.TOKEN: self.token_secret}
        return token | {Shelf.KEYRING: self.keyring_secret} if self.keyring_secret else token


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file of the jobs folder."""

    name: str
    file: str
    provider_name: str
    plugin: Plugin
    schedule: Schedule
    secret: SecretSettings
    credentials: tuple[Credential, ...]
    """Empty while the job is off: there is nothing to build a provider from."""
    digest: str
    off: str = ""
    """The environment variables that are not set, by name; empty: the job is on."""


@dataclass(frozen=True)
class JobBook:
    """All job files of a folder at one look."""

    jobs: tuple[Job, ...]
    """Those without a mistake, by name; also those that are off."""
    mistakes: tuple[Mistake, ...]
    """All of all files, by place."""
    unread: Mistake | None = None
    """Why the folder could not be read at all, where it could not: then that is the one mistake."""
    strays: tuple[str, ...] = ()
    """Files that look as if they were meant to be job files, and that nobody reads."""

    @cached_property
    def credentials(self) -> Mapping[str, Credential]:
        """Every credential by its qualified name."""
        return {each.qualified: each for job in self.jobs for each in job.credentials}

    @cached_property
    def broken(self) -> frozenset[str]:
        """The jobs whose files have mistakes, as the files' names tell, in lower case."""
        files = {each.file for each in self.mistakes if each is not self.unread}
        return frozenset(Path(file).stem.lower() for file in files)
