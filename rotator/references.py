"""Where a seed is: a reference, which is all that a job file ever holds of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Place(StrEnum):
    """Where a reference leads to, by the word that a job file uses."""

    ENV = "env"
    FILE = "file"
    SECRET = "secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedRef:
    """`{ env = "NAME" }`, `{ file = "/path" }` or `{ secret = "name#json_key" }`."""

    place: Place
    name: str
    """The variable, the path, or the secret without its key."""
    key: str = ""
    """The key within a secret that is a JSON object; empty: the whole string."""
    expires_at: datetime | None = None
    """When what is there dies, where the person who put it there says so."""

    def __str__(self) -> str:
        shown = f"{self.name}#{self.key}" if self.key else self.name
        return f"{_WORDS[self.place]} {shown}"


_WORDS = {
    Place.ENV: "environment variable",
    Place.FILE: "file",
    Place.SECRET: "secret",
}
