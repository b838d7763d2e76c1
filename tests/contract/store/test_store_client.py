"""boto3 as the store sets it up, over HTTP."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from rotator import __version__
from rotator.clock import Clock, new_id
from rotator.errors import (
    StoreDenied,
    StoreUnavailable,
    StoreUnset,
)
from rotator.sandbox import secrets_manager_http
from rotator.sandbox.secrets_manager_http import serve
from rotator.sandbox.secrets_manager_wire import AwsService, Response, respond
from rotator.store.aws_client import refuse_without_region
from rotator.store.base import SecretSpec, Store
from rotator.store.secrets_manager import SecretsManagerStore
from rotator.triage import outcome_of, trouble_of
from tests.contract.store.stage import ONCE, SPEC, Bench, fields

# The client


def test_the_store_keeps_the_protocol(bench: Bench) -> None:
    store: Store = bench.store
    assert store is bench.store


def test_a_missing_region_is_said_with_its_remedy(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreUnset) as caught:
        SecretsManagerStore(Clock()).get(SPEC)
    assert "AWS_REGION" in caught.value.remedy
    trouble = trouble_of(outcome_of(caught.value))
    assert trouble is not None
    assert trouble.name == "AWS settings"  # and no right that the role lacks
    assert "iam" not in trouble.action
    bare.setenv("AWS_REGION", "no region/")
    with pytest.raises(StoreUnset, match="Region that is set is none"):
        SecretsManagerStore(Clock()).get(SPEC)
    bare.delenv("AWS_REGION")
    bare.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreUnset, match="AWS_PROFILE"):
        SecretsManagerStore(Clock()).get(SPEC)


def test_a_region_may_be_said_in_each_of_its_places(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(StoreUnset, match="no AWS Region is set"):
        refuse_without_region()
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        with bare.context() as there:
            there.setenv(name, "eu-central-1")
            refuse_without_region()
    profiles = tmp_path / "config"
    profiles.write_text("[profile etl]\nregion = eu-central-1\n")
    bare.setenv("AWS_CONFIG_FILE", str(profiles))
    bare.setenv("AWS_PROFILE", "etl")
    refuse_without_region()
    bare.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreUnset, match="AWS_PROFILE"):
        refuse_without_region()


def test_missing_credentials_are_said_with_their_remedy_and_found_once_they_are_there(
    bare: pytest.MonkeyPatch, bench: Bench
) -> None:
    bare.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with serve(bench.service) as server:
        bare.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url)
        store = SecretsManagerStore(bench.clock)
        with pytest.raises(StoreDenied) as caught:
            store.get(SPEC)
        assert "AWS_ACCESS_KEY_ID" in caught.value.remedy
        bare.setenv("AWS_ACCESS_KEY_ID", "worker")
        with pytest.raises(StoreDenied):
            store.get(SPEC)
        bare.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
        assert store.get(SPEC) is None
        store.close()


# Over HTTP


@pytest.fixture
def wired(bare: pytest.MonkeyPatch, bench: Bench) -> Iterator[Callable[..., SecretsManagerStore]]:
    """Stores as a worker makes them, on the fake's own HTTP."""
    made: list[SecretsManagerStore] = []
    with serve(bench.service) as server:
        bare.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url)
        bare.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        bare.setenv("AWS_ACCESS_KEY_ID", "worker")
        bare.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")

        def connect(**options: Any) -> SecretsManagerStore:
            made.append(SecretsManagerStore(bench.clock, **options))
            return made[-1]

        yield connect
        for store in made:
            store.close()


def test_a_life_over_http(wired: Callable[..., SecretsManagerStore], bench: Bench) -> None:
    store = wired()
    assert store.get(SPEC) is None
    store.reserve(2)
    store.put(SPEC, old := new_id(), fields())
    store.put(SPEC, new := new_id(), fields(2))
    store.move_back(SPEC, old, away_from=new)
    assert bench.value() == fields()


def test_aws_is_told_that_it_is_rotator_who_asks(
    wired: Callable[..., SecretsManagerStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def listening(service: AwsService, headers: Mapping[str, str], body: bytes) -> Response:
        heard.append(headers["user-agent"])
        return respond(service, headers, body)

    monkeypatch.setattr(secrets_manager_http, "respond", listening)
    assert wired().get(SPEC) is None
    (named,) = set(heard)
    assert named.startswith(f"rotator/{__version__} Boto3/{boto3.__version__} Botocore/")


def test_a_reply_lost_over_http_makes_one_version(
    wired: Callable[..., SecretsManagerStore], bench: Bench
) -> None:
    store = wired()
    store.get(SPEC)
    bench.service.faults.lose_replies("CreateSecret")
    store.put(SPEC, new_id(), fields())
    bench.service.faults.lose_replies("PutSecretValue")
    store.put(SPEC, new_id(), fields(2))
    assert bench.versions() == 2


@pytest.mark.usefixtures("bare")
def test_nobody_listening_is_unavailable(bench: Bench) -> None:
    with serve(bench.service) as server:
        url = server.url
    client = boto3.Session("a", "b", region_name="eu-central-1").client(
        "secretsmanager", endpoint_url=url, config=ONCE
    )
    with pytest.raises(StoreUnavailable, match="EndpointConnectionError"):
        bench.connect(client=client).get(SPEC)
    client.close()


def test_eight_threads_together_stay_within_the_budget(
    wired: Callable[..., SecretsManagerStore], bench: Bench
) -> None:
    """As AWS counts: its own fifty a second refuse nothing, and we take as long as ours say."""
    store = wired(writes_per_second=45, threads=8)
    bench.service.faults.throttle()
    specs = [replace(SPEC, name=f"rotator/token/alation/{n}") for n in range(8)]
    for spec in specs:
        store.put(spec, new_id(), fields())
    began, start = bench.clock.monotonic(), threading.Barrier(8)

    def rotate(spec: SecretSpec) -> None:
        start.wait(10)
        for generation in range(2, 14):
            store.reserve(1)
            store.put(spec, new_id(), fields(generation))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(rotate, specs))
    seconds = bench.clock.monotonic() - began
    puts = [c for c in bench.service.stats.log if c.operation == "PutSecretValue"]
    assert [c.outcome for c in puts] == ["ok"] * 96
    assert seconds >= 95 / 45  # how late they arrive is the machine's affair
