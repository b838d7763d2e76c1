from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for
from rotator.sandbox.secrets_manager_http import SecretsManagerServer, serve
from tests.contract.secrets_manager.refusals import REFUSALS
from tests.contract.secrets_manager.stage import AWS_ONLY, CONFIG, Ticking, create

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "back_end" not in metafunc.fixturenames:
        return
    back_ends = ["hook", "http"]
    if metafunc.function.__name__ not in AWS_ONLY:
        back_ends.append("moto")
    if "refusal" not in metafunc.fixturenames:
        metafunc.parametrize("back_end", back_ends)
        return
    rows = [(end, row) for row in REFUSALS for end in back_ends if end != "moto" or row.moto]
    ids = [f"{row.what}-{end}".replace(" ", "_") for end, row in rows]
    metafunc.parametrize(("back_end", "refusal"), rows, ids=ids)


@pytest.fixture(scope="module")
def server() -> Iterator[SecretsManagerServer]:
    clock = Ticking()
    with serve(SecretsManager(clock.now)) as server:
        yield server


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session("worker", "sandbox", region_name="eu-central-1")


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def sm(
    back_end: str, clock: Ticking, session: boto3.Session, server: SecretsManagerServer
) -> Iterator[SecretsManagerClient]:
    """A client, and a secret `app` that holds "one" in version 1."""
    service = server.service = SecretsManager(clock.now)
    with mock_aws() if back_end == "moto" else nullcontext():
        client = {
            "hook": lambda: client_for(service, config=CONFIG),
            "http": lambda: session.client(
                "secretsmanager", endpoint_url=server.url, config=CONFIG
            ),
            "moto": lambda: session.client("secretsmanager", config=CONFIG),
        }[back_end]()
        create(client)
        yield client
    client.close()
