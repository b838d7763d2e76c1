"""SecretsManagerStore against the strict fake, through real boto3.

All of it runs under the worker's own IAM policy, so a call that the policy lacks fails here.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.config import Config

from rotator.clock import Clock, new_id
from rotator.sandbox.iam import Guard
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for
from rotator.store.base import SecretSpec
from rotator.store.secrets_manager import SecretsManagerStore

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
SPEC = SecretSpec(name="rotator/token/alation/etl", owner="alation/etl")
KEYRING = SecretSpec(name="rotator/keyring/alation/etl", owner="alation/etl")
SHARED = SecretSpec(name="team/shared", owner="alation/etl", adopt=True)
WORKER = Path(__file__).parents[3].joinpath("deploy/iam/worker.json").read_text()
POLICIES = [
    json.loads(WORKER),
    json.loads(WORKER.replace("rotator/token/*", "team/*")),  # as for any name of one's own
]
KEYS = {
    "alias/rotator": (
        "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    )
}


class Told(Clock):
    """A clock whose `now` moves when it is told to; waiting is real."""

    def __init__(self) -> None:
        super().__init__()
        self.instant = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant


class Bench:
    """The fake, and stores on it."""

    def __init__(self) -> None:
        self.clock = Told()
        self.service = SecretsManager(self.clock.now, self.clock.monotonic)
        self.service.account.authorize = Guard(self.service, {"worker": POLICIES}, KEYS)
        self.raw = client_for(self.service, config=ONCE)
        """A person with the AWS command line."""
        self.store = self.connect()

    def connect(self, **options: Any) -> SecretsManagerStore:
        """One more process."""
        options.setdefault("client", client_for(self.service, "worker", config=ONCE))
        clock = options.pop("clock", self.clock)
        return SecretsManagerStore(clock, writes_per_second=10_000, **options)

    def made(self, value: str | bytes, name: str = SHARED.name, **tags: str) -> None:
        """A secret that somebody else made."""
        kind = "SecretString" if isinstance(value, str) else "SecretBinary"
        labels = [{"Key": f"rotator:{key}", "Value": text} for key, text in tags.items()]
        self.raw.create_secret(Name=name, Tags=labels, **{kind: value})  # type: ignore[arg-type]

    def value(self, name: str = SPEC.name) -> dict[str, str]:
        told = self.raw.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        value: dict[str, str] = json.loads(told["SecretString"])
        return value

    def tags(self, name: str = SPEC.name) -> dict[str, str]:
        return {t["Key"]: t["Value"] for t in self.raw.describe_secret(SecretId=name)["Tags"]}

    def calls(self, *, since: int = 0) -> list[str]:
        return [call.operation for call in self.service.stats.log][since:]

    @property
    def now(self) -> int:
        """Where the log of calls is at."""
        return len(self.service.stats.log)

    def versions(self, name: str = SPEC.name) -> int:
        told = self.raw.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)
        return len(told["Versions"])


def fields(generation: int = 1, **more: str) -> dict[str, str]:
    return {
        "access_token": f"token-{generation}",
        "generation": str(generation),
        "provider": "alation",
        "credential": "alation/etl",
        "schema": "1",
        **more,
    }


def questions(store: SecretsManagerStore) -> list[Callable[[], object]]:
    return [
        lambda: store.get(SPEC),
        lambda: store.put(SPEC, new_id(), fields()),
        lambda: store.prove(SPEC, None),
        lambda: store.move_back(SPEC, new_id(), away_from=new_id()),
        lambda: store.describe(SPEC),
        lambda: store.read_secret("rotator/seed/one"),
    ]
