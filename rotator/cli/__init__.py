"""The command line. Its verbs are not built yet."""

import sys


def main() -> None:
    """Say so."""
    sys.exit("rotator: the command line is not built yet")
