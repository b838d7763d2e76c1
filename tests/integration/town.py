"""A machine with everything around it: job files, AWS and providers on loopback, and the verbs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from rotator.cli import keys
from rotator.cli.app import app
from rotator.clock import Clock
from rotator.ledger.sql import SqlLedger
from rotator.model import Shelf
from rotator.sandbox.alation import AlationFake
from rotator.sandbox.oauth2 import OAuthFake
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_http import serve
from rotator.sandbox.server import served

CANARY = "canary"
PASSWORD = f"{CANARY}-password-7f3a"
CLIENT_SECRET = f"{CANARY}-client-secret-19bc"

ALATION = """\
provider = "alation"
base_url = "{url}"

[[credentials]]
name = "etl"
user_id = 1151
username = "svc"
seeds = { password = { env = "ALATION_PASSWORD" } }

[[credentials]]
name = "sso"
user_id = 7
seeds = { refresh_token = { env = "ALATION_SSO_TOKEN" } }
"""
OAUTH = """\
provider = "oauth2"
token_url = "{url}/oauth/token"

[schedule]
survive = "20m"
consumer_max_staleness = "5m"

[[credentials]]
name = "reports"
client_id = "sandbox-client"
seeds = { client_secret = { env = "OAUTH_SECRET" } }
"""

CHAIN = """\
provider = "oauth2"
token_url = "{url}/oauth/token"

[schedule]
survive = "20m"
consumer_max_staleness = "5m"

[[credentials]]
name = "app"
client_id = "sandbox-client"
seeds = { client_secret = { env = "OAUTH_SECRET" }, refresh_token = { env = "OAUTH_TOKEN" } }
"""
ETL, SSO = "alation/etl", "alation/sso"
NAMES = [ETL, SSO, "oauth/reports"]
"""Of ALATION and OAUTH."""


class Alation(AlationFake):
    """Whose tokens are found wherever they are printed."""

    def fresh(self, length: int = 86) -> str:
        return CANARY + super().fresh(length)


class OAuth(OAuthFake):
    """Likewise."""

    def fresh(self, length: int = 86) -> str:
        return CANARY + super().fresh(length)


@dataclass(frozen=True)
class Said:
    """How a verb ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Town:
    """One machine."""

    home: Path
    environ: dict[str, str]
    aws: SecretsManager
    alation: AlationFake
    oauth: OAuthFake
    urls: Mapping[str, str]
    heard: list[str] = field(default_factory=list)
    """All that was ever printed, for the hunt for secrets."""

    @property
    def jobs(self) -> Path:
        return self.home / "jobs"

    @property
    def ledger_path(self) -> Path:
        return self.home / "state" / "ledger.db"

    def job(self, name: str, text: str) -> None:
        (self.jobs / f"{name}.toml").write_text(text.replace("{url}", self.urls.get(name, "")))

    def run(self, *arguments: str, stdin: str | None = None, **more: str) -> Said:
        """A verb in this process."""
        with _environment({**self.environ, **more}):
            result = CliRunner().invoke(app, list(arguments), input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return self._said(result.exit_code, result.stdout, result.stderr)

    def spawn(self, *arguments: str, stdin: str = "", **more: str) -> Said:
        """A verb in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "rotator", *arguments],
            input=stdin, capture_output=True, text=True, check=False, timeout=60,
            env={**self.environ, **more},
        )  # fmt: skip
        return self._said(done.returncode, done.stdout, done.stderr)

    def _said(self, code: int, out: str, err: str) -> Said:
        self.heard += [out, err]
        return Said(code, out, err)

    @contextmanager
    def ledger(self) -> Iterator[SqlLedger]:
        ledger = SqlLedger.open(self.ledger_path, durable=False)
        try:
            yield ledger
        finally:
            ledger.close()

    def secret(self, name: str, kind: Shelf = Shelf.TOKEN) -> dict[str, str]:
        """What a secret holds, as a consumer reads it."""
        params = {"SecretId": f"rotator/{kind}/{name}", "VersionStage": "AWSCURRENT"}
        found: dict[str, str] = json.loads(self.aws.call("GetSecretValue", params)["SecretString"])
        return found

    def hand_made(self, user_id: int = 7) -> str:
        """A refresh token that a person makes in Alation's pages."""
        return self.alation.hand_made(user_id)

    def leaked(self) -> bool:
        """Whether anything secret was ever printed: all of it begins with the same word."""
        return CANARY in "".join(self.heard)


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Exactly these variables: none of the developer's own reach a verb."""
    kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


@contextmanager
def town(home: Path) -> Iterator[Town]:
    """With Alation (a password, and SSO) and an OAuth 2.0 client."""
    clock = Clock()
    alation = Alation(clock.now, passwords={"svc": (PASSWORD, 1151)})
    oauth = OAuth(clock.now, client_secret=CLIENT_SECRET)
    aws = SecretsManager(clock.now, clock.monotonic)
    (home / "jobs").mkdir()
    with ExitStack() as open_servers:
        where = {
            "alation": open_servers.enter_context(served(alation)),
            "oauth": open_servers.enter_context(served(oauth)),
        }
        endpoint = open_servers.enter_context(serve(aws)).url
        built = Town(home, _environ(home, endpoint), aws, alation, oauth, where)
        built.environ["ALATION_SSO_TOKEN"] = alation.hand_made(7)
        built.job("alation", ALATION)
        built.job("oauth", OAUTH)
        yield built


def _environ(home: Path, endpoint: str) -> dict[str, str]:
    ours = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "COLUMNS": "200",
        "ROTATOR_JOBS_DIR": str(home / "jobs"),
        "ROTATOR_STATE_DIR": str(home / "state"),
        "ROTATOR_KEY_FILE": str(home / "keys" / "seal.key"),
        "ROTATOR_ALLOW_EPHEMERAL_STATE": "true",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "ALATION_PASSWORD": PASSWORD,
        "OAUTH_SECRET": CLIENT_SECRET,
    }
    measured = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTHONPATH")
    return ours | {name: os.environ[name] for name in measured if name in os.environ}


def documented(verb: str, found: Any) -> None:
    """Every key that JSON has is in the documentation, and the other way around."""
    rows = found if isinstance(found, list) else [found]
    for row in rows:
        assert set(row) == set(keys.KEYS[verb])


def kill_the_chain(here: Town) -> None:
    """Somebody else regenerates SSO's refresh token: ours is dead."""
    dead = here.secret(SSO, Shelf.KEYRING)["refresh_token"]
    body = json.dumps({"refresh_token": dead, "user_id": 7}).encode()
    path = "/integration/v1/regenRefreshToken/"
    here.alation.handle("POST", path, {"content-type": "application/json"}, body)
