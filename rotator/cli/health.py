"""`rotator health` by itself: supervisors ask every few seconds, and typer takes longer to load."""

from collections.abc import Sequence

from rotator.cli import out
from rotator.cli.exits import Exit, exit_for
from rotator.cli.opening import House
from rotator.engine.health import look
from rotator.errors import RotatorError


def main(arguments: Sequence[str]) -> int:
    """The verb as its own command line, which knows one option."""
    if set(arguments) - {"--json"}:
        out.warn("rotator: health takes --json and nothing else")
        return Exit.USAGE
    try:
        return ask(as_json="--json" in arguments)
    except RotatorError as error:
        out.warn(f"rotator: {error}")
        return exit_for(error)
    except OSError as error:
        if out.is_cut_off(error):
            return Exit.FAILED
        raise


def ask(*, as_json: bool) -> int:
    """Tell how the worker fares; the exit code."""
    house = House.open()
    found = look(house.ledger_path, house.clock, house.lock())
    if not as_json:
        out.say(found.text)
        return found.code
    out.say_json(
        {
            "healthy": found.code == 0,
            "text": found.text,
            "swept_at": found.swept_at,
            "waiting": found.waiting or None,
            "due_at": found.due_at,
        }
    )
    return found.code
