"""The value that consumers read: one flat JSON object in which every value is a string.

Every reader that Secrets Manager has in the field takes this shape: one wants an object, another
renders numbers as floats, a third fails the whole mount on anything but a string. Keys are only
ever added. The worker's own keyrings keep the same shape.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from rotator.errors import StoreDenied
from rotator.model import REFRESH_TOKEN, Hidden

SCHEMA = "1"
SCHEMA_KEY = "schema"
CREDENTIAL_KEY = "credential"
MOST_BYTES = 65_535
PRIVATE_KEYS = frozenset(
    {REFRESH_TOKEN, "spare_refresh_token", "client_secret", "password", "partner_token"}
)
"""What the worker alone needs; never in a secret that consumers read."""

_KEY = re.compile(r"[a-z][a-z0-9_]*")


def check(fields: Mapping[str, str], owner: str) -> None:
    """Raise ValueError where a value of ours breaks the contract; keys are named, values never."""
    for key, value in fields.items():
        if not _KEY.fullmatch(key):
            raise ValueError(f"not a key of the contract: {key!r}")
        if not isinstance(value, str):
            raise TypeError(f"{key} is no string")
    if fields.get(SCHEMA_KEY) != SCHEMA or fields.get(CREDENTIAL_KEY) != owner:
        raise ValueError(f"a value says schema = {SCHEMA} and whose it is: credential = {owner}")


def check_public(fields: Mapping[str, str]) -> None:
    """Raise ValueError where a value would show consumers what the worker alone needs."""
    if leaked := sorted(PRIVATE_KEYS & fields.keys()):
        raise ValueError(f"never in a secret that consumers read: {', '.join(leaked)}")


def encode(fields: Mapping[str, str]) -> str:
    """The same bytes for the same fields in the same order, always. Raises StoreDenied if long."""
    text = json.dumps(dict(fields), separators=(",", ":"))  # ASCII, so characters are bytes
    if (size := len(text)) > MOST_BYTES:
        del text
        largest = max(fields, key=lambda key: len(fields[key]))
        raise StoreDenied(
            f"the value has {size} bytes, and Secrets Manager takes {MOST_BYTES}",
            remedy=f"the longest key is {largest}: have the provider issue a shorter token",
        )
    return text


def decode(text: str) -> dict[str, str]:
    """The fields of a flat object of strings; none of any other value."""
    whole = _object(text)
    kept = strings(text)
    return kept if len(kept) == len(whole) else Hidden()


def strings(text: str) -> dict[str, str]:
    """The string keys at the top of an object, whatever else is in it."""
    return Hidden({key: text for key, text in _object(text).items() if isinstance(text, str)})


def is_ours(fields: Mapping[str, str], owner: str) -> bool:
    """Whether the value itself says that it is this credential's."""
    return SCHEMA_KEY in fields and fields.get(CREDENTIAL_KEY) == owner


def _object(text: str) -> dict[str, Any]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return whole if isinstance(whole, dict) else {}
