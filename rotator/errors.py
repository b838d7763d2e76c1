"""Everything that can go wrong, drawn by what to do next.

RotatorError
  · ProviderError        what a token endpoint did to us
      - Unreachable      connecting failed, nothing was sent: the same grant again
          ProviderDown   nobody else was answered lately: nothing was tried
      - Unanswered       sent, no complete answer: a token may have been spent
      - Throttled        429: wait `retry_after`
      - Rejected         the documented refusal: mark it refused, fall back
      - Misconfigured    our settings are wrong: marks nothing, a person
      - Garbled          anything else: stays sealed, a person looks
      - VerifyFailed     the provider does not know the new token yet
      - InDoubt          an inspection was answered with neither yes nor no: ask again
      - AnotherLedger    the chain is another ledger's, and not known to be alive
  · StoreError           what AWS Secrets Manager did to us
      - StoreUnavailable network or 5xx: back off
          StoreThrottled too many requests: back off
      - StoreDenied      permissions: a person
          KeyDenied      the KMS key: a person
          StoreUnset     no Region or login here to ask AWS with: a person
      - NotOurs          the name holds a secret that we did not make: a person
      - VersionBudget    too many versions in 24 hours: wait for hours
      - FenceLost        the label was moved by somebody else meanwhile: look again
          ForeignWriter  again and again: a person
  · LedgerError          what our own database did to us
      - LeaseLost        another worker holds this credential now: stop
      - LedgerTooNew     the file was written by a later rotator
      - LedgerBusy       another process holds the file
      - LedgerGone       the file was deleted or replaced beneath us: end, and start anew
      - LedgerDamaged    the file is no ledger any more: kept as it is, a person
  · SealError            a sealed answer that cannot be opened: kept and reported
  · SeedMissing          a seed that its reference does not lead to: a person
  · BadJobs              every mistake in the job files at once
  · BadSettings          a ROTATOR_* variable is wrong

No message holds a secret, a URL's query, a header or a body.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


class RotatorError(Exception):
    """The root. `remedy` says what a person does next, where a person is needed."""

    def __init__(self, text: str, *, remedy: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.text} ({self.remedy})" if self.remedy else self.text


class ProviderError(RotatorError):
    """A request to a provider that yielded no tokens."""


class Unreachable(ProviderError):
    """Connecting failed and nothing was sent, so nothing can have been spent."""


class ProviderDown(Unreachable):
    """The host answered none of several credentials; one of them asks it again for all."""

    def __init__(self, text: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Unanswered(ProviderError):
    """The request went out and no complete, documented answer came back."""


class Throttled(ProviderError):
    """The provider asks for patience; `retry_after` is its own word, None if it gave none."""

    def __init__(self, text: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Rejected(ProviderError):
    """The provider's documented refusal of what was presented."""


class Misconfigured(ProviderError):
    """The refusal of our settings (client id, user id), not of the token; `remedy` names them."""


class Garbled(ProviderError):
    """A complete answer that says neither tokens nor a documented refusal."""


class VerifyFailed(ProviderError):
    """The provider does not know the new token yet, while the old one still lives."""


class InDoubt(ProviderError):
    """The provider does not say whether a token lives that a request may have spent."""


class AnotherLedger(ProviderError):
    """The keyring is another ledger's and the provider does not vouch for its token."""


class StoreError(RotatorError):
    """A call to the secret store that did not succeed."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or asks for patience; the same call may work later."""


class StoreThrottled(StoreUnavailable):
    """AWS asks for patience."""


class StoreDenied(StoreError):
    """The store refuses us: a permission, a policy, our credentials."""


class KeyDenied(StoreDenied):
    """The KMS key refuses us, or is disabled."""


class StoreUnset(StoreDenied):
    """AWS was not asked: this machine has no Region, profile or credentials to ask it with."""


class NotOurs(StoreError):
    """The name belongs to somebody else's secret."""


class VersionBudget(StoreError):
    """The secret took too many versions in the last 24 hours."""


class FenceLost(StoreError):
    """Somebody moved the label between our look and our write."""


class ForeignWriter(FenceLost):
    """Somebody else writes to our secret again and again."""


class LedgerError(RotatorError):
    """The run history could not be read or written."""


class LeaseLost(LedgerError):
    """The exclusive hold on this credential has passed to another worker."""


class LedgerTooNew(LedgerError):
    """The file was migrated by a later rotator than this one."""


class LedgerBusy(LedgerError):
    """Another worker process holds this ledger."""


class LedgerGone(LedgerError):
    """What is written to this ledger no longer reaches a file that anybody could find."""


class LedgerDamaged(LedgerError):
    """The file cannot be trusted any more."""


class SealError(RotatorError):
    """A sealed answer that this key does not open; it stays where it is."""


class SeedMissing(RotatorError):
    """A seed whose environment variable, file or secret is not there."""


class BadSettings(RotatorError):
    """One or more of the process's own settings are wrong."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing wrong in one job file: where it stands and what to write instead."""

    file: str
    line: int
    field: str
    text: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" + (f": {self.field}" if self.field else "")
        return f"{place}: {self.text}. {self.remedy}"


class BadJobs(RotatorError):
    """All mistakes of all job files, sorted by place."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))
