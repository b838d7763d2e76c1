from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from rotator.jobs.job import Credential
from rotator.ledger.facts import OnRecord, Row
from rotator.model import Reason, Shelf, State
from rotator.rotation.standing import gravest, standing, state_now
from rotator.schedule import Schedule

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAIN = Schedule(survive=8 * HOUR)


def row(
    state: State = State.FRESH,
    *,
    lives: timedelta | None = 24 * HOUR,
    renewed_in: timedelta | None = 12 * HOUR,
    paused: bool = False,
    published: bool = True,
    killed_through: int = 0,
    leased: timedelta | None = None,
) -> Row:
    token = OnRecord(
        shelf=Shelf.TOKEN, version_id="v", generation=1, issued_at=NOW, put_at=NOW,
        expires_at=NOW + lives if lives is not None else None,
    )  # fmt: skip
    return Row(
        credential="a/b",
        job="a",
        due_at=NOW,
        state=state,
        reason=Reason.FRESH,
        killed_through=killed_through,
        access_renew_at=NOW + renewed_in if renewed_in is not None else None,
        paused_at=NOW if paused else None,
        leased_until=NOW + leased if leased is not None else None,
        records={Shelf.TOKEN: token} if published else {},
    )


@pytest.mark.parametrize(
    ("seen", "later", "state"),
    [
        (row(), 0, State.FRESH),
        (row(), 11, State.FRESH),
        (row(), 13, State.DUE),
        (row(), 17, State.LATE),
        (row(), 24, State.EXPIRED),
        (row(State.BACKING_OFF), 13, State.BACKING_OFF),
        (row(State.BACKING_OFF), 17, State.LATE),
        (row(State.NEEDS_A_PERSON), 48, State.NEEDS_A_PERSON),
        (row(paused=True), 48, State.PAUSED),
        (row(lives=None), 48, State.FRESH),
        (row(renewed_in=None), 23, State.FRESH),
    ],
)
def test_time_goes_on_after_the_last_look(seen: Row, later: int, state: State) -> None:
    assert state_now(seen, PLAIN, NOW + later * HOUR) is state


def test_what_never_survives_so_long_is_late_from_half_of_what_it_does() -> None:
    asked = Schedule(survive=20 * HOUR)
    assert state_now(row(), asked, NOW + 13 * HOUR) is State.DUE
    assert state_now(row(), asked, NOW + 19 * HOUR) is State.LATE


@pytest.mark.parametrize(
    ("seen", "margin"),
    [
        (row(), 24 * HOUR),
        (row(lives=-HOUR), timedelta(0)),
        (row(lives=None), None),
        (row(published=False), timedelta(0)),
        (row(killed_through=1), timedelta(0)),
    ],
)
def test_the_margin_is_what_consumers_have_left(seen: Row, margin: timedelta | None) -> None:
    assert standing("a/b", seen, None, NOW, at_work=False).margin == margin


@pytest.mark.parametrize(
    ("seen", "later", "at_work", "state"),
    [
        (row(leased=HOUR), 0, True, State.ROTATING),
        (row(leased=14 * HOUR), 13, True, State.ROTATING),
        (row(State.BACKING_OFF, leased=HOUR), 0, True, State.ROTATING),
        (row(leased=HOUR), 0, False, State.FRESH),
        (row(leased=HOUR), 2, True, State.FRESH),
        (row(), 0, True, State.FRESH),
        (row(leased=18 * HOUR), 17, True, State.LATE),
        (row(State.NEEDS_A_PERSON, leased=HOUR), 0, True, State.NEEDS_A_PERSON),
        (row(leased=HOUR, paused=True), 0, True, State.PAUSED),
    ],
)
def test_what_a_living_worker_holds_is_rotating_unless_something_is_graver(
    seen: Row, later: int, *, at_work: bool, state: State
) -> None:
    now = NOW + later * HOUR
    credential = cast("Credential", SimpleNamespace(schedule=PLAIN))
    found = standing("a/b", seen, credential, now, at_work=at_work)
    assert found.state is state
    assert found.at_rest is state_now(seen, PLAIN, now)


def test_what_no_worker_has_met_is_due_and_what_has_no_job_file_says_so() -> None:
    found = standing("a/b", None, None, NOW, at_work=True)
    assert (found.state, found.margin, found.has_job) == (State.DUE, None, False)


def test_the_gravest_state_speaks_for_all() -> None:
    assert gravest([State.FRESH, State.LATE, State.DUE]) is State.LATE
    assert gravest(State) is State.NEEDS_A_PERSON
    assert gravest([]) is State.FRESH
