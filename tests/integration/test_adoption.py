"""A consumer's own word of what it holds, from its process by the worker's API to `status`."""

import json
import socket
from collections.abc import Callable

import pytest

from rotator.client import Token
from tests.integration.test_cli_processes import all_fresh, until, worker
from tests.integration.town import CANARY, Town

ETL = "alation/etl"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def reader(here: Town) -> Callable[[str], str]:
    return lambda name: json.dumps(here.secret(name.removeprefix("rotator/token/")))


def test_a_worker_hears_who_holds_what(here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    key = f"{CANARY}-of-the-api"
    monkeypatch.setenv("ROTATOR_REPORT_KEY", key)
    url = f"127.0.0.1:{free_port()}"
    here.environ |= {"ROTATOR_API_LISTEN": url, "ROTATOR_API_KEY": key}
    token = Token(
        f"rotator/token/{ETL}", fetch=reader(here), report_to=f"http://{url}", consumer="etl-0"
    )
    with worker(here):
        until(lambda: all_fresh(here))
        held = token.generation
        reports = token._cache._reports  # noqa: SLF001 - nobody else knows that it was sent
        assert reports is not None
        until(lambda: reports._sending is not None)  # noqa: SLF001
        reports._sending.join()  # type: ignore[union-attr]  # noqa: SLF001
        assert here.run("rotate", ETL).code == 0
    found = here.run("status", ETL, "--json").json["credentials"][0]
    assert found["generation"] > held
    assert [(each["consumer"], each["generation"]) for each in found["consumers"]] == [
        ("etl-0", held)
    ]
    said = f"{ETL}: 1 of 1 consumer still holds generation {held}: etl-0"
    assert said in here.run("status").out
