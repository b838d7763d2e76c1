"""Two chains in one credential, used in turn: no renewal ends the token that consumers hold."""

from datetime import timedelta

import pytest

from rotator.clock import new_id
from rotator.errors import Rejected, RotatorError
from rotator.model import REFRESH_TOKEN, Secret, State, Token
from rotator.providers.base import Alive
from rotator.rotation import keyring
from rotator.rotation.pairs import TRY_AGAIN, stands_apart
from rotator.rotation.sealed import NO_PAIR, SPARE, TURNED
from rotator.sandbox.fakes import LOST_ANSWER, LOST_REQUEST, NOT_LISTENING, Fault, html, throttled
from rotator.schedule import Schedule
from tests.crash.world import World
from tests.rotation.stage import (
    BOTH,
    DAY,
    HOUR,
    PASSWORD,
    REGENERATE,
    SECOND,
    SSO,
    VALIDATE,
    state,
    world,
)

LOG_IN = "/integration/v1/createRefreshToken/"
STALENESS = timedelta(minutes=15)
LONG = Schedule(survive=HOUR, consumer_max_staleness=STALENESS)


def paired(name: str, *, alternate: bool = True, **more: object) -> World:
    """With the lifespans of the vendor's own default."""
    job = {"alternate": alternate}
    lifespan = {"refresh_lifespan": 60 * DAY, **more}
    return world(name, schedule=LONG, job=job, **lifespan)  # type: ignore[arg-type]


def dead_in_hand(of: World, during: timedelta) -> int:
    """How often a token was dead that a consumer had read just before a walk, STALENESS later."""
    until, dead = of.clock.at + during, 0
    while (due_at := of.row.due_at) is not None and due_at <= until:
        held = of.published()["access_token"]
        of.run(max(due_at, of.clock.at) + STALENESS)
        dead += not of.fake.is_alive(held)
    return dead


def hand_over(of: World, token: str | None = None) -> keyring.Taken:
    """A person gives the second refresh token."""
    value = Secret(token or of.fake.hand_made(7))
    given = Token(value=value)
    return keyring.second(
        of.tools, of.credential, given, keyring.inspected(of.tools, of.credential, given)
    )


def turning() -> World:
    """A pair under SSO that has been used in turn for two days."""
    of = paired(SSO)
    of.rotate()
    hand_over(of)
    of.run(of.clock.at + 2 * DAY)
    return of


@pytest.mark.parametrize("name", [PASSWORD, BOTH])
def test_with_a_password_the_pair_makes_itself_and_no_consumer_ever_holds_a_dead_token(
    name: str,
) -> None:
    of = paired(name)
    of.rotate()
    assert dead_in_hand(of, 15 * DAY) == 0
    assert of.kept().get(SPARE)
    assert of.fake.counts[LOG_IN] <= 2
    assert state(of) is State.FRESH
    assert of.fake.counts["presented_twice"] == 0


def test_without_a_pair_every_renewal_leaves_a_gap() -> None:
    of = paired(PASSWORD, alternate=False)
    of.rotate()
    assert dead_in_hand(of, 10 * DAY) >= 10
    assert not of.kept().get(SPARE)
    assert of.fake.counts[LOG_IN] == 1


def test_under_sso_a_person_gives_the_second_chain() -> None:
    of = paired(SSO)
    of.rotate()
    assert dead_in_hand(of, 2 * DAY) >= 2
    hand_over(of)
    assert dead_in_hand(of, 15 * DAY) == 0
    assert of.fake.counts[LOG_IN] == 0


def test_a_short_lived_pair_is_renewed_between_the_renewals() -> None:
    of = paired(PASSWORD, refresh_lifespan=DAY)
    of.rotate()
    assert dead_in_hand(of, 10 * DAY) == 0
    assert of.fake.counts[LOG_IN] <= 3
    assert of.fake.counts["presented_twice"] == 0


def test_a_pair_costs_two_writes_a_renewal() -> None:
    of = paired(PASSWORD)
    of.rotate()
    of.run(of.clock.at + 2 * DAY)
    before = of.aws.stats.versions
    of.run(of.clock.at + 10 * DAY)
    renewals = round(10 * DAY / (DAY / 2))
    assert of.aws.stats.versions - before <= 2 * (renewals + 2)


def test_a_pair_is_given_up_where_the_second_chain_ends_the_first() -> None:
    of = paired(PASSWORD, second_revokes_first=True)
    of.rotate()
    of.run(of.clock.at + 3 * DAY)
    assert of.kept().get(NO_PAIR)
    assert not of.kept().get(SPARE)
    assert of.fake.counts[LOG_IN] == 2
    of.run(of.clock.at + TRY_AGAIN - 4 * DAY)
    assert of.fake.counts[LOG_IN] == 2
    assert state(of) is State.FRESH
    of.run(of.clock.at + 4 * DAY)
    assert of.fake.counts[LOG_IN] == 3


def test_the_second_chain_takes_over_from_a_first_that_died() -> None:
    of = turning()
    of.fake.revoke(of.kept()[REFRESH_TOKEN])
    of.run(of.clock.at + DAY)
    assert state(of) is State.FRESH
    assert of.fake.is_alive(of.published()["access_token"])


