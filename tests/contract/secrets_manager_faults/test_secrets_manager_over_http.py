"""The fake by HTTP and by the hook, and the switches that only HTTP has."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError

from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import attach
from rotator.sandbox.secrets_manager_http import SecretsManagerServer, serve
from tests.contract.secrets_manager.stage import code
from tests.contract.secrets_manager_faults.stage import Ticking, connected, put, read

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    pass


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
