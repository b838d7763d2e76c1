"""Real boto3 against the strict Secrets Manager fake over HTTP, under the consumer's own policy."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from rotator.client import (
    AccessDenied,
    MalformedSecret,
    SecretNotFound,
    SecretsManager,
    Token,
    TokenError,
    Unavailable,
)
from rotator.client.testing import FakeClock, FakeSecret
from rotator.clock import Clock, new_id
from rotator.sandbox.iam import Guard
from rotator.sandbox.secrets_manager import SecretsManager as Fake
from rotator.sandbox.secrets_manager_faults import Faults
from rotator.sandbox.secrets_manager_http import SecretsManagerServer, serve
from rotator.sandbox.stage import only
from tests.client.plays import MINUTE, NAME

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CONSUMER = Path(__file__).parents[2].joinpath("deploy/iam/consumer.json").read_text()


@pytest.fixture
def server() -> Iterator[SecretsManagerServer]:
    """Under the consumer's own IAM policy: whoever signs as `consumer`."""
    clock = Clock()
    service = Fake(clock.now, clock.monotonic)
    service.account.authorize = Guard(service, {"consumer": [json.loads(CONSUMER)]}, {})
    with serve(service) as server, only(environ(server.url)):
        yield server


def environ(url: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": url,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "consumer",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


class Worker:
    """Publishes as the worker does, in place of one."""

    def __init__(self, server: SecretsManagerServer) -> None:
        self._client = boto3.Session(
            region_name="eu-central-1", aws_access_key_id="worker", aws_secret_access_key="sandbox"
        ).client("secretsmanager")
        self._secret = FakeSecret(NAME)
        self.server = server
        self.create(NAME, self._secret(NAME))

    def create(self, name: str, text: str | None) -> None:
        self._client.create_secret(Name=name, SecretString=text or "")

    def publish(self) -> None:
        self._secret.rotate()
        text = self._secret(NAME) or ""
        self._client.put_secret_value(SecretId=NAME, SecretString=text, ClientRequestToken=new_id())

    def delete(self) -> None:
        self._client.delete_secret(SecretId=NAME)

    @property
    def reads(self) -> int:
        log = self.server.service.stats.log
        return sum(call.operation == "GetSecretValue" for call in log)


@pytest.fixture
def worker(server: SecretsManagerServer) -> Worker:
    return Worker(server)


def fetch() -> SecretsManager:
    """With a client of its own: the shared one remembers the endpoint of an earlier test."""
    return SecretsManager()


def test_a_token_is_read_as_the_consumers_policy_allows(worker: Worker) -> None:
    token = Token(NAME, fetch=fetch())
    assert (token.value, token.generation) == ("fake-token-1", 1)
    assert worker.reads == 1


@pytest.mark.usefixtures("worker")
def test_the_label_is_named_for_policies_that_ask_for_it() -> None:
    asked = []

    def watching() -> "SecretsManagerClient":
        client = boto3.Session(region_name="eu-central-1").client("secretsmanager")
        client.meta.events.register(
            "provide-client-params.secrets-manager.GetSecretValue",
            lambda params, **_: asked.append(params),
        )
        return client

    assert Token(NAME, fetch=SecretsManager(watching)).generation == 1
    assert asked == [{"SecretId": NAME, "VersionStage": "AWSCURRENT"}]


def test_what_the_worker_publishes_next_is_read_after_a_refusal(worker: Worker) -> None:
    token = Token(NAME, fetch=fetch())
    refused = token.value
    worker.publish()
    assert token.value == refused
    assert token.refused(refused)
    assert token.value == "fake-token-2"
    assert worker.reads == 2


def test_tasks_share_one_read(worker: Worker) -> None:
    token = Token(NAME, fetch=fetch())

    async def play() -> set[str]:
        return {each.value for each in await asyncio.gather(*(token.aget() for _ in range(50)))}

    assert asyncio.run(play()) == {"fake-token-1"}
    assert worker.reads == 1


def test_many_tokens_share_one_client(worker: Worker) -> None:
    made = []

    def counted() -> "SecretsManagerClient":
        made.append(1)
        return boto3.Session(region_name="eu-central-1").client("secretsmanager")

    shared = SecretsManager(counted)
    tokens = [Token(NAME, fetch=shared) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda token: token.generation, tokens)) == {1}
    assert (len(made), worker.reads) == (1, 8)


