import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator import errors
from rotator.ledger.facts import BackOff, Record, Row
from rotator.model import Reason
from rotator.policy.again import same_again
from rotator.rotation.failing import back_off, told
from rotator.rotation.remembered import active_back_offs
from rotator.triage import reason_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CANARY = "hunter2-canary"
LINE = "grant:refresh_token"

REASONS: dict[type[Exception], Reason] = {
    errors.Unreachable: Reason.UNREACHABLE,
    errors.ProviderDown: Reason.PROVIDER_DOWN,
    errors.Unanswered: Reason.UNANSWERED,
    errors.Throttled: Reason.THROTTLED,
    errors.Rejected: Reason.REJECTED,
    errors.Misconfigured: Reason.MISCONFIGURED,
    errors.Garbled: Reason.GARBLED,
    errors.VerifyFailed: Reason.VERIFY_FAILED,
    errors.InDoubt: Reason.IN_DOUBT,
    errors.AnotherLedger: Reason.ANOTHER_LEDGER,
    errors.StoreUnavailable: Reason.STORE_UNAVAILABLE,
    errors.StoreThrottled: Reason.STORE_THROTTLED,
    errors.StoreDenied: Reason.STORE_DENIED,
    errors.KeyDenied: Reason.KEY_DENIED,
    errors.StoreUnset: Reason.STORE_UNSET,
    errors.NotOurs: Reason.NOT_OURS,
    errors.VersionBudget: Reason.VERSION_BUDGET,
    errors.FenceLost: Reason.FENCE_LOST,
    errors.ForeignWriter: Reason.FOREIGN,
    errors.SealError: Reason.SEAL_UNREADABLE,
    errors.SeedMissing: Reason.SEED_MISSING,
    errors.RotatorError: Reason.UNEXPECTED,
    KeyError: Reason.UNEXPECTED,
    OSError: Reason.UNEXPECTED,
}
ENDS_THE_WALK = {
    errors.ProviderError, errors.StoreError,  # never raised as such
    errors.LedgerError, errors.LeaseLost, errors.LedgerTooNew, errors.LedgerBusy,
    errors.LedgerGone, errors.LedgerDamaged,
    errors.BadJobs, errors.BadSettings,  # at the start, and by no step
}  # fmt: skip


def record(*back_offs: BackOff) -> Record:
    return Record(
        row=Row(credential="acme/etl", job="acme", due_at=NOW),
        open_intents=(),
        seals=(),
        marks=(),
        back_offs={each.what: each for each in back_offs},
        manuals=(),
        versions={},
        top_generation=0,
    )


def failed(
    error: Exception, *earlier: BackOff, deadline: datetime | None = None, now: datetime = NOW
) -> BackOff:
    return back_off(LINE, error, record(*earlier), now, deadline)


def test_every_error_of_ours_has_a_reason_or_ends_the_walk() -> None:
    ours = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.RotatorError)
    }
    assert ours == (set(REASONS) | ENDS_THE_WALK) - {KeyError, OSError}


@pytest.mark.parametrize(
    ("kind", "reason"), REASONS.items(), ids=[kind.__name__ for kind in REASONS]
)
def test_every_failure_has_one_reason(kind: type[Exception], reason: Reason) -> None:
    assert reason_of(kind("it broke")) is reason
    assert failed(kind("it broke")).reason is reason


def test_an_error_that_is_drawn_below_another_has_its_reason() -> None:
    class Worse(errors.StoreDenied):
        pass

    assert reason_of(Worse("no")) is Reason.STORE_DENIED


def test_a_reason_that_the_caller_knows_better_wins() -> None:
    error = errors.Garbled("the token was due on arrival")
    found = back_off(LINE, error, record(), NOW, None, Reason.DUE_ON_ARRIVAL)
    assert (found.reason, found.text) == (Reason.DUE_ON_ARRIVAL, "the token was due on arrival")


