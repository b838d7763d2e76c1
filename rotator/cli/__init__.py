"""The command line: a module for each group of verbs, imported when it is asked for."""

import atexit
import gc
import os
import sys


def main() -> None:
    """`rotator`, `python -m rotator`. Health goes alone: it is asked often."""
    _prepare_streams()
    atexit.register(gc.freeze)  # else Python, to end, looks for cycles in all that was ever loaded
    if sys.argv[1:2] == ["health"] and not {"--help", "-h"} & set(sys.argv[2:]):
        from rotator.cli.health import main as health

        sys.exit(health(sys.argv[2:]))
    from rotator.cli.app import app
    from rotator.engine.hardening import keep_memory_private

    keep_memory_private()
    app()


def _prepare_streams() -> None:
    """Nothing that we print breaks on where it goes.

    Python has None for a stream that was closed (`>&-`), and what is opened next would take its
    number; and what a terminal's encoding cannot show is shown by its code.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - for good
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # they are files
