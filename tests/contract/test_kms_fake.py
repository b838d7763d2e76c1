"""The fake KMS, asked through real boto3: as strict as AWS, and with its errors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from rotator.sandbox.kms import Kms
from rotator.sandbox.secrets_manager_hook import kms_client_for
from rotator.sandbox.secrets_manager_http import serve

CONTEXT = {"purpose": "test", "ledger": "1"}


@pytest.fixture
def kms() -> Kms:
    return Kms(lambda: datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def arn(kms: Kms) -> str:
    return kms.create("alias/one")


@pytest.fixture
def client(kms: Kms) -> Any:
    return kms_client_for(kms, "worker")


def code(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    found: str = caught.value.response["Error"]["Code"]
    return found


def made(client: Any, key: str = "alias/one", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.generate_data_key(
        KeyId=key, **{"KeySpec": "AES_256", "EncryptionContext": CONTEXT, **more}
    )
    return answer


def test_what_it_wraps_it_unwraps(client: Any, arn: str) -> None:
    key = made(client)
    assert (key["KeyId"], len(key["Plaintext"])) == (arn, 32)
    for more in ({}, {"KeyId": arn}, {"KeyId": "alias/one"}):
        answer = client.decrypt(
            CiphertextBlob=key["CiphertextBlob"],
            EncryptionContext=dict(reversed(CONTEXT.items())),
            **more,
        )
        assert (answer["Plaintext"], answer["KeyId"]) == (key["Plaintext"], arn)
    assert len(made(client, KeySpec="AES_128")["Plaintext"]) == 16
    assert made(client)["Plaintext"] != key["Plaintext"]


def test_a_key_has_four_names(client: Any, arn: str) -> None:
    start, _, number = arn.rpartition(":key/")
    for name in (arn, number, "alias/one", f"{start}:alias/one"):
        assert made(client, name)["KeyId"] == arn


@pytest.mark.parametrize(
    "context", [{}, {"purpose": "test"}, {**CONTEXT, "more": ""}, {**CONTEXT, "ledger": "2"}]
)
@pytest.mark.usefixtures("arn")
def test_another_context_opens_nothing(client: Any, context: dict[str, str]) -> None:
    blob = made(client)["CiphertextBlob"]
    wrong = code(client.decrypt, CiphertextBlob=blob, EncryptionContext=context)
    assert wrong == "InvalidCiphertextException"


@pytest.mark.usefixtures("arn")
def test_what_it_did_not_wrap_it_refuses(client: Any, kms: Kms) -> None:
    blob = made(client)["CiphertextBlob"]
    kms.create("alias/two")
    for wrong in (b"x", blob[:-1], blob[:60], b"arn:nobody" + blob):
        answer = code(client.decrypt, CiphertextBlob=wrong, EncryptionContext=CONTEXT)
        assert answer == "InvalidCiphertextException"
    answer = code(client.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT, KeyId="alias/two")
    assert answer == "IncorrectKeyException"


@pytest.mark.parametrize(
    ("state", "refused"),
    [("Disabled", "DisabledException"), ("PendingDeletion", "KMSInvalidStateException")],
)
def test_a_key_that_is_off_does_nothing(
    client: Any, kms: Kms, arn: str, state: str, refused: str
) -> None:
    blob = made(client)["CiphertextBlob"]
    kms.keys[arn].state = state
    assert code(made, client=client) == refused
    assert code(client.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT) == refused


@pytest.mark.usefixtures("arn")
def test_unknown_keys_and_odd_wishes_are_refused(client: Any) -> None:
    assert code(made, client=client, key="alias/none") == "NotFoundException"
    assert code(made, client=client, key="00000000-0000-0000-0000-000000000000") == (
        "NotFoundException"
    )
    wishes = client.generate_data_key
    assert code(wishes, KeyId="alias/one") == "ValidationException"
    assert code(wishes, KeyId="alias/one", KeySpec="AES_256", NumberOfBytes=8) == (
        "ValidationException"
    )
    long = {"a": "x" * 9000}
    assert code(made, client=client, EncryptionContext=long) == "ValidationException"
    assert code(client.list_keys) == "UnknownOperationException"


def test_whoever_may_not_is_denied_by_action_and_arn(client: Any, kms: Kms, arn: str) -> None:
    kms.authorize = lambda who, action, resource, _: (
        (who, action, resource)
        == (
            "worker",
            "kms:GenerateDataKey",
            arn,
        )
    )
    blob = made(client)["CiphertextBlob"]
    with pytest.raises(ClientError, match=f"kms:Decrypt on resource: {arn}"):
        client.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)


@pytest.mark.usefixtures("arn")
def test_it_fails_on_request_and_counts(client: Any, kms: Kms) -> None:
    kms.faults.fail("Decrypt", "ThrottlingException")
    blob = made(client)["CiphertextBlob"]
    ask = {"CiphertextBlob": blob, "EncryptionContext": CONTEXT}
    assert code(client.decrypt, **ask) == "ThrottlingException"
    kms.faults.lose_replies("Decrypt")
    with pytest.raises(ConnectionClosedError):
        client.decrypt(**ask)
    assert client.decrypt(**ask)
    assert kms.stats.calls == {"GenerateDataKey": 1, "Decrypt": 3}
    assert [call.outcome for call in kms.stats.log] == [
        "ok", "ThrottlingException", "reply lost", "ok"
    ]  # fmt: skip


@pytest.mark.usefixtures("arn")
def test_another_process_reaches_it_over_http(kms: Kms) -> None:
    with serve(kms) as server:
        client = boto3.Session().client(
            "kms",
            endpoint_url=server.url,
            region_name="eu-central-1",
            aws_access_key_id="worker",
            aws_secret_access_key="x",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )
        assert made(client)
        client.close()
    assert kms.stats.log[0].principal == "worker"


@pytest.mark.parametrize(
    ("sent", "refused"),
    [
        ({"x-amz-target": "secretsmanager.Decrypt"}, "UnknownOperationException"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/r/secretsmanager/aws4_request"},
         "MissingAuthenticationTokenException"),
        ({"body": '{"CiphertextBlob": "!"}'}, "SerializationException"),
        ({"body": '{"KeyId": "alias/one", "EncryptionContext": {"a": 1}, "KeySpec": "AES_256"}',
          "x-amz-target": "TrentService.GenerateDataKey"}, "SerializationException"),
        ({"body": '{"KeyId": 7}', "x-amz-target": "TrentService.GenerateDataKey"},
         "ValidationException"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("arn")
def test_what_boto3_would_never_send_is_refused(
    kms: Kms, sent: dict[str, str], refused: str
) -> None:
    headers = {
        "x-amz-target": "TrentService.Decrypt",
        "content-type": "application/x-amz-json-1.1",
        "authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/r/kms/aws4_request",
        **sent,
    }
    body = headers.pop("body", "{}")
    with serve(kms) as server:
        connection = HTTPConnection("127.0.0.1", server.server_port)
        connection.request("POST", "/", body, headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
    assert answer["__type"] == refused