def test_an_outage_of_secrets_manager_goes_unnoticed_while_the_token_lives(worker: Worker) -> None:
    clock = FakeClock()
    token = Token(NAME, fetch=fetch(), clock=clock)
    assert token.generation == 1
    worker.server.service.faults.go_dark()
    for _ in range(3):
        clock.advance(10 * MINUTE)
        assert token.generation == 1


def refuses(call: Callable[[Worker], None], name: str = NAME) -> Callable[[Worker], str]:
    def prepared(worker: Worker) -> str:
        call(worker)
        return name

    return prepared


def faulty(call: Callable[[Faults], None]) -> Callable[[Worker], str]:
    return refuses(lambda worker: call(worker.server.service.faults))


def failing(code: str, status: int = 400) -> Callable[[Worker], str]:
    return faulty(lambda faults: faults.fail("GetSecretValue", code, times=9, status=status))


TROUBLES: dict[str, tuple[Callable[[Worker], str], type[TokenError], str]] = {
    "no secret": (refuses(lambda _: None, "rotator/token/no/one"), SecretNotFound, "AWS_REGION"),
    "deleted": (refuses(Worker.delete), SecretNotFound, "being deleted"),
    "another's": (refuses(lambda _: None, "rotator/keyring/a/b"), AccessDenied, "GetSecretValue"),
    "kms": (failing("DecryptionFailure"), AccessDenied, "kms:Decrypt"),
    "credentials": (failing("UnrecognizedClientException"), AccessDenied, "credentials"),
    "throttled": (failing("ThrottlingException"), Unavailable, "throttles"),
    "broken": (failing("InternalServiceError", 500), Unavailable, "HTTP 500"),
    "dark": (faulty(lambda faults: faults.go_dark()), Unavailable, "network"),
    "not ours": (
        refuses(lambda worker: worker.create("rotator/token/a/c", "hunter2"), "rotator/token/a/c"),
        MalformedSecret,
        "rotator publishes",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_has_its_error_with_name_and_remedy(
    worker: Worker, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    prepare, error, said = TROUBLES[trouble]
    name = prepare(worker)
    quick = Config(retries={"total_max_attempts": 1})
    reader = SecretsManager(
        lambda: boto3.Session(region_name="eu-central-1").client("secretsmanager", config=quick)
    )
    with pytest.raises(TokenError) as caught:
        _ = Token(name, fetch=reader).value
    assert type(caught.value) is error
    assert said in str(caught.value)
    assert str(caught.value).startswith(name)
    assert "hunter2" not in f"{caught.value!r} {caplog.text}"


@pytest.mark.parametrize(
    ("missing", "error", "said"),
    [
        ("AWS_ACCESS_KEY_ID", AccessDenied, "a role"),
        ("AWS_SECRET_ACCESS_KEY", AccessDenied, "a role"),
        ("REGION", Unavailable, "set AWS_REGION"),
    ],
)
def test_what_is_missing_on_this_side_is_told(
    server: SecretsManagerServer, missing: str, error: type[TokenError], said: str
) -> None:
    there = {name: value for name, value in environ(server.url).items() if missing not in name}
    with only(there), pytest.raises(error, match=said):
        _ = Token(NAME, fetch=fetch()).value


def test_a_forked_child_has_a_client_of_its_own(worker: Worker) -> None:
    script = f"""
import os, sys
from rotator.client import SecretsManager, Token
from rotator.client.aws import default_client

made = []
token = Token({NAME!r}, fetch=SecretsManager(lambda: made.append(os.getpid()) or default_client()))
assert token.generation == 1
child = os.fork()
if not child:
    assert not token.refused(token.value)
    assert made == [os.getppid(), os.getpid()], made
    os._exit(0)
_, status = os.waitpid(child, 0)
assert not token.refused(token.value)
assert made == [os.getpid()], made
sys.exit(os.waitstatus_to_exitcode(status))
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert worker.reads >= 3


def test_nothing_but_boto3_is_imported_and_that_only_to_read() -> None:
    script = """
import sys
import rotator.client, rotator.client.testing
assert not {"boto3", "botocore", "httpx", "requests", "asyncio", "pydantic"} & set(sys.modules)
ours = {name for name in sys.modules if name.startswith("rotator.")}
assert all(name.startswith("rotator.client") for name in ours), ours
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
