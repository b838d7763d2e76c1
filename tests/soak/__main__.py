"""`make soak`: real workers killed with SIGKILL by the hundred, and what became of the chains."""

import json
import math
import subprocess
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rotator.clock import Clock
from rotator.sandbox.stage import ended_by_signals
from tests.soak.lane import EVERY
from tests.soak.town import FACTOR, KINDS

_TELL = 10.0
"""Real seconds between two lines of progress."""
_TITLES = {
    "kills": "SIGKILLs",
    "kills by effect": "  at a moment of an effect (or while none was seen)",
    "kills by time": "  at a drawn instant after the start",
    "kills by ledger": "  at a drawn write of the ledger's log",
    "cold starts": "workers started as `python -m rotator worker`; the others forked",
    "workers spared": "workers not killed, for tokens had lost as much life as the jobs survive",
    "kills in a gap": "kills that left a spent token's answer unsealed: gap (a)",
    "requests caught in a gap": "  requests in flight in them",
    "saved": "  of which needed nobody: alive, replayed, or another grant",
    "chains that needed a person": "chains that *need a person* after that; a token was put in",
    "lost without a kill": "  and after an answer that came too late by itself: gap (a) again",
    "accepted": "consumer calls accepted",
    "healed by one re-read": "  refused, and accepted after one re-read",
    "consumer calls refused": "  refused within gap (c): the provider had ended the token",
    "refused while a person was needed": "  refused while a person was needed",
}


def options(given: Sequence[str] | None = None) -> Namespace:
    parser = ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, help="in all lanes; 0: no limit")
    parser.add_argument("--minutes", type=float, default=0, help="0: until all kills are done")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--lanes", type=int, default=2, help="workers side by side, each a world")
    parser.add_argument("--lane", type=int, default=0, help="play this one alone")
    parser.add_argument("--broken", default="", help="a deliberate break, see tests/crash")
    return parser.parse_args(given)


class LaneProcess:
    """One lane in a process of its own, and the last that it said."""

    def __init__(self, wanted: Namespace, lane: int) -> None:
        self.lane = lane
        self.progress: dict[str, Any] = {}
        self.verdict: dict[str, Any] = {"broken": ["the lane ended by itself"], "counts": {},
                                        "longest_gap": 0.0, "hits": []}  # fmt: skip
        self.log = f"soak-{wanted.seed}-{lane}.log"
        kills = math.ceil(wanted.kills / wanted.lanes)
        command = [
            sys.executable, "-m", "tests.soak.lane", "--kills", str(kills), "--minutes",
            str(wanted.minutes), "--seed", wanted.seed, "--lane", str(lane), "--keep", self.log,
            "--broken", wanted.broken,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            self.verdict = told.get("verdict", self.verdict)
            self.progress = told if "kills" in told else self.progress
        self.process.wait()


def main(wanted: Namespace) -> int:
    """The exit code: 0 if nothing broke."""
    numbers = [wanted.lane] if wanted.lane else list(range(1, wanted.lanes + 1))
    clock, pause = Clock(), threading.Event()
    began = told = clock.monotonic()
    print(f"seed {wanted.seed}: {len(numbers)} lanes of {sum(k.size for k in KINDS)} credentials,"
          f" {FACTOR:.0f} times as fast as life, all home after every {EVERY} kills")  # fmt: skip
    lanes = [LaneProcess(wanted, number) for number in numbers]
    try:
        while not all(lane.is_over for lane in lanes):
            pause.wait(0.2)
            if clock.monotonic() - told > _TELL:
                told = clock.monotonic()
                _tell(lanes, told - began)
    finally:
        for lane in lanes:
            lane.end()
    return _sum_up(wanted, lanes, clock.monotonic() - began)


def _tell(lanes: Sequence[LaneProcess], seconds: float) -> None:
    sums: Counter[str] = Counter()
    for lane in lanes:
        sums.update(lane.progress)
    print(f"{seconds:6.0f} s  {sums['kills']} kills, {sums['kills in a gap']} in a gap,"
          f" {sums['chains that needed a person']} chains needed a person", flush=True)  # fmt: skip


def _sum_up(wanted: Namespace, lanes: Sequence[LaneProcess], seconds: float) -> int:
    sums: Counter[str] = Counter()
    hits: Counter[tuple[str, str]] = Counter()
    for lane in lanes:
        sums.update(lane.verdict["counts"])
        for effect, moment, times in lane.verdict["hits"]:
            hits[effect, moment] += times
    _effects(hits)
    print()
    for name, title in _TITLES.items():
        print(f"{sums[name]:>8}  {title}")
    for name in sorted(name for name in sums if name.startswith("lost: ")):
        print(f"{sums[name]:>8}  needs a person, {name.removeprefix('lost: ')}")
    longest = max(lane.verdict["longest_gap"] for lane in lanes)
    print(f"{longest:>7.1f}s  the longest that a consumer stayed refused, persons left out")
    broken = [(lane, text) for lane in lanes for text in lane.verdict["broken"]]
    print(f"{len(broken):>8}  broken promises: chains lost outside of a gap, spent tokens presented"
          " again, consumers refused outside of their gap, damaged ledgers")  # fmt: skip
    for lane, text in broken:
        print(f"\nBROKEN, lane {lane.lane}: {text}\n  {_again(wanted, lane)}")
    print(f"\n{seconds:.0f} s")
    return int(bool(broken))


def _effects(hits: Counter[tuple[str, str]]) -> None:
    by_effect: dict[str, list[str]] = {}
    for (effect, moment), times in sorted(hits.items()):
        by_effect.setdefault(effect, []).append(f"{moment} {times}".strip())
    print("\nkilled at")
    for effect, moments in by_effect.items():
        print(f"  {effect}: {'; '.join(moments)}")


def _again(wanted: Namespace, lane: LaneProcess) -> str:
    """The one command that plays the same kills again."""
    kills = lane.verdict["counts"].get("kills", wanted.kills)
    more = f" --broken {wanted.broken}" if wanted.broken else ""
    args = f"--lane {lane.lane}{more}"
    total = (kills + EVERY) * wanted.lanes
    return (
        f"again: make soak KILLS={total} SEED={wanted.seed} ARGS='--lanes {wanted.lanes} {args}'"
        f"   (the workers' log: {lane.log})"
    )


if __name__ == "__main__":
    with ended_by_signals():
        sys.exit(main(options()))
