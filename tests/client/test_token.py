"""`Token` on a secret, a clock and failures that the test controls."""

import logging
import pickle
import threading
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest

from rotator.client import (
    STALENESS,
    AccessDenied,
    MalformedSecret,
    SecretNotFound,
    Token,
    TokenError,
    TokenExpired,
    Unavailable,
)
from rotator.client.testing import FakeClock, FakeSecret
from tests.client.plays import MINUTE, NAME, Frozen, eventually

STALE = STALENESS + timedelta(seconds=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def secret(clock: FakeClock) -> FakeSecret:
    return FakeSecret(NAME, clock=clock)


def test_nothing_is_read_before_it_is_asked_for(secret: FakeSecret) -> None:
    secret.token()
    assert secret.reads == 0


def test_all_of_it_is_one_read(secret: FakeSecret) -> None:
    token = secret.token()
    assert token.value == "fake-token-1"
    assert dict(**token.header) == {"Authorization": "Bearer fake-token-1"}
    assert token.generation == 1
    assert token.expires_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert token.get().value == token.value
    assert secret.reads == 1


def test_a_name_and_a_staleness_are_wanted() -> None:
    with pytest.raises(ValueError, match="no secret named"):
        Token("")
    with pytest.raises(ValueError, match="not above zero"):
        Token(NAME, staleness=timedelta(0))


class Steady(FakeClock):
    """Waits by another clock than the one that it shows, as the machine's own does."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[threading.Event] = []

    def wait(self, event: threading.Event, until: float) -> None:
        del until
        self.waiting.append(event)
        event.wait()

    def passes(self) -> bool:
        """As much time as anybody waits for."""
        for event in self.waiting:
            event.set()
        return True


def test_a_clock_that_is_set_back_leaves_nobody_with_what_was_read_before() -> None:
    clock = Steady()
    secret = FakeSecret(NAME, clock=clock)
    token = secret.token()
    assert token.value == "fake-token-1"
    clock.advance(-timedelta(hours=6))
    secret.rotate()
    eventually(lambda: clock.passes() and token.value == "fake-token-2")
    assert clock.passes()
    assert secret.reads == 2  # the clock is right now, and tells when it is time


def test_the_next_generation_is_read_ahead_in_the_background(
    secret: FakeSecret, clock: FakeClock
) -> None:
    token = secret.token()
    assert token.generation == 1
    secret.rotate()
    clock.advance(STALENESS * 0.7)  # the middle of what jitter allows; hits are not stale yet
    eventually(lambda: token.generation == 2)
    assert secret.reads == 2


def test_a_process_that_was_frozen_reads_before_it_answers() -> None:
    clock = Frozen()
    secret = FakeSecret(NAME, clock=clock)
    token = secret.token()
    assert token.generation == 1
    secret.rotate()
    clock.advance(STALENESS - timedelta(seconds=1))
    assert token.generation == 1
    clock.advance(timedelta(seconds=1))
    assert token.generation == 2


def test_a_living_token_is_served_while_secrets_manager_is_down(
    secret: FakeSecret, clock: FakeClock
) -> None:
    token = secret.token()
    value = token.value
    secret.fail(Unavailable)
    for _ in range(24 * 60 - 1):
        clock.advance(MINUTE)
        assert token.value == value


def test_never_is_a_token_served_that_has_expired(secret: FakeSecret, clock: FakeClock) -> None:
    token = secret.token()
    assert token.value
    secret.fail(Unavailable)
    clock.advance(timedelta(hours=24))
    with pytest.raises(TokenExpired, match="generation 1 expired at 2026-01-02T00:00:00") as caught:
        _ = token.value
    assert isinstance(caught.value.__cause__, Unavailable)
    assert "rotator explain alation/etl" in str(caught.value)


def test_an_expired_secret_is_read_again_until_the_worker_is_back(
    secret: FakeSecret, clock: FakeClock
) -> None:
    token = secret.token()
    clock.advance(timedelta(hours=25))
    for _ in range(50):
        with pytest.raises(TokenExpired):
            _ = token.value
    assert secret.reads <= 2
    secret.rotate()
    clock.advance(timedelta(seconds=2))
    assert token.value == "fake-token-2"


def test_an_outage_costs_few_reads_and_ends_by_itself(secret: FakeSecret, clock: FakeClock) -> None:
    token = secret.token()
    assert token.generation == 1
    secret.fail(Unavailable)
    before = secret.reads
    for _ in range(60):
        clock.advance(MINUTE)
        assert token.generation == 1
    assert secret.reads - before <= 70
    secret.rotate()
    secret.fail(None)
    clock.advance(MINUTE)
    eventually(lambda: token.generation == 2)


ERRORS = [SecretNotFound, AccessDenied, Unavailable]


@pytest.mark.parametrize("error", ERRORS)
def test_without_a_token_the_reason_is_raised_and_asked_for_once_a_second(
    secret: FakeSecret, clock: FakeClock, error: type[TokenError]
) -> None:
    secret.fail(error)
    token = secret.token()
    for _ in range(20):
        with pytest.raises(error, match=NAME):
            _ = token.value
    assert secret.reads == 1
    secret.fail(None)
    clock.advance(timedelta(seconds=1))
    assert token.value == "fake-token-1"


def test_each_error_is_one_of_a_kind_with_a_remedy(secret: FakeSecret) -> None:
    secret.fail(AccessDenied)
    token = secret.token()
    raised = []
    for _ in range(2):
        with pytest.raises(TokenError) as caught:
            _ = token.value
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert raised[0].secret == NAME
    assert raised[0].remedy in str(raised[0])
    assert str(pickle.loads(pickle.dumps(raised[0]))) == str(raised[0])  # noqa: S301 - our own bytes


@pytest.mark.parametrize("text", [None, "t0ken", '{"access_token": "t0ken"}'])
def test_what_is_not_rotators_is_told_without_a_word_of_it(
    secret: FakeSecret, text: str | None
) -> None:
    secret.write(text)
    with pytest.raises(MalformedSecret, match="name a secret that rotator publishes") as caught:
        _ = secret.token().value
    assert "t0ken" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_fetch_that_breaks_is_an_unavailable_secret() -> None:
    def broken(_: str) -> str:
        raise ZeroDivisionError

    with pytest.raises(Unavailable, match="ZeroDivisionError"):
        _ = Token(NAME, fetch=broken, clock=FakeClock()).value


def test_it_is_logged_once_when_reading_fails_and_when_it_works_again(
    secret: FakeSecret, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "rotator.client")
    token = secret.token()
    assert token.value
    secret.fail(Unavailable)
    for _ in range(10):
        clock.advance(MINUTE)
        assert token.value
    secret.fail(None)
    clock.advance(MINUTE)
    eventually(lambda: "read again" in caplog.text)
    assert [each.levelname for each in caplog.records] == ["WARNING", "INFO"]
    assert "fake-token" not in caplog.text


# A call was refused


def test_a_refused_token_is_read_anew_once(secret: FakeSecret) -> None:
    token = secret.token()
    refused = token.value
    assert not token.refused(refused)
    assert not token.refused(refused)
    assert secret.reads == 2


def test_a_refusal_finds_the_next_generation_at_once(secret: FakeSecret) -> None:
    token = secret.token()
    refused = token.value
    secret.rotate()
    assert token.refused(refused)
    assert token.value == "fake-token-2"
    assert secret.reads == 2


def test_a_newer_generation_that_is_held_already_costs_no_read(secret: FakeSecret) -> None:
    token = secret.token()
    refused = token.value
    secret.rotate()
    assert token.refused(refused)
    assert token.refused(refused)
    assert secret.reads == 2


def test_each_value_has_a_re_read_of_its_own(secret: FakeSecret, clock: FakeClock) -> None:
    token = secret.token()
    assert not token.refused(token.value)
    secret.rotate()
    clock.advance(timedelta(seconds=1))
    eventually(lambda: token.generation == 2)
    assert not token.refused(token.value)
    assert not token.refused(token.value)
    assert secret.reads == 4


def test_a_token_that_died_before_the_next_was_published_is_replaced_in_seconds(
    secret: FakeSecret, clock: FakeClock
) -> None:
    token = secret.token()
    refused = token.value
    assert not token.refused(refused)
    secret.rotate()
    clock.advance(timedelta(seconds=1))
    eventually(lambda: token.value != refused)
    assert secret.reads == 3


def test_a_refusal_while_secrets_manager_is_down_is_no_error_and_is_asked_again(
    secret: FakeSecret, clock: FakeClock
) -> None:
    token = secret.token()
    refused = token.value
    secret.rotate()
    secret.fail(Unavailable)
    assert not token.refused(refused)
    assert not token.refused(refused)
    assert secret.reads == 2
    assert token.value == refused
    secret.fail(None)
    clock.advance(timedelta(seconds=2))
    assert token.refused(refused)


def test_a_refusal_just_after_an_outage_waits_for_no_back_off(
    secret: FakeSecret, clock: FakeClock
) -> None:
    token = secret.token()
    refused = token.value
    secret.fail(Unavailable)
    for _ in range(20):
        clock.advance(MINUTE)
        assert token.value == refused
    secret.rotate()
    secret.fail(None)
    assert token.refused(refused)
    assert token.generation == 2


def test_a_refusal_of_what_was_never_held_reads_nothing(secret: FakeSecret) -> None:
    assert not secret.token().refused("whatever")
    assert secret.reads == 0


# What is shown


def test_neither_text_nor_a_copy_nor_a_pickle_holds_the_token() -> None:
    token = Token(NAME)
    assert repr(token) == "Token('rotator/token/alation/etl', None)"
    held = FakeSecret(NAME).token()
    assert held.value not in f"{held!r} {held}"
    assert "generation 1" in repr(held)
    packed = pickle.dumps(token)
    assert pickle.loads(packed).secret == NAME  # noqa: S301 - our own bytes
    copied = deepcopy(token)
    assert copied is not token
    assert repr(copied) == repr(token)
