"""The short soak of .ci/run, and that it can fail; `make soak` is the long one."""

from argparse import Namespace

from tests.soak.lane import arguments, play

KILLS = 15
_MOST = 60


def _played(*more: str) -> Namespace:
    return arguments(["--seed", "make test", *more])


def test_killed_workers_lose_no_chain_outside_of_a_gap() -> None:
    verdict = play(_played("--kills", str(KILLS)))

    assert verdict["broken"] == []
    assert verdict["counts"]["kills"] == KILLS
    assert verdict["counts"]["accepted"] > KILLS


def test_a_worker_that_writes_no_intent_is_found_out() -> None:
    verdict = play(_played("--kills", str(_MOST), "--broken", "no_intent"))

    assert any("presented again" in text or "no kill explains" in text
               for text in verdict["broken"])  # fmt: skip
