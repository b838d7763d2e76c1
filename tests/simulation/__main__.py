"""`make simulate`: a year in a while; see README.md here."""

import argparse
import sys

from rotator.clock import Clock
from tests.simulation.report import report
from tests.simulation.shards import Play, play, shrunk


def main(arguments: list[str]) -> int:
    """1: an invariant is broken; 2: what was asked for makes no sense."""
    wanted = _wanted(arguments)
    clock = Clock()
    began = clock.monotonic()
    told = f"{len(wanted.credentials)} credentials, {wanted.days:g} days, seed {wanted.seed}"
    print(f"{told}: the next line comes when it is over", file=sys.stderr, flush=True)
    try:
        tally = play(wanted)
    except ValueError as error:
        print(error)
        return 2
    print(report(wanted, tally, clock.monotonic() - began))
    if not tally.broken:
        return 0
    print(f"replay: {shrunk(wanted, min(tally.broken)).command}", flush=True)
    return 1


def _wanted(arguments: list[str]) -> Play:
    """The command line; an empty value counts as left out, as make gives it."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seed", default="")
    parser.add_argument("--credentials", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--days", default="")
    parser.add_argument("--faults", default="")
    parser.add_argument("--break", dest="broken", default="")
    parser.add_argument("--processes", default="")
    given = parser.parse_args(arguments)
    first, _, last = given.only.partition("-")
    some = (
        range(int(first), int(last or first) + 1) if first else range(int(given.credentials or 104))
    )
    return Play(
        seed=given.seed or "1",
        credentials=some,
        days=float(given.days or 30),
        faults=given.faults or "all",
        broken=given.broken,
        processes=int(given.processes or 2),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
