"""Two workers that know nothing of one another, and two that do."""

import threading
from dataclasses import replace

from rotator.model import Reason, State
from rotator.providers.base import Request
from rotator.rotation import asking, keyring
from rotator.rotation.telling import Outcome
from rotator.rotation.walk import rotate
from rotator.sandbox.fakes import LOST_ANSWER
from tests.crash.doors import Effects
from tests.rotation.stage import (
    BOTH,
    DAY,
    HOUR,
    MINT,
    MINUTE,
    OAUTH,
    REGENERATE,
    SECOND,
    SSO,
    TOKEN_PATH,
    Beside,
    is_home,
    record,
    requests,
    reseeded,
    run,
    state,
    works,
    world,
)


def test_on_two_ledgers_the_second_refuses_to_spend_and_the_chain_lives() -> None:
    first = world(OAUTH)
    first.rotate()
    second = Beside.of(first)
    asked = requests(first, TOKEN_PATH)

    for _ in range(5):
        first.clock.at += 20 * MINUTE
        second.rotate()
    assert state(second) is State.NEEDS_A_PERSON
    assert f"rotator adopt {first.credential.qualified}" in second.row.text
    assert requests(first, TOKEN_PATH) == asked

    run(first, 5 * HOUR)
    assert is_home(first)


def test_a_rebuilt_ledger_of_a_chain_that_nobody_can_inspect_waits_for_a_person() -> None:
    first = world(OAUTH)
    run(first, 3 * HOUR)
    rebuilt = Beside.of(first)
    rebuilt.run(first.clock.at + 6 * HOUR)
    assert state(rebuilt) is State.NEEDS_A_PERSON

    taken = keyring.adopt(rebuilt.tools, first.credential)
    assert taken is not None
    assert taken.was_foreign
    rebuilt.rotate()
    assert state(rebuilt) is State.FRESH
    assert works(first)
    assert first.fake.counts["presented_twice"] == 0


def test_a_chain_that_a_person_adopts_while_reads_lag_needs_nobody_again() -> None:
    first = world(OAUTH)
    run(first, 3 * HOUR)
    rebuilt = Beside.of(first)
    rebuilt.run(first.clock.at + 6 * HOUR)
    assert keyring.adopt(rebuilt.tools, first.credential)
    rebuilt.rotate()
    first.rotate()  # it has seen that another ledger owns the keyring, and not what follows
    rebuilt.run(first.clock.at + 6 * HOUR)
    assert state(first) is State.NEEDS_A_PERSON

    first.aws.faults.lag = 30 * SECOND
    assert keyring.adopt(first.tools, first.credential)
    outcome = first.rotate()
    assert outcome.reason is Reason.READ_LAG, "it is shown what has been adopted"
    assert outcome.steps == ()
    run(first, MINUTE)
    assert state(first) is State.FRESH
    assert works(first)


def test_a_rebuilt_ledger_adopts_by_itself_what_the_provider_says_is_alive() -> None:
    first = world(SSO)
    first.rotate()
    published = first.published()["generation"]
    rebuilt = Beside.of(first)
    rebuilt.rotate()
    assert first.kept()["ledger_id"] == first.ledger.ledger_id
    early = rebuilt.row.due_at
    assert early is not None
    assert early - first.clock.at <= rebuilt.tools.settle_time

    rebuilt.run(first.clock.at + 5 * MINUTE)
    assert first.kept()["ledger_id"] == rebuilt.ledger.ledger_id
    assert state(rebuilt) is State.FRESH
    # The lost ledger may have known of a request that ended it.
    assert int(first.published()["generation"]) > int(published)
    assert works(first)

    rebuilt.run(first.clock.at + 3 * DAY)
    assert state(rebuilt) is State.FRESH
    assert works(first)


def test_two_living_ledgers_take_a_chain_over_once_and_not_back() -> None:
    first = world(SSO)
    first.rotate()
    second = Beside.of(first)
    second.run(first.clock.at + 5 * MINUTE)
    owner = first.kept()["ledger_id"]
    assert owner == second.ledger.ledger_id

    for _ in range(40):
        first.clock.at += HOUR
        first.rotate()
        second.rotate()
        assert first.kept()["ledger_id"] == owner
    assert first.fake.counts["presented_twice"] == 0
    assert works(first)


def test_a_chain_that_was_just_taken_over_is_not_spent_for_a_settle_time() -> None:
    first = world(SSO)
    run(first, 24 * HOUR)  # the refresh token is about to be due
    second = Beside.of(first)
    second.rotate()
    first.clock.at += second.tools.settle_time
    second.rotate()
    assert first.kept()["ledger_id"] == second.ledger.ledger_id
    first.clock.at += 0 * SECOND
    spent = requests(first, REGENERATE)
    first.ledger = second.ledger
    keyring_asked = asking.request(
        first.credential.qualified, first.clock.now(), "", tokens=frozenset({"refresh_token"})
    )
    second.ledger.ask(keyring_asked)
    second.rotate()
    assert requests(first, REGENERATE) == spent
    assert state(second) is not State.NEEDS_A_PERSON
    second.run(first.clock.at + 5 * MINUTE)
    assert requests(first, REGENERATE) == spent + 1
    assert state(second) is State.FRESH


