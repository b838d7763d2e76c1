"""`rotator token`: the only verb that shows a secret, because it was asked to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import typer

from rotator.cli import options
from rotator.cli.exits import BadUsage
from rotator.errors import StoreError

_HEADER = "Print the whole header, as a request carries it."


def token(
    name: options.Name,
    header: Annotated[bool, typer.Option("--header", help=_HEADER)] = False,
    as_json: options.Json = False,
) -> None:
    """Print a credential's access token, from the secret that consumers read.

    It fails where there is none, or where it is dead. --json prints all that consumers see.
    """
    from rotator.cli import out
    from rotator.cli.opening import House

    if header and as_json:
        raise BadUsage("--header and --json exclude each other")
    house = House.open()
    credential = house.one(name)
    with house.store() as store:
        version = store.get(credential.token_secret)
    fields = version.fields if version else {}
    _refuse_dead(credential.qualified, fields, house.clock.now())
    if as_json:
        out.say_json(dict(fields))
    elif header:
        print(f"{fields['header_name']}: {fields['header_value']}")  # noqa: T201
    else:
        print(fields["access_token"])  # noqa: T201


def _refuse_dead(name: str, fields: Mapping[str, str], now: datetime) -> None:
    from rotator.rotation.sealed import parsed

    if "access_token" not in fields:
        raise StoreError(f"{name} has no token yet", remedy=f"`rotator explain {name}`")
    expires_at = parsed(fields.get("expires_at", ""))
    if expires_at is not None and expires_at <= now:
        raise StoreError(f"{name}'s token is dead", remedy=f"`rotator rotate {name}`")
