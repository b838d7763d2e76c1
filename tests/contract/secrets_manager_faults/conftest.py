from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from botocore.config import Config

from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for
from rotator.sandbox.secrets_manager_http import SecretsManagerServer, serve
from tests.contract.secrets_manager.stage import token
from tests.contract.secrets_manager_faults.stage import ONCE, Ticking, World, connected

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


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
