"""One AWS secret: its versions, and which label sits where. Nothing here changes, all is replaced.

Recorded on AWS, and easily got wrong:

- AWSPREVIOUS follows AWSCURRENT by itself, to the version that AWSCURRENT left.
- AWSPENDING stays on a version that is promoted, and goes when AWSCURRENT leaves it.
- Every other label stays where it was put until it is moved by name.
- A version without a label is deprecated: hidden, and removed once there are more than a hundred,
  but never within a day of its making. That is what ends a secret that is written too often.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rotator.sandbox.secrets_manager_rules import AwsError, Value, check_label_count

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
MOST_VERSIONS = 100
KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    id: str
    value: Value
    created_at: datetime
    kms_key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSecret:
    name: str
    arn: str
    created_at: datetime
    changed_at: datetime
    description: str = ""
    kms_key_id: str = ""
    """Empty: AWS's own key."""
    policy: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    replicas: Mapping[str, str] = field(default_factory=dict)
    """Region -> KMS key; recorded, never carried out."""
    versions: Mapping[str, Version] = field(default_factory=dict)
    """In the order of their making."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Label -> version id, so that no label can be on two versions."""
    deleted_at: datetime | None = None
    purge_at: datetime | None = None

    def stages(self, version_id: str) -> list[str]:
        return sorted(label for label, holder in self.labels.items() if holder == version_id)

    def labelled(self) -> dict[str, list[str]]:
        """Version id -> labels, of those that have any."""
        return {version_id: self.stages(version_id) for version_id in self._holders()}

    def with_version(self, version: Version, stages: Iterable[str]) -> "AwsSecret":
        """One more version, carrying `stages`; the first of all is current whatever they say."""
        kept = self._trimmed(version.created_at)
        labels = dict(self.labels)
        for stage in sorted({*stages} if self.versions else {*stages, CURRENT}):
            labels = _moved(labels, stage, version.id)
        check_label_count(labels)
        return replace(self, versions={**kept, version.id: version}, labels=labels)

    def with_label(self, stage: str, move_to: str | None, take_from: str | None) -> "AwsSecret":
        """`stage` moved, attached or taken off; `take_from` is the one fence that AWS has."""
        self._check_move(stage, move_to, take_from)
        if move_to is None:
            labels = {label: holder for label, holder in self.labels.items() if label != stage}
        else:
            labels = _moved(self.labels, stage, move_to)
        check_label_count(labels)
        return replace(self, labels=labels)

    def under_key(self, kms_key_id: str) -> "AwsSecret":
        """Another key: what the three AWS labels hold is encrypted anew, older versions are not."""
        moved = {self.labels.get(label) for label in (CURRENT, PENDING, PREVIOUS)}
        versions = {
            version.id: replace(version, kms_key_id=kms_key_id) if version.id in moved else version
            for version in self.versions.values()
        }
        return replace(self, kms_key_id=kms_key_id, versions=versions)

    def _holders(self) -> list[str]:
        holders = set(self.labels.values())
        return [version_id for version_id in self.versions if version_id in holders]

    def _trimmed(self, now: datetime) -> dict[str, Version]:
        """The versions, less as many deprecated ones as must make room for one more."""
        kept = dict(self.versions)
        excess = len(kept) + 1 - MOST_VERSIONS
        if excess <= 0:
            return kept
        holders = set(self.labels.values())
        old = [
            v.id for v in kept.values() if v.id not in holders and now - v.created_at >= KEPT_FOR
        ]
        if len(old) < excess:
            raise AwsError(
                "LimitExceededException",
                f"The secret has {MOST_VERSIONS} versions, and none that could be removed.",
            )
        for version_id in old[:excess]:
            del kept[version_id]
        return kept

    def _check_move(self, stage: str, move_to: str | None, take_from: str | None) -> None:
        holder = self.labels.get(stage)
        if move_to is None and take_from is None:
            text = "You must specify MoveToVersionId, RemoveFromVersionId, or both."
        elif move_to is not None and move_to not in self.versions:
            text = f"Not a valid version: {move_to}"
        elif take_from is not None and take_from != holder:
            text = (
                f"RemoveFromVersionId must be the version that staging label {stage} is attached "
                f"to, which {take_from} is not."
            )
        elif take_from is None and holder not in (None, move_to):
            text = (
                f"The parameter RemoveFromVersionId can't be empty. Staging label {stage} is "
                f"currently attached to version {holder}, so you must explicitly reference that "
                "version in RemoveFromVersionId."
            )
        elif move_to is None and stage == CURRENT:
            text = "You can move staging label AWSCURRENT to another version, but not remove it."
        else:
            return
        raise AwsError("InvalidParameterException", text)


def _moved(labels: Mapping[str, str], stage: str, to: str) -> dict[str, str]:
    left = labels.get(stage)
    after = {**labels, stage: to}
    if stage == CURRENT and left is not None and left != to:
        after[PREVIOUS] = left
        if after.get(PENDING) == left:  # recorded for a put; taken to hold for a move as well
            del after[PENDING]
    return after
