"""`rotator worker`, `health`, `migrate`, `demo` and `sandbox`."""

import gc
from typing import Annotated

import typer

from rotator.cli import options, out
from rotator.cli.exits import BadUsage


def worker(
    standby: Annotated[
        bool, typer.Option(help="While another worker holds the ledger: wait for it, or give up.")
    ] = True,
) -> int:
    """Keep the tokens alive until told to stop.

    SIGTERM ends it once what is in flight is done, SIGHUP has it read the job files anew.
    """
    gc.disable()  # to look for garbage in what is being loaded takes a tenth of a start
    from rotator.cli.opening import House
    from rotator.engine import run

    gc.freeze()  # it stays
    gc.enable()
    house = House.open()
    if house.settings.api_listen is None:
        return run.main(house.settings, house.environ, standby=standby)
    from rotator.web.listener import serving

    return run.main(house.settings, house.environ, standby=standby, beside=serving)


def health(as_json: options.Json = False) -> int:
    """Say whether a worker is alive and keeps up: the last sweep, and the oldest credential due.

    It fails where no process holds the ledger, as soon as the worker ended; and once no sweep was
    written down for 60 s, which tells of one that hangs, or of one on another machine that died.
    And once a credential has been due for 5 minutes and for a tenth of what its token has left to
    live. Neither is a setting. No network, and quick enough for a supervisor to ask every few
    seconds.
    """
    from rotator.cli.health import ask

    return ask(as_json=as_json)


def migrate(as_json: options.Json = False) -> None:
    """Bring the ledger to this rotator's schema, after copying it. A worker's start does it too."""
    from rotator.cli.opening import House
    from rotator.ledger import migrations

    house = House.open()
    copy = None
    if house.has_ledger:  # or the lock, and its folder, would be made for nothing
        with house.lock().take():
            copy = migrations.migrate(house.ledger_path)
    if as_json:
        out.say_json({"schema": migrations.HEAD, "copy": str(copy) if copy else None})
    elif copy:
        out.say(f"migrated to schema {migrations.HEAD}; the copy from before is {copy}")
    else:
        out.say(f"nothing to do: the ledger has schema {migrations.HEAD}, or is yet to be made")


def demo(
    seconds: Annotated[
        int,
        typer.Option(
            parser=options.whole("seconds", 0), metavar="SECONDS", help="0: until Ctrl-C."
        ),
    ] = 60,
) -> int:
    """Watch it work: sandbox providers and AWS on this machine, a clock that runs an hour a second.

    Needs no account and no network, and leaves nothing behind.
    """
    from rotator.sandbox.demo import demo as show

    return show(seconds)


def sandbox(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="After --, with its arguments; unset: your shell."),
    ] = None,
) -> int:
    """Try it by hand: a shell where job files, seeds, providers and AWS are a sandbox's.

    Needs no account and no network. The clock is the usual one; all of it is gone when the shell
    ends.
    """
    from rotator.sandbox.shell import shell

    try:
        return shell(command or ())
    except (FileNotFoundError, PermissionError) as error:
        raise BadUsage(f"{error.filename} cannot be run: {error.strerror}") from error
