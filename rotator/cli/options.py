"""Arguments and options that several verbs share."""

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
    typer.Argument(metavar="NAME...", help=_NAMES, show_default=False, autocompletion=_completed),
]
"""None where none was given."""
Some = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help=_NAMES, autocompletion=_completed),
]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A credential: job/credential.", autocompletion=_completed),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; the keys are documented.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only if a person says so. Raises typer.Abort."""
    if not yes:
        typer.confirm(question, abort=True)
