"""The process's own settings: what each is called, what it may be, and what it allows."""

import re
from contextlib import suppress
from datetime import timedelta
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    IPvAnyNetwork,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from rotator.durations import Duration
from rotator.model import Secret

PREFIX = "ROTATOR_"
KMS_KEY = r"alias/[\w/-]+|arn:aws[\w-]*:kms:[\w:/-]+|mrk-[0-9a-f]{32}|[0-9a-f-]{36}"
"""How AWS's callers name a key."""
_SECOND = timedelta(seconds=1)
_SHORTEST_KEY = 16


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _no_empty_parts(parts: tuple[str, ...]) -> tuple[str, ...]:
    if "" in parts:
        raise ValueError("an empty entry; write a,b without a comma at either end")
    return parts


def _hide(value: object) -> object:
    if not isinstance(value, str):
        return value
    # An address may hold commas of its own, as mailto:// does: only one before a scheme divides.
    parts = re.split(r"[,\s]+(?=[A-Za-z0-9+.-]+://)", value.strip())
    return tuple(Secret(part) for part in parts)


def _hide_one(value: object) -> object:
    return Secret(value.strip()) if isinstance(value, str) else value


class Listen(NamedTuple):
    """Where to listen."""

    host: IPv4Address | IPv6Address
    port: int


