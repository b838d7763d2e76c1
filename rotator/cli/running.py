"""`rotator exec`: for consumers that can only take a token when they start.

It needs the rights of a consumer and none of the worker's settings.
"""

import re
import signal
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli.exits import BadUsage
from rotator.durations import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rotator.client import Reading

CANNOT, NOT_RUNNABLE, NOT_FOUND = 125, 126, 127
"""As env(1) and timeout(1) say it: no token, or a command that cannot be started."""
RESTART = "restart"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_TOKEN = "access_token"


_Command = Annotated[
    list[str], typer.Argument(metavar="COMMAND", help="After --, with its arguments.")
]
_Secret = Annotated[
    str,
    typer.Option(metavar="NAME", help="The consumers' secret, e.g. rotator/token/alation/etl."),
]
_Env = Annotated[
    list[str],
    typer.Option(
        metavar="VARIABLE[=KEY]",
        help="A variable for the command, and the secret's key that goes into it: access_token,"
        " unless named. May be given several times.",
    ),
]
_OnRotation = Annotated[
    str,
    typer.Option(
        metavar="WHAT", help="restart, or signal:HUP for a command that reads again by itself."
    ),
]
_Grace = Annotated[
    str, typer.Option(metavar="TIME", help="From TERM to KILL, for whatever is to end.")
]
_Staleness = Annotated[
    str, typer.Option(metavar="TIME", help="A rotation is noticed within that time.")
]


def exec_(
    command: _Command,
    secret: _Secret,
    env: _Env,
    on_rotation: _OnRotation = RESTART,
    grace: _Grace = "10s",
    staleness: _Staleness = "5m",
) -> int:
    """Run a command with a token in its environment, and restart it when the token was rotated.

    Only the keys that are named go into the environment. Signals are passed on, and the command's
    exit code is ours: 125 if there is no living token, 126 or 127 if the command cannot be started.
    While AWS is down the command runs on.
    """
    from rotator.cli.supervisor import Supervisor
    from rotator.client import Token, TokenError

    wanted = _mapping(env)
    say = _Voice()
    _let_speak("rotator.client", say)
    supervisor = Supervisor(
        command,
        Token(secret, staleness=_duration("--staleness", staleness)),
        lambda reading: _picked(wanted, reading),
        on_rotation=_signal(on_rotation),
        grace=_duration("--grace", grace),
        say=say,
    )
    try:
        return supervisor.run()
    except (TokenError, ValueError) as error:
        say(str(error))
        return CANNOT
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE


class _Voice:
    """Says a line on stderr, and no line twice in a row: of one failure two may tell."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, text: str) -> None:
        from rotator.cli import out

        if text != self._last:
            out.warn(f"rotator exec: {text}")
        self._last = text


def _let_speak(logger: str, say: "Callable[[str], None]") -> None:
    """What it logs is said like all else, not printed by Python's own last resort."""
    import logging

    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.getMessage())

    speaking = logging.getLogger(logger)
    speaking.handlers = [Said(logging.INFO)]
    speaking.setLevel(logging.INFO)
    speaking.propagate = False


def _duration(option: str, text: str) -> timedelta:
    """Raises BadUsage."""
    try:
        found = parse(text)
    except ValueError as error:
        raise BadUsage(f"{option} {text}: {error}") from error
    if not found:
        raise BadUsage(f"{option} {text} is no time at all", remedy="30s, 5m")
    return found


def _mapping(given: "Sequence[str]") -> dict[str, str]:
    """Variable -> key of the secret. Raises BadUsage."""
    found = {}
    for each in given:
        variable, _, key = each.partition("=")
        key = key or _TOKEN
        if not _VARIABLE.fullmatch(variable) or not _FIELD.fullmatch(key):
            raise BadUsage(
                f"--env {each} names no variable and key", remedy="VARIABLE=access_token"
            )
        found[variable] = key
    return found


def _signal(text: str) -> signal.Signals | None:
    """None stands for a restart. Raises BadUsage."""
    if text == RESTART:
        return None
    kind, _, name = text.partition(":")
    known = signal.Signals.__members__
    if kind != "signal" or f"SIG{name}" not in known:
        raise BadUsage(f"--on-rotation {text} is nothing to do", remedy="restart, or signal:HUP")
    return known[f"SIG{name}"]


def _picked(wanted: "Mapping[str, str]", reading: "Reading") -> dict[str, str]:
    """Raises ValueError where the secret lacks a key."""
    if missing := sorted(set(wanted.values()) - reading.fields.keys()):
        there = ", ".join(sorted(reading.fields))
        raise ValueError(f"the secret has no {', '.join(missing)}; it has {there}")
    return {variable: reading.fields[key] for variable, key in wanted.items()}
