"""The one protocol that every ledger keeps.

What it remembers is in `facts`, what a step may change in `writes`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from rotator.ledger.facts import (
    BackOff,
    Holder,
    Intent,
    Lease,
    Line,
    Manual,
    Mark,
    Record,
    Row,
    Seal,
    Woken,
)
from rotator.ledger.writes import Change


class Ledger(Protocol):
    """One worker's memory. Raises LedgerError and nothing else."""

    ledger_id: str
    """Made once a ledger, and carried by every keyring that it keeps."""

    def enrol(self, jobs: Mapping[str, Sequence[str]], now: datetime) -> int:
        """Make the rows be those of the job files: job -> names of its credentials (qualified).

        New rows are due now; rows of other jobs and credentials lose their `due_at` and keep all
        else, so that a file that comes back finds its history. How many rows there are then.
        """
        ...

    def row_count(self) -> int:
        """How many rows there are, scheduled or not."""
        ...

    def sweep(self, now: datetime, limit: int, *, until: datetime, job: str = "",
              quotas: Mapping[str, int] | None = None) -> list[str]:  # fmt: skip
        """Claim up to `limit` due credentials, least margin first, until an instant.

        `job` narrows it to one job file, `quotas` (job -> at most so many dispatched at once).
        Claimed rows are not claimed again before `until`; paused rows are never claimed.
        """
        ...

    def next_due(self, job: str = "") -> datetime | None:
        """The earliest `due_at` of unpaused, undispatched rows, of one job or of all."""
        ...

    def urgent(self, now: datetime) -> list[str]:
        """Jobs with due rows that nobody has claimed: what `watch` wakes."""
        ...

    def take(self, credential: str, owner: str, now: datetime, until: datetime) -> Lease | None:
        """Lease the credential, with a higher fencing number; None while another holds it.

        A lease that ends further off than any lease can is void (a clock jumped).
        """
        ...

    def extend(self, lease: Lease, until: datetime) -> Lease:
        """Hold on for longer. Raises LeaseLost."""
        ...

    def check(self, lease: Lease) -> None:
        """Read the lease again. Raises LeaseLost where another was given since."""
        ...

    def release(self, lease: Lease) -> None:
        """Let go, also of the claim that `sweep` made; never raises LeaseLost."""
        ...

    def free_all(self) -> None:
        """Void every lease and claim: for the one process that holds the file, at its start."""
        ...

    def look(self, credential: str) -> Record | None:
        """Everything about one credential, None where it was never enrolled."""
        ...

    def request(self, request_id: str) -> Intent | None:
        """A request by its id, answered or not; None where it was never made, or is long gone."""
        ...

    def spent(self, fingerprints: Collection[str]) -> tuple[Mark, ...]:
        """The spent marks of these tokens, whichever credential made them."""
        ...

    def published_by(self, fingerprint: str) -> tuple[str, ...]:
        """The credentials whose consumers' secret holds this token, by name."""
        ...

    def write(self, lease: Lease, *changes: Change) -> None:
        """All changes in one durable transaction. Raises LeaseLost where the fence has moved."""
        ...

    def seal(self, seal: Seal) -> Woken | None:
        """Store an answer durably, whoever holds the lease, and make the credential due now.

        None where the credential has no row (any more).
        """
        ...

    def ask(self, manual: Manual) -> None:
        """Store a person's request and make the credential due now."""
        ...

    def manual(self, manual_id: str) -> Manual | None:
        """A person's request as it stands, met or not."""
        ...

    def pause(self, credential: str, now: datetime, by: str, why: str) -> bool:
        """Whether it was not paused before: the first pause stays, with its reason."""
        ...

    def resume(self, credential: str, now: datetime) -> bool:
        """Whether it was paused; if not, nothing is changed."""
        ...

    def forget(self, credential: str) -> None:
        """Delete all about a credential but what it has spent: its row, seals, marks, history."""
        ...

    def rows(self, names: Iterable[str] | None = None) -> list[Row]:
        """Rows for the faces, by name."""
        ...

    def back_offs(self, credential: str) -> list[BackOff]: ...

    def history(self, credential: str = "", limit: int = 50, run: str = "") -> list[Line]:
        """The newest steps first."""
        ...

    def hold(self, reports: Sequence[Holder]) -> Mapping[str, int]:
        """Remember what consumers say that they hold, each consumer's last word alone.

        Of a credential without a row nothing is kept, of any other a bounded number of consumers,
        and none that was silent for a day. The credentials of which nobody holds a generation any
        more that was older than the published one, and the oldest that was let go of.
        """
        ...

    def wake(self, credential: str, now: datetime) -> None:
        """There is something new to see: it is due now."""
        ...

    def holders(self, since: datetime) -> list[Holder]:
        """Whoever was heard of since then, by credential and consumer."""
        ...

    def swept_at(self) -> datetime | None:
        """When a sweep last succeeded: the worker's pulse."""
        ...

    def first_alert(self, credential: str, key: str, now: datetime) -> bool:
        """True once per (credential, key): an alert is sent for a change, not for a state."""
        ...

    def clear_alerts(self, credential: str, prefix: str) -> None:
        """The state is over: the next time it begins it is told again."""
        ...
