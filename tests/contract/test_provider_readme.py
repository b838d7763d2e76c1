"""What README.md says on adding a provider is code that works."""

import json
import re
import sys
import types
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import HttpUrl

from rotator.errors import Garbled, Rejected
from rotator.model import ACCESS_TOKEN, Secret, Token
from rotator.providers import base, shapes
from rotator.providers.base import Answer, Plugin, Provider
from rotator.providers.registry import plugins

README = Path(base.__file__).with_name("README.md").read_text()
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Plugin:
    """The module that README shows, as the registry would import it."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    module = types.ModuleType("acme")
    monkeypatch.setitem(sys.modules, "acme", module)  # dataclasses look there
    exec(code, module.__dict__)  # noqa: S102 - our own README
    found: Plugin = module.plugin
    return found


@pytest.fixture
def acme(plugin: Plugin) -> Provider:
    job = plugin.job.model_validate({"base_url": HttpUrl("https://acme.example")})
    credential = plugin.credential.model_validate({"account": "7"})
    return plugin.build(job, credential, frozenset(plugin.seeds))


def answer(status: int, content: Any) -> Answer:
    body = json.dumps(content).encode()
    return Answer(status=status, headers={}, body=body, received_at=NOW)


def test_the_provider_that_it_shows_obtains_a_token(acme: Provider) -> None:
    request = acme.grants[0].ask({"api_key": Token(value=Secret("k"))})
    assert request.url == "https://acme.example/v1/token"
    content = {"token": "t", "valid_until": "2026-03-02T00:00:00Z"}
    tokens = acme.grants[0].read(answer(200, content), NOW)
    assert tokens[ACCESS_TOKEN].lifespan == timedelta(days=1)
    assert acme.header(tokens[ACCESS_TOKEN]) == ("Authorization", "Bearer t")


def test_the_refusals_that_it_shows_have_their_class(acme: Provider) -> None:
    with pytest.raises(Rejected):
        acme.grants[0].read(answer(401, {"reason": "bad_key"}), NOW)
    with pytest.raises(Garbled):
        acme.grants[0].read(answer(200, {"token": "t"}), NOW)


def test_every_helper_that_it_names_is_there() -> None:
    names = {*re.findall(r"shapes\.(\w+)", README), "instant_if_sane", "life_if_sane", "soonest"}
    assert [name for name in sorted(names - {"py"}) if not hasattr(shapes, name)] == []


def test_every_module_of_the_folder_with_a_plugin_is_found() -> None:
    assert {"alation", "albato", "amino", "oauth2"} <= plugins().keys()
    assert all(plugin.example and plugin.seeds for plugin in plugins().values())
