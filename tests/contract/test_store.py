"""SecretsManagerStore against the strict fake, through real boto3.

All of it runs under the worker's own IAM policy, so a call that the policy lacks fails here.
"""

import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from rotator import __version__
from rotator.clock import Clock, new_id
from rotator.errors import (
    FenceLost,
    NotOurs,
    StoreDenied,
    StoreError,
    StoreUnavailable,
    VersionBudget,
)
from rotator.model import Secret
from rotator.sandbox import secrets_manager_http
from rotator.sandbox.iam import Guard
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for
from rotator.sandbox.secrets_manager_http import serve
from rotator.sandbox.secrets_manager_wire import AwsService, Response, respond
from rotator.store.aws_client import AwsClient
from rotator.store.base import SecretSpec, Store
from rotator.store.secrets_manager import SecretsManagerStore

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
SPEC = SecretSpec(name="rotator/token/alation/etl", owner="alation/etl")
KEYRING = SecretSpec(name="rotator/keyring/alation/etl", owner="alation/etl")
SHARED = SecretSpec(name="team/shared", owner="alation/etl", adopt=True)
WORKER = Path(__file__).parents[2].joinpath("deploy/iam/worker.json").read_text()
POLICIES = [
    json.loads(WORKER),
    json.loads(WORKER.replace("rotator/token/*", "team/*")),  # as for any name of one's own
]
KEYS = {
    "alias/rotator": (
        "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    )
}


class Told(Clock):
    """A clock whose `now` moves when it is told to; waiting is real."""

    def __init__(self) -> None:
        super().__init__()
        self.instant = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant


class Bench:
    """The fake, and stores on it."""

    def __init__(self) -> None:
        self.clock = Told()
        self.service = SecretsManager(self.clock.now, self.clock.monotonic)
        self.service.account.authorize = Guard(self.service, {"worker": POLICIES}, KEYS)
        self.raw = client_for(self.service, config=ONCE)
        """A person with the AWS command line."""
        self.store = self.connect()

    def connect(self, **options: Any) -> SecretsManagerStore:
        """One more process."""
        options.setdefault("client", client_for(self.service, "worker", config=ONCE))
        clock = options.pop("clock", self.clock)
        return SecretsManagerStore(clock, writes_per_second=10_000, **options)

    def made(self, value: str | bytes, name: str = SHARED.name, **tags: str) -> None:
        """A secret that somebody else made."""
        kind = "SecretString" if isinstance(value, str) else "SecretBinary"
        labels = [{"Key": f"rotator:{key}", "Value": text} for key, text in tags.items()]
        self.raw.create_secret(Name=name, Tags=labels, **{kind: value})  # type: ignore[arg-type]

    def value(self, name: str = SPEC.name) -> dict[str, str]:
        told = self.raw.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        value: dict[str, str] = json.loads(told["SecretString"])
        return value

    def tags(self, name: str = SPEC.name) -> dict[str, str]:
        return {t["Key"]: t["Value"] for t in self.raw.describe_secret(SecretId=name)["Tags"]}

    def calls(self, *, since: int = 0) -> list[str]:
        return [call.operation for call in self.service.stats.log][since:]

    @property
    def now(self) -> int:
        """Where the log of calls is at."""
        return len(self.service.stats.log)

    def versions(self, name: str = SPEC.name) -> int:
        told = self.raw.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)
        return len(told["Versions"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fields(generation: int = 1, **more: str) -> dict[str, str]:
    return {
        "access_token": f"token-{generation}",
        "generation": str(generation),
        "provider": "alation",
        "credential": "alation/etl",
        "schema": "1",
        **more,
    }


# Made on first use


def test_a_secret_is_made_on_first_use(bench: Bench) -> None:
    spec = replace(
        SPEC,
        kms_key_id="alias/rotator",
        description="The token of alation/etl",
        tags={"team": "data"},
        replica_regions=("eu-west-1",),
        policy=json.dumps({"Version": "2012-10-17", "Statement": []}),
    )
    assert bench.store.get(spec) is None
    version = bench.store.put(spec, request := new_id(), fields())
    assert (version.id, version.generation) == (request, 1)
    assert bench.value() == fields()
    secret = bench.service.secret(SPEC.name)
    assert secret is not None
    assert secret.kms_key_id == "alias/rotator"
    assert secret.description == "The token of alation/etl"
    assert dict(secret.tags) == {
        "team": "data",
        "rotator:owner": "alation/etl",
        "rotator:environment": "rotator",
    }
    assert list(secret.replicas) == ["eu-west-1"]
    assert secret.policy == spec.policy


def test_its_policy_stands_before_its_first_value(bench: Bench) -> None:
    spec = replace(SPEC, policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
    bench.store.put(spec, new_id(), fields())
    writes = [call for call in bench.calls() if call not in ("GetSecretValue", "DescribeSecret")]
    assert writes == ["CreateSecret", "PutResourcePolicy", "PutSecretValue"]


def test_a_policy_that_failed_is_put_by_the_next_worker(bench: Bench) -> None:
    spec = replace(SPEC, policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
    bench.service.faults.fail("PutResourcePolicy", "InternalServiceError", status=500)
    with pytest.raises(StoreUnavailable):
        bench.store.put(spec, new_id(), fields())
    bench.connect().put(spec, new_id(), fields())
    secret = bench.service.secret(SPEC.name)
    assert secret is not None
    assert secret.policy == spec.policy


def test_one_call_makes_it_where_there_is_no_policy(bench: Bench) -> None:
    bench.store.get(SPEC)
    before = bench.now
    bench.store.put(SPEC, new_id(), fields())
    assert bench.calls(since=before) == ["CreateSecret"]


def test_keys_that_the_job_adds_are_published_with_the_others(bench: Bench) -> None:
    templates = {"authorization": "Bearer {access_token}", "both": "{provider} {generation}"}
    spec = replace(SPEC, templates=templates)
    version = bench.store.put(spec, new_id(), fields())
    added = {"authorization": "Bearer token-1", "both": "alation 1"}
    assert bench.value() == {**fields(), **added}
    assert bench.connect().get(spec) == version
    assert (version.generation, version.fields["credential"]) == (1, "alation/etl")


def test_what_a_token_holds_is_no_template(bench: Bench) -> None:
    spec = replace(SPEC, templates={"authorization": "{access_token}"})
    bench.store.put(spec, new_id(), fields(access_token="{generation}"))
    assert bench.value()["authorization"] == "{generation}"


def test_a_write_whose_reply_was_lost_is_done_though_the_job_was_edited_meanwhile(
    bench: Bench,
) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.store.put(SPEC, request := new_id(), fields(2))
    spec = replace(SPEC, templates={"authorization": "{access_token}"})
    assert bench.connect().get(spec)
    again = bench.store.put(spec, request, fields(2))
    assert (again.id, again.generation) == (request, 2)
    assert bench.value() == fields(2)
    bench.store.put(spec, new_id(), fields(3))
    assert bench.value()["authorization"] == "token-3"


def test_what_was_put_is_read_back(bench: Bench) -> None:
    version = bench.store.put(SPEC, new_id(), fields())
    assert bench.store.get(SPEC) == version
    assert bench.connect().get(SPEC) == version


def test_an_earlier_version_is_read_by_its_id_and_one_that_is_gone_is_none(bench: Bench) -> None:
    ids = [new_id(), new_id()]
    made = [bench.store.put(SPEC, each, fields(number)) for number, each in enumerate(ids, 1)]
    assert [bench.store.version(SPEC, each) for each in ids] == made
    assert bench.store.version(SPEC, new_id()) is None
    assert bench.store.version(replace(SPEC, name="rotator/token/alation/none"), ids[0]) is None
    bench.service.account.authorize = lambda *_: False
    with pytest.raises(StoreDenied):
        bench.store.version(SPEC, ids[0])


def test_a_read_of_ours_is_one_call_and_a_write_one_more(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    other, before = bench.connect(), bench.now
    other.get(SPEC)
    other.put(SPEC, new_id(), fields(2))
    assert bench.calls(since=before) == ["GetSecretValue", "PutSecretValue"]


def test_nothing_is_written_to_a_name_that_was_not_looked_at(bench: Bench) -> None:
    bench.made('{"password": "theirs"}', name=SPEC.name)
    with pytest.raises(NotOurs):
        bench.store.put(SPEC, new_id(), fields())
    assert bench.value() == {"password": "theirs"}


def test_a_secret_made_meanwhile_by_another_worker_of_ours_is_written_to(bench: Bench) -> None:
    assert bench.store.get(SPEC) is None
    bench.connect().put(SPEC, new_id(), fields())
    bench.store.put(SPEC, new_id(), fields(2))
    assert bench.value()["generation"] == "2"


def test_a_secret_made_meanwhile_by_a_stranger_is_not(bench: Bench) -> None:
    assert bench.store.get(SPEC) is None
    bench.made("theirs", name=SPEC.name)
    with pytest.raises(NotOurs):
        bench.store.put(SPEC, new_id(), fields())


def test_a_secret_deleted_meanwhile_is_made_anew(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.raw.delete_secret(SecretId=SPEC.name, ForceDeleteWithoutRecovery=True)
    bench.store.put(SPEC, new_id(), fields(2))
    assert bench.value()["generation"] == "2"


# Restored


def test_a_secret_scheduled_for_deletion_is_restored(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.raw.delete_secret(SecretId=SPEC.name)
    store = bench.connect()
    assert store.get(SPEC) is None
    store.put(SPEC, new_id(), fields(2))
    assert bench.value()["generation"] == "2"
    assert bench.versions() == 2


def test_so_is_one_deleted_between_look_and_write(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.raw.delete_secret(SecretId=SPEC.name)
    bench.store.put(SPEC, new_id(), fields(2))
    assert bench.value()["generation"] == "2"


def test_a_deleted_secret_of_another_owner_is_left_alone(bench: Bench) -> None:
    bench.made("{}", owner="amino/main", environment="rotator")
    bench.raw.delete_secret(SecretId=SHARED.name)
    with pytest.raises(NotOurs):
        bench.store.get(SHARED)


def test_a_restored_secret_keeps_the_keys_that_were_adopted(bench: Bench) -> None:
    bench.made('{"url": "https://x"}')
    bench.store.put(SHARED, new_id(), fields())
    bench.raw.delete_secret(SecretId=SHARED.name)
    bench.connect().put(SHARED, new_id(), fields(2))
    assert bench.value(SHARED.name) == {**fields(2), "url": "https://x"}


# The same again


def test_the_same_put_again_changes_nothing(bench: Bench) -> None:
    request = new_id()
    first = bench.store.put(SPEC, request, fields())
    assert bench.store.put(SPEC, request, fields()) == first
    assert bench.connect().put(SPEC, request, fields()) == first
    assert bench.versions() == 1


@pytest.mark.parametrize("generation", [1, 2], ids=["when_made", "when_written"])
def test_a_put_whose_reply_was_lost_is_done_by_putting_again(bench: Bench, generation: int) -> None:
    if generation == 2:
        bench.store.put(SPEC, new_id(), fields())
    bench.store.get(SPEC)
    request = new_id()
    bench.service.faults.lose_replies("CreateSecret" if generation == 1 else "PutSecretValue")
    with pytest.raises(StoreUnavailable):
        bench.store.put(SPEC, request, fields(generation))
    version = bench.store.put(SPEC, request, fields(generation))
    assert (version.id, bench.versions()) == (request, generation)


def test_a_lost_reply_is_asked_for_again_by_boto3_itself(bench: Bench) -> None:
    patient = Config(retries={"mode": "standard", "total_max_attempts": 3})
    store = bench.connect(client=client_for(bench.service, "worker", config=patient))
    store.get(SPEC)
    bench.service.faults.lose_replies("CreateSecret")
    store.put(SPEC, new_id(), fields())
    assert bench.versions() == 1


def test_an_id_that_other_bytes_took_is_a_lost_fence(bench: Bench) -> None:
    request = new_id()
    bench.store.put(SPEC, request, fields())
    with pytest.raises(FenceLost):
        bench.store.put(SPEC, request, fields(2))
    assert bench.value()["generation"] == "1"


def test_an_id_whose_version_holds_ours_in_other_bytes_is_done(bench: Bench) -> None:
    request = new_id()
    bench.store.put(SPEC, request, fields())
    shuffled = dict(reversed(fields().items()))
    assert bench.store.put(SPEC, request, shuffled).fields == fields()


def test_a_repeated_put_of_a_version_that_is_no_longer_current_is_a_lost_fence(
    bench: Bench,
) -> None:
    bench.store.put(SPEC, request := new_id(), fields())
    bench.store.put(SPEC, new_id(), fields(2))
    with pytest.raises(FenceLost):
        bench.store.put(SPEC, request, fields())
    assert bench.value()["generation"] == "2"


# Whose it is


@pytest.mark.parametrize(
    "value",
    ['{"password": "theirs"}', "plain", b"\x00\x01", '{"deep": {"er": 1}}', "[1]", "{}"],
    ids=["flat", "plain", "binary", "nested", "list", "empty"],
)
def test_a_secret_that_we_did_not_make_is_left_alone(bench: Bench, value: str | bytes) -> None:
    bench.made(value)
    with pytest.raises(NotOurs) as caught:
        bench.store.get(replace(SHARED, adopt=False))
    assert "[secret]\nadopt = true" in caught.value.remedy
    assert "theirs" not in str(caught.value)
    with pytest.raises(NotOurs):
        bench.store.put(replace(SHARED, adopt=False), new_id(), fields())
    assert bench.versions(SHARED.name) == 1


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ('{"password": "p", "url": "u"}', {"password": "p", "url": "u"}),
        ('{"url": "u", "access_token": "old"}', {"url": "u"}),
        ('{"url": "u", "deep": {"er": 1}, "port": 5432}', {"url": "u"}),
        ("plain", {}),
        (b"\x00\x01", {}),
        ("[1]", {}),
    ],
    ids=["flat", "overlapping", "mixed", "plain", "binary", "list"],
)
def test_an_adopted_secret_keeps_its_other_string_keys(
    bench: Bench, value: str | bytes, kept: Mapping[str, str]
) -> None:
    bench.made(value)
    first = bench.store.get(SHARED)
    assert first is not None
    assert first.fields == {}
    assert first.value.reveal() == (value if isinstance(value, str) else "")
    bench.store.put(SHARED, new_id(), fields())
    assert bench.value(SHARED.name) == {**fields(), **kept}
    bench.connect().put(SHARED, request := new_id(), fields(2))
    assert bench.connect().put(SHARED, request, fields(2)).fields == {**fields(2), **kept}
    assert bench.versions(SHARED.name) == 3


def test_adopting_puts_our_tags_on_it_first(bench: Bench) -> None:
    bench.made("plain")
    before = bench.now
    bench.store.put(replace(SHARED, tags={"team": "data"}), new_id(), fields())
    writes = [call for call in bench.calls(since=before) if call[:3] not in ("Get", "Des")]
    assert writes == ["TagResource", "PutSecretValue"]
    assert bench.tags(SHARED.name) == {
        "team": "data",
        "rotator:owner": "alation/etl",
        "rotator:environment": "rotator",
    }


def test_after_adoption_the_job_file_need_not_say_so_any_more(bench: Bench) -> None:
    bench.made('{"url": "u"}')
    bench.store.put(SHARED, new_id(), fields())
    version = bench.connect().get(replace(SHARED, adopt=False))
    assert version is not None
    assert version.fields == {**fields(), "url": "u"}


@pytest.mark.parametrize(
    "tags",
    [
        {"owner": "amino/main", "environment": "rotator"},
        {"owner": "alation/etl", "environment": "staging"},
        {"owner": "amino/main"},
        {"environment": "staging"},
    ],
    ids=["other_job", "other_environment", "other_job_alone", "other_environment_alone"],
)
@pytest.mark.parametrize("value", ["plain", json.dumps(fields())], ids=["plain", "ours"])
def test_a_secret_with_another_owners_tag_is_refused_always(
    bench: Bench, value: str, tags: dict[str, str]
) -> None:
    bench.made(value, **tags)
    for spec in (SHARED, replace(SHARED, adopt=False)):
        with pytest.raises(NotOurs) as caught:
            bench.store.get(spec)
        assert "adopt" not in caught.value.remedy
        with pytest.raises(NotOurs):
            bench.store.put(spec, new_id(), fields())
    assert bench.versions(SHARED.name) == 1


def test_a_value_of_another_credential_in_our_own_name_is_looked_at_closely(bench: Bench) -> None:
    bench.connect().put(
        replace(SPEC, owner="amino/main"), new_id(), fields(credential="amino/main")
    )
    with pytest.raises(NotOurs, match="belongs to amino/main"):
        bench.store.get(SPEC)


def test_a_strangers_value_in_a_secret_tagged_as_ours_counts_for_nothing(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields(3))
    for stranger in ('{"generation": "9"}', json.dumps(fields(9, credential="amino/main")), "x"):
        bench.raw.put_secret_value(SecretId=SPEC.name, SecretString=stranger)
        version = bench.connect().get(SPEC)
        assert version is not None
        assert (version.fields, version.generation) == ({}, 0)
    bench.store.put(SPEC, new_id(), fields(4))
    assert bench.value() == fields(4)


def test_two_environments_keep_apart_in_one_account(bench: Bench) -> None:
    staging = bench.connect(prefix="staging")
    shared = replace(SHARED, adopt=False)
    bench.store.put(shared, new_id(), fields())
    with pytest.raises(NotOurs, match="in rotator"):
        staging.get(shared)


def test_a_custom_name_costs_one_look_at_its_tags_a_process(bench: Bench) -> None:
    shared = replace(SHARED, adopt=False)
    bench.connect().put(shared, new_id(), fields())
    before = bench.now
    for _ in range(3):
        bench.store.get(shared)
    assert bench.calls(since=before).count("DescribeSecret") == 1


# What goes wrong


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("InternalServiceError", 500),
        ("ServiceUnavailableException", 503),
        ("SomethingNew", 502),
        ("RequestLimitExceeded", 400),
    ],
)
def test_a_trouble_that_passes_is_unavailable(bench: Bench, code: str, status: int) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.fail("*", code, status=status, times=2)
    with pytest.raises(StoreUnavailable):
        bench.store.get(SPEC)
    with pytest.raises(StoreUnavailable):
        bench.store.put(SPEC, new_id(), fields(2))


@pytest.mark.parametrize("how", ["closed", "503"])
def test_an_outage_is_unavailable(bench: Bench, how: str) -> None:
    bench.service.faults.go_dark(how)
    for ask in questions(bench.store):
        with pytest.raises(StoreUnavailable):
            ask()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDeniedException", "deploy/iam/worker.json"),
        ("ExpiredTokenException", "renew the AWS credentials"),
        ("UnrecognizedClientException", "renew the AWS credentials"),
        ("InvalidSignatureException", "clock"),
        ("EncryptionFailure", "kms:GenerateDataKey"),
        ("DecryptionFailure", "kms:Decrypt"),
        ("KMSAccessDeniedException", "kms:Decrypt"),
        ("InvalidParameterException", "console"),
        ("LimitExceededException", "console"),
        ("PublicPolicyException", "policy under [secret]"),
        ("MissingAuthenticationTokenException", "renew the AWS credentials"),
        ("SomethingNew", "console"),
    ],
)
def test_a_refusal_says_what_a_person_does(bench: Bench, code: str, said: str) -> None:
    bench.store.get(SPEC)
    bench.service.faults.fail("CreateSecret", code)
    with pytest.raises(StoreDenied) as caught:
        bench.store.put(SPEC, new_id(), fields())
    assert said in caught.value.remedy
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_denial_names_the_action_the_secret_and_the_kind_of_policy(bench: Bench) -> None:
    bench.service.account.authorize = lambda *_: False
    with pytest.raises(StoreDenied) as caught:
        bench.store.get(SPEC)
    assert str(caught.value).startswith(
        "AWS denies secretsmanager:GetSecretValue on rotator/token/alation/etl "
        "(arn:aws:secretsmanager:eu-central-1:111122223333:secret:rotator/token/alation/etl): "
        "no identity-based policy allows it"
    )


def test_an_unusable_key_is_a_matter_for_a_person(bench: Bench) -> None:
    spec = replace(SPEC, kms_key_id="alias/gone")
    bench.service.account.unusable_keys.add("alias/gone")
    with pytest.raises(StoreDenied, match="KMS"):
        bench.store.put(spec, new_id(), fields())


def test_too_many_versions_in_a_day_wait_for_hours(bench: Bench) -> None:
    for generation in range(1, 101):
        bench.store.put(SPEC, new_id(), fields(generation))
    with pytest.raises(VersionBudget):
        bench.store.put(SPEC, new_id(), fields(101))
    bench.clock.instant += timedelta(hours=24)
    bench.store.put(SPEC, new_id(), fields(101))
    assert bench.value()["generation"] == "101"


def test_a_name_that_never_comes_to_rest_is_unavailable(bench: Bench) -> None:
    bench.store.get(SPEC)
    bench.service.faults.fail("CreateSecret", "ResourceExistsException", times=99)
    with pytest.raises(StoreUnavailable, match="rest"):
        bench.store.put(SPEC, new_id(), fields())


def test_a_refused_request_that_looking_again_does_not_explain_is_shown(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.fail("PutSecretValue", "InvalidRequestException", times=99)
    with pytest.raises(StoreDenied, match="InvalidRequestException"):
        bench.store.put(SPEC, new_id(), fields(2))


class _Page(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()


@pytest.mark.parametrize("body", [b"<html>denied</html>", b"", b"[]"], ids=["html", "none", "list"])
def test_a_proxys_page_is_no_answer_of_aws(bench: Bench, body: bytes) -> None:
    def proxy(request: Any, **_: object) -> AWSResponse:
        return AWSResponse(request.url, 403, HTTPHeaders(), _Page(body))

    client = client_for(bench.service, config=ONCE)
    events: Any = client.meta.events
    events.register_first("before-send.secrets-manager.GetSecretValue", proxy)
    with pytest.raises(StoreUnavailable):
        bench.connect(client=client).get(SPEC)


def test_no_error_and_no_log_line_holds_what_was_put(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore.parsers").setLevel(logging.DEBUG)
    store, planted = bench.connect(), fields(access_token="PLANTED")
    store.put(SPEC, new_id(), planted)
    store.get(SPEC)
    bench.service.faults.fail("PutSecretValue", "ValidationException", times=9)
    with pytest.raises(StoreError) as caught:
        store.put(SPEC, new_id(), planted)
    assert "PLANTED" not in caplog.text
    assert "PLANTED" not in f"{caught.value!r} {caught.value} {caught.value.__dict__}"


# Reads that lag


def test_a_lagging_read_is_told_as_it_is(bench: Bench) -> None:
    bench.store.put(SPEC, old := new_id(), fields())
    bench.clock.instant += timedelta(minutes=1)
    bench.store.put(SPEC, new_id(), fields(2))
    bench.service.faults.lag = timedelta(seconds=30)
    version = bench.store.get(SPEC)
    assert version is not None
    assert version.id == old


def test_a_put_repeated_while_reads_lag_is_done(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.clock.instant += timedelta(minutes=1)
    bench.store.put(SPEC, request := new_id(), fields(2))
    bench.service.faults.lag = timedelta(seconds=30)
    assert bench.connect().put(SPEC, request, fields(2)).id == request


def test_a_secret_made_a_moment_ago_and_not_seen_yet_is_not_made_twice(bench: Bench) -> None:
    bench.clock.instant += timedelta(minutes=1)
    bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.lag = timedelta(seconds=30)
    other = bench.connect()
    assert other.get(SPEC) is None
    with pytest.raises(StoreUnavailable):
        other.put(SPEC, new_id(), fields(2))
    bench.service.faults.lag = timedelta(0)
    assert other.put(SPEC, new_id(), fields(2)).generation == 2


def test_a_secret_that_comes_into_sight_between_two_reads_is_read_again(bench: Bench) -> None:
    bench.store.put(SPEC, request := new_id(), fields())
    bench.service.faults.fail("GetSecretValue", "ResourceNotFoundException")
    version = bench.connect().get(SPEC)
    assert version is not None
    assert version.id == request


def test_a_secret_that_is_there_and_stays_unreadable_is_not_taken_for_none(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.fail("GetSecretValue", "ResourceNotFoundException", times=2)
    with pytest.raises(StoreUnavailable, match="cannot be read yet, though it is there"):
        bench.connect().get(SPEC)


# Proof


def test_a_proof_puts_the_current_version_again_and_makes_none(bench: Bench) -> None:
    version = bench.store.put(SPEC, new_id(), fields())
    store = bench.connect()
    current, before = store.get(SPEC), bench.now
    store.prove(SPEC, current)
    assert bench.calls(since=before) == ["PutSecretValue"]
    assert (bench.versions(), store.get(SPEC)) == (1, version)


def test_a_proof_lasts_ten_minutes_for_the_prefix_and_the_key(bench: Bench) -> None:
    clock = Told()
    store = bench.connect(clock=clock)
    names = [replace(SPEC, name=f"rotator/token/alation/{n}", owner=f"alation/{n}") for n in "abc"]
    first, second, third = names
    third = replace(third, kms_key_id="alias/other")
    current = {
        spec.name: store.put(spec, new_id(), fields(credential=spec.owner)) for spec in names
    }
    store.put(first, new_id(), fields(2, credential=first.owner))

    def cost(spec: SecretSpec) -> list[str]:
        before = bench.now
        store.prove(spec, current[spec.name])
        return bench.calls(since=before)

    assert cost(second) == []
    assert cost(third) == ["PutSecretValue"]
    clock.instant += timedelta(minutes=9)
    assert cost(second) == []
    clock.instant += timedelta(minutes=1)
    assert cost(second) == ["PutSecretValue"]
    clock.instant -= timedelta(days=1)  # it jumped; what lies ahead proves nothing
    assert cost(second) == ["PutSecretValue"]


def test_a_proof_for_the_token_prefix_is_none_for_the_keyrings(bench: Bench) -> None:
    keyring = {**fields(), "refresh_token": "r"}
    for generation in (1, 2):
        bench.store.put(SPEC, new_id(), fields(generation))
    current = bench.connect().put(KEYRING, new_id(), keyring)
    before = bench.now
    bench.store.prove(KEYRING, current)
    assert "PutSecretValue" in bench.calls(since=before)


def test_a_proof_where_there_is_nothing_makes_the_secret_empty(bench: Bench) -> None:
    bench.store.prove(SPEC, None)
    assert bench.versions() == 0
    assert bench.connect().get(SPEC) is None
    before = bench.now
    bench.store.put(SPEC, new_id(), fields())
    assert bench.calls(since=before) == ["PutSecretValue"]


def test_an_empty_secret_of_ours_is_written_to_by_the_next_worker(bench: Bench) -> None:
    bench.store.prove(SPEC, None)
    store = bench.connect()
    store.prove(SPEC, None)
    store.put(SPEC, new_id(), fields())
    assert bench.value() == fields()


def test_a_proof_restores_what_is_scheduled_for_deletion(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.raw.delete_secret(SecretId=SPEC.name)
    store = bench.connect()
    store.prove(SPEC, store.get(SPEC))
    assert bench.value() == fields()


@pytest.mark.parametrize("value", ["plain", b"\x00\x01"], ids=["plain", "binary"])
def test_a_proof_leaves_an_adopted_value_as_it_is(bench: Bench, value: str | bytes) -> None:
    bench.made(value)
    bench.store.prove(SHARED, bench.store.get(SHARED))
    told = bench.raw.get_secret_value(SecretId=SHARED.name)
    assert value in (told.get("SecretString"), told.get("SecretBinary"))
    assert bench.versions(SHARED.name) == 1
    assert bench.calls().count("PutSecretValue") == 1


def test_a_proof_fails_where_a_put_would(bench: Bench) -> None:
    current = bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.fail("PutSecretValue", "AccessDeniedException")
    with pytest.raises(StoreDenied):
        bench.store.prove(SPEC, current)


def test_a_denied_put_ends_the_proof(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    current = bench.store.put(SPEC, new_id(), fields(2))
    bench.service.faults.fail("PutSecretValue", "AccessDeniedException")
    with pytest.raises(StoreDenied):
        bench.store.put(SPEC, new_id(), fields(3))
    before = bench.now
    bench.store.prove(SPEC, current)
    assert bench.calls(since=before) == ["PutSecretValue"]


def test_a_replay_of_what_is_gone_is_a_lost_fence(bench: Bench) -> None:
    current = bench.store.put(SPEC, new_id(), fields())
    bench.raw.delete_secret(SecretId=SPEC.name)
    with pytest.raises(FenceLost):
        bench.store.replay(SPEC, current)


def test_a_proof_of_what_changes_all_the_time_is_unavailable(bench: Bench) -> None:
    bench.store.get(SPEC)
    bench.service.faults.fail("CreateSecret", "ResourceExistsException", times=99)
    with pytest.raises(StoreUnavailable, match="rest"):
        bench.store.prove(SPEC, None)


def test_a_replay_of_another_binary_than_the_current_is_a_lost_fence(bench: Bench) -> None:
    bench.made(b"\x00")
    current = bench.store.get(SHARED)
    bench.raw.put_secret_value(SecretId=SHARED.name, SecretBinary=b"\x01")
    with pytest.raises(FenceLost):
        bench.store.replay(SHARED, current)
    with pytest.raises(FenceLost):
        bench.store.replay(SHARED, None)


def test_a_replay_in_other_bytes_is_proof_enough_and_changes_nothing(bench: Bench) -> None:
    current = bench.store.put(SPEC, new_id(), fields())
    bench.store.replay(SPEC, replace(current, value=Secret("other")))
    assert (bench.value(), bench.versions()) == (fields(), 1)


# Moving back


def test_the_label_is_moved_back_to_an_older_version(bench: Bench) -> None:
    bench.store.put(SPEC, old := new_id(), fields())
    bench.store.put(SPEC, new := new_id(), fields(2))
    bench.store.move_back(SPEC, old, away_from=new)
    assert bench.value()["generation"] == "1"
    version = bench.store.get(SPEC)
    assert version is not None
    assert version.id == old


@pytest.mark.parametrize("away_from", ["old", "unknown"])
def test_a_label_that_sits_elsewhere_is_not_moved(bench: Bench, away_from: str) -> None:
    bench.store.put(SPEC, old := new_id(), fields())
    bench.store.put(SPEC, new_id(), fields(2))
    with pytest.raises(FenceLost):
        bench.store.move_back(SPEC, old, away_from=old if away_from == "old" else new_id())
    assert bench.value()["generation"] == "2"


def test_a_version_that_is_gone_is_not_moved_to(bench: Bench) -> None:
    bench.store.put(SPEC, current := new_id(), fields())
    with pytest.raises(FenceLost):
        bench.store.move_back(SPEC, new_id(), away_from=current)


def test_a_denied_move_is_no_lost_fence(bench: Bench) -> None:
    bench.store.put(SPEC, current := new_id(), fields())
    for code in ("LimitExceededException", "AccessDeniedException"):
        bench.service.faults.fail("UpdateSecretVersionStage", code)
        with pytest.raises(StoreDenied):
            bench.store.move_back(SPEC, new_id(), away_from=current)


def test_a_label_of_another_owner_is_not_moved(bench: Bench) -> None:
    bench.made("{}", owner="amino/main")
    with pytest.raises(NotOurs):
        bench.store.move_back(SHARED, new_id(), away_from=new_id())


# The value


@pytest.mark.parametrize(
    "wrong",
    [
        {"Access": "x"},
        {"a-b": "x"},
        {"credential": "amino/main"},
        {"schema": "2"},
        {"refresh_token": "r"},
        {"client_secret": "r"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_value_that_breaks_the_contract_is_never_sent(
    bench: Bench, wrong: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"contract|says|never"):
        bench.store.put(SPEC, new_id(), {**fields(), **wrong})
    assert bench.calls() == []


@pytest.mark.parametrize("wrong", [1, None, {"a": "b"}, True])
def test_a_value_that_is_no_string_is_never_sent(bench: Bench, wrong: Any) -> None:
    with pytest.raises(TypeError, match="expires_at is no string"):
        bench.store.put(SPEC, new_id(), {**fields(), "expires_at": wrong})


def test_a_keyring_may_hold_a_refresh_token(bench: Bench) -> None:
    bench.store.put(KEYRING, new_id(), {**fields(), "refresh_token": "r"})
    assert bench.value(KEYRING.name)["refresh_token"] == "r"


def test_a_value_too_long_for_aws_is_refused_naming_its_longest_key(bench: Bench) -> None:
    with pytest.raises(StoreDenied) as caught:
        bench.store.put(SPEC, new_id(), fields(access_token="x" * 65_536))
    assert "access_token" in caught.value.remedy
    assert "xxx" not in str(caught.value)


def test_the_longest_value_that_aws_takes_is_taken(bench: Bench) -> None:
    room = 65_535 - len(json.dumps(fields(access_token=""), separators=(",", ":")))
    bench.store.put(SPEC, new_id(), fields(access_token="x" * room))
    assert len(bench.value()["access_token"]) == room


def test_any_unicode_comes_home(bench: Bench) -> None:
    odd = fields(access_token='ü€𐍈\ud800\x00"\\')
    bench.store.put(SPEC, new_id(), odd)
    version = bench.connect().get(SPEC)
    assert version is not None
    assert version.fields == odd


# Seeds and checks


def test_a_seed_is_read_by_name_or_arn(bench: Bench) -> None:
    told = bench.raw.create_secret(Name="rotator/seed/alation", SecretString="s")
    bench.raw.create_secret(Name="rotator/seed/binary", SecretBinary=b"\x00")
    assert bench.store.read_secret("rotator/seed/alation") == "s"
    assert bench.store.read_secret(told["ARN"]) == "s"
    assert bench.store.read_secret("rotator/seed/binary") == b"\x00"
    assert bench.store.read_secret("rotator/seed/nothing") is None
    bench.raw.delete_secret(SecretId="rotator/seed/alation")
    assert bench.store.read_secret("rotator/seed/alation") is None


@pytest.mark.parametrize("name", [SPEC.name, KEYRING.name, "rotator/token/other/one"])
def test_a_seed_is_never_read_from_what_rotator_writes(bench: Bench, name: str) -> None:
    for one in (name, f"arn:aws:secretsmanager:eu-central-1:111122223333:secret:{name}-AbCdEf"):
        with pytest.raises(StoreDenied, match="never read"):
            bench.store.read_secret(one)
    assert bench.calls() == []


def test_a_secret_is_described_without_its_value(bench: Bench) -> None:
    assert bench.store.describe(SPEC) is None
    spec = replace(SPEC, tags={"team": "data"}, replica_regions=("eu-west-1",))
    bench.store.put(spec, request := new_id(), fields())
    found = bench.store.describe(SPEC)
    assert found is not None
    assert (found.owner, found.environment) == ("alation/etl", "rotator")
    assert found.labels == {"AWSCURRENT": request}
    assert list(found.replicas) == ["eu-west-1"]
    assert found.deleted_at is None
    bench.raw.tag_resource(SecretId=SPEC.name, Tags=[{"Key": "team", "Value": "x"}])


@pytest.mark.parametrize("ask", ["describe", "read_secret"])
def test_other_questions_are_refused_as_any(bench: Bench, ask: str) -> None:
    bench.service.account.authorize = lambda *_: False
    with pytest.raises(StoreDenied, match="AWS denies"):
        getattr(bench.store, ask)(SPEC if ask == "describe" else "rotator/seed/one")


def test_a_secret_that_an_aws_service_manages_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.made("theirs")
    told = bench.raw.describe_secret(SecretId=SHARED.name)
    ask = AwsClient.ask

    def managed(self: AwsClient, action: str, about: str, **params: Any) -> dict[str, Any]:
        if action == "DescribeSecret":
            return {**told, "OwningService": "rds"}
        return ask(self, action, about, **params)

    monkeypatch.setattr(AwsClient, "ask", managed)
    with pytest.raises(NotOurs, match="managed by the AWS service rds"):
        bench.store.get(SHARED)


# The client


def test_the_store_keeps_the_protocol(bench: Bench) -> None:
    store: Store = bench.store
    assert store is bench.store


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any AWS setting."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nowhere = "/nonexistent"
    monkeypatch.setenv("AWS_CONFIG_FILE", nowhere)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_a_missing_region_is_said_with_its_remedy(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreDenied) as caught:
        SecretsManagerStore(Clock()).get(SPEC)
    assert "AWS_REGION" in caught.value.remedy
    bare.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreDenied, match="AWS_PROFILE"):
        SecretsManagerStore(Clock()).get(SPEC)


def test_missing_credentials_are_said_with_their_remedy_and_found_once_they_are_there(
    bare: pytest.MonkeyPatch, bench: Bench
) -> None:
    bare.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with serve(bench.service) as server:
        bare.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url)
        store = SecretsManagerStore(bench.clock)
        with pytest.raises(StoreDenied) as caught:
            store.get(SPEC)
        assert "AWS_ACCESS_KEY_ID" in caught.value.remedy
        bare.setenv("AWS_ACCESS_KEY_ID", "worker")
        with pytest.raises(StoreDenied):
            store.get(SPEC)
        bare.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
        assert store.get(SPEC) is None
        store.close()


# Over HTTP


@pytest.fixture
def wired(bare: pytest.MonkeyPatch, bench: Bench) -> Iterator[Callable[..., SecretsManagerStore]]:
    """Stores as a worker makes them, on the fake's own HTTP."""
    made: list[SecretsManagerStore] = []
    with serve(bench.service) as server:
        bare.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url)
        bare.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        bare.setenv("AWS_ACCESS_KEY_ID", "worker")
        bare.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")

        def connect(**options: Any) -> SecretsManagerStore:
            made.append(SecretsManagerStore(bench.clock, **options))
            return made[-1]

        yield connect
        for store in made:
            store.close()


def test_a_life_over_http(wired: Callable[..., SecretsManagerStore], bench: Bench) -> None:
    store = wired()
    assert store.get(SPEC) is None
    store.reserve(2)
    store.put(SPEC, old := new_id(), fields())
    store.put(SPEC, new := new_id(), fields(2))
    store.move_back(SPEC, old, away_from=new)
    assert bench.value() == fields()


def test_aws_is_told_that_it_is_rotator_who_asks(
    wired: Callable[..., SecretsManagerStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def listening(service: AwsService, headers: Mapping[str, str], body: bytes) -> Response:
        heard.append(headers["user-agent"])
        return respond(service, headers, body)

    monkeypatch.setattr(secrets_manager_http, "respond", listening)
    assert wired().get(SPEC) is None
    (named,) = set(heard)
    assert named.startswith(f"rotator/{__version__} Boto3/{boto3.__version__} Botocore/")


def test_a_reply_lost_over_http_makes_one_version(
    wired: Callable[..., SecretsManagerStore], bench: Bench
) -> None:
    store = wired()
    store.get(SPEC)
    bench.service.faults.lose_replies("CreateSecret")
    store.put(SPEC, new_id(), fields())
    bench.service.faults.lose_replies("PutSecretValue")
    store.put(SPEC, new_id(), fields(2))
    assert bench.versions() == 2


@pytest.mark.usefixtures("bare")
def test_nobody_listening_is_unavailable(bench: Bench) -> None:
    with serve(bench.service) as server:
        url = server.url
    client = boto3.Session("a", "b", region_name="eu-central-1").client(
        "secretsmanager", endpoint_url=url, config=ONCE
    )
    with pytest.raises(StoreUnavailable, match="EndpointConnectionError"):
        bench.connect(client=client).get(SPEC)
    client.close()


def test_eight_threads_together_stay_within_the_budget(
    wired: Callable[..., SecretsManagerStore], bench: Bench
) -> None:
    """As AWS counts: its own fifty a second refuse nothing, and we take as long as ours say."""
    store = wired(writes_per_second=45, threads=8)
    bench.service.faults.throttle()
    specs = [replace(SPEC, name=f"rotator/token/alation/{n}") for n in range(8)]
    for spec in specs:
        store.put(spec, new_id(), fields())
    began, start = bench.clock.monotonic(), threading.Barrier(8)

    def rotate(spec: SecretSpec) -> None:
        start.wait(10)
        for generation in range(2, 14):
            store.reserve(1)
            store.put(spec, new_id(), fields(generation))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rotate, specs))
    seconds = bench.clock.monotonic() - began
    puts = [c for c in bench.service.stats.log if c.operation == "PutSecretValue"]
    assert [c.outcome for c in puts] == ["ok"] * 96
    assert seconds >= 95 / 45  # how late they arrive is the machine's affair


def questions(store: SecretsManagerStore) -> list[Callable[[], object]]:
    return [
        lambda: store.get(SPEC),
        lambda: store.put(SPEC, new_id(), fields()),
        lambda: store.prove(SPEC, None),
        lambda: store.move_back(SPEC, new_id(), away_from=new_id()),
        lambda: store.describe(SPEC),
        lambda: store.read_secret("rotator/seed/one"),
    ]
