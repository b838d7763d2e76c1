"""What may befall a pair of chains: a job that moves, and answers that come late or unread."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from rotator.errors import RotatorError
from rotator.model import REFRESH_TOKEN, Secret, State, Token
from rotator.providers.base import Alive, Answer, Request
from rotator.rotation import keyring
from rotator.rotation.sealed import SEED_HOST, SPARE, TURNED
from rotator.rotation.tools import Door
from rotator.sandbox.fakes import Fault
from tests.crash.doors import Effects, Killed
from tests.crash.plays import scenario
from tests.crash.world import Scenario, World
from tests.rotation.stage import (
    BOTH,
    DAY,
    HOUR,
    REGENERATE,
    SSO,
    Beside,
    ask,
    raw,
    record,
    reseeded,
    reworked,
    run,
    state,
)
from tests.rotation.test_pairs import dead_in_hand, hand_over, paired, turning

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
    of = paired(name)
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


def test_a_spare_that_a_person_seeds_again_is_no_pair_with_itself() -> None:
    of = paired(SSO)
    of.rotate()
    hand_over(of)
    run(of, 2 * DAY)
    spare = Token(value=Secret(of.kept()[SPARE]))
    keyring.seed(of.tools, of.credential, spare, Alive())
    assert not of.kept().get(SPARE)
    assert not of.kept().get(TURNED)  # the published token may have come of it
    run(of, 2 * DAY)
    assert state(of) is State.FRESH


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


def lost_regenerate(of: World, fault: Fault) -> None:
    """The chain at hand is spent, and nobody can read what came for it."""
    run(of, 2 * DAY)
    ask(of, REFRESH_TOKEN)
    of.fake.fail_next(REGENERATE, fault)
    of.rotate()
    run(of, HOUR)


def test_an_answer_that_nobody_can_read_yet_outlasts_the_turning_of_the_pair() -> None:
    of = paired(SSO)
    of.rotate()
    hand_over(of)
    at_hand = of.kept()[REFRESH_TOKEN]
    lost_regenerate(of, raw(200, b"<html>", acts=True))
    assert not of.fake.is_alive(at_hand)
    assert record(of).seals
    run(of, 5 * DAY)
    assert state(of) is State.FRESH
    assert record(of).seals
    assert of.fake.counts["presented_twice"] == 0


HIDDEN = b'{"refresh_tokens": '
"""Before an answer of the provider's own: a shape that this rotator does not know."""


@dataclass
class Veiled:
    """A door through which a regenerated token comes in an unknown shape, while it is veiled."""

    inner: Door
    veiled: bool = True

    def send(self, request: Request, *, spending: bool = False) -> Answer:
        answer = self.inner.send(request, spending=spending)
        if self.veiled and spending:
            return replace(answer, body=HIDDEN + answer.body + b"}")
        return answer


def unveil(of: World) -> None:
    """A newer rotator knows that shape."""
    provider = of.credential.provider
    grants = tuple(
        replace(grant, read=partial(_seen_through, grant.read)) if grant.spends else grant
        for grant in provider.grants
    )
    of.credential = replace(of.credential, provider=replace(provider, grants=grants))
    of.tools = replace(of.tools, version="newer")


def _seen_through(read: Any, answer: Answer, sent_at: datetime) -> Any:
    return read(replace(answer, body=answer.body.removeprefix(HIDDEN).removesuffix(b"}")), sent_at)


def veiled() -> World:
    """A pair whose chain at hand was spent for an answer that this rotator cannot read."""
    of = paired(SSO)
    of.rotate()
    hand_over(of)
    run(of, 2 * DAY)
    of.tools = replace(of.tools, door=Veiled(of.tools.door))
    ask(of, REFRESH_TOKEN)
    of.rotate()
    run(of, HOUR)
    assert record(of).seals
    return of


def both_live(of: World) -> bool:
    return bool(of.fake.is_alive(of.kept()[REFRESH_TOKEN]) and of.fake.is_alive(of.kept()[SPARE]))


@pytest.mark.parametrize("days", [0, 5])
def test_an_answer_that_a_newer_rotator_understands_brings_its_chain_back_to_the_pair(
    days: int,
) -> None:
    of = veiled()
    run(of, days * DAY)
    unveil(of)
    of.rotate()
    run(of, DAY)
    assert record(of).seals == ()
    assert both_live(of)
    assert dead_in_hand(of, 5 * DAY) == 0
    assert of.fake.counts["presented_twice"] == 0


def test_an_answer_that_nobody_can_read_yet_outlasts_an_adoption() -> None:
    of = paired(SSO)
    run(of, 2 * DAY)
    of.tools = replace(of.tools, door=Veiled(of.tools.door))
    ask(of, REFRESH_TOKEN)
    of.rotate()
    run(of, HOUR)
    keyring.adopt(of.tools, of.credential)
    run(of, 2 * DAY)
    assert state(of) is State.NEEDS_A_PERSON
    unveil(of)
    run(of, 2 * DAY)
    assert state(of) is State.FRESH
    assert record(of).seals == ()
    assert of.fake.counts["presented_twice"] == 0


def test_a_worker_that_wakes_with_an_answer_after_the_pair_has_turned_loses_nothing() -> None:
    played = scenario(f"{SSO}, two chains")
    whole = World(played)
    whole.run(whole.clock.at + played.horizon)
    seals = [n for n, effect in enumerate(whole.effects.names, 1) if effect == "ledger.seal"]
    for number in seals:
        of = frozen(played, number, HOUR)
        assert both_live(of)


def frozen(played: Scenario, number: int, lasting: timedelta) -> World:
    effects = Effects(kill_at=(number, "before"))
    of = World(played, effects)
    until = of.clock.at + played.horizon
    try:
        of.run(until)
    except Killed:
        of.restart()
    of.run(of.clock.at + lasting)
    effects.wake()
    of.rotate()
    of.run(of.clock.at + lasting)
    return of


def test_a_pair_whose_turn_waits_for_aws_needs_nobody() -> None:
    of = turning()
    of.fake._refresh[of.kept()["refresh_token"]].revoked = True  # noqa: SLF001
    assert of.row.due_at is not None
    of.clock.at = of.row.due_at
    of.aws.faults.fail("PutSecretValue", "InternalServiceError")
    of.rotate()
    assert record(of).back_offs["keep:turn"].until > of.clock.at
    assert state(of) is State.BACKING_OFF
    assert "rotator seed" not in of.row.text

    run(of, HOUR)
    assert state(of) is State.FRESH
