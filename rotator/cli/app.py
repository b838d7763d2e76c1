"""All verbs, and what becomes of their errors: one line with the remedy, and an exit code."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from rotator import __version__
from rotator.cli import (
    adopting,
    changing,
    checking,
    explaining,
    history,
    living,
    out,
    rekeying,
    rotating,
    running,
    seeding,
    status,
    switching,
    telling,
)
from rotator.cli.exits import Exit, epilogue, exit_for
from rotator.errors import RotatorError

_DEBUG = "ROTATOR_DEBUG"


def _plain(found: list[Any]) -> list[Any]:
    """Help without Python's kinds: a flag takes no value, an argument is what its name says."""
    for each in found:
        if each.param_type_name == "argument":
            each.display_type_rich = lambda ctx: ""  # noqa: ARG005 - called by name
        elif each.is_flag:
            each.metavar = ""
    return found


class _Verb(TyperCommand):
    """One verb, and its help."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _plain(super().get_params(ctx))


class _Verbs(TyperGroup):
    """All of them; called `rotator` however Python was started."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _plain(super().get_params(ctx))

    def main(self, *args: Any, **more: Any) -> Any:
        return super().main(*args, **{**more, "prog_name": "rotator"})


app = typer.Typer(
    name="rotator",
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
    epilog=epilogue(),
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rotator {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which this is.")
    ] = False,
) -> None:
    """Keep other services' API tokens alive, and publish them to AWS Secrets Manager."""


def told(verb: Callable[..., Any]) -> Callable[..., None]:
    """The verb with its errors told in one line; what it returns is the exit code."""

    @wraps(verb)
    def safely(*args: Any, **kwargs: Any) -> None:
        try:
            code = verb(*args, **kwargs)
        except typer.Exit:
            raise
        except typer.Abort as error:
            code = _given_up(error)
        except KeyboardInterrupt:
            out.warn("rotator: stopped by Ctrl-C")
            code = Exit.INTERRUPTED
        except Exception as error:
            if out.is_cut_off(error):
                code = Exit.FAILED
            elif os.environ.get(_DEBUG):
                raise
            else:
                code = _tell(error)
        if code:
            raise typer.Exit(int(code))

    return safely


def _given_up(error: typer.Abort) -> Exit:
    """A question was answered with no, with Ctrl-C, or by nobody; all are asked beforehand."""
    out.warn("rotator: given up, and nothing was changed")
    return Exit.INTERRUPTED if isinstance(error.__context__, KeyboardInterrupt) else Exit.FAILED


def _tell(error: Exception) -> Exit:
    if isinstance(error, RotatorError):
        out.warn(f"rotator: {error}")
        return exit_for(error)
    where = extract_tb(error.__traceback__)[-1]
    out.warn(
        f"rotator: something broke inside: {type(error).__name__} in {Path(where.filename).name}"
        f" line {where.lineno} ({_DEBUG}=1 shows the traceback; please report it)"
    )
    return Exit.FAILED


_WATCH, _ACT, _KEEP, _BEGIN = "Watch", "Act", "Run", "Begin"
_VERBS: tuple[tuple[str, Callable[..., Any]], ...] = (
    (_WATCH, status.status),
    (_WATCH, explaining.explain),
    (_WATCH, history.history),
    (_WATCH, checking.check),
    (_WATCH, living.health),
    (_WATCH, telling.token),
    (_ACT, rotating.rotate),
    (_ACT, seeding.seed),
    (_ACT, adopting.adopt),
    (_ACT, switching.pause),
    (_ACT, switching.resume),
    (_ACT, changing.forget),
    (_KEEP, living.worker),
    (_KEEP, running.exec_),
    (_KEEP, living.migrate),
    (_KEEP, rekeying.rekey),
    (_BEGIN, changing.init),
    (_BEGIN, living.demo),
    (_BEGIN, living.sandbox),
)
for _panel, _verb in _VERBS:
    app.command(
        _verb.__name__.rstrip("_"),
        cls=_Verb,
        rich_help_panel=_panel,
        # What stands behind a command that is run is the command's.
        context_settings={
            "allow_interspersed_args": _verb not in (running.exec_, living.sandbox),
            "allow_extra_args": _verb is seeding.seed,  # which refuses them in its own words
        },
    )(told(_verb))
