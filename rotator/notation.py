"""How settings are written in variables and files: each type, read and checked.

A refusal reads "what is wrong; what to write instead".
"""

import re
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, IPvAnyNetwork

from rotator.model import Secret

_SHORTEST_KEY = 16


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _no_empty_parts(parts: tuple[str, ...]) -> tuple[str, ...]:
    if "" in parts:
        raise ValueError("an empty entry; write a,b without a comma at either end")
    return parts


def _hide(value: object) -> object:
    if not isinstance(value, str):
        return value
    # An address may hold commas of its own, as mailto:// does: only one before a scheme divides.
    parts = re.split(r"[,\s]+(?=[A-Za-z0-9+.-]+://)", value.strip())
    return tuple(Secret(part) for part in parts)


def _hide_one(value: object) -> object:
    return Secret(value.strip()) if isinstance(value, str) else value


class Listen(NamedTuple):
    """Where to listen."""

    host: IPv4Address | IPv6Address
    port: int


def _listen(value: object) -> object:
    """An address as it stands, no name: what a name means is for others to say."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    with suppress(ValueError):
        parts = urlsplit(f"//{text}")
        if parts.port and parts.netloc == text and "@" not in text:
            return Listen(ip_address(parts.hostname or ""), parts.port)
    raise ValueError("no address and port; write 127.0.0.1:8421, 0.0.0.0:8421 or [::]:8421")


def _long_enough(key: Secret) -> Secret:
    text = key.reveal()
    if len(text) < _SHORTEST_KEY or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("no key; write 16 characters or more: openssl rand -hex 32")
    return key


def _absolute(folder: Path) -> Path:
    if not folder.is_absolute() or ".." in folder.parts:
        raise ValueError("not an absolute path; begin it with /, without ..")
    return folder


def _one_line(value: object) -> object:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("control characters; look for a line break at its end")
    return value


AnyPath = Annotated[Path, BeforeValidator(_one_line)]
Folder = Annotated[Path, AfterValidator(_absolute), BeforeValidator(_one_line)]
Folders = Annotated[tuple[Folder, ...], BeforeValidator(_split)]
Words = Annotated[tuple[str, ...], AfterValidator(_no_empty_parts), BeforeValidator(_split)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_split)]
ListenAt = Annotated[Listen, BeforeValidator(_listen)]
SecretUrls = Annotated[tuple[Secret, ...], BeforeValidator(_hide)]
SecretText = Annotated[Secret, BeforeValidator(_hide_one)]
BearerKey = Annotated[SecretText, AfterValidator(_long_enough)]
