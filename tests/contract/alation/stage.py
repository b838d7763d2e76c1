"""Alation's plug-in against its fake, and against what its pages do not say."""

import json
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from rotator.errors import ProviderError
from rotator.model import REFRESH_TOKEN, Keyring, Secret, Token
from rotator.providers.alation import plugin
from rotator.providers.alation.settings import Credential, Job
from rotator.providers.base import Answer, Grant, Provider, Verdict
from rotator.rotation.tools import Door as Doorway
from rotator.sandbox.alation import AlationFake
from tests.contract.stage import TurnedClock

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
HOST = "https://acme.alationcloud.com"
USER, NAME, PASSWORD = 1151, "svc-etl@example.com", "planted-password"
PLANTED = "planted-token-0123456789"
V1 = "/integration/v1/"


class World:
    """A provider, its fake, and a door between them."""

    def __init__(self, clock: TurnedClock, fake: AlationFake, door: Doorway, url: str) -> None:
        self.clock, self.fake, self.door, self.url = clock, fake, door, url
        self.provider = self.built()

    def built(self, *, user_id: int = USER, seeds: str = "refresh_token password") -> Provider:
        job = Job.model_validate({"base_url": self.url})
        return plugin.build(
            job, Credential(user_id=user_id, username=NAME), frozenset(seeds.split())
        )

    def obtain(self, grant: str, keyring: Keyring) -> Keyring:
        chosen = self.provider.grant(grant)
        assert chosen is not None
        sent_at = self.clock.now()
        answer = self.door.send(chosen.ask(keyring), spending=chosen.spends is not None)
        return chosen.read(answer, sent_at)

    def inspect(self, token: str, keyring: Keyring) -> Verdict:
        inspection = self.provider.inspections[token]
        return inspection.read(self.door.send(inspection.ask(keyring)))

    def seeded(self) -> dict[str, Token]:
        return {REFRESH_TOKEN: Token(value=Secret(self.fake.hand_made(USER)))}


def provider(seeds: str = "refresh_token password", **settings: object) -> Provider:
    job = Job.model_validate({"base_url": "https://Acme.AlationCloud.com:443", **settings})
    return plugin.build(job, Credential(user_id=USER, username=NAME), frozenset(seeds.split()))


def grant(name: str) -> Grant:
    found = provider().grant(name)
    assert found is not None
    return found


GOOD_MINT = {
    "api_access_token": PLANTED,
    "user_id": USER,
    "created_at": "2026-03-01T12:00:00Z",
    "token_expires_at": "2026-03-02T12:00:00Z",
    "token_status": "ACTIVE",
}
GOOD_REGEN = {"refresh_token": PLANTED, **{k: GOOD_MINT[k] for k in list(GOOD_MINT)[1:]}}

TOKENS = "tokens"


def answer(status: int, content: object, good: Mapping[str, object]) -> Answer:
    """`content`: bytes as they are; an object replaces fields of a good answer under 2xx."""
    if isinstance(content, dict) and 200 <= status < 300:
        content = {name: found for name, found in {**good, **content}.items() if found is not None}
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    date = format_datetime(NOW.replace(microsecond=0), usegmt=True)
    return Answer(status=status, headers={"date": date}, body=body, received_at=NOW)


def outcome(grant: Grant, answer: Answer) -> type[ProviderError] | str:
    """The error's class, after a look for secrets in all that it says; else "tokens"."""
    try:
        (token,) = grant.read(answer, NOW).values()
    except ProviderError as error:
        said = [str(error), repr(error), repr(error.__dict__), *traceback.format_exception(error)]
        assert not any("planted" in line for line in said)
        return type(error)
    assert token.value.reveal() == PLANTED
    assert token.issued_at == NOW
    assert token.expires_at is not None
    assert NOW < token.expires_at <= NOW + DAY
    return TOKENS
