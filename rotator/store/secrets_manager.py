"""AWS Secrets Manager as our store.

Whose a secret is, its value says (`schema`, `credential`) and its tags say (`rotator:owner`,
`rotator:environment`); where both are silent it is not ours. The tags are looked at only where
the value leaves a doubt, so a read is one call. What a read has found out about a name is noted
for the write after it: no write ever goes to a name that was not looked at.

A write is one PutSecretValue whose ClientRequestToken is the version's id, so the same again
changes nothing. The label AWSCURRENT is always named, when reading and when moving it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from rotator.clock import Clock
from rotator.errors import FenceLost, NotOurs, StoreDenied, StoreUnavailable, VersionBudget
from rotator.model import Secret
from rotator.store import contract
from rotator.store.aws_client import AwsClient
from rotator.store.aws_errors import (
    EXISTS,
    INVALID_PARAMETER,
    INVALID_REQUEST,
    LIMIT,
    NOT_FOUND,
    Refused,
)
from rotator.store.base import SecretSpec, Version
from rotator.store.budget import WriteBudget

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CURRENT = "AWSCURRENT"
OWNER_TAG = "rotator:owner"
ENVIRONMENT_TAG = "rotator:environment"
WRITES_PER_SECOND = 20.0
"""Of the 50 that AWS grants an account and Region, and that others want too."""
PUT_TIMEOUT = timedelta(seconds=30)
PROOF_LASTS = timedelta(minutes=10)

_MOST_NOTES = 16_384
_TURNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What DescribeSecret tells about a name: everything but the value."""

    name: str
    tags: Mapping[str, str]
    kms_key_id: str
    """Empty: AWS's own key."""
    deleted_at: datetime | None
    """Scheduled for deletion since; it can be restored."""
    labels: Mapping[str, str]
    """Label -> version id."""
    replicas: Mapping[str, str]
    """Region -> InSync, InProgress or Failed."""
    service: str
    """The AWS service that manages it, empty for most."""

    @property
    def owner(self) -> str:
        return self.tags.get(OWNER_TAG, "")

    @property
    def environment(self) -> str:
        return self.tags.get(ENVIRONMENT_TAG, "")


class _Place(Enum):
    NOWHERE = auto()
    DELETED = auto()
    EMPTY = auto()
    """There, without any version."""
    FULL = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """What a look at a name told, and so what a write to it must begin with."""

    owner: str
    place: _Place
    claimed: bool = True
    """It carries our tags; else it is being adopted."""
    others: Mapping[str, str] = field(default_factory=dict, repr=False)
    """String keys of an adopted secret, which stay."""


class _Changed(Exception):
    """The secret is not as noted: look again. Never leaves this module."""

    def __init__(self, refusal: Refused) -> None:
        self.refusal = refusal


