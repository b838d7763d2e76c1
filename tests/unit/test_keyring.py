"""Seeding and adopting beneath the command line, where a walk or an answer is in the way."""

import getpass
import os
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.errors import LeaseLost, LedgerError, Rejected, RotatorError, StoreError
from rotator.ledger.facts import Because, Mark, MarkKind, Stepped
from rotator.ledger.writes import AddMark
from rotator.model import REFRESH_TOKEN, Reason, Secret, Shelf, State, Token
from rotator.providers.base import Alive, Dead, Unknown
from rotator.rotation import asking, keyring
from rotator.sandbox.alation import AlationFake
from rotator.sandbox.fakes import LOST_ANSWER
from tests.crash.scenarios import ALL
from tests.crash.world import World

SSO = next(each for each in ALL if each.name == "alation, SSO")
NEVER = timedelta(days=400)


@pytest.fixture
def world() -> World:
    built = World(SSO)
    built.rotate()
    return built


def held(world: World) -> Token:
    return Token(value=Secret(world.kept()[REFRESH_TOKEN]))


def hand_made(world: World) -> Token:
    fake: AlationFake = world.fake
    return Token(value=Secret(fake.hand_made(7)))


def ask_for_another(world: World) -> None:
    """A person asks for a new refresh token, an hour later."""
    world.clock.at += timedelta(hours=1)
    name, now = world.credential.qualified, world.clock.now()
    world.ledger.ask(asking.request(name, now, "", tokens=frozenset({REFRESH_TOKEN})))


def mark_spent(world: World, token: Token, because: Because) -> None:
    name, now = world.credential.qualified, world.clock.now()
    lease = world.ledger.take(name, "test", now, now + timedelta(minutes=1))
    assert lease is not None
    key = world.tools.fingerprints.fingerprint(token.value)
    mark = Mark(kind=MarkKind.SPENT, key=key, at=now, because=because)
    step = Stepped(run="r", seq=0, at=now, step="settle", reason=Reason.UNANSWERED)
    world.ledger.write(lease, AddMark(mark=mark), step)
    world.ledger.release(lease)


def test_a_seed_is_kept_with_the_providers_dates_or_else_with_the_persons(world: World) -> None:
    now = world.clock.now()
    taken = keyring.seed(world.tools, world.credential, hand_made(world), Alive(now, now + NEVER))
    assert (taken.expires_at, taken.was_foreign, taken.lifted) == (now + NEVER, False, 0)
    told = replace(hand_made(world), expires_at=now + timedelta(days=1))
    for verdict in (Unknown(), Alive(), Alive(None, None)):
        taken = keyring.seed(world.tools, world.credential, told, verdict, replaces=True)
        assert taken.expires_at == now + timedelta(days=1)
    assert world.rotate().state is State.FRESH


def test_what_may_be_alive_gives_way_only_to_a_token_that_somebody_vouches_for(
    world: World,
) -> None:
    token = replace(hand_made(world), expires_at=world.clock.now() + timedelta(days=1))
    before = world.kept()
    with pytest.raises(RotatorError, match="may be alive") as told:
        keyring.seed(world.tools, world.credential, token, Unknown())
    assert "--replace" in told.value.remedy
    assert world.kept() == before
    same = replace(held(world), expires_at=token.expires_at)
    assert keyring.seed(world.tools, world.credential, same, Unknown()).generation
    taken = keyring.seed(world.tools, world.credential, token, Unknown(), replaces=True)
    assert taken.expires_at == token.expires_at


def test_a_chain_that_is_over_needs_no_leave_to_be_replaced(world: World) -> None:
    world.clock.at += NEVER
    token = replace(hand_made(world), expires_at=world.clock.now() + timedelta(days=1))
    assert keyring.seed(world.tools, world.credential, token, Unknown()).generation


