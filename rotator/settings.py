"""The process's own settings: what each is called, what it may be, and what it allows."""

from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from rotator.durations import Duration
from rotator.notation import (
    AnyPath,
    BearerKey,
    Folder,
    Folders,
    ListenAt,
    Networks,
    SecretText,
    SecretUrls,
    Words,
)

PREFIX = "ROTATOR_"
KMS_KEY = r"alias/[\w/-]+|arn:aws[\w-]*:kms:[\w:/-]+|mrk-[0-9a-f]{32}|[0-9a-f-]{36}"
"""How AWS's callers name a key."""
_SECOND = timedelta(seconds=1)


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

    jobs_dir: AnyPath = Field(Path("jobs"), description="The folder of the job files.")
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
    alert_urls: SecretUrls = Field((), description="Whom to alert, as Apprise URLs; secret.")
    notify_urls: SecretUrls = Field(
        (),
        description="Which machines to tell that a token was published, as https addresses; secret."
        " A Standard Webhooks request each, without any token.",
    )
    notify_key: SecretText | None = Field(
        None, description="Signs those requests: whsec_ and 24 to 64 bytes in base64; secret."
    )
    notify_ca_file: Folder | None = Field(
        None,
        description="Authorities to believe of those machines beside the usual ones, as PEM."
        " Unset: as of providers.",
    )
    api_listen: ListenAt | None = Field(
        None,
        description="Where the worker's API listens, as address:port: consumers report there which"
        " generation they hold. Unset: nowhere.",
    )
    api_key: BearerKey | None = Field(
        None,
        description="What they show it, as a bearer token; needed beyond loopback; secret. All"
        " that it opens is that.",
    )
    allowed_seed_prefixes: Words = Field(
        (),
        description="Job files may name seeds in secrets whose names begin so. Unset:"
        " <secret prefix>/seed/.",
    )
    allowed_seed_folders: Folders = Field(
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
    allowed_addresses: Networks = Field(
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
        ("*",),
        description="The hosts that it is shown to, as patterns: of providers, and of machines that"
        " are told of tokens.",
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
