"""What a job file comes to, once it has been read and found right."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rotator.model import Shelf, qualified
from rotator.providers.base import Plugin, Provider
from rotator.references import SeedRef
from rotator.schedule import Schedule
from rotator.store.base import SecretSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """All that lets one principal in at one provider; the unit of rotation."""

    name: str
    job: str
    provider: Provider
    seeds: Mapping[str, SeedRef]
    token_secret: SecretSpec
    """The consumers' secret."""
    keyring_secret: SecretSpec | None = None
    """The worker's own, for chains only."""
    schedule: Schedule = field(default_factory=Schedule)
    digest: str = ""
    """Of every setting that is no secret: another digest may read an answer differently."""

    @property
    def qualified(self) -> str:
        """`job/credential`."""
        return qualified(self.job, self.name)

    @property
    def secrets(self) -> Mapping[Shelf, SecretSpec]:
        """The one or two secrets that it writes."""
        own = {Shelf.KEYRING: self.keyring_secret} if self.keyring_secret else {}
        return {Shelf.TOKEN: self.token_secret, **own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file in the jobs folder."""

    name: str
    file: str
    plugin: Plugin
    schedule: Schedule
    credentials: tuple[Credential, ...]
    digest: str = ""
    off: str = ""
    """Why it is switched off (the environment variable that is not set), empty if it is not."""
