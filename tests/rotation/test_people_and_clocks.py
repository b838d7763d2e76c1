"""What people ask for, clocks that jump, a ledger that fails, and what must never be written."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.errors import LedgerError
from rotator.ledger.sealing import Sealer
from rotator.ledger.sql import SqlLedger
from rotator.model import Reason, State
from rotator.sandbox.fakes import LOST_ANSWER, LOST_REQUEST, html, throttled
from tests.crash.doors import Effects
from tests.crash.world import KEYS
from tests.rotation.stage import (
    ALBATO,
    BOTH,
    CLIENT,
    DAY,
    HOUR,
    MINUTE,
    OAUTH,
    OAUTH_ASKED,
    PASSWORD,
    REGENERATE,
    SECOND,
    SESSION,
    SSO,
    TOKEN_PATH,
    World,
    ask,
    is_home,
    last,
    raw,
    record,
    requests,
    run,
    state,
    steps,
    works,
    world,
)


def asked(played: World, wish: Any) -> Any:
    found = played.ledger.manual(wish.id)
    assert found is not None
    return found


def test_a_request_passes_back_offs_stored_before_it_and_not_those_after() -> None:
    played = world(ALBATO)
    played.fake.fail_next(SESSION, throttled("3600"), times=2)
    played.rotate()
    played.clock.at += SECOND
    played.rotate()
    assert requests(played, SESSION) == 1
    wish = ask(played)
    played.rotate()
    assert requests(played, SESSION) == 2
    played.clock.at += SECOND
    outcome = played.rotate()
    assert steps(outcome) == []
    assert requests(played, SESSION) == 2
    assert asked(played, wish).met_at is None
    assert asked(played, wish).outcome  # why not, in words
    run(played, 2 * HOUR)
    assert asked(played, wish).met_at is not None
    assert is_home(played)


def test_a_request_is_not_met_by_a_token_that_consumers_cannot_read_yet() -> None:
    played = world(ALBATO)
    played.rotate()
    played.clock.at += MINUTE
    wish = ask(played)
    played.aws.faults.fail("PutSecretValue", "LimitExceededException", times=1)
    played.rotate()
    assert asked(played, wish).met_at is None
    run(played, 2 * HOUR)
    assert asked(played, wish).outcome == "rotated" or asked(played, wish).met_at is not None
    assert requests(played, SESSION) == 2


def test_a_request_for_the_refresh_token_replaces_it_and_the_access_token_that_it_kills() -> None:
    played = world(SSO)
    run(played, HOUR)
    before = played.kept()["refresh_token"]
    wish = ask(played, "refresh_token")
    played.rotate()
    assert played.kept()["refresh_token"] != before
    assert asked(played, wish).outcome == "rotated"
    assert is_home(played)


def test_a_request_for_a_refresh_token_that_there_is_not_says_so() -> None:
    played = world(CLIENT)
    played.rotate()
    wish = ask(played, "refresh_token")
    before = requests(played)
    played.rotate()
    assert asked(played, wish).outcome == "it has no refresh token"
    assert asked(played, wish).met_at is not None
    assert requests(played) == before


def test_a_request_while_another_is_open_waits_and_says_why() -> None:
    played = world(OAUTH)
    played.fake.fail_next(TOKEN_PATH, LOST_ANSWER)
    played.rotate()
    played.clock.at += SECOND
    wish = ask(played)
    outcome = played.rotate()
    assert outcome.reason in (Reason.REQUEST_OPEN, Reason.BACKING_OFF)
    assert asked(played, wish).outcome == Reason.REQUEST_OPEN
    played.clock.at += 10 * MINUTE
    played.rotate()
    wish = ask(played)
    played.rotate()
    assert asked(played, wish).outcome == Reason.NO_GRANT_LEFT


def test_a_paused_credential_asks_nobody_anything_but_keeps_what_it_holds() -> None:
    played = world(SSO)
    played.ledger.pause(played.credential.qualified, played.clock.now(), "ann", "moving")
    outcome = played.rotate()
    assert outcome.state is State.PAUSED
    assert requests(played) == 0
    assert played.aws.stats.versions == 0
    played.ledger.resume(played.credential.qualified, played.clock.now())
    played.rotate()
    assert is_home(played)


@pytest.mark.parametrize("name", [SSO, PASSWORD, ALBATO, OAUTH, "amino, password"])
def test_a_clock_that_jumps_a_day_forward_and_back_is_no_loop_and_no_gap(name: str) -> None:
    played = world(name)
    real = played.clock.at
    played.fake.now = lambda: real + (played.clock.at - real)
    run(played, 2 * HOUR + 5 * MINUTE)
    ahead = timedelta(0)
    played.fake.now = lambda: played.clock.at - ahead  # the provider's own clock never jumps
    played.clock.at += DAY
    ahead = DAY
    wish = ask(played)
    played.rotate()
    played.clock.at -= DAY
    ahead = timedelta(0)
    seen = len(played.fake.log)
    played.rotate()
    assert len(played.fake.log) - seen <= 6
    for _ in range(8):
        run(played, HOUR)
        played.rotate()
        assert works(played)
    assert asked(played, wish).met_at is not None
    assert state(played) in (State.FRESH, State.BACKING_OFF)
    assert played.fake.counts["presented_twice"] == 0


def test_a_request_from_a_clock_that_ran_ahead_is_met_once() -> None:
    played = world(ALBATO)
    played.rotate()
    played.clock.at += HOUR
    wish = ask(played, at=played.clock.at + DAY, again=True)
    played.rotate()
    assert asked(played, wish).met_at is not None
    assert requests(played, SESSION) == 2


def test_back_offs_of_a_clock_that_ran_ahead_are_void() -> None:
    played = world(ALBATO)
    played.clock.at += DAY
    played.fake.fail_next(SESSION, throttled("3600"))
    played.rotate()
    played.clock.at -= DAY
    played.rotate()
    assert is_home(played)


def test_an_open_request_of_a_clock_that_ran_ahead_is_settled_soon_and_not_replayed() -> None:
    played = world("oauth2, refresh token, replay window", job={"replay": "10m"})
    played.rotate()
    played.clock.at += DAY
    played.fake.fail_next(TOKEN_PATH, LOST_REQUEST)
    ask(played)
    played.rotate()
    played.clock.at -= DAY
    before = requests(played, TOKEN_PATH)
    played.rotate()
    assert requests(played, TOKEN_PATH) == before
    assert record(played).open_intents != ()
    played.clock.at += played.tools.settle_time
    played.rotate()
    assert record(played).open_intents == ()
    assert state(played) is State.NEEDS_A_PERSON


def test_a_lease_of_a_clock_that_ran_ahead_is_void() -> None:
    played = world(ALBATO)
    at = played.clock.at + DAY
    assert played.ledger.take(played.credential.qualified, "gone", at, at + MINUTE)
    assert played.rotate().state is State.FRESH


def test_a_request_that_is_late_to_be_sent_is_not_sent() -> None:
    played = world(OAUTH)
    ticks = iter([0.0, 11.0])
    played.clock.monotonic = lambda: next(ticks, 12.0)  # type: ignore[method-assign]
    outcome = played.rotate()
    assert outcome.steps[1].outcome == "Late"
    assert is_home(played)


# --- a ledger that fails -------------------------------------------------------------------------


class FullDisk:
    """Refuses so many seals; everything else goes on."""

    def __init__(self, inner: Any, times: int) -> None:
        self._inner, self.times = inner, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def seal(self, seal: Any) -> None:
        if self.times:
            self.times -= 1
            raise LedgerError("the disk is full")
        self._inner.seal(seal)


def full(played: World, times: int) -> None:
    played.tools = replace(played.tools, ledger=FullDisk(played.tools.ledger, times))


def test_a_ledger_that_refuses_a_seal_costs_no_refresh_token() -> None:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.clock.at = played.row.due_at or played.clock.at
    before = played.kept()["refresh_token"]
    full(played, 1)
    with pytest.raises(LedgerError):
        played.rotate()
    assert played.kept()["refresh_token"] != before
    played.restart()
    run(played, 2 * HOUR)
    assert is_home(played)


def test_while_neither_ledger_nor_store_take_it_both_are_tried_again() -> None:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.clock.at = played.row.due_at or played.clock.at
    full(played, 3)
    inner = played.tools.door.send

    def send(*args: Any, **kwargs: Any) -> Any:
        answer = inner(*args, **kwargs)
        played.aws.faults.go_dark(until=played.clock.at + MINUTE)
        return answer

    played.tools = replace(played.tools, door=type("Door", (), {"send": staticmethod(send)})())
    began = played.clock.at
    played.rotate()
    assert played.clock.at >= began + 15 * SECOND
    played.restart()
    run(played, 2 * HOUR)
    assert is_home(played)


@pytest.mark.parametrize(
    ("fault", "kept"), [(raw(200, b"{"), True), (throttled("5"), False)], ids=["garbled", "429"]
)
def test_only_an_answer_with_nothing_to_lose_is_given_up(fault: Any, *, kept: bool) -> None:
    played = world(OAUTH)
    full(played, 2)
    played.fake.fail_next(TOKEN_PATH, fault)
    if kept:
        played.rotate()
        assert len(record(played).seals) == 1
    else:
        with pytest.raises(LedgerError):
            played.rotate()
        assert record(played).seals == ()


def test_what_a_plug_in_fails_on_is_sealed_in_the_end() -> None:
    played = world(OAUTH)
    real = played.credential.provider.grants[0]
    full(played, 2)

    def buggy(_answer: Any, _sent_at: Any) -> Any:
        raise KeyError("oh")

    provider = replace(played.credential.provider, grants=(replace(real, read=buggy),))
    played.credential = replace(played.credential, provider=provider)
    played.rotate()
    assert len(record(played).seals) == 1


def test_from_memory_no_older_token_replaces_a_newer() -> None:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.clock.at = played.row.due_at or played.clock.at
    full(played, 1)
    newer = {**played.kept(), "generation": "99", "refresh_token": "another"}
    inner = played.tools.door.send

    def send(*args: Any, **kwargs: Any) -> Any:
        answer = inner(*args, **kwargs)
        spec = played.credential.keyring_secret
        assert spec is not None
        other = played.worker("other", Effects())
        other.store.put(spec, "00000000-0000-4000-8000-000000000001", newer)
        return answer

    played.tools = replace(played.tools, door=type("Door", (), {"send": staticmethod(send)})())
    played.rotate()
    assert played.kept()["generation"] == "99"


def test_a_grant_that_spends_nothing_is_simply_asked_again() -> None:
    played = world(ALBATO)
    full(played, 1)
    with pytest.raises(LedgerError):
        played.rotate()
    played.restart()
    run(played, HOUR)
    assert is_home(played)


def test_a_seal_that_the_key_does_not_open_is_kept_and_told() -> None:
    played = world(PASSWORD)
    other = bytes(reversed(range(32)))

    class Forgetful:
        """Seals under one key and opens with another."""

        def seal(self, plain: bytes, *, bound_to: tuple[str, ...]) -> bytes:
            return Sealer(other).seal(plain, bound_to=bound_to)

        def open(self, cipher: bytes, *, bound_to: tuple[str, ...]) -> bytes:
            return Sealer(KEYS).open(cipher, bound_to=bound_to)

    good = played.tools
    played.tools = replace(good, sealing=Forgetful())
    outcome = played.rotate()
    assert last(outcome, "read").outcome == "SealError"
    sealed = record(played).seals
    assert sealed
    found = played.ledger.back_offs(played.credential.qualified)
    assert Reason.SEAL_UNREADABLE in {waiting.reason for waiting in found}
    assert outcome.state is State.NEEDS_A_PERSON
    assert "a sealed answer does not open" in outcome.text
    assert "rotator adopt" in outcome.text, "what a person does"
    played.tools = replace(good, sealing=Sealer(other))
    run(played, DAY)
    assert is_home(played)


def test_read_tokens_that_the_key_does_not_open_stay_until_it_does() -> None:
    played = world("amino, password")
    played.aws.faults.fail("CreateSecret", "AccessDeniedException", times=1000)
    played.rotate()
    good = played.tools
    assert record(played).seals
    played.tools = replace(good, sealing=Sealer(bytes(reversed(range(32)))))
    played.aws.faults.clear()
    run(played, HOUR)
    assert any(seal.outcome == "tokens" for seal in record(played).seals)
    played.tools = good
    run(played, DAY)
    assert works(played)


def test_a_credential_that_is_forgotten_as_its_walk_begins_is_told() -> None:
    played = world(ALBATO)

    class Forgotten(FullDisk):
        def look(self, _credential: str) -> None:
            return None

    played.tools = replace(played.tools, ledger=Forgotten(played.tools.ledger, 0))
    with pytest.raises(LedgerError, match="is not enrolled"):
        played.rotate()


def test_a_credential_that_is_forgotten_in_the_middle_ends_its_walk() -> None:
    played = world(ALBATO)
    inner = played.tools.door.send

    def send(*args: Any, **kwargs: Any) -> Any:
        played.ledger.forget(played.credential.qualified)
        return inner(*args, **kwargs)

    played.tools = replace(played.tools, door=type("Door", (), {"send": staticmethod(send)})())
    with pytest.raises(LedgerError):
        played.rotate()
    assert played.aws.stats.versions == 0


def test_a_credential_that_is_not_enrolled_is_skipped_or_told() -> None:
    played = world(ALBATO)
    played.ledger.forget(played.credential.qualified)
    assert played.rotate().reason is Reason.LEASE_GONE


# --- nothing secret ------------------------------------------------------------------------------


def secrets_of(played: World) -> set[str]:
    fake = played.fake
    books = ("_refresh", "_access", "_sessions", "passwords")
    made = {str(key) for book in books for key in getattr(fake, book, {})}
    return {found for found in made | set(played.values.values()) if len(found) > 8}


@pytest.mark.parametrize("name", [BOTH, ALBATO, OAUTH_ASKED])
def test_no_secret_is_in_any_text_or_in_the_ledger_s_bytes(name: str, tmp_path: Path) -> None:
    played = world(name)
    path = tmp_path / "ledger.db"
    played.ledger = SqlLedger.open(path, durable=False)
    whose = played.credential.qualified
    played.ledger.enrol({played.credential.job: [whose]}, played.clock.now())
    played.restart()
    faults = [LOST_ANSWER, html(502), raw(200, b'{"access_token": 7}', acts=True), throttled("5")]
    for fault in faults:
        run(played, HOUR)
        ask(played, *(["refresh_token"] if fault is LOST_ANSWER and name == BOTH else []))
        played.fake.fail_next(REGENERATE if name == BOTH else "*", fault)
        run(played, 3 * HOUR)
    played.aws.faults.go_dark(until=played.clock.at + HOUR)
    run(played, 12 * HOUR)
    found = secrets_of(played)
    assert found
    said = [str(event) for event in played.events]
    said += [str(line) for line in played.ledger.history(limit=500)]
    said += [str(waiting) for waiting in played.ledger.back_offs(whose)]
    said += [str(record(played)), str(played.row)]
    everything = "\n".join(said)
    assert not [secret for secret in found if secret in everything]
    files = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    played.ledger.close()
    assert len(files) > 4096
    assert not [secret for secret in found if secret.encode() in files]


def test_a_walk_that_does_not_come_to_rest_is_ended_and_tried_again_later() -> None:
    played = world(CLIENT)
    real = played.credential.provider.grants[0]
    forgetful = replace(real, read=lambda _answer, _sent_at: {})
    provider = replace(played.credential.provider, grants=(forgetful,))
    played.credential = replace(played.credential, provider=provider)
    run(played, HOUR)
    assert requests(played, TOKEN_PATH) <= 6
    assert state(played) is State.BACKING_OFF
