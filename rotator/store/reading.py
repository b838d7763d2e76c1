"""Reading a secret of AWS Secrets Manager, and telling whose it is.

Its value says so (`schema`, `credential`), and its tags (`rotator:owner`, `rotator:environment`);
where both are silent it is not ours. The tags are looked at only where the value leaves a doubt,
so a read is one call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rotator.errors import NotOurs, StoreDenied, StoreUnavailable
from rotator.model import Secret
from rotator.store import contract
from rotator.store.aws_client import AwsClient
from rotator.store.aws_errors import INVALID_REQUEST, NOT_FOUND, Refused
from rotator.store.base import SecretSpec, Version
from rotator.store.notes import Note, Notes, Place

CURRENT = "AWSCURRENT"
OWNER_TAG = "rotator:owner"
ENVIRONMENT_TAG = "rotator:environment"


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


class Reader:
    """All that changes nothing. Thread-safe."""

    def __init__(self, aws: AwsClient, notes: Notes, prefix: str) -> None:
        self._aws = aws
        self._notes = notes
        self._prefix = prefix

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

    def look(self, spec: SecretSpec) -> tuple[Version | None, Note]:
        """The current version if there is any, and where the secret stands, which is noted."""
        version, note = self._look(spec)
        return version, self._notes.write_down(spec, note)

    def noted(self, spec: SecretSpec) -> Note:
        """What is noted, after a look where nothing is."""
        return self._notes.get(spec) or self.look(spec)[1]

    def _look(self, spec: SecretSpec) -> tuple[Version | None, Note]:
        version, refusal = self.current(spec)
        if version is not None and self._is_plainly_ours(spec, version):
            others = _others(spec, version)
            return version, Note(owner=spec.owner, place=Place.FULL, others=others)
        found = self.describe(spec)
        if found is None:
            return None, Note(owner=spec.owner, place=Place.NOWHERE)
        if version is None and CURRENT in found.labels:  # it came into sight between two reads
            version, refusal = self.current(spec)
        others = _others(spec, version)
        claimed = self._is_claimed(spec, version, found)
        place = _place(spec, version, found, refusal)
        if version is not None and version.fields.get(contract.CREDENTIAL_KEY) != spec.owner:
            version = replace(version, fields={})  # another's; no generation of it counts here
        return version, Note(owner=spec.owner, place=place, claimed=claimed, others=others)

    def current(self, spec: SecretSpec) -> tuple[Version | None, Refused | None]:
        """The current version, or the refusal that means "none"; raises every other."""
        return self._get(spec, VersionStage=CURRENT)

    def version(self, spec: SecretSpec, version_id: str) -> Version | None:
        """An earlier version, whatever label it has or has not; None where it is gone."""
        return self._get(spec, VersionId=version_id)[0]

    def _get(self, spec: SecretSpec, **which: str) -> tuple[Version | None, Refused | None]:
        try:
            told = self._aws.ask("GetSecretValue", spec.name, SecretId=spec.name, **which)
        except Refused as refusal:
            if refusal.code not in (NOT_FOUND, INVALID_REQUEST):
                raise
            return None, refusal
        return _version(told), None

    def _is_plainly_ours(self, spec: SecretSpec, version: Version) -> bool:
        """By its value, and by a name that no other environment writes to or that we looked at."""
        note = self._notes.get(spec)
        known = note is not None and note.claimed
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
) -> Place:
    if version is not None:
        return Place.FULL
    if found.deleted_at is not None:
        return Place.DELETED
    if CURRENT in found.labels:
        raise StoreUnavailable(f"{spec.name} cannot be read yet, though it is there")
    if refusal is not None and refusal.code == INVALID_REQUEST:
        raise refusal
    return Place.EMPTY
