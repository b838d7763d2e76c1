"""`rotator rekey`: the ledger's sealing key is replaced, or moves to another holder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli import options

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.ledger.unlocking import KeyHolder, KeyShelf

_OLD = "The key file that the ledger was sealed with, where ROTATOR_KEY_FILE names a new one."


def rekey(
    old_key_file: Annotated[Path | None, typer.Option(metavar="FILE", help=_OLD)] = None,
    as_json: options.Json = False,
) -> None:
    """Seal under a fresh key from now on, held by what the settings name: key file or KMS key.

    Change the setting first, and stop the worker. What was sealed before stays readable; the old
    key file or KMS key is needed no more afterwards, but for copies of the ledger from before.
    If it was interrupted, run it again: what was moved already it leaves as it is, and says so.
    """
    from rotator.cli import out
    from rotator.cli.opening import House
    from rotator.engine import assembly
    from rotator.ledger.unlocking import held_by

    house = House.open()
    settings = house.settings
    with (
        house.ledger() as ledger,  # first: where there is none, no lock is made
        house.lock().take(),
        assembly.open_present_holder(settings, ledger, old_key_file) as old,
        assembly.open_key_holder(settings) as new,
    ):
        before = held_by(ledger)
        fresh = _replaced(ledger, old, new, house.clock.now(), moved=old_key_file is not None)
        after = held_by(ledger)
    if as_json:
        out.say_json({"held_by": after, "before": before, "fresh": fresh})
    elif fresh:
        out.say(f"the ledger seals under a fresh key, held by {_named(after)}")
    else:
        out.say(
            f"nothing to do: the ledger's key is held by {_named(after)} that the settings name"
        )


def _replaced(
    ledger: "KeyShelf", old: "KeyHolder", new: "KeyHolder", now: "datetime", *, moved: bool
) -> bool:
    """False where the old file opens the ledger no more and the new one does: it was done before.

    `moved`: from one key file to another. Otherwise the ledger itself says who holds its key, and
    to run it again is to replace the key once more.
    """
    from rotator.errors import SealError
    from rotator.ledger.unlocking import opens, rekey

    try:
        rekey(ledger, old, new, now)
    except SealError:
        if moved and opens(ledger, new):
            return False
        raise
    return True


def _named(held_by: str) -> str:
    return held_by if held_by.startswith("arn:") else "the key file"
