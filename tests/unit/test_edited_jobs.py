"""What an edit of a job file does to the two marks that bar a token.

A spent token stays spent whatever is edited. A refusal is lifted by another host, another setting
that is presented beside the token, or another token, and by nothing else.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from pydantic import BaseModel

from rotator.clock import Clock
from rotator.environment import load_settings
from rotator.jobs.fields import (
    CredentialModel,
    LimitsModel,
    ScheduleModel,
    SeedModel,
    TokenModel,
    WindowModel,
)
from rotator.jobs.files import load
from rotator.jobs.job import Credential
from rotator.jobs.secret_fields import SecretSettings
from rotator.ledger.base import Ledger
from rotator.ledger.facts import Because, Mark, MarkKind, Record, Row
from rotator.ledger.sealing import Fingerprints, Sealer
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret
from rotator.policy.grants import Choice, Holding, Source
from rotator.providers.base import Grant, Settings
from rotator.providers.registry import plugins
from rotator.references import SeedRef
from rotator.rotation.holdings import Holdings
from rotator.rotation.tools import Door, Tools
from rotator.store.base import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Path_ = tuple[str, ...]
Job = dict[str, Any]


class Seeds:
    """A seed's value is told by its reference: what ends in OTHER is another token."""

    def read(self, ref: SeedRef) -> Secret:
        name = (ref.key or ref.name).rsplit("/", 1)[-1]
        return Secret(name.removesuffix("_MOVED").lower())


class MyLedger(NamedTuple):
    """Knows what is spent by the token alone."""

    marks: tuple[Mark, ...] = ()
    ledger_id: str = "mine"

    def spent(self, fingerprints: Collection[str]) -> tuple[Mark, ...]:
        kept = [mark for mark in self.marks if mark.kind is MarkKind.SPENT]
        return tuple(mark for mark in kept if mark.key in fingerprints)


TOOLS = Tools(
    ledger=cast(Ledger, MyLedger()),
    store=cast(Store, None),
    door=cast(Door, None),
    seeds=Seeds(),
    sealing=Sealer(b"s" * 32),
    fingerprints=Fingerprints(b"f" * 32),
    clock=Clock(),
    owner="this worker",
    version="1",
)

# --- a job of each provider, with all its grants -------------------------------------------------


def job(provider: str, own: Job, credential: Job, *seeds: str) -> Job:
    return {
        "provider": provider,
        **own,
        "credentials": {
            "name": "etl",
            **credential,
            "seeds": {name: {"env": name.upper()} for name in seeds},
        },
    }


JOBS: dict[str, Job] = {
    "alation": job(
        "alation",
        {"base_url": "https://acme.example.com"},
        {"user_id": 7, "username": "ada"},
        REFRESH_TOKEN,
        "password",
    ),
    "albato": job(
        "albato",
        {"base_url": "https://acme.example.com", "partner_name": "acme"},
        {"user_id": "7"},
        "partner_token",
    ),
    "amino": job(
        "amino",
        {"base_url": "https://acme.example.com", "password_path": "/login"},
        {"username": "ada"},
        REFRESH_TOKEN,
        "password",
        "ssid",
        "usid",
    ),
    "oauth2": job(
        "oauth2",
        {
            "revocation_spares": True,
            "token_url": "https://acme.example.com/token",
            "grants": ["refresh_token", "client_credentials"],
        },
        {"client_id": "reports"},
        REFRESH_TOKEN,
        "client_secret",
    ),
}

