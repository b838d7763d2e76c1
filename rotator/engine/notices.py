"""What machines are told of a new token, signed, and the addresses that settings name for it.

Signed as Standard Webhooks have it (https://www.standardwebhooks.com/), so that receivers check it
with a library of theirs. There is nothing secret in it.
"""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from rotator.errors import BadSettings
from rotator.ledger.facts import OnRecord
from rotator.model import Secret
from rotator.providers.base import Request
from rotator.providers.wire import literal
from rotator.settings import Settings, variable

_SIGNING = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a key, as Standard Webhooks have it."""


class Address(NamedTuple):
    """One of ROTATOR_NOTIFY_URLS. Logs know its number, for it may be secret."""

    number: int
    url: Secret
    key: bytes


def addresses(settings: Settings) -> tuple[Address, ...]:
    """Whom the settings name. Raises BadSettings."""
    urls = settings.notify_urls
    for number, url in enumerate(urls, 1):
        if not _is_fit(url.reveal()):
            raise BadSettings(
                f"{variable('notify_urls')}: address {number} of {len(urls)} is nothing to send to",
                remedy="https://host[:port]/path, no login; http for literal loopback only",
            )
    key = _key(settings.notify_key) if urls else b""
    return tuple(Address(number, url, key) for number, url in enumerate(urls, 1))


def _is_fit(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    address = literal(parts.hostname or "")
    loopback = address is not None and address.is_loopback
    safe = parts.scheme == "https" or (parts.scheme == "http" and loopback)
    return plain and safe and bool(parts.hostname)


def _key(given: Secret | None) -> bytes:
    """The bytes of `whsec_…`. Raises BadSettings."""
    text = given.reveal() if given else ""
    try:
        key = b64decode(text.removeprefix(_SIGNING), validate=True)
    except ValueError:
        key = b""
    if text.startswith(_SIGNING) and _SHORTEST <= len(key) <= _LONGEST:
        return key
    raise BadSettings(
        f"{variable('notify_key')} is no key to sign notices with",
        remedy=f"{_SIGNING} and 24 to 64 random bytes in base64: openssl rand -base64 32",
    )


def body_of(credential: str, secret: str, record: OnRecord) -> str:
    """Never the token, and nothing of it."""
    return json.dumps(
        {
            "type": "token.published",
            "timestamp": _written(record.put_at),
            "data": {
                "credential": credential,
                "secret": secret,
                "version_id": record.version_id,
                "generation": record.generation,
                "expires_at": _written(record.expires_at) if record.expires_at else None,
            },
        }
    )


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def signed(to: Address, identity: str, now: datetime, body: str) -> Request:
    """The request, with the three headers of Standard Webhooks."""
    at = str(int(now.timestamp()))
    digest = hmac.digest(to.key, f"{identity}.{at}.{body}".encode(), hashlib.sha256)
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }
    return Request(
        url=to.url.reveal(),
        headers={name: Secret(value) for name, value in headers.items()},
        body=Secret(body),
        content_type="application/json",
    )
