from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.policy.when import (
    FLOOR,
    SHORT_LIFE,
    SKEW,
    GaveWay,
    Renewal,
    Terms,
    fits,
    fraction,
    join,
    renewal,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ZERO, SECOND, MINUTE = timedelta(0), timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEY = "alation/etl access_token"
Window = tuple[datetime, datetime]


@st.composite
def windows_about(draw: st.DrawFn, lifespan: timedelta) -> tuple[Window, ...] | None:
    """None, none at all, or some: before, within and after the token's life, in order."""
    if draw(st.booleans()):
        return None
    moments = st.timedeltas(-lifespan, 2 * lifespan)
    opens = sorted(draw(st.lists(moments, max_size=4)))
    return tuple(
        (NOW + at, NOW + at + draw(st.timedeltas(ZERO, max(lifespan / 2, SECOND)))) for at in opens
    )


LIFESPANS = st.one_of(
    st.timedeltas(SECOND, HOUR), st.timedeltas(SECOND, 11 * DAY), st.timedeltas(SECOND, 400 * DAY)
)


@st.composite
def tokens(draw: st.DrawFn) -> tuple[timedelta, Terms]:
    lifespan = draw(LIFESPANS)
    at = draw(st.none() | st.timedeltas(-lifespan, 3 * lifespan) | st.timedeltas(-DAY, 500 * DAY))
    terms = Terms(
        survive=draw(st.timedeltas(ZERO, lifespan) | st.timedeltas(ZERO, 60 * DAY)),
        staleness=draw(st.timedeltas(ZERO, lifespan) | st.timedeltas(ZERO, 30 * DAY)),
        cron_at=None if at is None else NOW + at,
        windows=draw(windows_about(lifespan)),
    )
    return lifespan, terms


def renewed(lifespan: timedelta, terms: Terms, key: str = KEY) -> Renewal:
    return renewal(NOW, NOW + lifespan, terms, key)


def earliest(lifespan: timedelta) -> datetime:
    return NOW + max(lifespan / 4, FLOOR)


def latest(lifespan: timedelta, terms: Terms) -> datetime:
    """From here on a consumer that has just read the old token holds a dead one too long."""
    return NOW + lifespan - SKEW - terms.staleness


def usable(lifespan: timedelta, terms: Terms) -> list[Window]:
    """What of the windows lies where the token may be renewed and survives what it should."""
    first, last = earliest(lifespan), latest(lifespan, terms)
    if first > last:
        return []
    last = max(first, last - terms.survive)
    cut = [(max(opens, first), min(closes, last)) for opens, closes in terms.windows or ()]
    return [(opens, closes) for opens, closes in cut if opens <= closes]


def inside(at: datetime, windows: Sequence[Window]) -> bool:
    return any(opens <= at <= closes for opens, closes in windows)


@given(tokens())
def test_no_token_is_renewed_within_the_floor_of_its_issue(token: tuple[timedelta, Terms]) -> None:
    assert renewed(*token).at >= NOW + FLOOR


def test_a_day_of_renewals_at_the_floor_leaves_versions_for_ten_by_hand() -> None:
    assert FLOOR >= 15 * MINUTE
    assert DAY // FLOOR + 1 <= 86


@given(tokens())
def test_a_token_is_renewed_before_it_dies_unless_it_cannot_be(
    token: tuple[timedelta, Terms],
) -> None:
    lifespan, terms = token
    at, gave_way, survives = renewed(lifespan, terms)
    if lifespan >= FLOOR:
        assert at <= NOW + lifespan
        assert gave_way is not GaveWay.EXPIRY
    else:
        assert (at, gave_way, survives) == (NOW + FLOOR, GaveWay.EXPIRY, ZERO)


@given(tokens())
def test_what_gave_way_is_the_gravest_rule_that_was_broken(token: tuple[timedelta, Terms]) -> None:
    lifespan, terms = token
    at, gave_way, _ = renewed(lifespan, terms)
    dies = NOW + lifespan
    broken = {
        GaveWay.EXPIRY: at > dies,
        GaveWay.STALENESS: at + terms.staleness + SKEW > dies,
        GaveWay.SURVIVE: at + terms.survive + terms.staleness + SKEW > dies,
        GaveWay.WINDOW: terms.windows is not None and not inside(at, terms.windows),
        GaveWay.NOTHING: True,
    }
    assert gave_way is next(rule for rule, is_broken in broken.items() if is_broken)


@given(tokens())
def test_an_outage_of_what_is_survived_costs_no_consumer_its_token(
    token: tuple[timedelta, Terms],
) -> None:
    lifespan, terms = token
    at, gave_way, survives = renewed(lifespan, terms)
    over = at + survives
    if survives:
        assert over + terms.staleness + SKEW == NOW + lifespan
    else:
        assert over + terms.staleness + SKEW >= NOW + lifespan
    assert (survives >= terms.survive) or gave_way not in (GaveWay.NOTHING, GaveWay.WINDOW)


@given(tokens())
def test_no_rule_gives_way_that_could_be_kept(token: tuple[timedelta, Terms]) -> None:
    lifespan, terms = token
    gave_way = renewed(lifespan, terms).gave_way
    first, last = earliest(lifespan), latest(lifespan, terms)
    assert (gave_way in (GaveWay.EXPIRY, GaveWay.STALENESS)) is (first > last)
    assert fits(lifespan, terms.staleness) is (first <= last)
    if first <= last:
        assert (gave_way is GaveWay.SURVIVE) is (first + terms.survive > last)


@given(tokens())
def test_where_staleness_does_not_fit_the_earliest_instant_overlaps_longest(
    token: tuple[timedelta, Terms],
) -> None:
    lifespan, terms = token
    if not fits(lifespan, terms.staleness):
        assert renewed(lifespan, terms).at == earliest(lifespan)


@given(tokens())
def test_a_window_is_kept_if_it_can_be_and_changes_no_more_than_it_must(
    token: tuple[timedelta, Terms],
) -> None:
    lifespan, terms = token
    at, free = renewed(lifespan, terms).at, renewed(lifespan, replace(terms, windows=None)).at
    allowed = usable(lifespan, terms)
    if not allowed or inside(free, allowed):
        assert at == free
        return
    assert inside(at, allowed)
    before = [closes for _, closes in allowed if closes < free]
    assert at == (max(before) if before else min(opens for opens, _ in allowed))


HOURS = {  # hours in which a day's token may be renewed -> when it is, and what gave way
    "it is open anyway": ([(10, 13)], None, GaveWay.NOTHING),
    "one before and one after": ([(7, 8), (20, 21)], 8, GaveWay.NOTHING),
    "two before": ([(6, 7), (8, 9), (20, 21)], 9, GaveWay.NOTHING),
    "after alone": ([(20, 21), (22, 23)], 20, GaveWay.NOTHING),
    "before the earliest, and after": ([(0, 1), (20, 21)], 20, GaveWay.NOTHING),
    "closing after the earliest": ([(0, 7)], 7, GaveWay.NOTHING),
    "when it is dead": ([(24, 30)], None, GaveWay.WINDOW),
    "yesterday": ([(-24, -20)], None, GaveWay.WINDOW),
    "never": ([], None, GaveWay.WINDOW),
}


@pytest.mark.parametrize(("hours", "hour", "gave_way"), HOURS.values(), ids=HOURS)
def test_of_several_windows_the_last_before_is_taken_and_else_the_next(
    hours: list[tuple[int, int]], hour: int | None, gave_way: GaveWay
) -> None:
    windows = [(NOW + opens * HOUR, NOW + closes * HOUR) for opens, closes in hours]
    terms = Terms(survive=ZERO, staleness=ZERO)
    at, gave, _ = renewed(DAY, replace(terms, windows=windows))
    assert at == (renewed(DAY, terms).at if hour is None else NOW + hour * HOUR)
    assert gave is gave_way


def test_a_window_costs_no_outage_that_was_to_be_survived() -> None:
    """A token of a day, a window each night: in it and outside of it by turns."""
    terms = Terms(survive=8 * HOUR)
    nights = [(NOW + (day * 24 + 1) * HOUR, NOW + (day * 24 + 5) * HOUR) for day in range(-1, 12)]
    at, found = NOW + 3 * HOUR, []
    for _ in range(10):
        at, gave_way, survives = renewal(at, at + DAY, replace(terms, windows=nights), KEY)
        assert survives >= 8 * HOUR
        found.append(gave_way)
    assert set(found) == {GaveWay.NOTHING, GaveWay.WINDOW}
    assert found.count(GaveWay.NOTHING) >= 4


@given(tokens(), st.text(max_size=20))
def test_asked_twice_the_answer_is_the_same(token: tuple[timedelta, Terms], key: str) -> None:
    lifespan, terms = token
    assert renewed(lifespan, terms, key) == renewed(lifespan, replace(terms), key)


@given(
    LIFESPANS,
    LIFESPANS,
    st.timedeltas(ZERO, 60 * DAY),
    st.timedeltas(ZERO, 30 * DAY),
    st.text(max_size=20),
)
def test_a_token_that_lives_longer_is_never_renewed_sooner(
    one: timedelta, other: timedelta, survive: timedelta, staleness: timedelta, key: str
) -> None:
    shorter, longer = sorted(timedelta(seconds=each // SECOND) for each in (one, other))
    terms = Terms(survive=survive, staleness=staleness)
    assert renewed(shorter, terms, key).at <= renewed(longer, terms, key).at


@pytest.mark.parametrize("edge", [FLOOR, FLOOR + SKEW, SHORT_LIFE, HOUR], ids=str)
@pytest.mark.parametrize("staleness", [ZERO, MINUTE, 15 * MINUTE], ids=str)
def test_no_threshold_turns_the_order_of_lifespans_round(
    edge: timedelta, staleness: timedelta
) -> None:
    terms = Terms(survive=ZERO, staleness=staleness)
    around = [edge + seconds * SECOND for seconds in range(-90, 90)]
    ats = [renewed(lifespan, terms).at for lifespan in around]
    assert ats == sorted(ats)


@given(st.timedeltas(HOUR, 400 * DAY), st.text(max_size=20))
def test_a_herd_is_spread_over_a_twentieth_of_the_lifespan(lifespan: timedelta, key: str) -> None:
    share = lifespan / 2 if lifespan <= timedelta(days=10) else lifespan * 2 / 3
    sooner = NOW + share - renewed(lifespan, Terms(survive=ZERO, staleness=ZERO), key).at
    assert ZERO <= sooner <= lifespan / 20 + timedelta(microseconds=1)


def test_credentials_issued_in_the_same_second_are_due_all_over_the_spread() -> None:
    ats = [renewed(DAY, Terms(), f"job/{number} access_token").at for number in range(2_000)]
    assert max(ats) - min(ats) > DAY / 20 * 0.99
    assert len(set(ats)) == len(ats)


def test_each_generation_is_spread_anew() -> None:
    again = NOW + HOUR
    first, second = renewed(DAY, Terms()).at, renewal(again, again + DAY, Terms(), KEY).at
    assert second - first != HOUR


SHARES = {"a day": (DAY, 0.5), "10 days": (10 * DAY, 0.5), "60 days": (60 * DAY, 2 / 3)}


@pytest.mark.parametrize(("lifespan", "share"), SHARES.values(), ids=SHARES)
def test_a_short_life_is_halved_and_a_long_one_used_for_two_thirds(
    lifespan: timedelta, share: float
) -> None:
    at = renewed(lifespan, Terms(survive=ZERO)).at - NOW
    assert lifespan * (share - 0.05) <= at <= lifespan * share


def test_a_cron_replaces_the_share_and_nothing_spreads_it() -> None:
    cron_at = NOW + 11 * HOUR
    assert renewed(DAY, Terms(cron_at=cron_at)) == Renewal(
        cron_at, GaveWay.NOTHING, 13 * HOUR - 16 * MINUTE
    )


def test_a_cron_that_comes_too_late_is_not_waited_for() -> None:
    at, gave_way, survives = renewed(DAY, Terms(cron_at=NOW + 23 * HOUR))
    assert (at, gave_way, survives) == (NOW + 16 * HOUR - 16 * MINUTE, GaveWay.NOTHING, 8 * HOUR)


def test_a_job_that_says_nothing_survives_a_night_with_a_day_s_token() -> None:
    at, gave_way, survives = renewed(DAY, Terms())
    assert NOW + DAY * 0.45 <= at <= NOW + DAY / 2
    assert (gave_way, survives > 8 * HOUR) == (GaveWay.NOTHING, True)


FITTING = {
    "a quarter and an hour's token": (HOUR, 15 * MINUTE, True),
    "just": (HOUR, 42 * MINUTE, True),
    "just not": (HOUR, 42 * MINUTE + SECOND, False),
    "the floor alone": (18 * MINUTE, ZERO, True),
    "no room for clocks": (18 * MINUTE - SECOND, ZERO, False),
}


@pytest.mark.parametrize(("lifespan", "staleness", "does"), FITTING.values(), ids=FITTING)
def test_a_lifespan_fits_where_staleness_and_skew_leave_room(
    lifespan: timedelta, staleness: timedelta, *, does: bool
) -> None:
    assert fits(lifespan, staleness) is does


INSTANTS = st.timedeltas(-30 * DAY, 90 * DAY).map(lambda after: NOW + after)


@given(st.timedeltas(ZERO, 60 * DAY), INSTANTS)
def test_a_due_refresh_token_waits_for_the_access_token_if_a_quarter_is_enough(
    left: timedelta, access_at: datetime
) -> None:
    at = join(NOW, NOW + left, access_at)
    assert NOW <= at <= NOW + left / 4
    assert at == (access_at if NOW <= access_at <= NOW + left / 4 else NOW)


@given(st.text())
def test_a_fraction_is_the_same_for_ever_and_less_than_one(text: str) -> None:
    assert 0 <= fraction(text) < 1
    assert fraction(text) == fraction(text)


def test_a_fraction_survives_a_new_process_and_a_new_rotator() -> None:
    assert fraction("") == 0.8666040914613156
    assert fraction(KEY) == 0.44156381633658626


def test_fractions_are_roughly_uniform() -> None:
    buckets = Counter(int(fraction(f"job/{number}") * 20) for number in range(10_000))
    assert sorted(buckets) == list(range(20))
    assert all(400 < count < 600 for count in buckets.values())
