"""A small simulation in the suite; the year of thousands is `make simulate`'s."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.crash.breaks import BREAKS
from tests.crash.scenarios import ALL
from tests.crash.world import START
from tests.simulation.__main__ import main
from tests.simulation.cast import cast
from tests.simulation.clocks import Dice
from tests.simulation.faults import KINDS, Scope, rates, troubles, written
from tests.simulation.shards import SIZE, Play, play, play_shard, shrunk
from tests.simulation.struck import Struck
from tests.simulation.watch import Invariant
from tests.simulation.world import World

_NAMES = [scenario.name for scenario in ALL]


def _one(name: str, faults: str, days: float = 12.0) -> Play:
    """One credential of that scenario."""
    number = _NAMES.index(name)
    return Play(credentials=range(number, number + 1), days=days, faults=faults)


CHAIN = "oauth2, refresh token"
FALLBACK = "oauth2, refresh token, then client"
INSPECTED = "oauth2, refresh token, introspection"
CHAINED = _NAMES.index(CHAIN)

BROKEN = {
    "no_intent": (_one(FALLBACK, "killed=700", days=40), Invariant.ONCE),
    "no_seal": (_one(CHAIN, "killed=700", days=40), Invariant.PERSON),
    "no_marks": (_one(FALLBACK, "lost_answer=300,killed=300"), Invariant.ONCE),
    "marks_lifted_by_an_edit": (
        _one(FALLBACK, "lost_answer=300,killed=300,edited=300"),
        Invariant.ONCE,
    ),
    "keep_without_generation": (_one(FALLBACK, "frozen=700", days=40), Invariant.NEWER),
    "back_off_ignored": (_one(CHAIN, "throttling=2500", days=3), Invariant.PATIENT),
}
UNSEEN = {"lines_apart"}
"""Breaks of the history alone, which tests/crash reads after every kill and nothing here judges."""


def test_a_week_of_a_world_ten_times_as_hostile_breaks_nothing() -> None:
    tally = play(Play(seed="7", credentials=range(len(ALL)), days=7, faults="all*10"))

    assert tally.broken == []
    assert len(tally.met) > len(KINDS) * 2 / 3
    assert tally.counts["walks"] > 400


def test_a_walk_that_is_frozen_when_the_year_ends_leaves_no_thread_behind() -> None:
    for days in range(1, 5):
        play(replace(_one(CHAIN, "frozen=3000"), days=days / 2))

    assert "frozen walk" not in {thread.name for thread in threading.enumerate()}


def test_who_is_frozen_while_a_copy_of_the_ledger_is_put_back_never_wakes() -> None:
    tally = play(_one(CHAIN, "frozen=3000,restored=2000"))

    assert tally.broken == []
    assert tally.met["frozen"] > 20
    assert tally.met["restored"] > 5


def test_a_worker_killed_before_it_wrote_that_nothing_was_sent_leaves_a_doubt() -> None:
    asked = ["ledger.write intent [refresh_token]", "ledger.check", "provider.send"]
    for names, unsealed in ((asked, "refresh_token"), ([*asked, "ledger.seal"], "")):
        effects = Struck((len(names) + 1, "before"), lambda *_: None)
        for name in (*names, "ledger.write"):
            effects.through(name, lambda: None)
        assert effects.unsealed == unsealed


def test_what_befell_an_earlier_token_excuses_nothing_of_a_newer_one() -> None:
    alone = range(_NAMES.index(INSPECTED), _NAMES.index(INSPECTED) + 1)
    world = World("1", cast(alone), rates("lost_request=200"), 12, Dice("1"))
    tally = world.run()
    (citizen,) = world.citizens.values()

    assert tally.broken == []
    assert tally.met["lost_request"] > 3
    assert tally.counts["helped by a person"] == 0
    assert citizen.causes == set()


def test_a_calm_world_makes_no_request_too_many() -> None:
    tally = play(Play(credentials=range(len(ALL)), days=4, faults="none"))

    assert tally.broken == []
    assert tally.met == {}
    assert tally.dead == {}
    assert min(tally.shares) > 0.3
    assert tally.counts["requests"] < 1.5 * tally.least_calls


def test_the_same_seed_plays_the_same_to_the_microsecond() -> None:
    for faults in ("all*20", "errors=3000"):  # whose settling is spread by the request's id
        wanted = Play(seed="3", credentials=range(9, 12), days=4, faults=faults)
        assert play(wanted) == play(wanted)


@pytest.mark.parametrize("name", [name for name in BREAKS if name not in UNSEEN])
def test_the_simulation_notices_every_deliberate_break(name: str) -> None:
    wanted, invariant = BROKEN[name]
    control = play_shard(wanted)
    without = play_shard(replace(wanted, broken=name))

    assert control.broken == []
    assert sum(control.met.values()) > 0
    assert invariant in {broken.invariant for broken in without.broken}


def test_a_failing_seed_shrinks_to_one_credential_and_what_it_takes() -> None:
    whole = Play(
        credentials=range(CHAINED, CHAINED + 2), days=40, faults="killed=700,slow=50,aws_lag=50",
        broken="no_seal",
    )  # fmt: skip
    first = min(play_shard(whole).broken)
    small = shrunk(whole, first)

    (number,) = small.credentials
    assert first.credential.endswith(f"/c{number}")
    assert small.faults == "killed=700"
    assert small.days < whole.days
    assert small.command == (
        f"make simulate SEED=1 ONLY={number} DAYS={small.days:g} FAULTS='killed=700' BREAK=no_seal"
    )


def test_shards_are_cut_where_a_replay_of_a_part_cuts_them() -> None:
    whole = Play(credentials=range(2 * SIZE + 1))
    part = replace(whole, credentials=range(SIZE, SIZE + 3))

    assert [each.credentials for each in whole.shards()] == [
        range(SIZE), range(SIZE, 2 * SIZE), range(2 * SIZE, 2 * SIZE + 1),
    ]  # fmt: skip
    assert [each.credentials for each in part.shards()] == [part.credentials]


def test_leaving_a_kind_out_changes_nothing_about_the_others() -> None:
    targets = {Scope.CREDENTIAL: ["a", "b"], Scope.PROVIDER: ["p"], Scope.WORLD: [""]}
    end = START + timedelta(days=365)
    every = troubles("1", targets, rates("all"), START, end)
    fewer = {name: times for name, times in rates("all").items() if name != "killed"}

    assert troubles("1", targets, fewer, START, end) == [t for t in every if t.kind != "killed"]


def test_faults_are_written_as_they_are_read() -> None:
    assert rates("none") == {}
    assert rates("killed=5,slow") == {"killed": 5.0, "slow": KINDS["slow"].a_year}
    assert rates("all*10")["killed"] == 10 * KINDS["killed"].a_year
    for text in ("all", "none", "killed=5,slow=12"):
        assert written(rates(text)) == text


def test_what_makes_no_sense_is_told_before_anything_is_played(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--faults=earthquake"]) == 2
    assert "no fault is called 'earthquake'; there are outage," in capsys.readouterr().out
    assert main(["--break=everything"]) == 2
    assert "no break is called 'everything'" in capsys.readouterr().out


def test_a_broken_invariant_is_told_with_a_command_that_replays_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [
        f"--only={CHAINED}",
        "--days=40",
        "--faults=killed=700",
        "--break=no_seal",
        "--processes=1",
    ]

    assert main(given) == 1
    said = capsys.readouterr().out
    assert "broken invariants: 0" not in said
    assert f"replay: make simulate SEED=1 ONLY={CHAINED} DAYS=" in said
