"""Arguments and options that several verbs share."""

from typing import Annotated

import typer

_NAMES = "Credentials: job, job/credential, or a pattern such as 'alation/*'."

Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME...", help=_NAMES, show_default=False)
]
"""None where none was given."""
Name = Annotated[str, typer.Argument(metavar="NAME", help="A credential: job/credential.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; the keys are documented.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only if a person says so. Raises typer.Abort."""
    if not yes:
        typer.confirm(question, abort=True)
