"""The same again changes nothing, and what is somebody else's stays theirs."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from botocore.config import Config

from rotator.clock import new_id
from rotator.errors import (
    FenceLost,
    NotOurs,
    StoreUnavailable,
)
from rotator.sandbox.secrets_manager_hook import client_for
from tests.contract.store.stage import (
    SHARED,
    SPEC,
    Bench,
    fields,
)

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
