"""The policies in deploy/iam: enough for what we do, and nothing beyond it."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from rotator.clock import Clock, new_id
from rotator.errors import StoreDenied
from rotator.sandbox.iam import Guard, Policy, grounds_of
from rotator.sandbox.kms import Key, Kms
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for, kms_client_for
from rotator.store.base import SecretSpec
from rotator.store.kms import KmsKey
from rotator.store.secrets_manager import SecretsManagerStore

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FOLDER = Path(__file__).parents[2] / "deploy" / "iam"
WORKER: Policy = json.loads((FOLDER / "worker.json").read_text())
CONSUMER: Policy = json.loads((FOLDER / "consumer.json").read_text())
EVERYTHING: Policy = {
    "Statement": [
        {"Sid": "All", "Effect": "Allow", "Action": ["secretsmanager:*", "kms:*"], "Resource": "*"}
    ]
}
KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000000"
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWNER = "alation/etl"
TOKEN = SecretSpec(name="rotator/token/alation/etl", owner=OWNER, kms_key_id="alias/rotator")
KEYRING = SecretSpec(name="rotator/keyring/alation/etl", owner=OWNER, kms_key_id="alias/rotator")
SEED = "rotator/seed/alation"
FIELDS = {"access_token": "t", "credential": OWNER, "schema": "1"}


class Account:
    """Who may do what in the fake, by our own policies."""

    def __init__(self) -> None:
        self.service = SecretsManager(lambda: NOW)
        self.guard = Guard(
            self.service,
            {
                "worker": [WORKER],
                "consumer": [CONSUMER],
                "generous": [EVERYTHING, CONSUMER],
                "nobody": [],
            },
            {"alias/rotator": KEY, "alias/other": OTHER_KEY},
        )
        self.service.account.authorize = self.guard
        self.kms = Kms(lambda: NOW, authorize=self.guard)
        self.kms.keys[KEY] = Key(KEY)
        self.admin = self.client("admin")
        self.store = SecretsManagerStore(
            Clock(), client=self.client("worker"), writes_per_second=10_000
        )

    def client(self, principal: str) -> "SecretsManagerClient":
        return client_for(self.service, principal, config=ONCE)

    def live_through_all(self) -> None:
        """One life of ledger and secrets, with all that a worker ever does."""
        sealing = KmsKey(KEY, client=kms_client_for(self.kms, "worker"))
        key, wrapped, held_by = sealing.new_key(("ledger", "key"))
        assert sealing.unwrap(wrapped, held_by, ("ledger", "key")) == key
        admin = self.admin
        policy = json.dumps({"Version": "2012-10-17", "Statement": []})
        admin.create_secret(Name=SEED, SecretString="s", KmsKeyId="alias/rotator")
        assert self.store.read_secret(SEED) == "s"
        for spec in (
            replace(TOKEN, policy=policy, replica_regions=("eu-west-1",)),
            KEYRING,
        ):
            self.store.prove(spec, self.store.get(spec))
            first = self.store.put(spec, new_id(), FIELDS)
            second = self.store.put(spec, new_id(), FIELDS)
            self.store.replay(spec, second)
            self.store.move_back(spec, first.id, away_from=second.id)
            assert self.store.describe(spec) is not None
            if not spec.replica_regions:
                admin.delete_secret(SecretId=spec.name)
                self.store.put(spec, new_id(), FIELDS)
        other = replace(TOKEN, name="rotator/token/alation/old")
        self.store.put(other, new_id(), FIELDS)
        admin.delete_secret(SecretId=other.name)
        self.store.put(other, new_id(), FIELDS)


@pytest.fixture
def account() -> Account:
    return Account()


def refused(call: Callable[..., Any], **params: Any) -> bool:
    with pytest.raises(ClientError) as caught:
        call(**params)
    code: str = caught.value.response["Error"]["Code"]
    return code == "AccessDeniedException"


def test_the_worker_may_do_all_it_does_and_is_granted_nothing_else(account: Account) -> None:
    account.live_through_all()
    unused = grounds_of(WORKER) - account.guard.used
    assert unused == set()


def test_consumers_may_read_tokens_and_are_granted_nothing_else(account: Account) -> None:
    account.live_through_all()
    account.guard.used.clear()
    consumer, generous = account.client("consumer"), account.client("generous")
    value = consumer.get_secret_value(SecretId=TOKEN.name, VersionStage="AWSCURRENT")
    assert json.loads(value["SecretString"])["access_token"] == "t"
    consumer.describe_secret(SecretId=TOKEN.name)
    for name in (KEYRING.name, SEED):
        assert refused(generous.get_secret_value, SecretId=name)
    unused = grounds_of(CONSUMER) - account.guard.used
    assert unused == set()


@pytest.mark.parametrize("name", [KEYRING.name, SEED, "rotator/other", "team/shared"])
def test_a_consumer_reads_nothing_but_tokens(account: Account, name: str) -> None:
    account.live_through_all()
    for other in ("rotator/other", "team/shared"):
        account.admin.create_secret(Name=other, SecretString="s")
    consumer = account.client("consumer")
    assert refused(consumer.get_secret_value, SecretId=name)
    assert refused(consumer.describe_secret, SecretId=name)


def test_a_consumer_changes_nothing(account: Account) -> None:
    account.live_through_all()
    consumer = account.client("consumer")
    assert refused(consumer.put_secret_value, SecretId=TOKEN.name, SecretString="x")
    assert refused(consumer.create_secret, Name="rotator/token/x/y", SecretString="x")
    assert refused(consumer.delete_secret, SecretId=TOKEN.name)
    assert refused(consumer.tag_resource, SecretId=TOKEN.name, Tags=[{"Key": "a", "Value": "b"}])


def test_the_worker_deletes_nothing_and_leaves_other_names_alone(account: Account) -> None:
    account.live_through_all()
    worker = account.client("worker")
    account.admin.create_secret(Name="team/shared", SecretString="s")
    assert refused(worker.delete_secret, SecretId=TOKEN.name)
    assert refused(worker.get_secret_value, SecretId="team/shared")
    assert refused(worker.put_secret_value, SecretId=SEED, SecretString="x")
    assert refused(worker.list_secrets)
    assert refused(worker.get_resource_policy, SecretId=TOKEN.name)


def test_a_key_that_the_policy_does_not_name_is_refused(account: Account) -> None:
    with pytest.raises(StoreDenied):
        account.store.put(replace(TOKEN, kms_key_id="alias/other"), new_id(), FIELDS)
    account.admin.create_secret(
        Name=TOKEN.name, SecretString=json.dumps(FIELDS), KmsKeyId="alias/other"
    )
    assert refused(account.client("consumer").get_secret_value, SecretId=TOKEN.name)


def test_the_sealing_key_is_for_sealing_alone(account: Account) -> None:
    purposes = {"purpose": "rotator-seal", "ledger": "l", "key": "k"}
    kms = kms_client_for(account.kms, "worker")
    assert kms.generate_data_key(KeyId=KEY, KeySpec="AES_256", EncryptionContext=purposes)
    for other in ({}, {"purpose": "something else"}):
        assert refused(kms.generate_data_key, KeyId=KEY, KeySpec="AES_256", EncryptionContext=other)
    consumer = kms_client_for(account.kms, "consumer")
    assert refused(
        consumer.generate_data_key, KeyId=KEY, KeySpec="AES_256", EncryptionContext=purposes
    )


def test_whoever_has_no_policy_may_do_nothing(account: Account) -> None:
    account.live_through_all()
    assert refused(account.client("nobody").get_secret_value, SecretId=TOKEN.name)


@pytest.mark.parametrize("policy", [WORKER, CONSUMER], ids=["worker", "consumer"])
def test_no_statement_is_wide_open(policy: Policy) -> None:
    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert len(set(sids)) == len(sids)
    for statement in policy["Statement"]:
        if statement["Effect"] == "Allow":
            told = json.dumps([statement["Action"], statement["Resource"]])
            assert not re.search(r'"\*"|:\*"', told), told


@pytest.mark.parametrize(
    "statement",
    [
        {"NotAction": "kms:*"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ],
    ids=["element", "operator"],
)
def test_policy_language_that_is_not_judged_here_is_not_passed_over(
    statement: dict[str, Any],
) -> None:
    service = SecretsManager(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    whole = {"Sid": "x", "Effect": "Allow", "Action": "*", "Resource": "*", **statement}
    guard = Guard(service, {"one": [{"Statement": [whole]}]})
    with pytest.raises(ValueError, match="not judged here"):
        guard("one", "secretsmanager:ListSecrets", "*", {})