class SecretsManagerStore:
    """One account in one Region, for one environment. Thread-safe."""

    def __init__(
        self,
        clock: Clock,
        *,
        prefix: str = "rotator",
        writes_per_second: float = WRITES_PER_SECOND,
        threads: int = 16,
        put_timeout: timedelta = PUT_TIMEOUT,
        client: "SecretsManagerClient | None" = None,
    ) -> None:
        """`prefix`: the environment's own; its secrets are named and tagged with it.

        `put_timeout`: of one write with all its attempts, in real time; the wait for the budget
        comes on top.
        """
        self._clock = clock
        self._prefix = prefix
        self._budget = WriteBudget(writes_per_second, clock.monotonic)
        self._aws = AwsClient(self._budget, threads=threads, timeout=put_timeout, client=client)
        self._lock = threading.Lock()
        self._notes: dict[str, _Note] = {}
        self._proofs: dict[tuple[str, str, str], datetime] = {}

    def close(self) -> None:
        self._aws.close()

    # What a rotation asks

    def get(self, spec: SecretSpec) -> Version | None:
        version, note = self._look(spec)
        self._write_down(spec, note)
        return version

    def put(self, spec: SecretSpec, version_id: str, fields: Mapping[str, str]) -> Version:
        contract.check(fields, spec.owner)
        if not spec.name.startswith(f"{self._prefix}/keyring/"):
            contract.check_public(fields)
        changed: _Changed | None = None
        for _ in range(_TURNS):
            try:
                return self._put(spec, self._made_ready(spec), version_id, fields)
            except _Changed as now:
                changed = now
                self._cross_out(spec)
        raise _restless(spec, changed)

    def prove(self, spec: SecretSpec, current: Version | None) -> None:
        note = self._noted(spec)
        action = "CreateSecret" if note.place is _Place.NOWHERE else "PutSecretValue"
        as_usual = note.place in (_Place.NOWHERE, _Place.FULL) and note.claimed
        if as_usual and self._is_proved(action, spec):
            return
        changed: _Changed | None = None
        for _ in range(_TURNS):
            try:
                if self._made_ready(spec, make=True).place is _Place.FULL:
                    self.replay(spec, current or self.get(spec))
                return
            except _Changed as now:
                changed = now
                self._cross_out(spec)
        raise _restless(spec, changed)

    def replay(self, spec: SecretSpec, current: Version | None) -> None:
        """Put the current version again, same id and bytes: AWS checks all and changes nothing."""
        if current is None:
            raise FenceLost(f"{spec.name} has no current version")
        self._noted(spec)
        value = self._same_bytes(spec, current)
        try:
            self._aws.ask(
                "PutSecretValue",
                spec.name,
                SecretId=spec.name,
                ClientRequestToken=current.id,
                **value,
            )
        except Refused as refusal:
            if refusal.code in (NOT_FOUND, INVALID_REQUEST):
                raise FenceLost(f"{spec.name} was changed meanwhile") from None
            if refusal.code != EXISTS:  # allowed, decrypted and compared: as good
                raise
        self._prove_by("PutSecretValue", spec)

    def move_back(self, spec: SecretSpec, version_id: str, *, away_from: str) -> None:
        self._noted(spec)
        try:
            self._aws.ask(
                "UpdateSecretVersionStage",
                spec.name,
                SecretId=spec.name,
                VersionStage=CURRENT,
                MoveToVersionId=version_id,
                RemoveFromVersionId=away_from,
            )
        except Refused as refusal:
            if refusal.code in (INVALID_PARAMETER, INVALID_REQUEST, NOT_FOUND):
                raise FenceLost(f"the label of {spec.name} was moved meanwhile") from None
            raise

    def reserve(self, writes: int) -> None:
        self._budget.reserve(writes)

    def unreserve(self) -> None:
        """Give back what this thread reserved and did not write; a new `reserve` does it too."""
        self._budget.unreserve()

    # What others ask

    def describe(self, spec: SecretSpec) -> Found | None:
        """All but the value, None where there is no such secret; changes nothing."""
        try:
            told = self._aws.ask("DescribeSecret", spec.name, SecretId=spec.name)
        except Refused as refusal:
            if refusal.code == NOT_FOUND:
                return None
            raise
        return _found(spec.name, told)

    def read_secret(self, name: str) -> str | bytes | None:
        """A seed, by name or ARN; None where there is none. Never one that rotator writes."""
        plain = name.rpartition(":secret:")[2]
        if plain.startswith((f"{self._prefix}/token/", f"{self._prefix}/keyring/")):
            raise StoreDenied(
                f"{plain} is written by rotator, and a seed is never read from there",
                remedy="keep seeds under a prefix of their own",
            )
        try:
            told = self._aws.ask("GetSecretValue", plain, SecretId=name, VersionStage=CURRENT)
        except Refused as refusal:
            if refusal.code in (NOT_FOUND, INVALID_REQUEST):  # the latter: marked for deletion
                return None
            raise
        value: str | bytes | None = told.get("SecretString", told.get("SecretBinary"))
        return value

    # Looking

    def _look(self, spec: SecretSpec) -> tuple[Version | None, _Note]:
        version, refusal = self._current(spec)
        if version is not None and self._is_plainly_ours(spec, version):
            others = _others(spec, version)
            return version, _Note(owner=spec.owner, place=_Place.FULL, others=others)
        found = self.describe(spec)
        if found is None:
            return None, _Note(owner=spec.owner, place=_Place.NOWHERE)
        if version is None and CURRENT in found.labels:  # it came into sight between two reads
            version, refusal = self._current(spec)
        others = _others(spec, version)
        claimed = self._is_claimed(spec, version, found)
        place = _place(spec, version, found, refusal)
        if version is not None and version.fields.get(contract.CREDENTIAL_KEY) != spec.owner:
            version = replace(version, fields={})  # another's; no generation of it counts here
        return version, _Note(owner=spec.owner, place=place, claimed=claimed, others=others)

    def _current(self, spec: SecretSpec) -> tuple[Version | None, Refused | None]:
        """The current version, or the refusal that means "none"; raises every other."""
        try:
            told = self._aws.ask(
                "GetSecretValue", spec.name, SecretId=spec.name, VersionStage=CURRENT
            )
        except Refused as refusal:
            if refusal.code not in (NOT_FOUND, INVALID_REQUEST):
                raise
            return None, refusal
        return _version(told), None

    def _is_plainly_ours(self, spec: SecretSpec, version: Version) -> bool:
        """By its value, and by a name that no other environment writes to or that we looked at."""
        with self._lock:
            note = self._notes.get(spec.name)
        known = note is not None and note.owner == spec.owner and note.claimed
        safe = known or spec.name.startswith(f"{self._prefix}/")
        return safe and contract.is_ours(version.fields, spec.owner)

    def _is_claimed(self, spec: SecretSpec, version: Version | None, found: Found) -> bool:
        """Whether it has our tags; raises NotOurs where it has another's, or none and no leave."""
        if found.owner not in ("", spec.owner) or found.environment not in ("", self._prefix):
            whose = found.owner or "another credential"
            where = f" in {found.environment}" if found.environment else ""
            raise NotOurs(
                f"{spec.name} belongs to {whose}{where}",
                remedy="give this credential a secret of its own: [secret] name in the job file",
            )
        if found.service:
            raise NotOurs(
                f"{spec.name} is managed by the AWS service {found.service}",
                remedy="give this credential a secret of its own: [secret] name in the job file",
            )
        if found.owner:
            return True
        if not spec.adopt and not (version and contract.is_ours(version.fields, spec.owner)):
            raise NotOurs(
                f"{spec.name} was not made by rotator, and is left alone",
                remedy="choose another name; or, to take it over and keep its other keys, write "
                "in the job file:\n[secret]\nadopt = true",
            )
        return False

    # Notes and proofs

    def _noted(self, spec: SecretSpec) -> _Note:
        with self._lock:
            note = self._notes.get(spec.name)
        if note is None or note.owner != spec.owner:
            _, note = self._look(spec)
            self._write_down(spec, note)
        return note

    def _write_down(self, spec: SecretSpec, note: _Note) -> _Note:
        with self._lock:
            self._notes.pop(spec.name, None)
            self._notes[spec.name] = note
            if len(self._notes) > _MOST_NOTES:
                del self._notes[next(iter(self._notes))]
        return note

    def _cross_out(self, spec: SecretSpec) -> None:
        with self._lock:
            self._notes.pop(spec.name, None)

    def _is_proved(self, action: str, spec: SecretSpec) -> bool:
        with self._lock:
            proved_at = self._proofs.get(self._proof(action, spec))
        return proved_at is not None and (
            timedelta(0) <= self._clock.now() - proved_at < PROOF_LASTS
        )

    def _prove_by(self, action: str, spec: SecretSpec) -> None:
        with self._lock:
            self._proofs[self._proof(action, spec)] = self._clock.now()

    def _disprove(self, action: str, spec: SecretSpec) -> None:
        with self._lock:
            self._proofs.pop(self._proof(action, spec), None)

    def _proof(self, action: str, spec: SecretSpec) -> tuple[str, str, str]:
        """IAM tells names apart by prefix; a name outside ours proves only itself."""
        shelf = next(
            (
                start
                for start in (f"{self._prefix}/token/", f"{self._prefix}/keyring/")
                if spec.name.startswith(start)
            ),
            spec.name,
        )
        return action, shelf, spec.kms_key_id

    # Writing

    def _made_ready(self, spec: SecretSpec, *, make: bool = False) -> _Note:
        """Whatever must be so before a value goes in. A policy stands before the first value."""
        note = self._noted(spec)
        if note.place is _Place.NOWHERE and (make or spec.policy):
            self._create(spec, {})
            note = self._write_down(spec, replace(note, place=_Place.EMPTY))
        if note.place is _Place.DELETED:
            self._change("RestoreSecret", spec)
            self._cross_out(spec)
            note = self._noted(spec)
            if note.place is _Place.DELETED:
                raise StoreUnavailable(f"{spec.name} is still being restored")
        if note.place is not _Place.NOWHERE and not note.claimed:
            self._change("TagResource", spec, Tags=self._tags(spec))
            note = self._write_down(spec, replace(note, claimed=True))
        if note.place is _Place.EMPTY and spec.policy:
            self._change(
                "PutResourcePolicy", spec, ResourcePolicy=spec.policy, BlockPublicPolicy=True
            )
        return note

    def _put(
        self, spec: SecretSpec, note: _Note, version_id: str, fields: Mapping[str, str]
    ) -> Version:
        whole = {**fields, **{k: v for k, v in note.others.items() if k not in fields}}
        text = contract.encode(whole)
        made = Version(id=version_id, fields=whole, value=Secret(text))
        value = {"ClientRequestToken": version_id, "SecretString": text}
        if note.place is _Place.NOWHERE:
            self._create(spec, value)
            stages = [CURRENT]
        else:
            try:
                stages = self._change("PutSecretValue", spec, **value).get("VersionStages", [])
            except FenceLost:
                return self._still_current(spec, version_id, fields)
        self._write_down(spec, replace(note, place=_Place.FULL, claimed=True))
        return made if CURRENT in stages else self._still_current(spec, version_id, fields)

    def _still_current(
        self, spec: SecretSpec, version_id: str, fields: Mapping[str, str]
    ) -> Version:
        """The version that an earlier put of the same id made, if it holds ours and is current."""
        version = self.get(spec)
        if (
            version is None
            or version.id != version_id
            or not fields.items() <= version.fields.items()
        ):
            raise FenceLost(f"another version of {spec.name} is current, or holds something else")
        return version

    def _create(self, spec: SecretSpec, value: Mapping[str, str]) -> None:
        """With a value, or empty; empty it shows that we may, but not that the key works."""
        optional: dict[str, Any] = {
            "Description": spec.description,
            "KmsKeyId": spec.kms_key_id,
            "AddReplicaRegions": [{"Region": region} for region in spec.replica_regions],
        }
        params = {key: given for key, given in optional.items() if given}
        self._change("CreateSecret", spec, Tags=self._tags(spec), **params, **value)

    def _change(self, action: str, spec: SecretSpec, **params: Any) -> dict[str, Any]:
        target = "Name" if action == "CreateSecret" else "SecretId"
        try:
            answer = self._aws.ask(action, spec.name, **{target: spec.name}, **params)
        except Refused as refusal:
            self._disprove(action, spec)
            self._explain(action, spec, refusal)
            raise
        except StoreDenied:
            self._disprove(action, spec)
            raise
        finally:
            params.clear()
        self._prove_by(action, spec)
        return answer

    def _explain(self, action: str, spec: SecretSpec, refusal: Refused) -> None:
        """Raise what a refusal of that action means here, if it means more than itself."""
        if refusal.code == LIMIT and action == "PutSecretValue":
            raise VersionBudget(
                f"{spec.name} took too many versions in the last 24 hours",
                remedy="wait: AWS keeps every version for a day, and about a hundred in all; "
                "and find out who else writes to it",
            ) from None
        if refusal.code == EXISTS and action == "PutSecretValue":
            raise FenceLost(f"the version id is taken in {spec.name}") from None
        if refusal.code in (EXISTS, NOT_FOUND, INVALID_REQUEST):
            raise _Changed(refusal) from None

    def _tags(self, spec: SecretSpec) -> list[dict[str, str]]:
        tags = {**spec.tags, OWNER_TAG: spec.owner, ENVIRONMENT_TAG: self._prefix}
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def _same_bytes(self, spec: SecretSpec, current: Version) -> dict[str, Any]:
        if current.value:
            return {"SecretString": current.value.reveal()}
        told = self._aws.ask("GetSecretValue", spec.name, SecretId=spec.name, VersionStage=CURRENT)
        if told.get("VersionId") != current.id or "SecretBinary" not in told:
            raise FenceLost(f"{spec.name} was changed meanwhile")
        return {"SecretBinary": told["SecretBinary"]}


