"""`make bench`: what a rotation costs, how a worker starts, how it bears a herd; a token's hit."""

import sys

from tests.bench import client, cost, herd, start

PARTS = {"cost": cost.run, "start": start.run, "herd": herd.run, "client": client.run}


def main(wanted: list[str]) -> int:
    if unknown := set(wanted) - PARTS.keys():
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    return max(PARTS[name]() for name in wanted or PARTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
