"""`make bench`: what a rotation costs, how a worker starts, how it bears a herd; a token's hit."""

import io
import sys
from collections.abc import Callable
from typing import NamedTuple

from tests.bench import client, cost, herd, start


class Part(NamedTuple):
    """One figure, or some that are made together."""

    run: Callable[[], int]
    what: str
    takes: str
    """Roughly, on two cores that have nothing else to do."""


PARTS = {
    "cost": Part(cost.run, "CPU and AWS writes of a rotation, beside a bare loop", "1 minute"),
    "start": Part(start.run, "start-up and memory at 10,000 credentials", "20 seconds"),
    "herd": Part(herd.run, "2,000 credentials due in one second, at two budgets", "4 minutes"),
    "client": Part(client.run, "what a token costs a service that reads it", "1 minute"),
}


def main(wanted: list[str]) -> int:
    if unknown := set(wanted) - PARTS.keys():
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # each figure as it comes, into a pipe as well
    chosen = wanted or list(PARTS)
    _announce(chosen)
    return max(_run(name, PARTS[name]) for name in chosen)


def _announce(chosen: list[str]) -> None:
    for name in chosen:
        print(f"{name:<8}{PARTS[name].what}, {PARTS[name].takes}")
    if len(chosen) > 1:
        print(f"One after another; one alone: make bench ARGS={chosen[0]}")


def _run(name: str, part: Part) -> int:
    print(f"\n{name}, {part.takes}:")
    return part.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
