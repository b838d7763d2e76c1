"""`rotator init` and `rotator forget`: a credential's beginning and its end."""

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from rotator.cli import options
from rotator.cli.exits import BadUsage

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.cli.opening import House
    from rotator.settings import Settings
    from rotator.store.base import SecretSpec

_RECOVERY = "Days in which AWS gives a deleted secret back."


def init(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="alation, oauth2 …")],
    name: Annotated[
        str, typer.Option(metavar="JOB", help="The job's name; unset: the provider's.")
    ] = "",
    as_json: options.Json = False,
) -> None:
    """Write a commented job file to begin with, into the folder of job files.

    A file that is there already is never overwritten. With --name the environment variables in it
    begin with the job's name, so that no two jobs share a seed.
    """
    from rotator.cli import out
    from rotator.cli.opening import READ_ANEW, House
    from rotator.jobs.fields import NAME
    from rotator.jobs.report import near
    from rotator.providers.registry import plugins

    there = plugins()
    if provider not in there:
        raise BadUsage(f"there is no provider {provider}", remedy=near(provider, there))
    if not NAME.fullmatch(name or provider):
        raise BadUsage(f"{name} is no name for a job", remedy="[a-z0-9][a-z0-9_-]*")
    settings = House.open().settings
    path = settings.jobs_dir / f"{name or provider}.toml"
    text = there[provider].example.strip() + "\n"
    _write_new(path, _renamed(text, provider, name, settings) if name else text)
    if as_json:
        out.say_json({"provider": provider, "file": str(path)})
        return
    out.say(f"wrote {path}", "next: put in your settings, then `rotator check`")
    out.say(f"then, where a worker runs, {READ_ANEW}")


def _renamed(text: str, provider: str, job: str, settings: "Settings") -> str:
    """With the job's name before each variable; one that no job file may name stays as it is."""

    def own(found: re.Match[str]) -> str:
        rest = found[1].removeprefix(f"{_as_variable(provider)}_")
        variable = f"{_as_variable(job)}_{rest}"
        sound = variable[0].isalpha() and settings.allows_variable(variable)
        return f'env = "{variable if sound else found[1]}"'

    return re.sub(r'env = "(\w+)"', own, text)


def _as_variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _write_new(path: "Path", text: str) -> None:
    from rotator.errors import RotatorError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        raise BadUsage(f"{path} is there already", remedy="give another --name") from None
    except OSError as error:
        remedy = "set ROTATOR_JOBS_DIR to a folder that you may write to"
        raise RotatorError(f"{path} cannot be written: {error.strerror}", remedy=remedy) from None
    with os.fdopen(opened, "w") as file:
        file.write(text)


def forget(
    name: options.Name,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Schedule its two secrets for deletion as well.")
    ] = False,
    recovery_days: Annotated[
        int, typer.Option(parser=options.whole("days", 7, 30), metavar="DAYS", help=_RECOVERY)
    ] = 30,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Delete what is stored of a credential: its history, answers, marks and back-offs.

    The provider's tokens are not revoked. Consumers keep their secret, unless --secrets.
    """
    from rotator.cli import out
    from rotator.cli.names import one, why_absent
    from rotator.cli.opening import House

    house = House.open()
    known = {row.credential for row in house.rows()} | house.book.credentials.keys()
    found = one(name, known, house.book)
    specs = _specs(house, found) if secrets else []
    if absent := why_absent(found.partition("/")[0], house.book):
        out.warn(f"rotator: {found} may still be wanted: {absent}")
    for loss in _at_stake(house, found):
        out.warn(f"rotator: {found}: {loss}")
    options.confirmed(_question(found, specs, recovery_days), yes=yes)
    removed = _forgotten(house, found, specs, recovery_days)
    has_job = found in house.book.credentials
    if as_json:
        told = {"credential": found, "secrets": removed, "job_file": has_job}
        out.say_json(told)
        return
    out.say(f"{found}: forgotten")
    out.say(*(f"{each}: deleted in {recovery_days} days" for each in removed))
    if has_job:
        out.say("its job file still gives it: the worker begins anew with it unless you remove it")


def _at_stake(house: "House", name: str) -> Iterator[str]:
    """What only the ledger knows of its chain. Whoever forgets is to know it first."""
    if not house.has_ledger:
        return
    with house.ledger() as ledger:
        record = ledger.look(name)
    if record is None:
        return
    if record.seals:  # also one that could be read by nobody yet
        yield "a sealed answer that is not kept yet may hold its only living refresh token"
    if any(intent.spends for intent in record.open_intents):
        yield (
            "a request for it is unanswered, so its refresh token may be spent: should its job"
            " come back, that token is presented again, and a provider may then end its chain"
        )


def _question(name: str, specs: "list[SecretSpec]", days: int) -> str:
    what = f"Forget {name}: its history, sealed answers and marks"
    if specs:
        what += f", and delete {' and '.join(spec.name for spec in specs)} in {days} days"
    return f"{what}?"


def _specs(house: "House", name: str) -> "list[SecretSpec]":
    """As its job says; by the usual names where no job file gives it any more."""
    from rotator.store.base import SecretSpec

    credential = house.book.credentials.get(name)
    if credential is not None:
        return list(credential.secrets.values())
    prefix = house.settings.secret_prefix
    kinds = ("token", "keyring")
    return [SecretSpec(name=f"{prefix}/{kind}/{name}", owner=name) for kind in kinds]


def _forgotten(house: "House", name: str, specs: "list[SecretSpec]", days: int) -> list[str]:
    """Secrets first: should that fail, nothing is forgotten. No walk may be under way."""
    from rotator.store.removal import Remover

    settings = house.settings
    remover = Remover(house.clock, prefix=settings.secret_prefix, timeout=settings.put_timeout)
    try:
        with house.leased(name) as ledger:
            removed = [spec.name for spec in specs if remover.remove(spec, days)]
            if ledger is not None:
                ledger.forget(name)
    finally:
        remover.close()
    return removed