def test_a_spare_that_died_is_noticed_before_anything_hangs_on_it() -> None:
    of = turning()
    of.fake.revoke(of.kept()[SPARE])
    of.run(of.clock.at + DAY)
    assert of.kept().get(NO_PAIR)
    assert state(of) is State.FRESH
    assert of.fake.is_alive(of.published()["access_token"])


def test_with_both_chains_dead_and_no_password_a_person_is_called() -> None:
    of = turning()
    of.fake.revoke(of.kept()[REFRESH_TOKEN])
    of.fake.revoke(of.kept()[SPARE])
    of.run(of.clock.at + 2 * DAY)
    assert state(of) is State.NEEDS_A_PERSON


def test_a_new_first_chain_leaves_the_spare_where_it_is() -> None:
    of = turning()
    spare = of.kept().get(SPARE)
    value = Token(value=Secret(of.fake.hand_made(7)))
    keyring.seed(of.tools, of.credential, value, Alive())
    assert of.kept().get(SPARE) == spare
    assert of.kept()[TURNED] == of.kept()["generation"]
    assert dead_in_hand(of, 5 * DAY) == 0


def test_a_second_token_is_put_only_beside_a_first() -> None:
    of = paired(SSO)
    with pytest.raises(RotatorError, match="no other refresh token to put this one beside"):
        hand_over(of)
    of.rotate()
    with pytest.raises(RotatorError, match="the refresh token that alation/etl has already"):
        hand_over(of, of.kept()[REFRESH_TOKEN])
    dead = of.fake.hand_made(7)
    of.fake.revoke(dead)
    with pytest.raises(Rejected, match="the provider disowns this token"):
        hand_over(of, dead)


@pytest.mark.parametrize("fault", [LOST_ANSWER, LOST_REQUEST], ids=["acted on", "not acted on"])
def test_a_lost_regenerate_costs_a_pair_no_person(fault: Fault) -> None:
    of = paired(SSO)
    of.rotate()
    hand_over(of)
    of.fake.fail_next(REGENERATE, fault)
    of.run(of.clock.at + 60 * DAY)
    assert state(of) is State.FRESH
    assert of.fake.counts["presented_twice"] == 0


def test_a_provider_that_cannot_be_asked_does_not_keep_the_chains_from_turning() -> None:
    of = paired(PASSWORD)
    of.rotate()
    of.run(of.clock.at + 3 * DAY)
    of.fake.fail_next(VALIDATE, html(502), times=1000)
    assert dead_in_hand(of, 5 * DAY) == 0


def asked_in(fault: Fault, *, alternate: bool) -> tuple[int, bool]:
    """Requests in an hour of trouble from the renewal on; whether it cost the token in use."""
    of = paired(PASSWORD, alternate=alternate)
    of.rotate()
    of.run(of.clock.at + 3 * DAY)
    due_at, held = of.row.due_at, of.published()["access_token"]
    assert due_at is not None
    of.run(due_at - SECOND)
    of.fake.fail_next("*", fault, times=1000)
    before = len(of.fake.log)
    of.run(due_at + HOUR)
    asked = len(of.fake.log) - before
    of.fake.heal()
    of.run(of.clock.at + HOUR)
    assert state(of) is State.FRESH
    assert of.published()["access_token"] != held
    return asked, not of.fake.is_alive(held)


@pytest.mark.parametrize("fault", [NOT_LISTENING, LOST_ANSWER, throttled("60")], ids=str)
def test_in_an_outage_a_pair_asks_by_one_line_and_keeps_the_token_in_use(fault: Fault) -> None:
    alone, _ = asked_in(fault, alternate=False)
    asked, killed = asked_in(fault, alternate=True)
    assert asked <= alone * 5 / 4, "two lines would ask nearly twice as often"
    assert not killed


def test_a_spare_that_died_in_an_outage_makes_way_for_the_other_chain() -> None:
    of = paired(PASSWORD)
    of.rotate()
    of.run(of.clock.at + 3 * DAY)
    due_at = of.row.due_at
    assert due_at is not None
    of.run(due_at - SECOND)
    of.fake._refresh[of.kept()[SPARE]].revoked = True  # noqa: SLF001
    of.fake.fail_next(VALIDATE, NOT_LISTENING)
    of.run(due_at + HOUR)
    assert state(of) is State.FRESH
    assert of.fake.is_alive(of.published()["access_token"])
    assert dead_in_hand(of, 5 * DAY) == 0
    assert of.kept().get(SPARE)


@pytest.mark.parametrize(
    "odd",
    ["", "x", "-1", "1e9", "٣", "9" * 5000],
    ids=["empty", "word", "sign", "float", "digit", "long"],
)
def test_what_somebody_wrote_into_the_keyring_is_no_number_by_force(odd: str) -> None:
    assert not stands_apart({TURNED: odd}, 5)


def test_a_spare_that_nobody_dated_is_used_in_turn_all_the_same() -> None:
    of = paired(SSO)
    of.rotate()
    hand_over(of)
    kept = of.kept()
    undated = {**kept, "spare_issued_at": "", "generation": str(int(kept["generation"]) + 1)}
    spec = of.credential.keyring_secret
    assert spec is not None
    of.tools.store.put(spec, new_id(), undated)
    assert dead_in_hand(of, 3 * DAY) == 0
    assert of.kept()[REFRESH_TOKEN] == kept[SPARE] or of.kept()[SPARE] == kept[SPARE]
