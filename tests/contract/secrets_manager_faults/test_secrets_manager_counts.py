"""What it counts and logs, and that no value is in it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for
from tests.contract.secrets_manager.stage import code, token
from tests.contract.secrets_manager_faults.stage import PLANTED, Ticking, World, put, read

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def test_calls_and_versions_are_counted(world: World, sm: SecretsManagerClient) -> None:
    put(sm, 2)
    put(sm, 2)
    read(sm)
    assert world.service.stats.calls == {
        "CreateSecret": 1,
        "PutSecretValue": 2,
        "GetSecretValue": 1,
    }
    assert world.service.stats.versions == 2


def test_the_peak_is_the_most_writes_in_any_one_second(
    world: World, sm: SecretsManagerClient
) -> None:
    for number, at in enumerate([0.0, 0.6, 0.9, 1.0, 1.5, 3.0], start=2):
        world.clock.advance(at - world.clock.seconds)
        put(sm, number)
        read(sm)
    assert world.service.stats.peak_writes_per_second == 4  # at 0.6, 0.9, 1.0 and 1.5


def test_the_log_tells_every_call_in_order(world: World, sm: SecretsManagerClient) -> None:
    arn = sm.describe_secret(SecretId="app")["ARN"]
    world.clock.advance(5)
    reader = world.connect("reader")
    assert code(lambda: reader.get_secret_value(SecretId=arn, VersionStage="x")) == (
        "ResourceNotFoundException"
    )
    assert [tuple(call) for call in world.service.stats.log] == [
        ("CreateSecret", "app", world.clock.now() - timedelta(seconds=5), "worker", "ok"),
        ("DescribeSecret", "app", world.clock.now() - timedelta(seconds=5), "worker", "ok"),
        ("GetSecretValue", "app", world.clock.now(), "reader", "ResourceNotFoundException"),
    ]


def test_a_log_may_be_bounded() -> None:
    service = SecretsManager(Ticking().now, log_size=2)
    sm = client_for(service)
    for name in ("a", "b", "c"):
        sm.create_secret(Name=name)
    assert [call.secret for call in service.stats.log] == ["b", "c"]


def test_no_value_is_in_a_log_an_error_or_a_representation(
    world: World, sm: SecretsManagerClient
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: sm.put_secret_value(SecretId="app", SecretString=PLANTED * 5000),
        lambda: sm.put_secret_value(
            SecretId="app", SecretString=PLANTED, ClientRequestToken=token(1)
        ),
        lambda: sm.put_secret_value(SecretId="nowhere", SecretString=PLANTED),
        lambda: sm.create_secret(Name="app", SecretString=PLANTED),
        lambda: sm.get_secret_value(SecretId=f"{PLANTED}?"),
    ]
    for call in calls:
        with pytest.raises(ClientError) as caught:
            call()
        assert PLANTED not in str(caught.value.response)
    sm.put_secret_value(SecretId="app", SecretString=PLANTED)
    assert PLANTED not in str(world.service.stats.log_as_json())
    assert PLANTED not in repr(world.service.secret("app"))


def test_many_threads_lose_no_write(world: World, sm: SecretsManagerClient) -> None:
    def work(thread: int) -> None:
        for number in range(10):
            sm.create_secret(Name=f"{thread}/{number}", SecretString="x")
            put(sm, 2)  # the same by all: one version

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert world.service.stats.versions == 1 + 80 + 1
    assert world.service.stats.calls == {"CreateSecret": 81, "PutSecretValue": 80}