def test_failures_are_counted_a_line_and_while_they_last() -> None:
    error = errors.Unreachable("no route")
    first = failed(error)
    second = failed(error, first, now=first.until)
    assert (first.failures, second.failures) == (1, 2)
    assert second.until - first.until > first.until - NOW
    other = back_off("keep", error, record(first, second), NOW, None)
    assert (other.what, other.failures) == ("keep", 1)


def test_a_failure_of_another_class_counts_on() -> None:
    first = failed(errors.Unreachable("no route"))
    assert failed(errors.Garbled("not JSON"), first, now=first.until).failures == 2


@pytest.mark.parametrize("error", [errors.Unreachable("no route"), errors.Misconfigured("no")])
def test_a_try_by_hand_that_fails_does_not_put_off_the_next_one(error: Exception) -> None:
    first = failed(errors.Misconfigured("invalid_client"))
    half = NOW + (first.until - NOW) / 2
    again = failed(error, first, now=half)
    assert again.until <= first.until
    assert (again.failures, again.since) == (first.failures, half)
    later = failed(error, again, now=again.until)
    assert later.failures == 2, "the next one is by schedule, and counts"


def test_a_provider_that_asks_for_patience_is_given_it_by_hand_too() -> None:
    first = failed(errors.Unreachable("no route"))
    asked = errors.Throttled("HTTP 429", retry_after=40 * MINUTE)
    assert failed(asked, first, now=NOW + MINUTE / 10).until == NOW + MINUTE / 10 + 40 * MINUTE


def test_a_back_off_of_a_clock_that_jumped_puts_nothing_forward() -> None:
    void = replace(failed(errors.Unreachable("no route")), until=NOW + 400 * DAY)
    assert failed(errors.Unreachable("no route"), void).failures == 2


def test_a_back_off_knows_when_it_was_stored() -> None:
    assert failed(errors.Unreachable("no route")).since == NOW


def test_a_deadline_leaves_room_for_five_attempts() -> None:
    found = failed(errors.Garbled("not JSON"), deadline=NOW + 10 * MINUTE)
    assert found.until == NOW + 2 * MINUTE


def test_a_provider_s_own_word_is_kept() -> None:
    found = failed(errors.Throttled("HTTP 429", retry_after=40 * MINUTE))
    assert found.until == NOW + 40 * MINUTE


@given(st.timedeltas(timedelta(0), 7_900 * 365 * DAY), st.integers(0, 10**9))
def test_no_back_off_is_so_long_that_it_passes_for_a_clock_that_jumped(
    asked: timedelta, failures: int
) -> None:
    earlier = BackOff(
        what=LINE, until=NOW, since=NOW, failures=failures, reason=Reason.THROTTLED, text=""
    )
    stored = failed(errors.Throttled("HTTP 429", retry_after=asked), earlier)
    assert active_back_offs(record(stored), NOW) == {LINE: stored}


@given(st.timedeltas(-DAY, 4_000 * DAY))
def test_the_same_token_again_is_no_loop_however_long_it_lives(left: timedelta) -> None:
    until = same_again(NOW, NOW + left)
    stored = BackOff(
        what=LINE, until=until, since=NOW, failures=0, reason=Reason.DUE_ON_ARRIVAL, text=""
    )
    assert active_back_offs(record(stored), NOW) == {LINE: stored}


def test_our_own_errors_are_told_in_their_words_with_the_remedy() -> None:
    error = errors.SeedMissing("file /run/secrets/etl does not exist", remedy="mount it there")
    assert told(error) == "file /run/secrets/etl does not exist (mount it there)"
    assert failed(error).text == told(error)


@pytest.mark.parametrize("kind", [KeyError, ValueError, OSError, RuntimeError, RecursionError])
def test_a_stranger_s_error_is_told_by_its_class_alone(kind: type[Exception]) -> None:
    assert told(kind(f"token {CANARY} refused")) == kind.__name__
    assert CANARY not in repr(failed(kind(CANARY)))
