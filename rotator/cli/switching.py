"""`rotator pause` and `rotator resume`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli import options
from rotator.cli.exits import BadUsage

if TYPE_CHECKING:
    from rotator.ledger.base import Ledger


def pause(
    names: options.Some,
    why: Annotated[str, typer.Option(metavar="TEXT", help="What the next person should know.")],
    as_json: options.Json = False,
) -> None:
    """Leave credentials alone until they are resumed; tokens then die in their own time."""
    from rotator.cli.opening import House
    from rotator.rotation.asking import person

    if not why.strip():
        raise BadUsage("--why says nothing", remedy="the next person must know if they may resume")
    house = House.open()
    now = house.clock.now()
    with house.ledger() as ledger:
        told = {
            name: "paused" if ledger.pause(name, now, person(), why) else _already(ledger, name)
            for name in house.named(names, ledger)
        }
    _tell(told, as_json=as_json)


def _already(ledger: "Ledger", name: str) -> str:
    """The first pause stays, so the next person is told of it and not of their own."""
    return "".join(
        f"paused already by {row.paused_by} since {row.paused_at:%F %TZ}: {row.paused_why}"
        for row in ledger.rows([name])
    )


def resume(
    names: options.Some,
    as_json: options.Json = False,
) -> None:
    """Look after paused credentials again, from now on."""
    from rotator.cli.opening import House

    house = House.open()
    now = house.clock.now()
    with house.ledger() as ledger:
        told = {
            name: "resumed" if ledger.resume(name, now) else "was not paused"
            for name in house.named(names, ledger)
        }
    _tell(told, as_json=as_json)


def _tell(told: Mapping[str, str], *, as_json: bool) -> None:
    """Credential -> outcome."""
    from rotator.cli import out

    if as_json:
        out.say_json([{"credential": name, "outcome": outcome} for name, outcome in told.items()])
    else:
        out.say(*(f"{name}: {outcome}" for name, outcome in told.items()))
