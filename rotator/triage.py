"""Every failure has one class and one next action, the same words on every face. Pure.

A class says where the trouble lies, an action what a person does about it; where nobody need do
anything, it says that. A failed connection is never called an expired login: only a provider's
documented refusal is held against a token or a seed.
"""

from collections.abc import Mapping
from typing import NamedTuple

from rotator import errors
from rotator.model import Reason


class Trouble(NamedTuple):
    """One class of failure, and what comes next."""

    name: str
    action: str


_WAIT = "it is tried again by itself"
_NETWORK = Trouble(
    "network", f"{_WAIT}; if it lasts, look at DNS, proxy and firewall on the way to the provider"
)
_CONTRACT = Trouble(
    "contract changed",
    "nothing is lost: update rotator or mend the job file, and the sealed answer is read again",
)
_BUG = Trouble("bug", "report it, with `rotator history` of that run")
_LEDGER = Trouble("ledger", "see to the disk and the file under ROTATOR_STATE_DIR")
_LOAD = Trouble("machine", f"{_WAIT}; if it lasts, give the worker CPU and set the clock right")

BY_REASON: Mapping[Reason, Trouble] = {
    Reason.UNREACHABLE: _NETWORK,
    Reason.UNANSWERED: _NETWORK,
    Reason.IN_DOUBT: Trouble(
        "in doubt",
        "the provider is asked again while the published token lives; a new refresh token and"
        " `rotator seed` end the doubt at once",
    ),
    Reason.PROVIDER_DOWN: Trouble(
        "provider down", "one credential asks for all; see the provider's status page"
    ),
    Reason.THROTTLED: Trouble(
        "throttled",
        "it is tried again when the provider says; if it lasts, see [limits] in the job file",
    ),
    Reason.REJECTED: Trouble("refused", "another grant is used, if there is one"),
    Reason.TOKEN_SPENT: Trouble(
        "spent token", "have the provider make a new refresh token, then `rotator seed`"
    ),
    Reason.TOKEN_REFUSED: Trouble(
        "revoked",
        "find out who revoked it, have the provider make a new refresh token, then `rotator seed`",
    ),
    Reason.SEED_REFUSED: Trouble(
        "wrong seed",
        "correct the seed, or what the job file presents with it, then `rotator rotate --again`",
    ),
    Reason.SEED_MISSING: Trouble("missing seed", "put the seed where the job file says it is"),
    Reason.MISCONFIGURED: Trouble(
        "wrong settings", "correct what the text names, in the job file or among its seeds"
    ),
    Reason.GARBLED: _CONTRACT,
    Reason.DUE_ON_ARRIVAL: Trouble(
        "short-lived token", f"{_WAIT}; see which lifespan the provider is set to"
    ),
    Reason.VERIFY_FAILED: Trouble("not known yet", f"{_WAIT}, then published unverified"),
    Reason.NO_GRANT_LEFT: Trouble("no grant", "give the job a seed that a grant of it presents"),
    Reason.ANOTHER_LEDGER: Trouble("another ledger", "stop the other worker, then `rotator adopt`"),
    Reason.STORE_UNAVAILABLE: Trouble(
        "AWS unreachable", f"{_WAIT}; if it lasts, look at the network and AWS's status page"
    ),
    Reason.STORE_THROTTLED: Trouble(
        "AWS throttled", f"{_WAIT}; if it lasts, see who else writes, or lower ROTATOR_WRITE_BUDGET"
    ),
    Reason.STORE_DENIED: Trouble(
        "AWS denied", "allow the worker's role what the text names, as in deploy/iam/worker.json"
    ),
    Reason.KEY_DENIED: Trouble(
        "KMS", "allow the worker's role kms:GenerateDataKey and kms:Decrypt, and enable the key"
    ),
    Reason.STORE_UNSET: Trouble(
        "AWS settings", "give the worker what the text names, then start it anew"
    ),
    Reason.VERSION_BUDGET: Trouble(
        "version budget", "wait: AWS keeps every version for a day; find out who else writes to it"
    ),
    Reason.NOT_OURS: Trouble(
        "somebody else's secret", "choose another name, or write adopt = true under [secret]"
    ),
    Reason.FOREIGN: Trouble(
        "another writer", "find who else writes to the secret, or give this credential another name"
    ),
    Reason.FENCE_LOST: Trouble("another writer", _WAIT),
    Reason.SEAL_UNREADABLE: Trouble(
        "sealing key", "bring back the key that sealed it: the answer is kept, and read then"
    ),
    Reason.TOO_MANY_STEPS: _BUG,
    Reason.UNEXPECTED: _BUG,
}
"""Every reason that a failure can have."""

