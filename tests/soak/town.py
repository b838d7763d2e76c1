"""Whom the worker serves: every provider, with and without a way out of a lost answer.

The clock runs ten minutes a second. Access tokens live for 12 hours, 72 seconds here, and are
renewed at half of that: short enough that somebody is always due, and long enough to outlast many
workers that are killed one after another.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rotator.clock import Clock
from rotator.model import Shelf
from rotator.sandbox.alation import AlationFake
from rotator.sandbox.albato import AlbatoFake
from rotator.sandbox.amino import CHANNELS, AminoFake
from rotator.sandbox.cast import CALLS
from rotator.sandbox.fakes import Fake
from rotator.sandbox.oauth2 import INTROSPECT, ME, TOKEN, OAuthFake
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_rules import AwsError
from rotator.sandbox.secrets_manager_wire import respond
from tests.soak.books import Books
from tests.soak.gate import Asked, Gate, Moment, Said, opened

FACTOR = 600.0
_HALF_DAY, _DAY = timedelta(hours=12), timedelta(days=1)
STALENESS = timedelta(minutes=10)
_SCHEDULE = '[schedule]\nsurvive = "4h"\nconsumer_max_staleness = "10m"\n'
_REMEMBERED = 2_000
"""Lines of a fake's log."""
Falls = Callable[[str, Moment], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One job file, and what may become of its chains."""

    job: str
    fake: str
    provider: str
    size: int
    head: str = ""
    each: str
    """Fields of a credential; {n}: its number, {seed}: the file of its refresh token."""
    seeded: bool = True
    kills: bool = False
    """Whether its grants end the published token: the stated gap of consumers."""
    gap: str = ""
    """Which request needs a person when its answer is lost: one that was `acted on`, or one that
    was `perhaps sent`; empty: none, for there is another way (see tests/crash/needs_a_person.py).
    """
    strict: bool = True
    """Whether a chain that is home holds the newest refresh token that its provider made. One with
    another grant may rest on a spent one, and falls back when it is next due."""

    @property
    def credentials(self) -> list[str]:
        return [f"{self.job}/{self.user(n)}" for n in range(1, self.size + 1)]

    def user(self, n: int) -> str:
        return f"c{n}"


_SEED = 'seeds.refresh_token = { file = "{seed}" }\n'
_CLIENT = 'client_id = "sandbox-client"\nseeds.client_secret = { env = "SOAK_CLIENT_SECRET" }\n'
_PASSWORD = 'username = "c{n}"\nuser_id = {n}\nseeds.password = { env = "SOAK_PASSWORD" }\n'
_PARTNER = 'user_id = "c{n}"\nseeds.partner_token = { env = "SOAK_PARTNER_TOKEN" }\n'
_INTROSPECTION = f'introspection_url = "{{url}}{INTROSPECT}"\n'
KINDS = (
    Kind(job="alation-sso", fake="alation", provider="alation", size=9, kills=True,
         each="user_id = 10{n}\n" + _SEED, gap="acted on"),
    Kind(job="alation-password", fake="alation", provider="alation", size=5, kills=True,
         each=_PASSWORD, seeded=False, strict=False),
    Kind(job="albato", fake="albato", provider="albato", size=5, kills=True,
         head='partner_name = "acme"\n', each=_PARTNER, seeded=False, strict=False),
    Kind(job="amino", fake="amino", provider="amino", size=6, each=_SEED),
    Kind(job="amino-once", fake="amino-once", provider="amino", size=7,
         head='replay = "0s"\n', each=_SEED, gap="perhaps sent"),
    Kind(job="oauth", fake="oauth", provider="oauth2", size=8,
         head='grants = ["refresh_token"]\n', each=_CLIENT + _SEED, gap="perhaps sent"),
    Kind(job="oauth-inspected", fake="oauth", provider="oauth2", size=8,
         head='grants = ["refresh_token"]\n' + _INTROSPECTION, each=_CLIENT + _SEED,
         gap="acted on"),
    Kind(job="oauth-replayed", fake="oauth-grace", provider="oauth2", size=6,
         head='grants = ["refresh_token"]\nreplay = "6h"\n', each=_CLIENT + _SEED),
    Kind(job="oauth-either", fake="oauth", provider="oauth2", size=5, strict=False,
         head='grants = ["refresh_token", "client_credentials"]\n', each=_CLIENT + _SEED),
)  # fmt: skip
BY_CREDENTIAL: Mapping[str, Kind] = {name: kind for kind in KINDS for name in kind.credentials}
_CALLS = {"alation": CALLS["alation"].path, "amino": CHANNELS, "oauth2": ME,
          "albato": CALLS["albato"].path}  # fmt: skip


@dataclass
class Town:
    """The fakes with their gates, the job files and seeds, and a worker's environment."""

    clock: Clock
    folder: Path
    fakes: Mapping[str, Fake]
    aws: SecretsManager
    falls: Falls
    books: Books = field(default_factory=Books)
    gates: dict[str, Gate] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    older: list[str] = field(default_factory=list)
    """Secrets in which an older generation replaced a newer one."""
    _generations: dict[str, int] = field(default_factory=dict)

    @property
    def ledger(self) -> Path:
        return self.folder / "state" / "ledger.db"

    @property
    def log(self) -> Path:
        return self.folder / "worker.log"

    @property
    def presented_twice(self) -> int:
        """By the fakes' own count."""
        return sum(fake.counts["presented_twice"] for fake in self.fakes.values())

    def reseed(self, credential: str) -> None:
        """A person makes a refresh token, and puts it where the job file says."""
        kind, number = BY_CREDENTIAL[credential], int(credential.rpartition("/c")[2])
        fake = self.fakes[kind.fake]
        if isinstance(fake, AlationFake):
            token = fake.hand_made(100 + number)
        else:
            assert isinstance(fake, AminoFake | OAuthFake)
            token = fake.enrol()
        self.books.seeded(credential, token)
        path = self._seed_file(credential)
        draft = path.with_suffix(".draft")
        draft.write_text(token)
        draft.replace(path)

    def secret(self, credential: str, shelf: Shelf) -> dict[str, str]:
        """What it holds now; nothing where there is none."""
        params = {"SecretId": f"soak/{shelf}/{credential}", "VersionStage": "AWSCURRENT"}
        try:
            found: dict[str, str] = json.loads(
                self.aws.call("GetSecretValue", params, "consumer")["SecretString"]
            )
        except AwsError:
            return {}
        return found

    def consumer_call(self, credential: str) -> tuple[str, str, str]:
        """Method, base URL and path of what a consumer asks."""
        kind = BY_CREDENTIAL[credential]
        call = _CALLS[kind.provider]
        return CALLS[kind.provider].method, self.gates[kind.fake].url, call

    def tidy(self) -> None:
        """A soak of hours must not fill the memory with what consumers asked."""
        for fake in self.fakes.values():
            with fake.lock:
                del fake.log[:-_REMEMBERED]

    def of_provider(self, fake: Fake, asked: Asked) -> Said:
        with self.books.lock:
            reply, _ = fake.exchange(asked.method, asked.path, asked.headers, asked.body)
            assert reply is not None  # no fault was planned
            said = Said(reply.status, reply.headers, reply.body)
            self.books.note(asked, said)
            return said

    def of_aws(self, asked: Asked) -> Said:
        response = respond(self.aws, asked.headers, asked.body)
        if response.status == 200 and asked.headers["x-amz-target"].endswith("PutSecretValue"):
            self._compare(json.loads(asked.body))
        return Said(response.status, response.headers, response.body)

    def _compare(self, put: Mapping[str, Any]) -> None:
        name = put["SecretId"]
        generation = int(json.loads(put["SecretString"])["generation"])
        with self.books.lock:
            if generation < self._generations.get(name, 0):
                self.older.append(name)
            self._generations[name] = generation

    def _seed_file(self, credential: str) -> Path:
        return self.folder / "seeds" / credential.replace("/", ".")

    def write_jobs(self) -> None:
        for kind in KINDS:
            (self.folder / "jobs" / f"{kind.job}.toml").write_text(self._job(kind))
            if kind.seeded:
                for credential in kind.credentials:
                    self.reseed(credential)

    def _job(self, kind: Kind) -> str:
        url = self.gates[kind.fake].url
        address = f'token_url = "{url}{TOKEN}"' if kind.provider == "oauth2" else (
            f'base_url = "{url}"'
        )  # fmt: skip
        head = f'provider = "{kind.provider}"\n{address}\n' + kind.head.replace("{url}", url)
        credentials = (
            f'[[credentials]]\nname = "c{n}"\n'
            + kind.each.replace("{n}", str(n)).replace("{seed}", str(self._seed_file(name)))
            for n, name in enumerate(kind.credentials, 1)
        )
        return head + _SCHEDULE + "".join(credentials)


def effect_of_provider(fake: str, asked: Asked) -> str:
    """Its name, the grant in it; empty for what consumers ask."""
    last = asked.path.rstrip("/").rpartition("/")[2]
    if asked.path in _CALLS.values():
        return ""
    grant = " refresh" if b"refresh_token" in asked.body and last in {"token", "access_tokens"} \
        else ""  # fmt: skip
    return f"{fake}: {last}{grant}"


def effect_of_aws(asked: Asked) -> str:
    operation = asked.headers.get("x-amz-target", "").rpartition(".")[2]
    shelf = next((each for each in Shelf if f"/{each}/".encode() in asked.body), "")
    return f"AWS: {operation} {shelf}".rstrip()


SPENDING = ("alation: regenRefreshToken", "amino-once: access_tokens refresh",
            "amino: access_tokens refresh", "oauth: token refresh",
            "oauth-grace: token refresh")  # fmt: skip


@contextmanager
def town(folder: Path, falls: Falls) -> Iterator[Town]:
    """Everything listens until the block ends."""
    epoch = Clock().now()
    clock = Clock(FACTOR, epoch)
    aws = SecretsManager(clock.now, clock.monotonic, log_size=1_000)
    built = Town(clock, folder, _fakes(clock), aws, falls)
    for name in ("jobs", "seeds"):
        (folder / name).mkdir()
    with ExitStack() as open_:
        for name, fake in built.fakes.items():
            answer, named = partial(built.of_provider, fake), partial(effect_of_provider, name)
            built.gates[name] = open_.enter_context(opened(Gate(answer, named, falls)))
        gate = open_.enter_context(opened(Gate(built.of_aws, effect_of_aws, falls)))
        built.write_jobs()
        built.environ = _environ(folder, gate.url, epoch.isoformat())
        yield built


def _fakes(clock: Clock) -> dict[str, Fake]:
    """Each with a seed of its own, so that no two make the same token: a token is spent once."""
    passwords = {f"c{n}": ("correct horse", n) for n in range(1, 10)}
    users = set(passwords)
    amino = partial(AminoFake, access_lifespan=_HALF_DAY, refresh_lifespan=10 * _DAY)
    oauth = partial(OAuthFake, access_lifespan=_HALF_DAY, refresh_lifespan=10 * _DAY)
    return {
        "alation": AlationFake(
            clock.now, access_lifespan=_HALF_DAY, refresh_lifespan=_DAY, passwords=passwords
        ),
        "albato": AlbatoFake(clock.now, users=users, session_lifespan=_HALF_DAY),
        "amino": amino(clock.now, "amino"),
        "amino-once": amino(clock.now, "amino-once", deny_list=True),
        "oauth": oauth(clock.now, "oauth"),
        "oauth-grace": oauth(clock.now, "oauth-grace", grace=timedelta(hours=6)),
    }


def _environ(folder: Path, aws: str, epoch: str) -> dict[str, str]:
    ours = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": aws,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "SANDBOX",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "ROTATOR_JOBS_DIR": str(folder / "jobs"),
        "ROTATOR_STATE_DIR": str(folder / "state"),
        "ROTATOR_KEY_FILE": str(folder / "key" / "seal.key"),
        "ROTATOR_ALLOW_EPHEMERAL_STATE": "true",  # it is gone when the soak ends
        "ROTATOR_ALLOWED_SEED_FOLDERS": str(folder / "seeds"),
        "ROTATOR_SECRET_PREFIX": "soak",
        "ROTATOR_REQUEST_TIMEOUT": "3s",
        "ROTATOR_PUT_TIMEOUT": "3s",
        "ROTATOR_WRITE_BUDGET": "50",
        "ROTATOR_LOG_FORMAT": "json",
        "ROTATOR_CLOCK_FACTOR": str(FACTOR),
        "ROTATOR_CLOCK_EPOCH": epoch,
        "SOAK_PASSWORD": "correct horse",
        "SOAK_PARTNER_TOKEN": "sandbox-partner-token",
        "SOAK_CLIENT_SECRET": "sandbox-client-secret",
    }
    measured = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTHONPATH")
    return ours | {name: os.environ[name] for name in measured if name in os.environ}


__all__ = ["BY_CREDENTIAL", "KINDS", "SPENDING", "STALENESS", "Kind", "Town", "town"]
