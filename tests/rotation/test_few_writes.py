"""A walk writes the ledger before and after its request, and once more when it comes to rest."""

from dataclasses import replace

import pytest

from rotator.model import Reason, Secret, Shelf, State
from rotator.plan import Step, Verb
from rotator.references import SeedRef
from rotator.rotation import walk
from tests.crash.doors import Effects, Killed
from tests.crash.plays import scenario
from tests.crash.world import World
from tests.rotation.stage import ALBATO, HOUR, is_home, record, run, watched, world


def test_an_answer_is_read_and_published_in_one_write() -> None:
    played = watched(scenario(ALBATO))
    assert played.rotate().state is State.FRESH
    ledger = [name.partition(" ")[0] for name in played.effects.names if "ledger." in name]
    assert ledger == [
        "ledger.take", "ledger.look", "ledger.write", "ledger.check", "ledger.seal",
        "ledger.look", "ledger.write",
    ]  # fmt: skip


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
        ("read", "access_token"), ("drop", ""),
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
