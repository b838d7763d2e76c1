"""Scheduling secrets for deletion: a person's doing, never a rotation's.

The worker's policy grants no deletion; whoever forgets a credential with its secrets needs
`secretsmanager:DeleteSecret` and `DescribeSecret`. Within the recovery window AWS gives them back,
and so does the worker by itself if their credential returns.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from rotator.clock import Clock
from rotator.errors import NotOurs
from rotator.store.aws_client import AwsClient
from rotator.store.aws_errors import INVALID_REQUEST, NOT_FOUND, Refused
from rotator.store.base import SecretSpec
from rotator.store.budget import WriteBudget
from rotator.store.reading import ENVIRONMENT_TAG, OWNER_TAG


class Remover:
    """Deletes what we made, and nothing else."""

    def __init__(self, clock: Clock, *, prefix: str, timeout: timedelta) -> None:
        """`prefix`: the environment's, which our secrets are tagged with."""
        self._prefix = prefix
        budget = WriteBudget(1.0, clock.monotonic)
        self._aws = AwsClient("secretsmanager", threads=1, timeout=timeout, budget=budget)

    def close(self) -> None:
        self._aws.close()

    def remove(self, spec: SecretSpec, days: int) -> bool:
        """Schedule it for deletion in so many days; False where there is nothing to delete.

        Raises NotOurs where its tags do not say that this credential made it.
        """
        found = self._described(spec)
        if found is None or found.get("DeletedDate"):
            return False
        tags = {tag["Key"]: tag.get("Value", "") for tag in found.get("Tags", ())}
        if (tags.get(OWNER_TAG), tags.get(ENVIRONMENT_TAG)) != (spec.owner, self._prefix):
            raise NotOurs(f"{spec.name} does not carry our tags, and is left alone")
        if spec.adopt:
            raise NotOurs(
                f"{spec.name} was adopted and may hold others' keys, and is left alone",
                remedy="delete it yourself if nobody needs it",
            )
        return self._deleted(spec, days)

    def _described(self, spec: SecretSpec) -> Mapping[str, Any] | None:
        try:
            return self._aws.ask("DescribeSecret", spec.name, SecretId=spec.name)
        except Refused as refusal:
            if refusal.code == NOT_FOUND:
                return None
            raise

    def _deleted(self, spec: SecretSpec, days: int) -> bool:
        try:
            self._aws.ask("DeleteSecret", spec.name, SecretId=spec.name, RecoveryWindowInDays=days)
        except Refused as refusal:
            if refusal.code in (NOT_FOUND, INVALID_REQUEST):
                return False
            raise
        return True
