from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.model import Reason
from rotator.policy.again import (
    ATTEMPTS_LEFT,
    LONGEST_BACK_OFF,
    LONGEST_DOUBT,
    SEED_RETRIES,
    SHORTEST_BACK_OFF,
    TRIES_TO_SETTLE,
    asks_again,
    back_off,
    doubt_ends_at,
    same_again,
    seed_again_at,
)
from rotator.policy.when import FLOOR, SKEW

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZERO, SECOND, MINUTE = timedelta(0), timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEY = "alation/etl access_token"

PATIENCE = {  # the first back-off and the longest, in seconds
    Reason.UNREACHABLE: (15, 900),
    Reason.PROVIDER_DOWN: (15, 900),
    Reason.THROTTLED: (30, 900),
    Reason.UNANSWERED: (30, 1_800),
    Reason.IN_DOUBT: (30, 3_600),
    Reason.REJECTED: (60, 21_600),
    Reason.MISCONFIGURED: (900, 21_600),
    Reason.GARBLED: (900, 21_600),
    Reason.STORE_UNAVAILABLE: (10, 600),
    Reason.STORE_THROTTLED: (10, 600),
    Reason.STORE_DENIED: (300, 3_600),
    Reason.KEY_DENIED: (300, 3_600),
    Reason.STORE_UNSET: (300, 3_600),
    Reason.NOT_OURS: (300, 3_600),
    Reason.VERSION_BUDGET: (3_600, 21_600),
    Reason.FENCE_LOST: (5, 300),
    Reason.FOREIGN: (900, 900),
    Reason.SEED_MISSING: (60, 900),
    Reason.SEAL_UNREADABLE: (900, 21_600),
    Reason.VERIFY_FAILED: (30, 120),
    Reason.DUE_ON_ARRIVAL: (1020, 21_600),
}
REASONS = st.sampled_from(Reason)
FAILURES = st.integers(1, 40) | st.integers(1, 10**12)


def delay(reason: Reason, failures: int, key: str = "etl keep") -> timedelta:
    return back_off(reason, failures, NOW, key=key) - NOW


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name.lower())
def test_a_back_off_doubles_up_to_its_longest(reason: Reason) -> None:
    first, longest = PATIENCE.get(reason, (60, 3_600))
    for failures in range(1, 40):
        whole = timedelta(seconds=min(first * 2 ** (failures - 1), longest))
        found = delay(reason, failures)
        assert max(whole * 3 / 4, SHORTEST_BACK_OFF) <= found <= whole


@given(REASONS, FAILURES, st.text(max_size=20))
def test_a_back_off_is_between_five_seconds_and_six_hours(
    reason: Reason, failures: int, key: str
) -> None:
    assert SHORTEST_BACK_OFF <= delay(reason, failures, key) <= 6 * HOUR
    assert delay(reason, failures, key) == delay(reason, failures, key)


def test_credentials_that_failed_together_do_not_try_again_together() -> None:
    delays = {delay(Reason.UNREACHABLE, 3, f"job/{number} look") for number in range(1_000)}
    assert max(delays) - min(delays) > MINUTE / 4 * 0.98
    assert len(delays) == 1_000


@given(REASONS, st.integers(1, 50), st.timedeltas(MINUTE, 60 * DAY), st.text(max_size=20))
def test_five_attempts_at_least_are_made_before_a_deadline(
    reason: Reason, failures: int, left: timedelta, key: str
) -> None:
    now, attempts = NOW, 0
    while attempts < ATTEMPTS_LEFT:
        now = back_off(reason, failures + attempts, now, key=key, deadline=NOW + left)
        assert now < NOW + left
        attempts += 1


@given(REASONS, FAILURES, st.timedeltas(-400 * DAY, ZERO))
def test_a_deadline_that_has_passed_hurries_nobody(
    reason: Reason, failures: int, left: timedelta
) -> None:
    late = back_off(reason, failures, NOW, key="etl keep", deadline=NOW + left)
    assert late - NOW == delay(reason, failures)


@given(
    REASONS,
    FAILURES,
    st.timedeltas(ZERO, 8_000 * 365 * DAY),
    st.none() | st.timedeltas(-DAY, 60 * DAY),
)
def test_a_provider_s_own_word_is_honoured_up_to_a_day(
    reason: Reason, failures: int, retry_after: timedelta, left: timedelta | None
) -> None:
    deadline = None if left is None else NOW + left
    args = (reason, failures, NOW)
    asked = back_off(*args, key="k", deadline=deadline, retry_after=retry_after)
    own = back_off(*args, key="k", deadline=deadline)
    assert asked == max(own, NOW + min(retry_after, DAY))


@given(st.timedeltas(-DAY, 400 * DAY))
def test_the_same_token_again_is_asked_for_after_half_of_what_is_left(left: timedelta) -> None:
    at = same_again(NOW, NOW + left)
    assert NOW + FLOOR <= at <= NOW + LONGEST_BACK_OFF
    if left >= FLOOR + SKEW:
        assert at < NOW + left
    if 2 * FLOOR <= left <= 2 * LONGEST_BACK_OFF:
        assert at == NOW + left / 2


# --- a refused seed ------------------------------------------------------------------------------


@given(st.integers(-5, 10**9))
def test_a_seed_is_tried_ever_more_rarely_but_once_a_day(times: int) -> None:
    after = seed_again_at(NOW, times) - NOW
    assert after <= seed_again_at(NOW, times + 1) - NOW <= DAY
    assert after in SEED_RETRIES


def test_no_day_sees_a_wrong_password_more_than_four_times() -> None:
    tries = [NOW]
    for times in range(1, 20):
        tries.append(seed_again_at(tries[-1], times))
    assert [at - NOW for at in tries[:4]] == [ZERO, HOUR, 5 * HOUR, 29 * HOUR]
    assert all(sum(at <= each < at + DAY for each in tries) <= 4 for at in tries)


# --- a request that nobody answered --------------------------------------------------------------

ASKS_AGAIN = [
    # asked, time left -> asked again
    (1, ZERO, True),
    (TRIES_TO_SETTLE - 1, ZERO, True),
    (TRIES_TO_SETTLE, SECOND, True),
    (TRIES_TO_SETTLE, ZERO, False),
    (1000, SECOND, True),
]


@pytest.mark.parametrize(("asked", "left", "again"), ASKS_AGAIN)
def test_a_provider_that_does_not_say_is_asked_again_while_that_can_be_of_use(
    *, asked: int, left: timedelta, again: bool
) -> None:
    assert asks_again(NOW, asked, NOW + left) is again


@given(asked=st.integers(1, 10**6), left=st.timedeltas(-DAY, DAY))
def test_a_doubt_is_no_longer_for_being_asked_about_oftener_and_ends_in_any_case(
    *, asked: int, left: timedelta
) -> None:
    ends_at = NOW + left
    assert asks_again(NOW, asked + 1, ends_at) <= asks_again(NOW, asked, ends_at)
    assert not asks_again(max(NOW, ends_at), asked + TRIES_TO_SETTLE, ends_at)


@given(st.none() | st.timedeltas(-400 * DAY, 400 * DAY))
def test_a_doubt_ends_with_the_token_or_after_a_week(lifespan: timedelta | None) -> None:
    expires_at = None if lifespan is None else NOW + lifespan
    assert doubt_ends_at(NOW, expires_at) == (expires_at or NOW + LONGEST_DOUBT)
