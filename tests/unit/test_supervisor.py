"""What `rotator exec` does about a token that died, and one that lacks a key."""

from datetime import timedelta

import pytest

from rotator.cli import supervisor
from rotator.cli.supervisor import Supervisor
from rotator.client import Reading, Unavailable
from rotator.client.testing import FakeClock, FakeSecret

UNTIL_TOLD = ["/bin/sh", "-c", 'test "$END" || exec sleep 600']


class Play:
    """A secret whose troubles follow one another, each when the one before it was told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.secret = FakeSecret("rotator/token/a/b", lifespan=timedelta(hours=1), clock=self.clock)
        self.said: list[str] = []

    def environ(self, reading: Reading) -> dict[str, str]:
        if reading.generation == 1:  # it dies while AWS is down
            self.secret.fail(Unavailable)
            self.clock.advance(timedelta(hours=2))
            return {}
        if reading.generation == 2:
            raise ValueError("the secret has no such key")
        return {"END": "yes"}

    def say(self, text: str) -> None:
        self.said.append(text.partition(":")[0])
        if len(self.said) < 3:
            self.secret.fail(None)
            self.secret.rotate()
            self.clock.advance(timedelta(minutes=10))

    def run(self) -> int:
        return Supervisor(
            UNTIL_TOLD,
            self.secret.token(clock=self.clock),
            self.environ,
            on_rotation=None,
            grace=timedelta(seconds=10),
            say=self.say,
        ).run()


def test_a_command_outlives_a_dead_token_and_a_secret_without_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "_LOOK", timedelta(milliseconds=10))
    play = Play()
    assert play.run() == 0
    assert play.said == [
        "the command holds a dead token",
        "generation 2 cannot be used",
        "generation 3",
    ]
