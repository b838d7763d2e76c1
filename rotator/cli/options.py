"""Arguments and options that several verbs share."""

from collections.abc import Callable
from typing import Annotated

import typer


def _completed(incomplete: str) -> list[str]:
    """Names for the shell; none where the job files cannot be read, for it shows no errors."""
    from rotator.cli.opening import House
    from rotator.errors import RotatorError

    try:
        credentials = House.open().book.credentials
    except RotatorError:
        return []
    return [name for name in sorted(credentials) if name.startswith(incomplete)]


_NAMES = "Credentials: job, job/credential, or a pattern such as 'alation/*'."

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help=_NAMES, show_default=False, autocompletion=_completed),
]
"""None where none was given."""
Some = Annotated[
    list[str],
    typer.Argument(metavar="NAME", help=_NAMES, autocompletion=_completed),
]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A credential: job/credential.", autocompletion=_completed),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; the keys are documented.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


def whole(unit: str, least: int, most: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers within bounds, which says what to write instead."""
    bounds = f"from {least} to {most}" if most else f"{least} or more"

    def parsed(text: str | int) -> int:
        number = int(text) if str(text).isdecimal() else -1
        if number < least or (most is not None and number > most):
            raise typer.BadParameter(f"{text} is no number of {unit}; write {bounds}")
        return number

    return parsed


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only if a person says so. Raises typer.Abort."""
    if not yes:
        typer.confirm(question, abort=True)
