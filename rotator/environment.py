"""Settings out of an environment: the `ROTATOR_*` variables, and files named like them.

The environment comes in as a mapping, so that nothing here depends on the process it runs in. What
is not a setting is an error: a misspelt variable must not be ignored.
"""

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SecretsSettingsSource

from rotator.errors import BadSettings
from rotator.settings import PREFIX, Settings, variable

# Kubernetes injects these into every pod of a namespace that has a Service named `rotator`.
_SERVICE_LINK = re.compile(
    r"ROTATOR_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)

_CONSUMERS = frozenset({"ROTATOR_CONSUMER", "ROTATOR_REPORT_KEY", "ROTATOR_REPORT_URL"})
"""Those of rotator.client, which may be set for a whole machine."""

_NO_KEY_FILE = Path("/etc/rotator/rotator.key")
"""Where a key file would be looked for if KMS did not hold the key, and no home says where."""
_UNREADABLE = (
    "no such folder, or a file in it that cannot be read; it holds plain files of UTF-8 text"
)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings that an environment holds. Raises BadSettings, one line a wrong variable."""
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
    wrong = [*_unknown(given)]
    values: dict[str, Any] = _defaults(environ)
    said = _Given({name: value for name, value in given.items() if _is_known(name)})()
    try:
        values |= _mounted(said.get("settings_dir"), environ.get("CREDENTIALS_DIRECTORY")) | said
        if values.get("seal_kms_key"):
            values.setdefault("key_file", _NO_KEY_FILE)
        settings = Settings(**values)
    except ValidationError as error:
        wrong += _told(error)
    except (OSError, ValueError, UserWarning):
        wrong.append(f"{variable('settings_dir')}: {_UNREADABLE}")
    else:
        wrong += [*_apart(settings), *_guarded(settings)]
        if not wrong:
            return settings
    # Outside of `except`: a chained ValidationError holds what was given.
    raise BadSettings("\n".join(sorted(wrong)))


class _Given(EnvSettingsSource):
    """Settings among variables that are given, in place of the process's own."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _mounted(stated: str | None, credentials: str | None) -> dict[str, Any]:
    """Settings in files of a folder; one that was stated is there and holds nothing unreadable."""
    folder = Path(stated or credentials or os.devnull)
    if not stated and not folder.is_dir():
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a setting that is there and skipped is a mistake
        return SecretsSettingsSource(Settings, folder)()


def _guarded(settings: Settings) -> Iterator[str]:
    """Whoever may say who holds a token delays its end, so beyond this machine that takes a key."""
    listen = settings.api_listen
    if listen and not listen.host.is_loopback and not settings.api_key:
        key = variable("api_key")
        yield f"{variable('api_listen')}: others reach that address; set {key}, or use 127.0.0.1"


def _field(name: str) -> str:
    return name.removeprefix(PREFIX).lower()


def _is_known(name: str) -> bool:
    return _field(name) in Settings.model_fields and name == name.upper()


def _unknown(given: Mapping[str, str]) -> Iterator[str]:
    known = [variable(field) for field, facts in Settings.model_fields.items() if facts.description]
    for name in given:
        if _is_known(name) or name in _CONSUMERS or _SERVICE_LINK.fullmatch(name):
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
