"""The process's own settings: the `ROTATOR_*` variables, and nothing else of the environment.

The environment comes in as a mapping, so that nothing here depends on the process it runs in. Lists
are written with commas. What is not a setting is an error: a misspelt variable must not be ignored.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails

from rotator.durations import Duration
from rotator.errors import BadSettings
from rotator.model import Secret

PREFIX = "ROTATOR_"
_SECOND = timedelta(seconds=1)

# Kubernetes injects these into every pod of a namespace that has a Service named `rotator`.
_SERVICE_LINK = re.compile(
    r"ROTATOR_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


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


class Settings(BaseModel):
    """Everything that a worker is told from outside, checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

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
    clock_factor: float = Field(1.0, ge=1, le=100_000, allow_inf_nan=False)
    clock_epoch: AwareDatetime | None = Field(None)

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

    def allows_host(self, host: str) -> bool:
        """Whether a job file may name a provider on this host."""
        return not self.allowed_hosts or _fits(host.lower(), self.allowed_hosts)

    @property
    def seed_prefixes(self) -> tuple[str, ...]:
        return self.allowed_seed_prefixes or (f"{self.secret_prefix}/seed/",)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings that an environment holds. Raises BadSettings, one line a wrong variable."""
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
    wrong = [*_unknown(given)]
    values: dict[str, Any] = _defaults(environ)
    values |= {_field(name): value for name, value in given.items() if _is_known(name)}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        wrong += _told(error)
    else:
        wrong += _apart(settings)
        if not wrong:
            return settings
    # Outside of `except`: a chained ValidationError holds what was given.
    raise BadSettings("\n".join(sorted(wrong)))


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def _field(name: str) -> str:
    return name.removeprefix(PREFIX).lower()


def _is_known(name: str) -> bool:
    return _field(name) in Settings.model_fields and name == name.upper()


def _unknown(given: Mapping[str, str]) -> Iterator[str]:
    known = [variable(field) for field, facts in Settings.model_fields.items() if facts.description]
    for name in given:
        if _is_known(name) or _SERVICE_LINK.fullmatch(name):
            continue
        near = get_close_matches(name.upper(), known, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        yield f"{ascii(name)[1:-1]}: no setting of rotator; {remedy}"


def _defaults(environ: Mapping[str, str]) -> dict[str, Any]:
    """The folders that systemd gives, or those of the user, the same from any working directory."""
    home = environ.get("HOME", "")
    state = environ.get("XDG_STATE_HOME") or (home and f"{home}/.local/state")
    config = environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config")
    ours = environ.get("STATE_DIRECTORY", "").partition(":")[0] or (state and f"{state}/rotator")
    credentials = environ.get("CREDENTIALS_DIRECTORY", "")
    key = f"{credentials}/rotator.key" if credentials else config and f"{config}/rotator/seal.key"
    found = {"state_dir": ours, "key_file": key}
    return {field: Path(path) for field, path in found.items() if path}


def _told(error: ValidationError) -> Iterator[str]:
    """One line a variable. No value is quoted: a secret may have been put into the wrong one."""
    seen = set()
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        field = str(each["loc"][0])
        if field not in seen:
            seen.add(field)
            yield f"{variable(field)}: {_text(each, field)}"


def _text(each: ErrorDetails, field: str) -> str:
    if each["type"] == "missing":
        return "not set, and neither is HOME; set it to an absolute path"
    text = each["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if "; " in text:
        return text
    return f"{text}; {Settings.model_fields[field].description or 'see the docs'}"


def _apart(settings: Settings) -> Iterator[str]:
    """The key beside what it seals would be copied and stolen with it."""
    key, state = (Path(os.path.realpath(path)) for path in (settings.key_file, settings.state_dir))
    if key.is_relative_to(state):
        yield f"{variable('key_file')}: it lies in the state folder; put it where no backup goes"