def test_a_token_is_inspected_and_nothing_changes(world: World) -> None:
    verdict = keyring.inspected(world.tools, world.credential, held(world))
    assert isinstance(verdict, Alive)
    dead = keyring.inspected(world.tools, world.credential, Token(value=Secret("nobody's")))
    assert isinstance(dead, Dead)
    assert world.rotate().steps == ()


def test_a_dead_seed_is_refused(world: World) -> None:
    token = hand_made(world)
    for verdict in (Dead(), Dead("gone")):
        with pytest.raises(Rejected, match="disowns this token"):
            keyring.seed(world.tools, world.credential, token, verdict)


def test_a_spent_token_is_taken_back_only_if_the_request_went_unanswered_and_it_lives(
    world: World,
) -> None:
    token = held(world)
    mark_spent(world, token, Because.UNANSWERED)
    with pytest.raises(RotatorError, match="spent already"):
        keyring.seed(world.tools, world.credential, token, Unknown())
    taken = keyring.seed(world.tools, world.credential, token, Alive())
    assert taken.lifted == 1
    mark_spent(world, token, Because.ANSWERED)
    with pytest.raises(RotatorError, match="spent already"):
        keyring.seed(world.tools, world.credential, token, Alive())


def test_adopting_lifts_a_doubt_that_the_provider_settles(world: World) -> None:
    mark_spent(world, held(world), Because.UNANSWERED)
    taken = keyring.adopt(world.tools, world.credential)
    assert taken is not None
    assert (type(taken.verdict), taken.lifted) == (Alive, 1)
    assert world.rotate().state is State.FRESH


def test_adopting_waits_for_a_request_that_may_still_be_answered(world: World) -> None:
    world.fake.fail_next("*", LOST_ANSWER)
    ask_for_another(world)
    world.rotate()
    with pytest.raises(LeaseLost, match="may still be answered"):
        keyring.adopt(world.tools, world.credential)


def test_adopting_waits_for_a_sealed_answer_to_be_kept(world: World) -> None:
    ask_for_another(world)

    def down(*_: object) -> None:
        raise StoreError("down")

    store = world.tools.store
    broken = replace(world.tools, store=_NoPut(store, down))  # type: ignore[arg-type]
    world.tools = broken
    world.rotate()
    world.tools = replace(broken, store=store)
    with pytest.raises(RotatorError, match="may be alive"):
        keyring.seed(world.tools, world.credential, hand_made(world), Unknown())
    with pytest.raises(RotatorError, match="waits to be kept"):
        keyring.adopt(world.tools, world.credential)


class _NoPut:
    """A store in which nothing can be put."""

    def __init__(self, inner: object, put: object) -> None:
        self._inner, self.put = inner, put

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def test_another_ledgers_keyring_is_told_and_none_is_nothing_to_adopt(world: World) -> None:
    spec = world.credential.secrets[Shelf.KEYRING]
    fields = {**world.kept(), "ledger_id": "another", "generation": "40"}
    world.tools.store.put(spec, "0f2f6a4e-94a8-4f0e-a3a1-5e0ac6a0d001", fields)
    taken = keyring.adopt(world.tools, world.credential)
    assert taken is not None
    assert (taken.was_foreign, taken.generation) == (True, 41)
    empty = World(SSO)
    assert keyring.adopt(empty.tools, empty.credential) is None


def test_nothing_happens_without_the_lease_or_the_row(world: World) -> None:
    name, now = world.credential.qualified, world.clock.now()
    lease = world.ledger.take(name, "a worker", now, now + timedelta(minutes=1))
    assert lease is not None
    with pytest.raises(LeaseLost, match="under way"):
        keyring.adopt(world.tools, world.credential)
    world.ledger.forget(name)
    with pytest.raises(LedgerError, match="does not know"):
        keyring.adopt(world.tools, world.credential)


def test_who_asks_is_named_also_behind_sudo_and_without_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUDO_USER", "ada")
    assert asking.person().startswith("ada@")
    monkeypatch.delenv("SUDO_USER")

    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert asking.person().startswith(f"uid {os.getuid()}@")