OWN: dict[str, Job] = {  # every setting of the job, and another value for it
    "alation": {
        "base_url": "https://other.example.com",
        "token_name": "robot",
        "body_encoding": "form",
        "mint_kills": False,
        "regenerate_kills": False,
        "alternate": False,
    },
    "albato": {
        "base_url": "https://other.example.com",
        "partner_name": "other",
        "auth_encoding": "raw",
        "user_key": "email",
        "publish": "permanent",
        "mint_kills": False,
    },
    "amino": {
        "base_url": "https://other.example.com",
        "renew_path": "/renew",
        "renew_encoding": "form",
        "refresh_field": "token",
        "password_path": "/log-in",
        "password_grant_type": "password",
        "username_field": "user",
        "password_field": "pass",
        "cookie_path": "/cookies",
        "service": "webui",
        "inspect_path": "/channels",
        "access_lifespan": "2h",
        "refresh_lifespan": "20d",
        "refresh_rotates": False,
        "replay": "5m",
    },
    "oauth2": {
        "token_url": "https://other.example.com/token",
        "client_auth": "post",
        "grants": ["client_credentials", "refresh_token"],
        "scope": "read",
        "extra": {"audience": "x"},
        "access_lifespan": "2h",
        "refresh_lifespan": "20d",
        "refresh_reusable": True,
        "replay": "5m",
        "kills_access_token": True,
        "dead_token_errors": ["gone"],
        "header_name": "X-Token",
        "scheme": "Token",
        "introspection_url": "https://acme.example.com/introspect",
        "revocation_url": "https://acme.example.com/revoke",
        "revocation_spares": False,
    },
}
PRESENTED: dict[str, Job] = {  # likewise, of the credential
    "alation": {"user_id": 8, "username": "grace"},
    "albato": {"user_id": "8"},
    "amino": {"username": "grace"},
    "oauth2": {"client_id": "other"},
}
LIFTS: dict[str, set[str]] = {
    "alation": {"base_url", "user_id", "username"},
    "albato": {"base_url", "partner_name", "user_id"},
    "amino": {"base_url", "username"},
    "oauth2": {"token_url", "client_id"},
}
REUSABLE = {("amino", "refresh_rotates"), ("oauth2", "refresh_reusable")}
"""Here a person says that this grant spends nothing; the mark stays for those that do."""

COMMON: dict[Path_, Any] = {  # in every job file
    ("schedule", "survive"): "1h",
    ("schedule", "consumer_max_staleness"): "5m",
    ("schedule", "window"): {"cron": "0 */2 * * *", "duration": "1h", "timezone": "Europe/Berlin"},
    ("schedule", "access_token", "lifespan"): "36h",
    ("schedule", "access_token", "cron"): "0 */12 * * *",
    ("schedule", "refresh_token", "lifespan"): "50d",
    ("schedule", "refresh_token", "cron"): "0 0 * * mon",
    ("limits", "requests_per_minute"): 60,
    ("limits", "at_once"): 4,
    ("secret", "name"): "{prefix}/token/{credential}/{job}",
    ("secret", "keyring_name"): "{prefix}/keyring/{credential}/{job}",
    ("secret", "adopt"): True,
    ("secret", "kms_key_id"): "alias/rotator",
    ("secret", "tags"): {"team": "data"},
    ("secret", "keys"): {"api_token": "{access_token}"},
    ("secret", "replica_regions"): ["eu-west-1"],
    ("secret", "policy"): "{}",
    ("credentials", "name"): "loader",
}


class Edit(NamedTuple):
    provider: str
    path: Path_
    value: Any
    lifts: bool

    @property
    def id(self) -> str:
        return f"{self.provider}: {'.'.join(self.path)}"


def edits() -> Iterator[Edit]:
    for name in JOBS:
        for field, value in OWN[name].items():
            yield Edit(name, (field,), value, field in LIFTS[name])
        for field, value in PRESENTED[name].items():
            yield Edit(name, ("credentials", field), value, field in LIFTS[name])
        for path, value in COMMON.items():
            yield Edit(name, path, value, lifts=False)


EDITS = {edit.id: edit for edit in edits()}


def moved_seeds() -> Iterator[tuple[str, tuple[str, str, Job]]]:
    """Every seed of every job, at another place; the same value there."""
    for provider, each in JOBS.items():
        for seed in each["credentials"]["seeds"]:
            name = seed.upper()
            places: dict[str, Job] = {
                "env": {"env": f"{name}_MOVED"},
                "file": {"file": f"/run/secrets/{name}"},
                "secret": {"secret": f"rotator/seed/etl#{name}"},
                "expires_at": {"env": name, "expires_at": "2026-11-23T02:14:00Z"},
            }
            for kind, value in places.items():
                yield f"{provider}: {seed} by {kind}", (provider, seed, value)


MOVED = dict(moved_seeds())
SEEDS = {
    f"{name}: {seed}": (name, seed) for name in JOBS for seed in JOBS[name]["credentials"]["seeds"]
}


# --- from a file to what may be presented --------------------------------------------------------


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def edited(each: Job, path: Path_, value: object) -> Job:
    changed = deepcopy(each)
    table = changed
    for name in path[:-1]:
        table = table.setdefault(name, {})
    table[path[-1]] = value
    return changed


