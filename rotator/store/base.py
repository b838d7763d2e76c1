"""What the rotation asks of a secret store, and what it says about a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rotator.model import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSpec:
    """One secret that we own or want to own, as its job describes it."""

    name: str
    owner: str
    """`job/credential`; written as a tag, and compared before anything is overwritten."""
    adopt: bool = False
    """A secret that we did not make may be taken over; its other string keys stay."""
    kms_key_id: str = ""
    """Empty: AWS's own key for Secrets Manager."""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    replica_regions: tuple[str, ...] = ()
    policy: str = ""
    """A resource policy as JSON text, put once after the secret is made."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Keys that the job adds to what consumers read: each a template of the contract's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The current version of a secret, as read or as a put's own answer tells it."""

    id: str
    fields: Mapping[str, str] = field(repr=False)
    """The flat object; empty where the value is none of ours (plain string, binary, nested)."""
    value: Secret
    """The whole string, for a replay of the same bytes."""

    @property
    def generation(self) -> int:
        """The generation that the value states, 0 where it states none."""
        text = self.fields.get("generation", "")
        return int(text) if text.isdecimal() and len(text) < 16 else 0


class Store(Protocol):
    """The two secrets of a credential live here.

    Every method raises StoreUnavailable, StoreDenied, NotOurs, VersionBudget or FenceLost.
    Writes are paced by the store's own budget.
    """

    def get(self, spec: SecretSpec) -> Version | None:
        """The AWSCURRENT version, None where there is no secret or it has no version.

        Raises NotOurs where the secret is not ours (no `schema` key and no tag of ours, or
        another owner's tag) and `adopt` is off.
        """
        ...

    def version(self, spec: SecretSpec, version_id: str) -> Version | None:
        """An earlier version by its id, None where AWS no longer has it."""
        ...

    def put(self, spec: SecretSpec, version_id: str, fields: Mapping[str, str]) -> Version:
        """Make `fields` current under `version_id`; creates or restores the secret if need be.

        The same id with the same fields again changes nothing and succeeds. FenceLost where the
        id is taken by other bytes.
        """
        ...

    def prove(self, spec: SecretSpec, current: Version | None) -> None:
        """Show that a put would work now, making no version.

        Nothing is sent where our last write under the same prefix and key is less than ten
        minutes old; else the current version is put again (same id, same bytes), and where
        there is none the secret is created empty.
        """
        ...

    def move_back(self, spec: SecretSpec, version_id: str, *, away_from: str) -> None:
        """Make `version_id` current again, fenced: FenceLost unless `away_from` is current."""
        ...

    def reserve(self, writes: int) -> None:
        """Wait for the budget of `writes` coming puts by this thread, so that none waits later."""
        ...
