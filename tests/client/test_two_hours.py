"""Two hours of a consumer's life, from a seed: rotations, outages, lag, and no call refused.

Time is simulated, Secrets Manager is the strict fake behind real boto3, and the thread that looks
ahead is the real one; the play goes on only once it waits again.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random  # noqa: TID251 - a simulation, from a seed

import pytest
from botocore.config import Config

from rotator.client import STALENESS, SecretsManager, Token
from rotator.client.testing import FakeClock, FakeSecret
from rotator.clock import new_id
from rotator.sandbox.secrets_manager import SecretsManager as Fake
from rotator.sandbox.secrets_manager_hook import client_for
from tests.client.plays import MINUTE, NAME, eventually

STEP = timedelta(seconds=10)
STEPS = 720
LIFESPAN = 60 * MINUTE
LONGEST_OUTAGE = 15
"""Minutes: with the staleness well under the half life that is left when the next is published."""
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})


class Stepping(FakeClock):
    """Knows when every thread that looks ahead is waiting for a later instant."""

    def __init__(self) -> None:
        super().__init__()
        self._parked: dict[int, tuple[float, threading.Event]] = {}

    def wait(self, event: threading.Event, until: float) -> None:
        self._parked[threading.get_ident()] = until, event
        super().wait(event, until)
        del self._parked[threading.get_ident()]

    def settle(self, threads: int) -> None:
        eventually(lambda: self._at_rest() == threads)

    def _at_rest(self) -> int:
        parked = tuple(self._parked.values())
        return sum(until > self.now() and not event.is_set() for until, event in parked)


class World:
    """A provider, a worker that keeps its token alive, and one consumer."""

    def __init__(self, seed: int, *, kills: bool) -> None:
        """`kills`: the provider ends a token with the request that makes the next."""
        self.clock = Stepping()
        self.aws = Fake(lambda: datetime.fromtimestamp(self.clock.now(), UTC))
        self.counts: Counter[str] = Counter()
        self._client = client_for(self.aws, config=ONCE)
        self._secret = FakeSecret(NAME, lifespan=LIFESPAN, clock=self.clock)
        self._client.create_secret(Name=NAME, SecretString=self._secret(NAME) or "")
        self._kills, self._unpublished, self._is_down = kills, False, False
        self._minted_at = self.clock.now()
        self._alive = {"fake-token-1": self.clock.now() + LIFESPAN.total_seconds()}
        kinds = ["dark", "503"] if kills else ["dark", "503", "lag"]
        self.troubles = dict(_troubles(Random(seed), kinds))  # noqa: S311 - as above
        self.token = Token(NAME, fetch=SecretsManager(lambda: self._client), clock=self.clock)

    def live(self) -> None:
        for step in range(STEPS):
            self._break(step)
            self._work()
            self._call()
            self.clock.settle(1)
            self.clock.advance(STEP)
            self.clock.settle(1)

    def _break(self, step: int) -> None:
        kind = self.troubles.get(step)
        if kind in ("dark", "503"):
            self._is_down = True
            self.aws.faults.go_dark("503" if kind == "503" else "closed")
        elif kind == "lag":
            self.aws.faults.lag = 2 * MINUTE
        elif kind == "well":
            self._is_down = False
            self.aws.faults.clear()

    def _work(self) -> None:
        """Mint at half life; publish, and again at the next step where AWS is down."""
        half_life = LIFESPAN.total_seconds() / 2
        may_mint = not (self._kills and self._is_down)  # the worker proves first that it can write
        if self.clock.now() - self._minted_at >= half_life and may_mint:
            if self._kills:
                self._alive.clear()
            value = self._secret.rotate()
            self._alive[value] = self.clock.now() + LIFESPAN.total_seconds()
            self._minted_at, self._unpublished = self.clock.now(), True
            self.counts["mints"] += 1
        if self._unpublished and not self._is_down:
            text = self._secret(NAME) or ""
            self._client.put_secret_value(
                SecretId=NAME, SecretString=text, ClientRequestToken=new_id()
            )
            self._unpublished = False

    def _call(self) -> None:
        """As the httpx and requests auth do."""
        reading = self.token.get()
        if self._accepts(reading.value):
            self.counts["accepted"] += 1
        elif self.token.refused(reading.value) and self._accepts(self.token.value):
            self.counts["healed"] += 1
        else:
            self.counts["refused"] += 1

    def _accepts(self, value: str) -> bool:
        return self.clock.now() < self._alive.get(value, 0)


def _troubles(dice: Random, kinds: list[str]) -> Iterator[tuple[int, str]]:
    """Trouble, then peace, over and over: at which step what begins."""
    step = 1 + dice.randrange(60)  # the first read of all is not the subject
    while step < STEPS:
        yield step, dice.choice(kinds)
        step += dice.randrange(6, LONGEST_OUTAGE * 6)
        yield step, "well"
        step += dice.randrange(60, 180)


@pytest.mark.parametrize("seed", range(8))
def test_in_two_hours_with_outages_no_call_is_refused(seed: int) -> None:
    world = World(seed, kills=False)
    world.live()
    assert world.counts["mints"] >= 3
    assert world.counts == {"mints": world.counts["mints"], "accepted": STEPS}
    in_peace = STEPS * STEP / (STALENESS * 0.7)
    in_trouble = LONGEST_OUTAGE * 60 / 30 * len(world.troubles)
    reads = sum(call.operation == "GetSecretValue" for call in world.aws.stats.log)
    assert reads <= in_peace + in_trouble


@pytest.mark.parametrize("seed", range(8))
def test_a_provider_that_kills_the_token_in_use_costs_at_most_one_repeated_call_each_time(
    seed: int,
) -> None:
    world = World(seed, kills=True)
    world.live()
    assert world.counts["mints"] >= 3
    assert world.counts["refused"] == 0
    assert 0 < world.counts["healed"] <= world.counts["mints"]
    assert world.counts["healed"] + world.counts["accepted"] == STEPS
