"""`rotator rekey`: the ledger's sealing key is replaced, or moves to another holder."""

from pathlib import Path
from typing import Annotated

import typer

from rotator.cli import options

_OLD = "The key file that the ledger was sealed with, where ROTATOR_KEY_FILE names a new one."


def rekey(
    old_key_file: Annotated[Path | None, typer.Option(metavar="FILE", help=_OLD)] = None,
    as_json: options.Json = False,
) -> None:
    """Seal under a fresh key from now on, held by what the settings name: key file or KMS key.

    Change the setting first, and stop the worker. What was sealed before stays readable; the old
    key file or KMS key is needed no more afterwards, but for copies of the ledger from before.
    """
    from rotator.cli import out
    from rotator.cli.opening import House
    from rotator.engine import assembly
    from rotator.ledger.unlocking import held_by
    from rotator.ledger.unlocking import rekey as replace_key

    house = House.open()
    settings = house.settings
    with (
        house.lock().take(),
        house.ledger() as ledger,
        assembly.open_present_holder(settings, ledger, old_key_file) as old,
        assembly.open_key_holder(settings) as new,
    ):
        before = held_by(ledger)
        after = replace_key(ledger, old, new, house.clock.now())
    if as_json:
        out.say_json({"held_by": after, "before": before})
        return
    out.say(f"the ledger seals under a fresh key, held by {_named(after)}")


def _named(held_by: str) -> str:
    return held_by if held_by.startswith("arn:") else "the key file"
