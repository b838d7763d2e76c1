"""A walk writes the ledger before and after its request, and once more when it comes to rest."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.ledger.facts import Manual
from rotator.model import Reason, Secret, Shelf, State
from rotator.plan.table import Step, Verb
from rotator.providers.base import Answer, Request
from rotator.references import SeedRef
from rotator.rotation import walk
from tests.crash.doors import Effects, Killed
from tests.crash.plays import scenario
from tests.crash.world import World
from tests.rotation.stage import (
    ALBATO,
    HOUR,
    SECOND,
    SESSION,
    ask,
    is_home,
    record,
    requests,
    run,
    watched,
    world,
)


def test_an_answer_is_read_and_published_in_one_write() -> None:
    played = watched(scenario(ALBATO))
    assert played.rotate().state is State.FRESH
    ledger = [name.partition(" ")[0] for name in played.effects.names if "ledger." in name]
    assert ledger == [
        "ledger.take", "ledger.look", "ledger.write", "ledger.check", "ledger.seal", "ledger.write",
    ]  # fmt: skip


@pytest.mark.parametrize(("later", "again"), [(timedelta(0), 0), (SECOND, 1)])
def test_a_wish_that_comes_while_the_provider_answers_is_seen_and_met(
    later: timedelta, again: int
) -> None:
    """Met by that very answer, or by `again` one more."""
    played = world(ALBATO)
    played.rotate()
    played.clock.at += HOUR
    ask(played)
    send, wishes = played.tools.door.send, list[Manual]()

    class Interrupted:
        def send(self, request: Request, *, spending: bool = False) -> Answer:
            answer = send(request, spending=spending)
            if not wishes:
                played.clock.at += later
                wishes.append(ask(played))
            return answer

    played.tools = replace(played.tools, door=Interrupted())
    outcome = played.rotate()
    met = played.ledger.manual(wishes[0].id)
    assert outcome.state is State.FRESH
    assert met is not None
    assert met.met_at is not None
    assert requests(played, SESSION) == 2 + again
    assert played.effects.names.count("ledger.look") == 3 + again  # one was of the first walk


def test_what_a_worker_published_that_then_died_is_no_token_handed_out_again() -> None:
    whole = watched(scenario(ALBATO))
    whole.rotate()
    put = whole.effects.names.index("store.put") + 1

    played = watched(scenario(ALBATO), Effects(kill_at=(put, "after")))
    with pytest.raises(Killed):
        played.rotate()
    published = played.published()
    played.restart()
    outcome = played.rotate()

    assert outcome.state is State.FRESH
    assert [(step.step, step.text) for step in outcome.steps] == [
        ("read", "generation 1 by partner_token: access_token"), ("drop", ""),
    ]  # fmt: skip
    assert played.published() == published
    assert played.ledger.back_offs(played.credential.qualified) == []
    assert played.row.records


def test_a_walk_that_never_comes_to_rest_backs_off_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = world(ALBATO)
    played.rotate()
    endless = Step(Verb.MEND, Reason.FOREIGN_NEWER, Shelf.TOKEN)
    monkeypatch.setattr(walk, "next_step", lambda _: endless)
    outcome = played.rotate()
    assert outcome.reason is Reason.TOO_MANY_STEPS
    assert len(outcome.steps) == walk.MOST_STEPS + 1
    assert walk.WALK in record(played).back_offs
    monkeypatch.undo()
    run(played, HOUR)
    assert is_home(played)


class Asked:
    """Seeds, and how often one was asked for."""

    def __init__(self, played: World) -> None:
        self._seeds, self.times = played.tools.seeds, 0
        played.tools = replace(played.tools, seeds=self)

    def read(self, ref: SeedRef) -> Secret:
        self.times += 1
        return self._seeds.read(ref)


def test_a_walk_reads_a_seed_once_however_often_it_looks() -> None:
    played = world(ALBATO)
    asked = Asked(played)
    assert len(played.rotate().steps) == 3
    assert asked.times == 1
    played.rotate()
    assert asked.times == 2


def test_a_seed_that_was_refused_is_read_anew() -> None:
    played = world(ALBATO, seeds=lambda _: {"partner_token": "mistyped"})
    asked = Asked(played)
    assert played.rotate().state is State.NEEDS_A_PERSON
    assert asked.times == 2