def credential(folder: Path, each: Job) -> Credential:
    """The one credential of a job, by way of its file."""
    lines = [f"{key} = {toml(value)}" for key, value in each.items() if key != "credentials"]
    lines += ["[[credentials]]"]
    lines += [f"{key} = {toml(value)}" for key, value in each["credentials"].items()]
    (folder / "job.toml").write_text("\n".join(lines))
    book = load(folder, load_settings({"HOME": "/home/ada"}), {})
    assert not book.mistakes, "\n".join(map(str, book.mistakes))
    (found,) = book.credentials.values()
    return found


def fingerprint(value: str) -> str:
    return TOOLS.fingerprints.fingerprint(Secret(value))


def presented(grant: Grant) -> tuple[Holding, ...]:
    """The seeds that a grant presents, as they are before any edit."""
    return tuple(
        Holding(name=name, fingerprint=fingerprint(name), source=Source.SEED)
        for name in sorted(grant.needs)
    )


def mark(kind: MarkKind, key: str) -> Mark:
    because = Because.ANSWERED if kind is MarkKind.SPENT else Because.REFUSED
    return Mark(kind=kind, key=key, at=NOW, because=because)


def refusals(one: Credential) -> tuple[Mark, ...]:
    """Every grant was refused with what it presents."""
    keys = (TOOLS.refusal(one.provider, each, presented(each)) for each in one.provider.grants)
    return tuple(mark(MarkKind.REFUSED, key) for key in keys)


def holdings(one: Credential, *marks: Mark) -> Holdings:
    """An hour after the marks were made."""
    record = Record(
        row=Row(credential=one.qualified, job=one.job, due_at=NOW),
        open_intents=(),
        seals=(),
        marks=marks,
        back_offs={},
        manuals=(),
        versions={},
        top_generation=0,
    )
    tools = replace(TOOLS, ledger=cast(Ledger, MyLedger(marks)))
    return Holdings(tools, one, record, {}, NOW + timedelta(minutes=10))


def choices(held: Holdings) -> list[Choice]:
    wanted = (held.choose(token) for token in (ACCESS_TOKEN, REFRESH_TOKEN))
    return [choice for choice in wanted if choice]


# --- the table is whole --------------------------------------------------------------------------

NESTED: Mapping[str, type[BaseModel]] = {"access_token": TokenModel, "refresh_token": TokenModel}


def flattened(model: type[BaseModel], table: str) -> set[Path_]:
    tables = {name: NESTED[name].model_fields for name in model.model_fields if name in NESTED}
    flat = {(table, name) for name in model.model_fields if name not in NESTED}
    return flat | {(table, name, inner) for name, fields in tables.items() for inner in fields}


def test_the_table_has_every_provider_and_every_setting_of_it() -> None:
    assert set(JOBS) == set(plugins())
    for name, plugin in plugins().items():
        assert set(OWN[name]) == set(plugin.job.model_fields)
        assert set(PRESENTED[name]) == set(plugin.credential.model_fields)
        assert set(JOBS[name]["credentials"]["seeds"]) == set(plugin.seeds)


def test_the_table_has_every_field_that_all_job_files_have() -> None:
    tables: dict[str, type[BaseModel]] = {
        "schedule": ScheduleModel,
        "limits": LimitsModel,
        "secret": SecretSettings,
    }
    fields = {path for name, model in tables.items() for path in flattened(model, name)}
    assert set(COMMON) == fields | {("credentials", "name")}
    assert set(COMMON["schedule", "window"]) == set(WindowModel.model_fields)
    assert {id_.rpartition(" ")[2] for id_ in MOVED} == set(SeedModel.model_fields)
    assert set(CredentialModel.model_fields) == {"name", "seeds"}


def identity_fields(model: type[Settings]) -> set[str]:
    extras = {name: field.json_schema_extra for name, field in model.model_fields.items()}
    return {name for name, extra in extras.items() if isinstance(extra, dict) and extra["identity"]}


@pytest.mark.parametrize("name", JOBS)
def test_every_setting_that_is_called_an_identity_is_bound_to_the_marks(
    tmp_path: Path, name: str
) -> None:
    one = credential(tmp_path, JOBS[name])
    plugin = plugins()[name]
    assert identity_fields(plugin.credential) | identity_fields(plugin.job) <= set(one.identity)
    assert set(one.identity) == LIFTS[name] - {"base_url", "token_url"}


@pytest.mark.parametrize("name", JOBS)
def test_before_any_edit_every_grant_is_there_and_every_refusal_bars_it(
    tmp_path: Path, name: str
) -> None:
    one = credential(tmp_path, JOBS[name])
    assert choices(holdings(one))
    assert not choices(holdings(one, *refusals(one)))


