"""What may befall a pair of chains: a job that moves, and answers that come late or unread."""

from dataclasses import dataclass, field, replace

import pytest

from rotator.errors import RotatorError
from rotator.model import REFRESH_TOKEN, Secret, State, Token
from rotator.providers.base import Alive, Answer, Request
from rotator.rotation import keyring
from rotator.rotation.sealed import SEED_HOST, SPARE
from rotator.rotation.tools import Door
from tests.crash.world import World
from tests.rotation.stage import (
    BOTH,
    DAY,
    SSO,
    Beside,
    reseeded,
    reworked,
    run,
    state,
    world,
)
from tests.rotation.test_pairs import LONG, hand_over

ELSEWHERE = "https://elsewhere.test"


@dataclass
class Overheard:
    """A door that remembers what was sent to the new host."""

    inner: Door
    bodies: list[str] = field(default_factory=list)

    def send(self, request: Request, *, spending: bool = False) -> Answer:
        if request.url.startswith(ELSEWHERE):
            self.bodies.append(request.body.reveal() if request.body else "")
            request = replace(request, url=request.url.replace(ELSEWHERE, "https://alation.test"))
        return self.inner.send(request, spending=spending)


def moved(name: str) -> tuple[World, Overheard, set[str]]:
    """A pair whose job now has another address; the tokens of the old one."""
    of = world(name, schedule=LONG, refresh_lifespan=60 * DAY)
    of.rotate()
    if name == SSO:
        hand_over(of)
    run(of, 2 * DAY)
    assert of.kept().get(SPARE)
    old = {of.kept()[REFRESH_TOKEN], of.kept()[SPARE]}
    door = Overheard(of.tools.door)
    of.tools = replace(of.tools, door=door)
    reworked(of, base_url=ELSEWHERE)
    of.rotate()
    return of, door, old


def told(door: Overheard, old: set[str]) -> bool:
    return any(token in body for token in old for body in door.bodies)


def test_an_old_host_s_spare_is_not_sent_to_a_new_one_that_a_person_seeds() -> None:
    of, door, old = moved(SSO)
    keyring.seed(of.tools, of.credential, Token(value=Secret(of.fake.hand_made(7))), Alive())
    run(of, 3 * DAY)
    assert door.bodies
    assert not told(door, old)


def test_an_old_host_s_spare_is_not_sent_to_a_new_one_where_the_password_logs_in() -> None:
    of, door, old = moved(BOTH)
    run(of, 3 * DAY)
    assert door.bodies
    assert not told(door, old)


def test_nothing_is_put_beside_an_old_host_s_token() -> None:
    of, door, old = moved(SSO)
    with pytest.raises(RotatorError, match=r"is for https://alation\.test"):
        hand_over(of)
    run(of, 3 * DAY)
    assert not told(door, old)


def test_an_old_host_s_token_is_not_adopted_for_a_new_one() -> None:
    of, door, old = moved(SSO)
    with pytest.raises(RotatorError, match=r"is for https://alation\.test"):
        keyring.adopt(of.tools, of.credential)
    run(of, 3 * DAY)
    assert not told(door, old)


def test_an_old_host_s_token_is_not_taken_over_by_itself_for_a_new_one() -> None:
    of, door, old = moved(SSO)
    beside = Beside.of(of)
    beside.tools = replace(beside.tools, door=door)
    beside.run(of.clock.at + 3 * DAY)
    assert state(beside) is State.NEEDS_A_PERSON
    assert not told(door, old)


def test_an_old_host_s_seed_is_not_sent_to_a_new_one_when_its_own_chain_has_died() -> None:
    of, door, _ = moved(BOTH)
    seed = of.values["refresh_token"]
    run(of, 3 * DAY)
    for token in (of.kept()[REFRESH_TOKEN], of.kept()[SPARE]):
        of.fake.revoke(token)
    of.fake.passwords = {}
    run(of, 3 * DAY)
    assert state(of) is State.NEEDS_A_PERSON
    assert not told(door, {seed})
    reseeded(of, refresh_token=of.fake.hand_made(7))
    of.tools = replace(of.tools, door=door)
    of.rotate()
    assert state(of) is State.FRESH
    assert not of.kept().get(SEED_HOST)
