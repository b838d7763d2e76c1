"""What a secret holds, and what is read of seeds."""

import json
from dataclasses import replace
from typing import Any

import pytest

from rotator.clock import new_id
from rotator.errors import (
    NotOurs,
    StoreDenied,
)
from rotator.store.aws_client import AwsClient
from tests.contract.store.stage import KEYRING, SHARED, SPEC, Bench, fields

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
