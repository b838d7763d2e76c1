"""One consumer for each credential that the worker keeps, with what is known of both."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import httpx

from rotator.jobs.job import Credential
from rotator.ledger.facts import Row
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.sandbox.cast import CALLS
from rotator.sandbox.consumer import Consumer, Tally, secrets_client
from rotator.sandbox.stage import Stage
from rotator.sandbox.witness import Stored

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


@dataclass(frozen=True, slots=True)
class Part:
    """One credential as an onlooker sees it: from Secrets Manager, and by its consumer's luck."""

    credential: Credential
    consumer: Consumer
    stage: Stage

    @property
    def name(self) -> str:
        return self.credential.qualified

    @property
    def tally(self) -> Tally:
        return self.consumer.tally

    @property
    def is_chain(self) -> bool:
        return self.credential.provider.is_chain

    @property
    def access(self) -> Stored | None:
        """What is published."""
        return self.stage.aws.newest(self.name, ACCESS_TOKEN)

    @property
    def refresh(self) -> Stored | None:
        """What is kept for the worker alone."""
        return self.stage.aws.newest(self.name, REFRESH_TOKEN)

    @property
    def renewals(self) -> int:
        """How often another access token replaced one."""
        return self.stage.aws.changes(self.name, ACCESS_TOKEN)

    @property
    def replacements(self) -> int:
        """How often another refresh token replaced one."""
        return self.stage.aws.changes(self.name, REFRESH_TOKEN)


def parts(stage: Stage) -> tuple[Part, ...]:
    """One a credential; the environment must be the stage's."""
    client = secrets_client()
    return tuple(
        Part(credential, _consumer(stage, credential, client), stage)
        for credential in stage.book().credentials.values()
    )


def _consumer(stage: Stage, credential: Credential, client: "SecretsManagerClient") -> Consumer:
    provider = credential.provider.name
    call = CALLS[provider]
    asked = httpx.Request(
        call.method,
        stage.urls[provider] + call.path,
        json={} if call.method == "POST" else None,
    )
    staleness = credential.schedule.consumer_max_staleness
    return Consumer(client, credential.token_secret.name, asked, stage.clock, staleness)


@contextmanager
def at_work(cast: tuple[Part, ...]) -> Iterator[None]:
    """All consumers run; they are done when the block ends."""
    try:
        for part in cast:
            part.consumer.start()
        yield
    finally:
        for part in cast:
            part.consumer.stop()
        for part in cast:
            part.consumer.join()


def is_calm(rows: Iterable[Row], until: datetime) -> bool:
    """Whether nobody of them is at work or will be before then."""
    return all(row.due_at is not None and until < row.due_at for row in rows)