def _version(told: Mapping[str, Any]) -> Version:
    text: str = told.get("SecretString", "")
    return Version(id=told["VersionId"], fields=contract.decode(text), value=Secret(text))


def _others(spec: SecretSpec, version: Version | None) -> Mapping[str, str]:
    return contract.strings(version.value.reveal()) if version and spec.adopt else {}


def _found(name: str, told: Mapping[str, Any]) -> Found:
    return Found(
        name=name,
        tags={tag["Key"]: tag.get("Value", "") for tag in told.get("Tags", ())},
        kms_key_id=told.get("KmsKeyId", ""),
        deleted_at=told.get("DeletedDate"),
        labels={
            label: version_id
            for version_id, labels in told.get("VersionIdsToStages", {}).items()
            for label in labels
        },
        replicas={
            replica["Region"]: replica.get("Status", "")
            for replica in told.get("ReplicationStatus", ())
        },
        service=told.get("OwningService", ""),
    )


def _place(
    spec: SecretSpec, version: Version | None, found: Found, refusal: Refused | None
) -> _Place:
    if version is not None:
        return _Place.FULL
    if found.deleted_at is not None:
        return _Place.DELETED
    if CURRENT in found.labels:
        raise StoreUnavailable(f"{spec.name} cannot be read yet, though it is there")
    if refusal is not None and refusal.code == INVALID_REQUEST:
        raise refusal
    return _Place.EMPTY


def _restless(spec: SecretSpec, changed: _Changed | None) -> StoreDenied | StoreUnavailable:
    if changed is not None and changed.refusal.code == INVALID_REQUEST:
        return changed.refusal
    return StoreUnavailable(f"{spec.name} does not come to rest")
