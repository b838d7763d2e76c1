"""All that changes a secret in AWS: made ready, put, proved, moved back.

What a read has found out about a name is noted for the write after it: no write ever goes to a
name that was not looked at. A write is one PutSecretValue whose ClientRequestToken is the
version's id, so the same again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rotator.errors import FenceLost, StoreDenied, StoreUnavailable, VersionBudget
from rotator.model import Hidden, Secret
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
from rotator.store.notes import Note, Notes, Place, Proofs
from rotator.store.reading import CURRENT, ENVIRONMENT_TAG, OWNER_TAG, Reader

_TURNS = 4


class _Changed(Exception):
    """The secret is not as noted: look again. Never leaves this module."""

    def __init__(self, refusal: Refused) -> None:
        self.refusal = refusal


class Writer:
    """What it does to a secret begins with what was noted of it. Thread-safe."""

    def __init__(
        self, aws: AwsClient, reader: Reader, notes: Notes, proofs: Proofs, prefix: str
    ) -> None:
        self._aws = aws
        self._reader = reader
        self._notes = notes
        self._proofs = proofs
        self._prefix = prefix

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
                self._notes.cross_out(spec)
        raise _restless(spec, changed)

    def prove(self, spec: SecretSpec, current: Version | None) -> None:
        note = self._reader.noted(spec)
        action = "CreateSecret" if note.place is Place.NOWHERE else "PutSecretValue"
        as_usual = note.place in (Place.NOWHERE, Place.FULL) and note.claimed
        if as_usual and self._proofs.has(action, spec):
            return
        changed: _Changed | None = None
        for _ in range(_TURNS):
            try:
                if self._made_ready(spec, make=True).place is Place.FULL:
                    self.replay(spec, current or self._reader.look(spec)[0])
                return
            except _Changed as now:
                changed = now
                self._notes.cross_out(spec)
        raise _restless(spec, changed)

    def replay(self, spec: SecretSpec, current: Version | None) -> None:
        """Put the current version again, same id and bytes: AWS checks all and changes nothing."""
        if current is None:
            raise FenceLost(f"{spec.name} has no current version")
        self._reader.noted(spec)
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
        self._proofs.add("PutSecretValue", spec)

    def move_back(self, spec: SecretSpec, version_id: str, *, away_from: str) -> None:
        self._reader.noted(spec)
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

    def _made_ready(self, spec: SecretSpec, *, make: bool = False) -> Note:
        """Whatever must be so before a value goes in. A policy stands before the first value."""
        note = self._reader.noted(spec)
        if note.place is Place.NOWHERE and (make or spec.policy):
            self._create(spec, {})
            note = self._notes.write_down(spec, replace(note, place=Place.EMPTY))
        if note.place is Place.DELETED:
            self._change("RestoreSecret", spec)
            self._notes.cross_out(spec)
            note = self._reader.noted(spec)
            if note.place is Place.DELETED:
                raise StoreUnavailable(f"{spec.name} is still being restored")
        if note.place is not Place.NOWHERE and not note.claimed:
            self._change("TagResource", spec, Tags=self._tags(spec))
            note = self._notes.write_down(spec, replace(note, claimed=True))
        if note.place is Place.EMPTY and spec.policy:
            self._change(
                "PutResourcePolicy", spec, ResourcePolicy=spec.policy, BlockPublicPolicy=True
            )
        return note

    def _put(
        self, spec: SecretSpec, note: Note, version_id: str, fields: Mapping[str, str]
    ) -> Version:
        ours = contract.extended(fields, spec.templates)
        whole = Hidden({**ours, **{k: v for k, v in note.others.items() if k not in ours}})
        made = Version(id=version_id, fields=whole, value=Secret(contract.encode(whole)))
        value = Hidden(ClientRequestToken=version_id, SecretString=made.value.reveal())
        if note.place is Place.NOWHERE:
            self._create(spec, value)
            stages = [CURRENT]
        else:
            try:
                stages = self._change("PutSecretValue", spec, **value).get("VersionStages", [])
            except FenceLost:
                return self._still_current(spec, version_id, fields)
        self._notes.write_down(spec, replace(note, place=Place.FULL, claimed=True))
        return made if CURRENT in stages else self._still_current(spec, version_id, fields)

    def _still_current(
        self, spec: SecretSpec, version_id: str, fields: Mapping[str, str]
    ) -> Version:
        """The version that an earlier put of the same id made, if it holds ours and is current."""
        version = self._reader.look(spec)[0]
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
            self._proofs.drop(action, spec)
            self._explain(action, spec, refusal)
            raise
        except StoreDenied:
            self._proofs.drop(action, spec)
            raise
        finally:
            params.clear()
        self._proofs.add(action, spec)
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

    def _same_bytes(self, spec: SecretSpec, current: Version) -> Hidden:
        if current.value:
            return Hidden(SecretString=current.value.reveal())
        told = self._aws.ask("GetSecretValue", spec.name, SecretId=spec.name, VersionStage=CURRENT)
        if told.get("VersionId") != current.id or "SecretBinary" not in told:
            raise FenceLost(f"{spec.name} was changed meanwhile")
        return Hidden(SecretBinary=told["SecretBinary"])


def _restless(spec: SecretSpec, changed: _Changed | None) -> StoreDenied | StoreUnavailable:
    if changed is not None and changed.refusal.code == INVALID_REQUEST:
        return changed.refusal
    return StoreUnavailable(f"{spec.name} does not come to rest")
