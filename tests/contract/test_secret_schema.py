"""The consumers' secret is a contract: a JSON schema a version, and keys are only ever added."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from rotator.client.reading import Reading, parse
from rotator.client.testing import FakeSecret
from rotator.clock import Clock, new_id
from rotator.jobs.job import Credential
from rotator.model import Secret, Token
from rotator.rotation.sealed import token_fields
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for
from rotator.sandbox.stage import Stage
from rotator.store import contract
from rotator.store.secrets_manager import SecretsManagerStore

FOLDER = Path(contract.__file__).parent / "schema"
SCHEMAS: dict[int, dict[str, Any]] = {
    int(path.stem): json.loads(path.read_text()) for path in FOLDER.iterdir()
}
LATEST = SCHEMAS[max(SCHEMAS)]
PUBLISHED = {1: "d902569ffeaeac82cb97b404264f4a861039598b5310282a43f66ca25db7edd8"}
"""Of each version's file. What consumers were promised is not edited: write the next version."""
NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
WORDS = ("title", "description", "$id")


def broken_promises(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> list[str]:
    """What a reader of `earlier` may rely on and `later` does not give."""
    said = [
        f"{key} is no longer there" for key in earlier["required"] if key not in later["required"]
    ]
    said += [
        f"{key} means something else"
        for key, meaning in earlier["properties"].items()
        if _bare(meaning) != _bare(later["properties"].get(key, {}))
    ]
    rest = {key for key in (*earlier, *later) if key not in (*WORDS, "required", "properties")}
    return said + [f"{key} changed" for key in rest if earlier.get(key) != later.get(key)]


def _bare(meaning: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in meaning.items() if key not in WORDS}


def test_every_version_adds_to_all_before_it() -> None:
    assert sorted(SCHEMAS) == list(range(1, len(SCHEMAS) + 1))
    for version in range(1, max(SCHEMAS)):
        assert broken_promises(SCHEMAS[version], SCHEMAS[version + 1]) == []


def test_no_version_is_edited_once_it_is_out() -> None:
    found = {
        int(path.stem): hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.iterdir()
    }
    assert found == PUBLISHED


BREAKS: dict[str, tuple[Any, str]] = {
    "a key less": (lambda s: s["required"].remove("header_value"), "header_value is no longer"),
    "a key forgotten": (lambda s: s["properties"].pop("provider"), "provider means something"),
    "a number": (
        lambda s: s["properties"]["generation"].update(type="integer"),
        "generation means something else",
    ),
    "a wider pattern": (
        lambda s: s["properties"]["expires_at"].pop("pattern"),
        "expires_at means something else",
    ),
    "values of any kind": (lambda s: s.update(additionalProperties={}), "additionalProperties"),
    "nothing more": (lambda s: s.update(additionalProperties=False), "additionalProperties"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_whatever_takes_from_readers_is_noticed(name: str) -> None:
    breaks, said = BREAKS[name]
    later = json.loads(json.dumps(LATEST))
    breaks(later)
    assert said in " ".join(broken_promises(LATEST, later))


def test_another_key_takes_nothing_from_readers() -> None:
    later = json.loads(json.dumps(LATEST))
    later["required"].append("region")
    later["properties"]["region"] = {"type": "string"}
    later["properties"]["generation"]["description"] = "Said better."
    assert broken_promises(LATEST, later) == []


def test_the_code_and_the_schema_name_the_same_keys() -> None:
    Draft202012Validator.check_schema(LATEST)
    assert str(max(SCHEMAS)) == contract.SCHEMA
    assert list(contract.KEYS) == LATEST["required"] == list(LATEST["properties"])
    assert not contract.PRIVATE_KEYS & set(contract.KEYS)


def published(credential: Credential, token: Token, templates: Mapping[str, str]) -> dict[str, str]:
    """What a consumer finds, after the worker's own writer."""
    service = SecretsManager(lambda: NOW)
    store = SecretsManagerStore(Clock(), client=client_for(service))
    spec = replace(credential.token_secret, templates=templates)
    fields = token_fields(credential.provider, credential.qualified, token, 42)
    store.get(spec)
    store.put(spec, new_id(), fields)
    told = client_for(service).get_secret_value(SecretId=spec.name, VersionStage="AWSCURRENT")
    value: dict[str, str] = json.loads(told["SecretString"])
    return value


TOKENS = {
    "dated": Token(value=Secret("t0ken"), issued_at=NOW, expires_at=NOW + timedelta(hours=24)),
    "undated": Token(value=Secret("t0ken")),
}
TEMPLATES: dict[str, dict[str, str]] = {
    "as it is": {},
    "with more keys": {"authorization": "{header_value}", "api_token": "{access_token}"},
}


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("templates", TEMPLATES)
def test_what_the_worker_writes_for_every_provider_keeps_every_version(
    token: str, templates: str
) -> None:
    with Stage(Clock()) as stage:
        credentials = stage.book().credentials
    assert len({each.provider.name for each in credentials.values()}) == 4
    for credential in credentials.values():
        value = published(credential, TOKENS[token], TEMPLATES[templates])
        for schema in SCHEMAS.values():
            Draft202012Validator(schema).validate(value)
        found = parse(json.dumps(value))
        assert isinstance(found, Reading)
        assert (found.value, found.generation) == ("t0ken", 42)
        assert found.expires_at == TOKENS[token].expires_at
        assert found.fields.keys() - set(contract.KEYS) == TEMPLATES[templates].keys()


def test_the_fake_for_consumers_tests_writes_what_the_worker_does() -> None:
    secret = FakeSecret("rotator/token/alation/etl", extra={"api_key": "t"})
    value = json.loads(secret(secret.secret) or "")
    Draft202012Validator(LATEST).validate(value)
    assert [key for key in value if key != "api_key"] == list(contract.KEYS)


def test_the_schema_refuses_what_readers_cannot_take() -> None:
    good = json.loads(FakeSecret("rotator/token/a/b")("") or "")
    for bad in ({"generation": 1}, {"expires_at": None}, {"more": ["a"]}, {"credential": "a"}):
        with pytest.raises(ValidationError):
            Draft202012Validator(LATEST).validate({**good, **bad})
