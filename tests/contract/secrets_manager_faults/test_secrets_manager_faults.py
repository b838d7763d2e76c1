"""Throttled, failing, silent, dark and late."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.contract.secrets_manager.stage import code, token
from tests.contract.secrets_manager_faults.stage import THRICE, World, put, read, versions

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def test_the_writes_share_a_bucket_that_refills_by_the_second(
    world: World, sm: SecretsManagerClient
) -> None:
    world.service.faults.throttle(3)
    put(sm, 2)
    sm.update_secret(SecretId="app", Description="d")
    sm.update_secret_version_stage(SecretId="app", VersionStage="l", MoveToVersionId=token(2))
    assert code(lambda: put(sm, 3)) == "ThrottlingException"
    read(sm)
    sm.create_secret(Name="elsewhere")
    world.clock.advance(1 / 3 + 0.001)
    put(sm, 3)
    assert code(lambda: put(sm, 4)) == "ThrottlingException"


def test_without_being_asked_it_throttles_nothing(world: World, sm: SecretsManagerClient) -> None:
    for number in range(2, 70):
        put(sm, number)
    assert world.service.stats.peak_writes_per_second == 68


def test_the_next_calls_fail_as_told_and_boto3_tries_again(
    world: World, sm: SecretsManagerClient
) -> None:
    world.service.faults.fail("PutSecretValue", "InternalServiceError", times=2, status=500)
    read(sm)
    put(world.connect(config=THRICE))
    assert [call.outcome for call in world.service.stats.log][-3:] == [
        "InternalServiceError",
        "InternalServiceError",
        "ok",
    ]


def test_a_reply_is_lost_after_the_deed(world: World, sm: SecretsManagerClient) -> None:
    world.service.faults.lose_replies("PutSecretValue")
    with pytest.raises(ConnectionClosedError):
        put(sm)
    assert read(sm) == "value 2"


def test_a_lost_reply_tried_again_makes_one_version(world: World, sm: SecretsManagerClient) -> None:
    world.service.faults.lose_replies("*")
    world.connect(config=THRICE).put_secret_value(SecretId="app", SecretString="two")
    assert world.service.stats.calls["PutSecretValue"] == 2
    assert len(versions(world)) == 2
    assert read(sm) == "two"


def test_a_lost_reply_to_a_creation_tried_again_makes_one_secret(world: World) -> None:
    world.service.faults.lose_replies("CreateSecret")
    world.connect(config=THRICE).create_secret(Name="new", SecretString="x")
    assert len(versions(world, "new")) == 1


def test_a_lost_promotion_tried_again_is_refused_by_its_own_fence(
    world: World, sm: SecretsManagerClient
) -> None:
    sm.put_secret_value(
        SecretId="app",
        SecretString="two",
        ClientRequestToken=token(2),
        VersionStages=["AWSPENDING"],
    )
    world.service.faults.lose_replies("UpdateSecretVersionStage")
    patient = world.connect(config=THRICE)
    promotion: dict[str, Any] = {
        "SecretId": "app",
        "VersionStage": "AWSCURRENT",
        "MoveToVersionId": token(2),
        "RemoveFromVersionId": token(1),
    }
    assert code(lambda: patient.update_secret_version_stage(**promotion)) == (
        "InvalidParameterException"
    )
    assert read(sm) == "two"


def test_a_dropped_call_does_nothing(world: World, sm: SecretsManagerClient) -> None:
    world.service.faults.drop("PutSecretValue")
    with pytest.raises(ConnectionClosedError):
        put(sm)
    assert versions(world) == [token(1)]
    put(sm)


def test_in_the_dark_nothing_answers_until_it_ends(world: World, sm: SecretsManagerClient) -> None:
    world.service.faults.go_dark(until=world.clock.now() + timedelta(minutes=5))
    with pytest.raises(ConnectionClosedError):
        read(sm)
    world.clock.advance(300)
    assert read(sm) == "one"


def test_in_the_dark_it_may_say_503(world: World, sm: SecretsManagerClient) -> None:
    world.service.faults.go_dark("503")
    with pytest.raises(ClientError) as caught:
        put(sm)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    world.service.faults.go_dark("")
    put(sm)


def test_reads_lag_and_writes_do_not(world: World, sm: SecretsManagerClient) -> None:
    world.service.faults.lag = timedelta(seconds=30)
    world.clock.advance(60)
    put(sm, 2)
    assert read(sm) == "one"
    assert list(sm.describe_secret(SecretId="app")["VersionIdsToStages"]) == [token(1)]
    stage: dict[str, Any] = {"VersionStage": "AWSCURRENT", "MoveToVersionId": token(1)}
    stale = {**stage, "RemoveFromVersionId": token(1)}
    assert code(lambda: sm.update_secret_version_stage(SecretId="app", **stale)) == (
        "InvalidParameterException"
    )
    world.clock.advance(30)
    assert read(sm) == "value 2"


def test_under_lag_a_new_secret_is_not_there_yet(world: World, sm: SecretsManagerClient) -> None:
    world.service.faults.lag = timedelta(minutes=5)
    assert code(lambda: read(sm)) == "ResourceNotFoundException"
    assert sm.list_secrets()["SecretList"] == []
    world.clock.advance(300)
    assert read(sm) == "one"


def test_a_clock_set_back_hides_nothing(world: World, sm: SecretsManagerClient) -> None:
    world.clock.instant -= timedelta(days=1)
    put(sm)
    assert read(sm) == "value 2"


def test_a_lag_beyond_what_is_remembered_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="at most 1:00:00"):
        world.service.faults.lag = timedelta(hours=2)


def test_latency_delays_every_call(world: World, sm: SecretsManagerClient) -> None:
    world.service.faults.latency = 0.25
    read(sm)
    put(sm)
    assert world.paused == [0.25, 0.25]


def test_cleared_it_is_as_new(world: World, sm: SecretsManagerClient) -> None:
    faults = world.service.faults
    faults.lag, faults.latency = timedelta(minutes=1), 1.0
    faults.throttle(0)
    faults.go_dark()
    faults.drop("*")
    faults.lose_replies("*")
    faults.clear()
    put(sm)
    assert (read(sm), world.paused) == ("value 2", [])
