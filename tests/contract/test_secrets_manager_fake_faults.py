"""What the Secrets Manager fake can be made to do wrong, and what it counts; through real boto3."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import attach, client_for
from rotator.sandbox.secrets_manager_http import SecretsManagerServer, serve

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
THRICE = Config(retries={"mode": "standard", "total_max_attempts": 3})
PLANTED = "s3cret-that-nobody-may-see"


class Ticking:
    """Two clocks that move when they are told to."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class World:
    service: SecretsManager
    clock: Ticking
    connect: Callable[..., SecretsManagerClient]
    paused: list[float] = field(default_factory=list)


@pytest.fixture(scope="module")
def server() -> Iterator[SecretsManagerServer]:
    with serve(SecretsManager(Ticking().now)) as server:
        yield server


@pytest.fixture(params=["hook", "http"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    clock, paused = Ticking(), list[float]()
    service = SecretsManager(clock.now, clock.monotonic, pause=paused.append)
    clients: list[SecretsManagerClient] = []

    def connect(access_key_id: str = "worker", config: Config = ONCE) -> SecretsManagerClient:
        if request.param == "hook":
            client = client_for(service, access_key_id, config=config)
        else:
            server: SecretsManagerServer = request.getfixturevalue("server")
            server.service = service
            client = connected(server, access_key_id, config)
        clients.append(client)
        return client

    yield World(service, clock, connect, paused)
    for client in clients:
        client.close()


@pytest.fixture
def sm(world: World) -> SecretsManagerClient:
    """A client, and a secret `app` that holds "one" in version 1."""
    client = world.connect()
    client.create_secret(Name="app", SecretString="one", ClientRequestToken=token(1))
    return client


def connected(
    server: SecretsManagerServer, access_key_id: str = "worker", config: Config = ONCE
) -> SecretsManagerClient:
    return boto3.client(
        "secretsmanager",
        region_name="eu-central-1",
        endpoint_url=server.url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key="sandbox",
        config=config,
    )


def token(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def put(sm: SecretsManagerClient, number: int = 2) -> None:
    value = f"value {number}"
    sm.put_secret_value(SecretId="app", SecretString=value, ClientRequestToken=token(number))


def read(sm: SecretsManagerClient) -> str:
    return sm.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")["SecretString"]


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


def versions(world: World, name: str = "app") -> list[str]:
    secret = world.service.secret(name)
    return list(secret.versions) if secret else []


# Keys and permissions


def test_a_key_that_does_not_work_encrypts_nothing(world: World, sm: SecretsManagerClient) -> None:
    sm.create_secret(Name="other", KmsKeyId="alias/rotator")
    world.service.account.unusable_keys.add("alias/rotator")
    assert code(lambda: sm.put_secret_value(SecretId="other", SecretString="x")) == (
        "EncryptionFailure"
    )
    put(sm)


def test_a_key_that_stops_working_hides_what_it_encrypted(
    world: World, sm: SecretsManagerClient
) -> None:
    given: dict[str, Any] = {"SecretString": "x", "ClientRequestToken": token(7)}
    sm.create_secret(Name="other", KmsKeyId="alias/rotator", **given)
    world.service.account.unusable_keys.add("alias/rotator")
    assert code(lambda: sm.get_secret_value(SecretId="other")) == "DecryptionFailure"
    assert code(lambda: sm.put_secret_value(SecretId="other", **given)) == "DecryptionFailure"
    assert sm.describe_secret(SecretId="other")["KmsKeyId"] == "alias/rotator"


def test_another_key_is_for_the_current_version_too(world: World, sm: SecretsManagerClient) -> None:
    sm.update_secret(SecretId="app", KmsKeyId="alias/new")
    world.service.account.unusable_keys.add("alias/new")
    assert code(lambda: read(sm)) == "DecryptionFailure"


def test_a_principal_is_denied_in_the_words_of_aws(world: World, sm: SecretsManagerClient) -> None:
    arn = sm.describe_secret(SecretId="app")["ARN"]
    world.service.account.authorize = lambda principal, *_: principal != "reader"
    with pytest.raises(ClientError) as caught:
        put(world.connect("reader"))
    error = caught.value.response["Error"]
    assert error["Code"] == "AccessDeniedException"
    assert error["Message"] == (
        "User: arn:aws:iam::111122223333:user/reader is not authorized to perform: "
        f"secretsmanager:PutSecretValue on resource: {arn} because no identity-based policy "
        "allows the secretsmanager:PutSecretValue action"
    )
    put(world.connect("worker"))


def test_permission_is_asked_for_all_that_a_call_does(
    world: World, sm: SecretsManagerClient
) -> None:
    asked: list[tuple[str, str]] = []

    def authorize(_principal: str, action: str, arn: str, params: Any) -> bool:
        assert PLANTED not in str(params)
        asked.append((action.removeprefix("secretsmanager:"), arn.rpartition(":")[2]))
        return True

    world.service.account.authorize = authorize
    tags: list[Any] = [{"Key": "a", "Value": "b"}]
    sm.create_secret(Name="new", SecretString=PLANTED, Tags=tags)
    sm.list_secrets()
    sm.batch_get_secret_value(SecretIdList=["nowhere"])
    assert asked == [
        ("CreateSecret", "new"),
        ("TagResource", "new"),
        ("ListSecrets", "*"),
        ("BatchGetSecretValue", "*"),
        ("GetSecretValue", "nowhere"),
    ]


def test_denied_comes_before_not_found(world: World, sm: SecretsManagerClient) -> None:
    world.service.account.authorize = lambda *_: False
    assert code(lambda: sm.describe_secret(SecretId="nowhere")) == "AccessDeniedException"


# Faults


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


# Counts


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


# The two doors


def ask(server: SecretsManagerServer, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request(method, path, json.dumps(body))
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return answer.status, found


@pytest.fixture
def fresh(server: SecretsManagerServer) -> SecretsManagerServer:
    server.service = SecretsManager(Ticking().now)
    return server


def test_faults_are_set_over_http(fresh: SecretsManagerServer) -> None:
    sm = connected(fresh)
    sm.create_secret(Name="app")
    wanted = {
        "clear": True,
        "lag_seconds": 5,
        "latency_seconds": 0,
        "writes_per_second": 50,
        "fail": {"operation": "ListSecrets", "code": "AccessDeniedException"},
        "drop": {"operation": "TagResource", "times": 2},
        "lose_replies": {"operation": "PutSecretValue"},
    }
    assert ask(fresh, "POST", "/_sandbox/faults", wanted) == (200, {})
    assert code(sm.list_secrets) == "AccessDeniedException"
    assert code(lambda: read(sm)) == "ResourceNotFoundException"
    with pytest.raises(ConnectionClosedError):
        put(sm)
    assert ask(fresh, "POST", "/_sandbox/faults", {"outage": "503", "outage_seconds": 9})[0] == 200
    assert code(lambda: read(sm)) == "ServiceUnavailableException"
    assert ask(fresh, "POST", "/_sandbox/faults", {"clear": True})[0] == 200
    assert read(sm) == "value 2"
    sm.close()


@pytest.mark.parametrize(
    "wanted",
    [
        {"lags": 5},
        {"lag_seconds": "five"},
        {"lag_seconds": 7200},
        {"fail": {}},
        {"outage": "x"},
        [],
    ],
    ids=str,
)
def test_a_fault_that_makes_no_sense_is_refused(fresh: SecretsManagerServer, wanted: Any) -> None:
    status, answer = ask(fresh, "POST", "/_sandbox/faults", wanted)
    assert status == 400
    assert answer["error"]


def test_counts_and_calls_are_told_over_http(fresh: SecretsManagerServer) -> None:
    sm = connected(fresh)
    sm.create_secret(Name="app")
    put(sm)
    sm.close()
    assert ask(fresh, "GET", "/_sandbox/stats") == (
        200,
        {
            "calls": {"CreateSecret": 1, "PutSecretValue": 1},
            "versions": 1,
            "peak_writes_per_second": 1,
        },
    )
    _, calls = ask(fresh, "GET", "/_sandbox/calls")
    assert calls[0] == {
        "operation": "CreateSecret",
        "secret": "app",
        "at": "2026-01-01T12:00:00+00:00",
        "principal": "worker",
        "outcome": "ok",
    }
    assert ask(fresh, "GET", "/_sandbox/elsewhere") == (404, {})


@pytest.mark.parametrize(
    ("header", "value", "body", "refused"),
    [
        ("Authorization", "", "{}", "MissingAuthenticationTokenException"),
        ("X-Amz-Target", "secretsmanager.RotateSecret", "{}", "UnknownOperationException"),
        ("X-Amz-Target", "AmazonSSM.GetParameter", "{}", "UnknownOperationException"),
        ("Content-Type", "application/json", "{}", "UnknownOperationException"),
        ("Accept", "*/*", "[]", "SerializationException"),
        ("Accept", "*/*", "{", "SerializationException"),
        ("Accept", "*/*", '{"SecretId": "nowhere"}', "ResourceNotFoundException"),
        ("Accept", "*/*", '{"SecretId": "a", "SecretBinary": "?"}', "SerializationException"),
    ],
)
def test_a_request_must_be_as_aws_wants_it(
    fresh: SecretsManagerServer, header: str, value: str, body: str, refused: str
) -> None:
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "secretsmanager.DescribeSecret",
        "Authorization": "AWS4-HMAC-SHA256 "
        "Credential=worker/20260101/eu-central-1/secretsmanager/aws4_request, Signature=0",
    }
    connection = http.client.HTTPConnection("127.0.0.1", fresh.server_port)
    for _ in range(2):  # on one connection, which is kept open
        connection.request("POST", "/", body, {**headers, header: value})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["__type"]) == (400, refused)
    connection.close()


def test_a_body_too_large_is_not_read(fresh: SecretsManagerServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", fresh.server_port)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(1 << 30))
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 413
    connection.close()


def test_a_process_finds_it_by_the_environment(
    fresh: SecretsManagerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", fresh.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
    sm = boto3.Session().client("secretsmanager", region_name="eu-central-1")
    sm.create_secret(Name="app")
    sm.close()
    assert fresh.service.stats.log[0].principal == "somebody"


def test_stopping_ends_open_connections_and_their_threads() -> None:
    before = set(threading.enumerate())
    with serve(SecretsManager(Ticking().now)) as server:
        sm = connected(server)
        sm.create_secret(Name="app")
        assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before
    sm.close()


def test_a_session_is_led_to_it_by_the_hook() -> None:
    service = SecretsManager(Ticking().now)
    session = boto3.Session("worker", "sandbox", region_name="eu-central-1")
    attach(session.events, service)
    session.client("secretsmanager").create_secret(Name="app")
    assert service.secret("app") is not None


def test_many_threads_lose_no_write(world: World, sm: SecretsManagerClient) -> None:
    def work(thread: int) -> None:
        for number in range(10):
            sm.create_secret(Name=f"{thread}/{number}", SecretString="x")
            put(sm, 2)  # the same by all: one version

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert world.service.stats.versions == 1 + 80 + 1
    assert world.service.stats.calls == {"CreateSecret": 81, "PutSecretValue": 80}
