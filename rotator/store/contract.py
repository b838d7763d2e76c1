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

KEYS = (
    "access_token",
    "token_type",
    "header_name",
    "header_value",
    "issued_at",
    "expires_at",
    "expires_at_epoch",
    "generation",
    "provider",
    CREDENTIAL_KEY,
    SCHEMA_KEY,
)
"""What consumers find in every secret of theirs, whatever the job adds."""
MOST_ADDED = 20

_KEY = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_KEY, _LONGEST_TEMPLATE = 64, 1_024
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def added_key(key: str) -> str:
    """The name of a key that a job adds, if every reader can take it. Raises ValueError."""
    if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
        raise ValueError(
            "not a key that every reader takes; use a-z, 0-9 and _, a letter first, at most"
            f" {_LONGEST_KEY}"
        )
    if key in KEYS:
        raise ValueError("this key is there already; a key of the contract stays what it is")
    if key in PRIVATE_KEYS:
        raise ValueError("a name for what consumers never see; call it otherwise")
    return key


def template(text: str) -> str:
    """What a job puts under a key that it adds, if it can be filled. Raises ValueError."""
    names = _PLACEHOLDER.findall(text)
    if not names or re.search(r"[{}]", _PLACEHOLDER.sub("", text)) or set(names) - set(KEYS):
        raise ValueError(f"not a template of the secret; write {{key}}, with {', '.join(KEYS)}")
    if len(text) > _LONGEST_TEMPLATE or not text.isprintable():
        raise ValueError(f"not one printable line; write at most {_LONGEST_TEMPLATE} characters")
    return text


def extended(fields: Mapping[str, str], templates: Mapping[str, str]) -> Hidden:
    """With the keys that the job adds. What is filled in is not looked at for braces again."""
    added = Hidden(
        {
            key: _PLACEHOLDER.sub(lambda match: fields.get(match[1], ""), text)
            for key, text in templates.items()
            if key not in fields
        }
    )
    return Hidden({**fields, **added})


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
