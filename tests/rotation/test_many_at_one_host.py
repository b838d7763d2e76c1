"""Several credentials of one host: what one of them learns, the others need not."""

import itertools
from dataclasses import replace
from datetime import timedelta

from rotator.jobs.job import Credential
from rotator.model import Reason, State
from rotator.rotation.telling import Outcome
from rotator.rotation.walk import rotate
from rotator.sandbox.fakes import NOT_LISTENING, broken, html
from rotator.schedule import Limits
from rotator.store.base import SecretSpec
from tests.crash.world import World
from tests.rotation.stage import ALBATO, HOUR, MINUTE, SESSION, SSO, world

PARTY = 6


def party(of: World, limits: Limits | None = None, size: int = PARTY) -> list[Credential]:
    """So many credentials beside the world's own, all of its provider and with its seeds."""
    found = []
    for number in range(size):
        owner = f"{of.credential.job}/c{number}"
        spec = SecretSpec(name=f"rotator/token/{owner}", owner=owner)
        made = replace(of.credential, name=f"c{number}", token_secret=spec)
        found.append(replace(made, limits=limits or Limits()))
        of.ledger.forget(owner)
    of.ledger.enrol({of.credential.job: [each.qualified for each in found]}, of.clock.now())
    return found


def turn(of: World, credentials: list[Credential], hours: float) -> list[Outcome]:
    """Be a scheduler for all of them; how the last walk of each ended."""
    until = of.clock.now() + timedelta(hours=hours)
    last: dict[str, Outcome] = {}
    while True:
        rows = {row.credential: row.due_at for row in of.ledger.rows()}
        due = [(at, each) for each in credentials if (at := rows[each.qualified])]
        at, chosen = min(due, key=lambda pair: pair[0])
        if at > until:
            of.clock.at = until
            return list(last.values())
        of.clock.at = max(of.clock.at, at)
        last[chosen.qualified] = rotate(of.tools, chosen, of.events.append)


def test_a_dead_host_is_asked_by_one_for_all_and_all_come_home() -> None:
    w = world(ALBATO)
    credentials = party(w)
    w.fake.fail_next("*", NOT_LISTENING, times=10_000)
    ended = turn(w, credentials, 1)
    assert {each.reason for each in ended} <= {Reason.UNREACHABLE, Reason.PROVIDER_DOWN}
    tried, walks = w.fake.counts[SESSION], sum(event.rest is not None for event in w.events)
    assert tried < walks / 2
    assert tried <= 3 + 60 / 2 + 4
    assert any("has answered nobody since" in each.text for each in ended)
    w.fake.heal()
    ended = turn(w, credentials, 0.5)
    assert {each.state for each in ended} == {State.FRESH}


def test_a_host_in_flames_counts_as_dead_and_a_wall_of_pages_does_not() -> None:
    w = world(ALBATO)
    credentials = party(w)
    w.fake.fail_next("*", broken(503), times=PARTY)
    for each in credentials:
        rotate(w.tools, each, w.events.append)
    assert w.fake.counts[SESSION] == 3
    w.fake.heal()
    w = world(ALBATO)
    w.fake.fail_next("*", html(401), times=PARTY)
    for each in party(w):
        rotate(w.tools, each, w.events.append)
    assert w.fake.counts[SESSION] == PARTY


def test_an_hour_of_a_proxy_s_pages_refuses_no_seed() -> None:
    w = world(ALBATO)
    credentials = party(w)
    w.fake.fail_next("*", html(401), times=10_000)
    turn(w, credentials, 1)
    assert all(not found.marks for each in credentials if (found := w.ledger.look(each.qualified)))
    w.fake.heal()
    ended = turn(w, credentials, 1)
    assert {each.state for each in ended} == {State.FRESH}


def test_our_own_limit_is_kept_and_everybody_has_a_turn() -> None:
    w = world(ALBATO)
    credentials = party(w, Limits(requests_per_minute=1))
    for each in credentials:
        rotate(w.tools, each, w.events.append)
    assert w.fake.counts[SESSION] == 1
    ended = turn(w, credentials, 0.5)
    assert {each.state for each in ended} == {State.FRESH}
    times = sorted(seen.at for seen in w.fake.log if seen.path == SESSION)
    assert len(times) >= PARTY
    assert all(later - earlier >= MINUTE for earlier, later in itertools.pairwise(times))


def test_the_death_of_a_chain_hurries_what_would_save_it() -> None:
    w = world(SSO, refresh_lifespan=3 * HOUR)
    w.run(w.clock.at + MINUTE)
    dies_at = w.row.refresh_expires_at
    assert dies_at is not None
    assert w.row.access_expires_at is not None
    assert w.row.access_expires_at > dies_at
    w.fake.fail_next("*", NOT_LISTENING, times=10_000)
    w.run(dies_at - MINUTE)
    last = [seen for seen in w.fake.log if dies_at - 15 * MINUTE < seen.at]
    assert len(last) >= 5
