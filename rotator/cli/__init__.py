"""The command line: a module for each group of verbs, imported when it is asked for."""

import sys


def main() -> None:
    """`rotator`, `python -m rotator`. Health goes alone: it is asked often."""
    if sys.argv[1:2] == ["health"] and not {"--help", "-h"} & set(sys.argv[2:]):
        from rotator.cli.health import main as health

        sys.exit(health(sys.argv[2:]))
    from rotator.cli.app import app
    from rotator.engine.hardening import keep_memory_private

    keep_memory_private()
    app()
