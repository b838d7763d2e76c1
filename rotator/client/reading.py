"""What a secret's value says: one flat JSON object of strings, as rotator's contract has it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NoReturn

_NEEDED = ("access_token", "header_name", "header_value", "expires_at", "generation")


class _Hidden(dict[str, str]):
    """Strings that no log line and no debugger shows by accident."""

    def __repr__(self) -> str:
        return f"{{{len(self)} hidden}}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Reading:
    """A token and what goes with it, all of one generation. Never printed, never pickled."""

    value: str
    """The access token."""
    header: Mapping[str, str]
    """The one header to send, ready made: `headers=reading.header`."""
    issued_at: datetime | None
    expires_at: datetime | None
    """Aware, UTC. None: it lives until somebody revokes it."""
    generation: int
    """The count of answers; nothing older ever replaces a newer."""
    fields: Mapping[str, str]
    """Every key of the secret, those too that the job file added."""
    dies_at: float
    """`expires_at` in seconds since 1970; infinity for None."""

    def __repr__(self) -> str:
        until = self.expires_at.isoformat() if self.expires_at else "never"
        return f"Reading(generation {self.generation}, expires {until})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Reading is never pickled: it holds a token")


def parse(text: str | None) -> Reading | str:
    """The reading, or in words what is wrong with the value, of which nothing is quoted.

    It does not raise: a traceback through here would show the value to whoever collects locals.
    """
    fields = _strings(text)
    if fields is None:
        return "it holds no JSON object"
    if missing := [name for name in _NEEDED if name not in fields]:
        return f"it has no text under {', '.join(missing)}"
    return _flaw(fields) or _reading(fields)


def _strings(text: str | None) -> _Hidden | None:
    """The string values of an object; None for whatever else."""
    try:
        whole: Any = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict):
        return None
    return _Hidden({key: value for key, value in whole.items() if isinstance(value, str)})


def _flaw(fields: Mapping[str, str]) -> str:
    if not fields["access_token"]:
        return "its access_token is empty"
    header = fields["header_name"], fields["header_value"]
    if not all(part and part.isascii() and part.isprintable() for part in header):
        return "its header_name and header_value make no HTTP header"
    if not _is_count(fields["generation"]):
        return "its generation is no number"
    if fields["expires_at"] and _instant(fields["expires_at"]) is None:
        return "its expires_at is no instant with a time zone"
    return ""


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 16


def _reading(fields: _Hidden) -> Reading:
    expires_at = _instant(fields["expires_at"])
    return Reading(
        value=fields["access_token"],
        header=MappingProxyType(_Hidden({fields["header_name"]: fields["header_value"]})),
        issued_at=_instant(fields.get("issued_at", "")),
        expires_at=expires_at,
        generation=int(fields["generation"]),
        fields=MappingProxyType(fields),
        dies_at=expires_at.timestamp() if expires_at else math.inf,
    )


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
