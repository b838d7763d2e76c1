"""A consumer as any service would be: boto3, an HTTP client, and nothing of ours.

It keeps a token no longer than its job says that the slowest consumer does. When it is refused it
waits a moment, reads its secret anew, once, and calls again.

The wait is real time whatever the clock does, for it waits for real wires: a provider that ends the
old token with the same request that makes the new one leaves a gap until the new one is published,
some tens of milliseconds here as in production.
"""

import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import httpx

from rotator.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PAUSE = 1.0
"""Real seconds between being refused and reading the secret anew: ten times the gap that a provider
leaves on an idle machine, and enough for a standby to take over on a busy one."""
_PATIENCE = 10.0


def secrets_client() -> "SecretsManagerClient":
    """One for all consumers of a process: it is thread-safe."""
    return boto3.client("secretsmanager")


@dataclass(slots=True)
class Tally:
    """How a consumer fared. Written by its own thread alone."""

    accepted: int = 0
    healed: int = 0
    """Refused, and accepted after one re-read."""
    stayed: int = 0
    """Refused after one re-read too."""
    broken: str = ""
    """Why it gave up, if it did."""

    @property
    def refused(self) -> int:
        return self.healed + self.stayed


class Consumer:
    """One service that calls one provider with one credential's token, over and over."""

    def __init__(
        self,
        client: "SecretsManagerClient",
        secret: str,
        call: httpx.Request,
        clock: Clock,
        staleness: timedelta,
    ) -> None:
        """`secret`: its name; `call`: what it asks of the provider, but for the token."""
        self.tally = Tally()
        self._client, self._secret, self._request = client, secret, call
        self._clock, self._staleness = clock, staleness
        self._stop = threading.Event()
        self._held: dict[str, str] = {}
        self._read_at: datetime | None = None
        self._thread = threading.Thread(target=self._run, name=f"consumer of {secret}")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it after the call it is at."""
        self._stop.set()

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with httpx.Client(timeout=_PATIENCE, trust_env=False) as http:
                while not self._stop.is_set():
                    self.visit(http)
                    self._clock.wait(self._stop, timedelta(minutes=10))
        except Exception as error:  # noqa: BLE001 - whatever ends it is told in the summary
            self.tally.broken = type(error).__name__

    def visit(self, http: httpx.Client) -> None:
        """One call, and what comes of it."""
        if self._is_accepted(http, self._token()):
            self.tally.accepted += 1
            return
        if self._stop.wait(PAUSE):
            return
        if self._is_accepted(http, self._reread()):
            self.tally.healed += 1
        else:
            self.tally.stayed += 1

    def _is_accepted(self, http: httpx.Client, token: dict[str, str]) -> bool:
        """False where the token is refused. Raises where anything else is wrong."""
        self._request.headers[token["header_name"]] = token["header_value"]
        answer = http.send(self._request)
        if answer.status_code in {401, 403}:
            return False
        answer.raise_for_status()
        return True

    def _token(self) -> dict[str, str]:
        now = self._clock.now()
        if self._read_at is None or now - self._read_at >= self._staleness:
            return self._reread()
        return self._held

    def _reread(self) -> dict[str, str]:
        self._read_at = self._clock.now()
        answer = self._client.get_secret_value(SecretId=self._secret)
        self._held = json.loads(answer["SecretString"])
        return self._held
