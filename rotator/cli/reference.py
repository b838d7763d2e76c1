"""rotator/cli/README.md: every verb, made from the command line itself."""

from collections.abc import Iterator, Mapping
from typing import Any

import typer.main

from rotator.cli.app import app
from rotator.cli.exits import MEANINGS, STATUS_MEANINGS
from rotator.cli.keys import KEYS

_INTRO = """\
<!-- Made by `make docs` from the command line itself. Do not edit. -->
# The command line

`rotator VERB --help` says the same. Credentials are named `job/credential`; where several may be
named, a job stands for all of its credentials, and patterns such as `'alation/*'` work. An error is
one line on stderr that says what to do; with `ROTATOR_DEBUG=1` its traceback comes too. With
`--json` stdout holds JSON or, after an error, nothing. No verb prints a secret, but `token`.

Verbs that read the job files want the environment that the worker has: run them where it runs.
"""


def page(_: str = "") -> str:
    """The whole page."""
    command: Any = typer.main.get_command(app)
    parts = [_INTRO, *_exit_codes()]
    for name, verb in command.commands.items():
        parts += _verb(name, verb)
    parts += _completion()
    return "\n".join(parts).rstrip() + "\n"


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield _rows("code", "means", {str(code.value): text for code, text in MEANINGS.items()})
    yield "`rotator status --exit-code` has a scale of its own, as monitoring knows it:\n"
    yield _rows("code", "means", {str(code): text for code, text in STATUS_MEANINGS.items()})


def _verb(name: str, verb: Any) -> Iterator[str]:
    shown = [each for each in verb.params if not each.hidden and each.name != "help"]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    usage = " ".join([f"rotator {name}", *(_usage(each) for each in arguments)])
    yield f"## {name}\n"
    yield f"`{usage}`\n"
    yield f"{_cleaned(verb.help)}\n"
    if shown:
        yield _rows("", "", {_spelt(each): _said(each) for each in shown})
    for key in (name, *(key for key in KEYS if key.startswith(f"{name} "))):
        if key in KEYS:
            about = key.partition(" ")[2]
            yield f"Keys of {f'each of `{about}`' if about else '`--json`'}:\n"
            yield _rows("key", "is", {f"`{name}`": text for name, text in KEYS[key].items()})


def _cleaned(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _usage(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    several = "..." if parameter.nargs == -1 else ""
    return f"{name}{several}" if parameter.required else f"[{name}{several}]"


def _spelt(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    both = [*parameter.opts, *parameter.secondary_opts]
    value = "" if parameter.is_flag else f" {_value(parameter)}"
    return ", ".join(f"`{each}{value}`" for each in both)


def _value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _said(parameter: Any) -> str:
    text = str(parameter.help or "").rstrip(".")
    default = parameter.default
    if parameter.required and parameter.param_type_name == "option":
        return f"{text}. Required"
    if parameter.is_flag if parameter.param_type_name == "option" else True:
        return text
    return f"{text}. Unset: {default}" if default not in (None, "") else text


def _completion() -> Iterator[str]:
    yield "## Completion\n"
    yield "`rotator --install-completion` teaches the shell in use; `--show-completion` shows it.\n"


def _rows(head: str, other: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {head} | {other} |", "| --- | --- |"]
    lines += [f"| {_cell(key)} | {_cell(text)} |" for key, text in rows.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