REASONS: Mapping[type[Exception], Reason] = {
    errors.Unreachable: Reason.UNREACHABLE,
    errors.ProviderDown: Reason.PROVIDER_DOWN,
    errors.Unanswered: Reason.UNANSWERED,
    errors.Throttled: Reason.THROTTLED,
    errors.Rejected: Reason.REJECTED,
    errors.Misconfigured: Reason.MISCONFIGURED,
    errors.Garbled: Reason.GARBLED,
    errors.VerifyFailed: Reason.VERIFY_FAILED,
    errors.InDoubt: Reason.IN_DOUBT,
    errors.AnotherLedger: Reason.ANOTHER_LEDGER,
    errors.StoreUnavailable: Reason.STORE_UNAVAILABLE,
    errors.StoreThrottled: Reason.STORE_THROTTLED,
    errors.StoreDenied: Reason.STORE_DENIED,
    errors.KeyDenied: Reason.KEY_DENIED,
    errors.StoreUnset: Reason.STORE_UNSET,
    errors.NotOurs: Reason.NOT_OURS,
    errors.VersionBudget: Reason.VERSION_BUDGET,
    errors.ForeignWriter: Reason.FOREIGN,
    errors.FenceLost: Reason.FENCE_LOST,
    errors.SeedMissing: Reason.SEED_MISSING,
    errors.SealError: Reason.SEAL_UNREADABLE,
}
"""Error -> its reason, for it and whatever is drawn below it."""

_OUTSIDE: Mapping[type[Exception], Trouble] = {
    errors.LeaseLost: Trouble("another worker", "the other worker goes on"),
    errors.LedgerTooNew: Trouble("ledger", "run the rotator that last wrote it, or a later one"),
    errors.LedgerBusy: Trouble("another worker", "stop the other worker, or let it stand by"),
    errors.LedgerError: _LEDGER,
    errors.BadJobs: Trouble("job file", "mend the file at the line that is named"),
    errors.BadSettings: Trouble("settings", "mend the ROTATOR_* variable that is named"),
}
"""What ends a walk, or keeps one from beginning."""

REFUSALS: Mapping[Reason, str] = {
    Reason.SEED_REFUSED: "SeedRefused",
    Reason.TOKEN_REFUSED: "TokenRefused",
    Reason.TOKEN_SPENT: "TokenSpent",
}
"""How a refused step is called that leaves no grant: by the trouble that the credential is in."""

_FINE = frozenset({"", "ok", "tokens"})
_OTHERS: Mapping[str, Trouble] = {"Late": _LOAD, "Waiting": _LOAD}
"""Outcomes of a step that are no errors."""
_NAMED: Mapping[str, Trouble] = {
    **{kind.__name__: BY_REASON[reason] for kind, reason in REASONS.items()},
    **{kind.__name__: trouble for kind, trouble in _OUTSIDE.items()},
    **{name: BY_REASON[reason] for reason, name in REFUSALS.items()},
    **_OTHERS,
}


def reason_of(error: BaseException) -> Reason:
    """The one reason of a failure."""
    found = (REASONS[kind] for kind in type(error).__mro__ if kind in REASONS)
    return next(found, Reason.UNEXPECTED)


def outcome_of(error: BaseException) -> str:
    """How a step that failed is called: by the class that the tree of errors draws."""
    known = (kind for kind in type(error).__mro__ if kind.__name__ in _NAMED)
    return next(known, type(error)).__name__


def trouble_of(outcome: str) -> Trouble | None:
    """The class of a step's outcome; None where all went well."""
    return None if outcome in _FINE else _NAMED.get(outcome, _BUG)


def advised(text: str, trouble: Trouble) -> str:
    """A failure with what comes next; a text that ends with its own remedy needs no other."""
    return text if text.endswith(")") else f"{text} ({trouble.action})"


def classed(trouble: Trouble | None) -> dict[str, str | None]:
    """A failure as machines read it; both keys stay where nothing failed."""
    return {
        "class": trouble.name if trouble else None,
        "action": trouble.action if trouble else None,
    }
