"""`rotator pause` and `rotator resume`."""

from typing import Annotated

import typer

from rotator.cli import options


def pause(
    names: options.Some,
    why: Annotated[str, typer.Option(metavar="TEXT", help="What the next person should know.")],
    as_json: options.Json = False,
) -> None:
    """Leave credentials alone until they are resumed; tokens then die in their own time."""
    from rotator.cli.opening import House
    from rotator.rotation.keyring import person

    house = House.open()
    with house.ledger() as ledger:
        chosen = house.named(names, ledger)
        for name in chosen:
            ledger.pause(name, house.clock.now(), person(), why)
    _tell(chosen, "paused", as_json=as_json)


def resume(
    names: options.Some,
    as_json: options.Json = False,
) -> None:
    """Look after paused credentials again, from now on."""
    from rotator.cli.opening import House

    house = House.open()
    with house.ledger() as ledger:
        chosen = house.named(names, ledger)
        for name in chosen:
            ledger.resume(name, house.clock.now())
    _tell(chosen, "resumed", as_json=as_json)


def _tell(names: list[str], outcome: str, *, as_json: bool) -> None:
    from rotator.cli import out

    if as_json:
        out.say_json([{"credential": name, "outcome": outcome} for name in names])
    else:
        out.say(*(f"{name}: {outcome}" for name in names))
