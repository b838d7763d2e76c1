"""What `check` says of AWS: our rights, by calls that change nothing, and the policy we need."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rotator.cli.checks.findings import AWS, FAIL, OK, Finding
from rotator.cli.opening import House
from rotator.errors import StoreError, StoreUnavailable
from rotator.jobs.job import Credential
from rotator.references import Place
from rotator.store.base import SecretSpec
from rotator.store.kms import PURPOSE
from rotator.store.secrets_manager import SecretsManagerStore

_ACTIONS = (
    "CreateSecret",
    "DescribeSecret",
    "GetSecretValue",
    "PutSecretValue",
    "RestoreSecret",
    "TagResource",
    "UpdateSecretVersionStage",
)
_IF_SHARED = ("PutResourcePolicy", "ReplicateSecretToRegions")


def rights(store: SecretsManagerStore, chosen: Sequence[Credential]) -> Iterator[Finding]:
    """Describe and read every secret; put the last version again, once for each prefix and key.

    What is wrong with AWS itself (no Region, no answer) is told once, and nothing more is asked.
    """
    replayed: set[tuple[str, str]] = set()
    for credential in chosen:
        for kind, spec in credential.secrets.items():
            try:
                text = _tried(store, spec, (kind, spec.kms_key_id), replayed)
            except StoreError as error:
                if _is_general(error, spec):
                    yield _found(FAIL, AWS, "Secrets Manager", error.text, error.remedy)
                    return
                yield _found(FAIL, credential.job, credential.qualified, error.text, error.remedy)
            else:
                yield _found(OK, credential.job, credential.qualified, text)
    if chosen:
        yield _found(OK, AWS, "Secrets Manager", "Secrets Manager answers")


def _found(level: str, part: str, about: str, text: str, remedy: str = "") -> Finding:
    return Finding(level=level, part=part, about=about, what=AWS, text=text, remedy=remedy)


def _is_general(error: StoreError, spec: SecretSpec) -> bool:
    return isinstance(error, StoreUnavailable) or spec.name not in error.text


def is_denial(finding: Finding) -> bool:
    """Whether AWS knows us and says no, so that a look at the policy may help."""
    return finding.level == FAIL and "AWS denies " in finding.text


def _tried(
    store: SecretsManagerStore,
    spec: SecretSpec,
    group: tuple[str, str],
    replayed: set[tuple[str, str]],
) -> str:
    """What the worker may do with a secret. Raises StoreError."""
    found = store.describe(spec)
    version = store.get(spec)
    if found is None or version is None:
        return f"{spec.name} is not there yet: writing is tried with the first token"
    if found.owner != spec.owner or group in replayed:
        return f"{spec.name} can be described and read"
    store.replay(spec, version)
    replayed.add(group)
    return f"{spec.name} can be described, read and written"


def policy(house: House) -> dict[str, Any]:
    """The worker's IAM policy for the names that these job files use."""
    credentials = list(house.book.credentials.values())
    region = house.environ.get("AWS_REGION") or house.environ.get("AWS_DEFAULT_REGION") or "*"
    ours = _names(house, credentials)
    statements = [_statement("PublishTokensAndKeepKeyrings", _ACTIONS, region, ours)]
    shared = [c.token_secret for c in credentials]
    if special := sorted(s.name for s in shared if s.policy or s.replica_regions):
        statements.append(_statement("WhereAJobHasAPolicyOrReplicas", _IF_SHARED, region, special))
    if seeds := _seeds(credentials):
        statements.append(_statement("ReadSeeds", ("GetSecretValue",), region, seeds))
    if keys := sorted({spec.kms_key_id for c in credentials for spec in c.secrets.values()} - {""}):
        statements.append(_of_kms(region, keys))
    if house.settings.seal_kms_key:
        statements.append(_of_sealing(house.settings.seal_kms_key))
    return {"Version": "2012-10-17", "Statement": statements}


def _names(house: House, credentials: Sequence[Credential]) -> list[str]:
    """Our two prefixes, and every name that a job chose outside of them."""
    prefix = house.settings.secret_prefix
    usual = [f"{prefix}/token/", f"{prefix}/keyring/"]
    names = {spec.name for each in credentials for spec in each.secrets.values()}
    others = sorted(name for name in names if not name.startswith(tuple(usual)))
    return [*(f"{each}*" for each in usual), *(f"{each}-??????" for each in others)]


def _seeds(credentials: Sequence[Credential]) -> list[str]:
    refs = (ref for each in credentials for ref in each.seeds.values())
    names = {ref.name.rpartition(":secret:")[2] for ref in refs if ref.place is Place.SECRET}
    return sorted(f"{name}-??????" for name in names)


def _statement(
    sid: str, actions: Iterable[str], region: str, names: Iterable[str]
) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"secretsmanager:{action}" for action in actions],
        "Resource": [f"arn:aws:secretsmanager:{region}:*:secret:{name}" for name in names],
    }


def _of_kms(region: str, keys: Sequence[str]) -> dict[str, Any]:
    """Aliases cannot stand in a policy's Resource: the condition holds the key to one service."""
    arns = [key if key.startswith("arn:") else "*" for key in keys]
    return {
        "Sid": "WhereAKeyOfYourOwnIsUsed",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": sorted(set(arns)),
        "Condition": {"StringLike": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}},
    }


def _of_sealing(key: str) -> dict[str, Any]:
    return {
        "Sid": "SealWithAKeyOfYourOwn",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": key if key.startswith("arn:") else "*",
        "Condition": {"StringEquals": {"kms:EncryptionContext:purpose": PURPOSE}},
    }