def test_a_dead_chain_of_another_ledger_is_not_adopted_and_a_person_is_told() -> None:
    first = world(SSO)
    first.rotate()
    first.fake._refresh[first.kept()["refresh_token"]].revoked = True  # noqa: SLF001
    second = Beside.of(first)
    second.run(first.clock.at + 2 * HOUR)
    assert first.kept()["ledger_id"] == first.ledger.ledger_id
    second.run(first.clock.at + DAY)
    assert state(second) is State.NEEDS_A_PERSON


def test_a_dead_chain_that_a_person_adopts_is_shown_to_nothing_that_would_spend_it() -> None:
    first = world(SSO)
    first.rotate()
    kept = first.fake._refresh[first.kept()["refresh_token"]]  # noqa: SLF001
    kept.revoked = True
    second = Beside.of(first)
    second.rotate()

    assert keyring.adopt(second.tools, first.credential) is not None
    second.rotate()
    assert requests(first, MINT) == 2
    assert requests(first, REGENERATE) == 0
    assert state(second) is State.NEEDS_A_PERSON
    assert f"rotator seed {first.credential.qualified}" in second.row.text

    kept.revoked = False
    taken = keyring.adopt(second.tools, first.credential)
    assert taken is not None
    assert taken.lifted == 1
    second.rotate()
    assert state(second) is State.FRESH


def test_a_fresh_seed_does_not_replace_another_ledger_s_living_chain() -> None:
    first = world(OAUTH)
    run(first, 2 * HOUR)
    kept = first.kept()
    reseeded(first, refresh_token="mistyped")
    second = Beside.of(first)
    second.run(first.clock.at + 3 * HOUR)
    assert first.kept() == kept
    assert state(second) is State.NEEDS_A_PERSON


def test_a_request_in_flight_of_a_lost_ledger_costs_nothing_that_a_password_cannot_mend() -> None:
    first = world(BOTH)
    run(first, 20 * HOUR)
    first.fake.fail_next(REGENERATE, LOST_ANSWER)
    run(first, 4 * HOUR)
    second = Beside.of(first)
    second.run(first.clock.at + 2 * DAY)
    assert state(second) is State.FRESH
    assert works(first)
    assert first.fake.counts["presented_twice"] == 0


def test_on_one_ledger_the_loser_is_skipped_and_nothing_overlaps() -> None:
    played = world(OAUTH)
    inside, release = threading.Event(), threading.Event()
    inner = played.tools.door.send

    class Slow:
        def send(self, request: object, *, spending: bool = False) -> object:
            inside.set()
            assert release.wait(20)
            return inner(request, spending=spending)  # type: ignore[arg-type]

    slow = replace(played.tools, door=Slow())  # type: ignore[arg-type]
    done: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: done.append(rotate(slow, played.credential, played.events.append))
    )
    thread.start()
    assert inside.wait(20)
    other = played.worker("other", Effects())
    skipped = rotate(other, played.credential, played.events.append)
    release.set()
    thread.join()

    assert (skipped.state, skipped.reason) == (State.ROTATING, Reason.LEASE_GONE)
    assert skipped.steps == ()
    assert done[0].state is State.FRESH
    assert requests(played, TOKEN_PATH) == 1


def test_a_worker_whose_lease_was_taken_stops_and_leaves_all_to_the_other() -> None:
    played = world(OAUTH)
    inner = played.tools.door.send

    class Robbed:
        """While the answer is on its way, another worker takes over."""

        def send(self, request: object, *, spending: bool = False) -> object:
            answer = inner(request, spending=spending)  # type: ignore[arg-type]
            played.ledger.free_all()
            now = played.clock.now()
            lease = played.ledger.take(played.credential.qualified, "thief", now, now + MINUTE)
            assert lease is not None
            return answer

    robbed = replace(played.tools, door=Robbed())  # type: ignore[arg-type]
    outcome = rotate(robbed, played.credential, played.events.append)
    assert outcome.reason is Reason.LEASE_GONE
    assert len(record(played).seals) == 1  # an answer is sealed whoever holds the lease

    played.restart()
    run(played, HOUR)
    assert is_home(played)


def test_a_walk_that_takes_long_holds_its_lease_on() -> None:
    played = world(OAUTH)
    slow = played.tools.store.put

    def put(*args: object, **kwargs: object) -> object:
        played.clock.at += 2 * MINUTE
        return slow(*args, **kwargs)  # type: ignore[arg-type]

    played.tools.store._inner.put = put  # type: ignore[attr-defined]  # noqa: SLF001
    assert played.rotate().state is State.FRESH
    assert "ledger.extend" in played.effects.names[-8:]


def test_a_mint_that_is_sent_too_late_ends_what_its_chain_gave_meanwhile_and_that_is_seen() -> None:
    played = world("alation, SSO, two chains")
    played.clock.at = played.row.due_at or played.clock.at
    inner = played.tools.door.send

    class Frozen:
        """Between reading the lease again and the first byte, for longer than the lease."""

        woken = False

        def send(self, request: Request, *, spending: bool = False) -> object:
            if request.url.endswith(MINT) and not self.woken:
                self.woken = True
                played.clock.at += played.tools.lease_time + MINUTE
                rotate(played.worker("other", Effects()), played.credential, played.events.append)
                assert works(played)
                played.clock.at += MINUTE
            return inner(request, spending=spending)

    frozen = replace(played.tools, door=Frozen())  # type: ignore[arg-type]
    outcome = rotate(frozen, played.credential, played.events.append)
    assert outcome.reason is Reason.LEASE_GONE
    assert not works(played)

    played.rotate()
    assert works(played)
    assert state(played) is State.FRESH