def _listen(value: object) -> object:
    """An address as it stands, no name: what a name means is for others to say."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    with suppress(ValueError):
        parts = urlsplit(f"//{text}")
        if parts.port and parts.netloc == text and "@" not in text:
            return Listen(ip_address(parts.hostname or ""), parts.port)
    raise ValueError("no address and port; write 127.0.0.1:8421, 0.0.0.0:8421 or [::]:8421")


def _long_enough(key: Secret | None) -> Secret | None:
    text = key.reveal() if key else "x" * _SHORTEST_KEY
    if len(text) < _SHORTEST_KEY or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("no key; write 16 characters or more: openssl rand -hex 32")
    return key


def _absolute(folder: Path) -> Path:
    if not folder.is_absolute() or ".." in folder.parts:
        raise ValueError("not an absolute path; begin it with /, without ..")
    return folder


def _one_line(value: object) -> object:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("control characters; look for a line break at its end")
    return value


Words = Annotated[tuple[str, ...], AfterValidator(_no_empty_parts), BeforeValidator(_split)]
Folder = Annotated[Path, AfterValidator(_absolute), BeforeValidator(_one_line)]


class Settings(BaseSettings):
    """Everything that a worker is told from outside, checked. Made by `load_settings`."""

    model_config = SettingsConfigDict(
        arbitrary_types_allowed=True,
        enable_decoding=False,  # a list is written with commas, not in JSON
        env_ignore_empty=True,
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
    )

    jobs_dir: Annotated[Path, BeforeValidator(_one_line)] = Field(
        Path("jobs"), description="The folder of the job files."
    )
    state_dir: Folder = Field(
        description="Where the ledger lives: a disk of its own that outlives the process. Unset:"
        " systemd's $STATE_DIRECTORY, else $XDG_STATE_HOME/rotator, else ~/.local/state/rotator."
    )
    allow_ephemeral_state: bool = Field(
        default=False,
        description="Keep chains though the state folder is on tmpfs, an overlay or the network:"
        " when it is lost, so may be a refresh token.",
    )
    key_file: Folder = Field(
        description="The key that seals answers, 0600, outside of the state folder. Unset:"
        " systemd's $CREDENTIALS_DIRECTORY/rotator.key, else ~/.config/rotator/seal.key."
    )
    seal_kms_key: str = Field(
        "",
        max_length=2048,
        pattern=rf"^({KMS_KEY})?$",
        description="The KMS key that holds the ledger's sealing keys, in place of the key file:"
        " alias/…, an id or an ARN.",
    )
    secret_prefix: str = Field(
        "rotator",
        max_length=128,
        pattern=r"^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*$",
        description="What the names of our secrets begin with; two environments that share an AWS"
        " account have one each.",
    )
    environment: str = Field(
        "",
        max_length=64,
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="Which environment this is, e.g. prod; a tag of our secrets.",
    )
    write_budget: float = Field(
        20.0,
        ge=0.1,
        le=50,
        allow_inf_nan=False,
        description="Writes a second to Secrets Manager; AWS grants 50 to all of an account's"
        " Region.",
    )
    threads: int = Field(8, ge=1, le=64, description="How many rotations run at once.")
    request_timeout: Duration = Field(
        30 * _SECOND,
        ge=_SECOND,
        le=600 * _SECOND,
        description="For one whole request to a provider.",
    )
    put_timeout: Duration = Field(
        30 * _SECOND,
        ge=_SECOND,
        le=600 * _SECOND,
        description="For one write to Secrets Manager, with all its attempts.",
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least of the log lines that are written."
    )
    alert_urls: Annotated[tuple[Secret, ...], BeforeValidator(_hide)] = Field(
        (), description="Whom to alert, as Apprise URLs; secret."
    )
    notify_urls: Annotated[tuple[Secret, ...], BeforeValidator(_hide)] = Field(
        (),
        description="Which machines to tell that a token was published, as https addresses; secret."
        " A Standard Webhooks request each, without any token.",
    )
    notify_key: Annotated[Secret | None, BeforeValidator(_hide_one)] = Field(
        None, description="Signs those requests: whsec_ and 24 to 64 bytes in base64; secret."
    )
    api_listen: Annotated[Listen | None, BeforeValidator(_listen)] = Field(
        None,
        description="Where the worker's API listens, as address:port: consumers report there which"
        " generation they hold. Unset: nowhere.",
    )
    api_key: Annotated[Secret | None, AfterValidator(_long_enough), BeforeValidator(_hide_one)] = (
        Field(
            None,
            description="What they show it, as a bearer token; needed beyond loopback; secret. All"
            " that it opens is that.",
        )
    )
    allowed_seed_prefixes: Words = Field(
        (),
        description="Job files may name seeds in secrets whose names begin so. Unset:"
        " <secret prefix>/seed/.",
    )
    allowed_seed_folders: Annotated[tuple[Folder, ...], BeforeValidator(_split)] = Field(
        (
            Path("/run/secrets"),
            Path("/var/run/secrets"),
            Path("/run/credentials"),
            Path("/etc/rotator/seeds"),
        ),
        description="Job files may name seeds in files beneath these folders.",
    )
    allowed_seed_variables: Words = Field(
        ("*",),
        description="Job files may name environment variables of these patterns; those of rotator"
        " and AWS never.",
    )
    allowed_hosts: Words = Field(
        (), description="Job files may name providers on hosts of these patterns. Unset: any."
    )
    allowed_addresses: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_split)] = Field(
        (),
        description="Link-local and metadata addresses that providers may have all the same:"
        " addresses or networks.",
    )
    tls_ca_file: Folder | None = Field(
        None, description="Authorities to believe beside the usual ones, as PEM: a company's own."
    )
    tls_client_cert: Folder | None = Field(
        None,
        description="Our certificate for mutual TLS with its chain, as PEM; read at the start.",
    )
    tls_client_key: Folder | None = Field(
        None, description="Its key, unencrypted, 0600. Unset: it is in the certificate's file."
    )
    tls_client_cert_hosts: Words = Field(
        ("*",), description="The providers' hosts that it is shown to, as patterns."
    )
    settings_dir: Folder | None = Field(
        None,
        description="A folder of files, each named as one of these variables and holding its value,"
        " as Docker and Kubernetes mount secrets; a variable that is set comes before its file."
        " Unset: systemd's $CREDENTIALS_DIRECTORY.",
    )
    clock_factor: float = Field(1.0, ge=1, le=100_000, allow_inf_nan=False)
    clock_epoch: AwareDatetime | None = Field(None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's names
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` has read: no other process's environment, no .env file."""
        return (init_settings,)

    def allows_variable(self, name: str) -> bool:
        """Whether a job file may name this environment variable."""
        return not name.startswith(("AWS_", PREFIX)) and _fits(name, self.allowed_seed_variables)

    def allows_file(self, file: Path) -> bool:
        """Whether a job file may name a seed in this file, once its links are followed.

        Never the ledger or the sealing key, however wide the allowed folders are.
        """
        own = file == self.key_file or file.is_relative_to(self.state_dir)
        return not own and any(file.is_relative_to(each) for each in self.allowed_seed_folders)

    def allows_secret(self, name: str) -> bool:
        """Whether a job file may name a seed in this secret: never in one that we publish to."""
        own = name.startswith((f"{self.secret_prefix}/token/", f"{self.secret_prefix}/keyring/"))
        return not own and name.startswith(self.seed_prefixes)

    def presents_certificate_to(self, host: str) -> bool:
        """Whether a provider on this host may see our certificate."""
        return _fits(host.lower(), self.tls_client_cert_hosts)

    def allows_host(self, host: str) -> bool:
        """Whether a job file may name a provider on this host."""
        return not self.allowed_hosts or _fits(host.lower(), self.allowed_hosts)

    @property
    def seed_prefixes(self) -> tuple[str, ...]:
        return self.allowed_seed_prefixes or (f"{self.secret_prefix}/seed/",)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()
