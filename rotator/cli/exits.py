"""Exit codes, one table for all verbs, and which error ends with which."""

from collections.abc import Mapping
from enum import IntEnum

from rotator import errors


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    WRONG = 3
    PERSON = 4
    BUSY = 5
    LEDGER = 6
    INTERRUPTED = 130


MEANINGS: Mapping[Exit, str] = {
    Exit.DONE: "done",
    Exit.FAILED: "something failed, and was told; trying again may help",
    Exit.USAGE: "the command was wrong: an unknown verb, option or name",
    Exit.WRONG: "job files, seeds or settings are wrong: `rotator check`",
    Exit.PERSON: "a credential needs a person: `rotator explain NAME`",
    Exit.BUSY: "another process holds the ledger or the credential",
    Exit.LEDGER: "the ledger's file is damaged, or was taken away beneath the worker",
    Exit.INTERRUPTED: "Ctrl-C; what was in flight is finished, what was asked for stays stored",
}
STATUS_MEANINGS: Mapping[int, str] = {
    0: "every credential is fresh, due, rotating or paused",
    1: "one is late or backing off",
    2: "one is expired or needs a person",
}
"""Of `status --exit-code`, which has a scale of its own, as monitoring knows it."""


class UnknownName(errors.RotatorError):
    """No credential of that name; the remedy names the nearest."""


class BadUsage(errors.RotatorError):
    """What was asked for makes no sense for this credential."""


class Interrupted(errors.RotatorError):
    """A person pressed Ctrl-C; what was under way is finished or stored."""


_BY_ERROR: Mapping[type[Exception], Exit] = {
    UnknownName: Exit.USAGE,
    BadUsage: Exit.USAGE,
    Interrupted: Exit.INTERRUPTED,
    errors.BadSettings: Exit.WRONG,
    errors.BadJobs: Exit.WRONG,
    errors.SeedMissing: Exit.WRONG,
    errors.StoreUnset: Exit.WRONG,
    errors.LedgerBusy: Exit.BUSY,
    errors.LedgerDamaged: Exit.LEDGER,
    errors.LedgerGone: Exit.LEDGER,
    errors.LeaseLost: Exit.BUSY,
}


def exit_for(error: Exception) -> Exit:
    """The exit code of the nearest class that has one."""
    found = (_BY_ERROR[kind] for kind in type(error).__mro__ if kind in _BY_ERROR)
    return next(found, Exit.FAILED)


def epilogue() -> str:
    """The table as the help shows it, a line each."""
    lines = [f"- {code.value}: {text}" for code, text in MEANINGS.items()]
    return "\n\n".join(["Exit codes", *lines])
