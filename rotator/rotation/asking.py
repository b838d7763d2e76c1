"""A person's wish, as the ledger stores it until it is met."""

import getpass
import os
import socket
from datetime import datetime

from rotator.clock import new_id
from rotator.ledger.facts import Manual


def request(credential: str, now: datetime, why: str, *, tokens: frozenset[str] = frozenset(),
            again: bool = False) -> Manual:  # fmt: skip
    """A person's wish, as the ledger stores it."""
    return Manual(
        id=new_id(),
        credential=credential,
        asked_at=now,
        by=person(),
        why=why,
        tokens=tokens,
        again=again,
    )


def person() -> str:
    """Who asks, as history shows it."""
    name = os.environ.get("SUDO_USER") or _login()
    return f"{name}@{socket.gethostname()}"


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"
