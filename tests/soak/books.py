"""What the fakes handed to whom: the lineage of each chain, seen from the wire."""

import json
import threading
from typing import Any
from urllib.parse import parse_qsl

from tests.soak.gate import Asked, Said


class Books:
    """Whose a token is, and which one came last. Thread-safe, under `lock`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """Held while a provider acts and this is written down, so that both are seen or neither."""
        self.tips: dict[str, str] = {}
        """The newest refresh token of each credential, whether its answer arrived or not."""
        self._owners: dict[str, str] = {}
        self._newest: dict[str, str] = {}

    def seeded(self, credential: str, token: str) -> None:
        """A person made a refresh token."""
        with self.lock:
            self._owners[token] = credential
            self.tips[credential] = token

    def note(self, asked: Asked, said: Said) -> None:
        """One request to a provider and its answer, under the lock."""
        fields = _fields(asked)
        credential = self._whose(fields)
        if not credential or not 200 <= said.status < 300:
            return
        told = _found(json.loads(said.body))
        refresh = told.get("refresh_token", "")
        if refresh and "validate" not in asked.path:
            self.seeded(credential, refresh)
        access = next((told[name] for name in _ACCESS if name in told), "")
        if access or "regen" in asked.path:  # which ends the access token and brings no other
            self._newest[credential] = access

    def is_newest(self, credential: str, access_token: str) -> bool:
        """Whether no later request has ended, or could have ended, that access token."""
        with self.lock:
            return self._newest.get(credential, access_token) == access_token

    def _whose(self, fields: dict[str, str]) -> str:
        if token := fields.get("refresh_token"):
            return self._owners.get(token, "")
        if user := fields.get("username"):
            return f"alation-password/{user}"
        return f"albato/{fields['id']}" if "id" in fields else ""


_ACCESS = ("access_token", "api_access_token", "sessionToken")


def _fields(asked: Asked) -> dict[str, str]:
    if "form" in asked.headers.get("content-type", ""):
        return dict(parse_qsl(asked.body.decode()))
    try:
        return {name: str(value) for name, value in json.loads(asked.body or b"{}").items()}
    except (ValueError, AttributeError):
        return {}


def _found(told: Any) -> dict[str, str]:
    """Every string in an answer by its name, however deep."""
    if isinstance(told, list):
        return {name: value for each in told for name, value in _found(each).items()}
    if not isinstance(told, dict):
        return {}
    found = {name: value for name, value in told.items() if isinstance(value, str)}
    for value in told.values():
        found |= _found(value)
    return found
