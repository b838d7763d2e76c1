"""AWS Secrets Manager as our store: one account's reader and writer, and the budget of writes.

The label AWSCURRENT is always named, when reading and when moving it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.clock import Clock
from rotator.store.aws_client import AwsClient
from rotator.store.base import SecretSpec, Version
from rotator.store.budget import WriteBudget
from rotator.store.notes import Notes, Proofs
from rotator.store.reading import Found, Reader
from rotator.store.writing import Writer

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

WRITES_PER_SECOND = 20.0
"""Of the 50 that AWS grants an account and Region, and that others want too."""
PUT_TIMEOUT = timedelta(seconds=30)


class SecretsManagerStore:
    """One account in one Region, for one environment. Thread-safe."""

    def __init__(
        self,
        clock: Clock,
        *,
        prefix: str = "rotator",
        writes_per_second: float = WRITES_PER_SECOND,
        threads: int = 16,
        put_timeout: timedelta = PUT_TIMEOUT,
        client: "SecretsManagerClient | None" = None,
    ) -> None:
        """`prefix`: the environment's own; its secrets are named and tagged with it.

        `put_timeout`: of one write with all its attempts, in real time; the wait for the budget
        comes on top.
        """
        self._budget = WriteBudget(
            writes_per_second,
            clock.monotonic,
            lambda seconds: clock.sleep(clock.stretch(timedelta(seconds=seconds))),
        )
        self._aws = AwsClient(
            "secretsmanager",
            threads=threads,
            timeout=put_timeout,
            budget=self._budget,
            client=client,
        )
        notes = Notes()
        self._reader = Reader(self._aws, notes, prefix)
        self._writer = Writer(self._aws, self._reader, notes, Proofs(clock, prefix), prefix)

    def close(self) -> None:
        self._aws.close()

    # What a rotation asks

    def get(self, spec: SecretSpec) -> Version | None:
        return self._reader.look(spec)[0]

    def version(self, spec: SecretSpec, version_id: str) -> Version | None:
        return self._reader.version(spec, version_id)

    def put(self, spec: SecretSpec, version_id: str, fields: Mapping[str, str]) -> Version:
        return self._writer.put(spec, version_id, fields)

    def prove(self, spec: SecretSpec, current: Version | None) -> None:
        self._writer.prove(spec, current)

    def replay(self, spec: SecretSpec, current: Version | None) -> None:
        """Put the current version again, same id and bytes: AWS checks all and changes nothing."""
        self._writer.replay(spec, current)

    def move_back(self, spec: SecretSpec, version_id: str, *, away_from: str) -> None:
        self._writer.move_back(spec, version_id, away_from=away_from)

    def reserve(self, writes: int) -> None:
        self._budget.reserve(writes)

    def unreserve(self) -> None:
        """Give back what this thread reserved and did not write; a new `reserve` does it too."""
        self._budget.unreserve()

    # What others ask

    def describe(self, spec: SecretSpec) -> Found | None:
        """All but the value, None where there is no such secret; changes nothing."""
        return self._reader.describe(spec)

    def read_secret(self, name: str) -> str | bytes | None:
        """A seed, by name or ARN; None where there is none. Never one that rotator writes."""
        return self._reader.read_secret(name)