# --- the marks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_lifts_a_refusal_exactly_if_something_else_is_presented(
    tmp_path: Path, edit: Edit
) -> None:
    before = credential(tmp_path, JOBS[edit.provider])
    after = credential(tmp_path, edited(JOBS[edit.provider], edit.path, edit.value))
    assert after.digest != before.digest
    keys = {each.key for each in refusals(before)}
    assert {each.key in keys for each in refusals(after)} == {not edit.lifts}
    assert bool(choices(holdings(after, *refusals(before)))) is edit.lifts


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_no_edit_has_a_spent_token_spent_again(tmp_path: Path, edit: Edit) -> None:
    before = credential(tmp_path, JOBS[edit.provider])
    after = credential(tmp_path, edited(JOBS[edit.provider], edit.path, edit.value))
    spending = {each.name for each in before.provider.grants if each.spends == REFRESH_TOKEN}
    spent = mark(MarkKind.SPENT, fingerprint(REFRESH_TOKEN))
    reusable = (edit.provider, edit.path[-1]) in REUSABLE
    for choice in choices(holdings(after, spent)):
        presents_it = spent.key in {each.fingerprint for each in choice.presents}
        assert not (presents_it and choice.grant.spends == REFRESH_TOKEN)
        assert reusable or not (presents_it and choice.grant.name in spending)


def test_a_token_spent_before_it_was_called_reusable_is_barred_again_afterwards(
    tmp_path: Path,
) -> None:
    for name, field in sorted(REUSABLE):
        spent = mark(MarkKind.SPENT, fingerprint(REFRESH_TOKEN))
        first = credential(tmp_path, JOBS[name])
        reusable = credential(tmp_path, edited(JOBS[name], (field,), OWN[name][field]))
        names = [
            [choice.grant.name for choice in choices(holdings(one, spent))]
            for one in (first, reusable, first)
        ]
        assert "refresh_token" not in names[0] + names[2]
        assert "refresh_token" in names[1]


@pytest.mark.parametrize(("name", "seed", "reference"), MOVED.values(), ids=MOVED)
def test_a_seed_that_only_moves_keeps_its_marks(
    tmp_path: Path, name: str, seed: str, reference: Job
) -> None:
    before = credential(tmp_path, JOBS[name])
    moved = edited(JOBS[name], ("credentials", "seeds", seed), reference)
    after = credential(tmp_path, moved)
    assert not choices(holdings(after, *refusals(before)))
    spent = mark(MarkKind.SPENT, fingerprint(REFRESH_TOKEN))
    for choice in choices(holdings(after, spent)):
        assert spent.key not in {
            each.fingerprint for each in choice.presents if each.name == choice.grant.spends
        }


@pytest.mark.parametrize(("name", "seed"), SEEDS.values(), ids=SEEDS)
def test_another_token_at_the_same_place_is_barred_by_no_mark_of_the_old_one(
    tmp_path: Path, name: str, seed: str
) -> None:
    before = credential(tmp_path, JOBS[name])
    other = edited(JOBS[name], ("credentials", "seeds", seed), {"env": f"{seed.upper()}_OTHER"})
    after = credential(tmp_path, other)
    spent = mark(MarkKind.SPENT, fingerprint(seed))
    found = choices(holdings(after, *refusals(before), spent))
    assert found
    assert all(seed in choice.grant.needs for choice in found)


ADDRESSES = {
    "another path": ("https://acme.example.com/v2", False),
    "upper case": ("https://ACME.example.com", False),
    "the default port": ("https://acme.example.com:443", False),
    "another port": ("https://acme.example.com:8443", True),
    "a subdomain": ("https://eu.acme.example.com", True),
    "no TLS": ("http://127.0.0.1", True),
}
PROVIDERS_AND_ADDRESSES = list(product(JOBS, ADDRESSES))


@pytest.mark.parametrize(("name", "which"), PROVIDERS_AND_ADDRESSES)
def test_a_refusal_is_bound_to_the_host_and_not_to_the_path(
    tmp_path: Path, name: str, which: str
) -> None:
    address, lifts = ADDRESSES[which]
    field = "token_url" if name == "oauth2" else "base_url"
    before = credential(tmp_path, JOBS[name])
    after = credential(tmp_path, edited(JOBS[name], (field,), address))
    assert bool(choices(holdings(after, *refusals(before)))) is lifts
