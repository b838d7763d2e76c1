"""A provider that is made for tests, a sound job file, and how to load it."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from pydantic import Field, HttpUrl, field_validator

from rotator.durations import Duration
from rotator.environment import load_settings
from rotator.jobs.files import Job, JobBook, load
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring
from rotator.providers import shapes
from rotator.providers.base import (
    Grant,
    Identity,
    JobSettings,
    Plugin,
    Provider,
    Request,
    Settings,
)

HOME = {"HOME": "/home/ada"}
CANARY = "hunter2-canary"


class AcmeJob(JobSettings):
    path: str = Field("/token", pattern="^/", description="Where tokens are given.")
    retries: int = Field(3, ge=0, description="How often.")
    ratio: float = Field(0.5, description="How much.")
    replay: Duration = Field(timedelta(0), description="How long.")
    extra: dict[str, str] = Field({}, description="More fields.")
    words: frozenset[str] = Field(frozenset(), description="Some words.")
    refresh_token: str = Field("new", description="A setting that only sounds like a secret.")
    other_url: HttpUrl | None = Field(None, description="Another address.")

    @field_validator("path")
    @classmethod
    def _quotes_what_it_refuses(cls, path: str) -> str:
        if "bad" in path:
            raise ValueError(f"no path: {path}")
        return path


class AcmeCredential(Settings):
    account: Identity = Field(description="The account's id.")


def _ask(_: Keyring) -> Request:
    return Request(url="https://acme.example.com/")


def _build(job: AcmeJob, credential: AcmeCredential, seeds: frozenset[str]) -> Provider:
    if credential.account == "zero":
        raise ValueError("an account of that kind; write another")
    if credential.account == "crash":
        raise KeyError(CANARY)
    spends = REFRESH_TOKEN if REFRESH_TOKEN in seeds else None
    grant = Grant(
        name="refresh_token",
        needs=seeds,
        yields=frozenset({ACCESS_TOKEN}),
        spends=spends,
        ask=_ask,
        read=lambda _, __: {},
    )
    return Provider(
        name="acme",
        host=shapes.origin(str(job.base_url)),
        identity={"account": credential.account},
        grants=(grant,),
        header=lambda token: ("Authorization", token.value.reveal()),
    )


ACME = Plugin(
    name="acme",
    title="Acme",
    job=AcmeJob,
    credential=AcmeCredential,
    seeds={"password": "From Acme's own pages.", REFRESH_TOKEN: "From a login."},
    build=_build,
    lifespans={ACCESS_TOKEN: timedelta(hours=24)},
)
ACMES = {"acme": ACME}

GOOD = """\
provider = "acme"
base_url = "https://acme.example.com"

[schedule]
survive = "8h"

[secret]
tags = { team = "data" }

[[credentials]]
name = "etl"
account = "1151"
seeds = { password = { env = "ACME_ETL_PASSWORD" } }
"""


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def loaded(folder: Path, environ: Mapping[str, str] | None = None, /, **process: str) -> JobBook:
    given = {f"ROTATOR_{name.upper()}": value for name, value in process.items()}
    return load(folder, load_settings(HOME | given), environ or {}, ACMES)


def only_job(book: JobBook) -> Job:
    assert not book.mistakes, "\n".join(map(str, book.mistakes))
    (job,) = book.jobs
    return job


PROVIDER, URL, SURVIVE = 'provider = "acme"', '"https://acme.example.com"', 'survive = "8h"'
NAME, ACCOUNT, TAGS = 'name = "etl"', 'account = "1151"', 'tags = { team = "data" }'
REF = '{ env = "ACME_ETL_PASSWORD" }'
SEEDS = "seeds = { password = " + REF + " }"
TABLE = f"[[credentials]]\n{NAME}\n{ACCOUNT}\n{SEEDS}\n"
