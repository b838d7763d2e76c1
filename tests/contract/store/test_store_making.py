"""A secret is made on its first use, and restored where it was to be deleted."""

import json
from dataclasses import replace

import pytest

from rotator.clock import new_id
from rotator.errors import (
    NotOurs,
    StoreDenied,
    StoreUnavailable,
)
from tests.contract.store.stage import SHARED, SPEC, Bench, fields

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
