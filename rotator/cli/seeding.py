"""`rotator seed`: a refresh token from a person's hands."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotator.cli import expiry, options
from rotator.cli.exits import BadUsage, Exit

if TYPE_CHECKING:
    from rotator.cli.opening import House
    from rotator.jobs.job import Credential
    from rotator.model import Token
    from rotator.providers.base import Verdict
    from rotator.rotation.keyring import Taken
    from rotator.rotation.tools import Tools

_EXPIRES = "When it dies, if the provider cannot tell: 2026-12-31, an instant with zone, or never."
_ExpiresAt = Annotated[str, typer.Option(metavar="WHEN", help=_EXPIRES)]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Inspect the token and say what would be done.")
]
_Spare = Annotated[
    bool, typer.Option("--spare", help="Put it beside the one that is there, to use them in turn.")
]
_Replace = Annotated[
    bool, typer.Option("--replace", help="Even if a living one is kept and nobody vouches for it.")
]


def seed(  # noqa: PLR0917 - an option each
    context: typer.Context,
    name: options.Name,
    expires_at: _ExpiresAt = "",
    dry_run: _DryRun = False,
    spare: _Spare = False,
    replaces: _Replace = False,
    as_json: options.Json = False,
) -> int:
    """Give a credential a new refresh token, from a hidden prompt or from stdin.

    The provider is asked about it first: a dead token is refused, a living one is kept with its
    real dates. Where it cannot tell when a token dies, a person must: at the prompt, or beforehand
    with --expires-at. Where it can say nothing, a living token is replaced with --replace alone.
    This is the way out of *needs a person*.
    """
    from rotator.cli.opening import House
    from rotator.rotation import keyring

    _refuse_arguments(context.args)
    given = expiry.instant(expires_at) if expires_at else None
    house = House.open()
    credential = house.one(name)
    _refuse_chainless(credential)
    if spare:
        _refuse_alone(credential)
    if not (dry_run or expires_at or _can_tell(credential) or _at_a_terminal()):
        # Before a token is piped in for nothing.
        raise expiry.undecided(credential, house.clock.now())
    token = replace(_read(credential), expires_at=given)
    if dry_run:
        told = _tried(house, credential, token, expires_at)
    else:
        put = keyring.second if spare else partial(keyring.seed, replaces=replaces)
        told = _kept(house, credential, token, expires_at, put)
    return _report_seed(house, credential, told, as_json=as_json)


def _refuse_arguments(given: "Sequence[str]") -> None:
    if given:  # never echoed: it may be the token
        raise BadUsage(
            "a token is never an argument, and this one is in the shell's history now",
            remedy="type it at the prompt or pipe it in; if it was real, make another",
        )


def _refuse_chainless(credential: "Credential") -> None:
    from rotator.model import REFRESH_TOKEN

    needs = {need for grant in credential.provider.grants for need in grant.needs}
    if credential.keyring_secret is not None and REFRESH_TOKEN in needs:
        return
    where = "; ".join(f"{seed}: {ref}" for seed, ref in sorted(credential.seeds.items()))
    raise BadUsage(
        f"{credential.qualified} keeps no refresh token", remedy=f"its seeds are read from {where}"
    )


def _can_tell(credential: "Credential") -> bool:
    """Whether the provider can be asked about a refresh token at all."""
    from rotator.model import REFRESH_TOKEN

    return REFRESH_TOKEN in credential.provider.inspections


def _refuse_alone(credential: "Credential") -> None:
    if not credential.provider.isolated:
        raise BadUsage(
            f"{credential.qualified} cannot use two refresh tokens in turn",
            remedy="see `alternate` in jobs/README.md: only where a renewal ends the token in use,"
            " and the provider keeps chains apart",
        )


def _read(credential: "Credential") -> "Token":
    """The token itself. Never from an argument: those are shown to every user of the machine."""
    from rotator.model import Secret, Token

    if _at_a_terminal():
        text = str(typer.prompt(f"Refresh token of {credential.qualified}", hide_input=True))
    else:
        text = sys.stdin.readline(1 << 17)
    text = text.strip()
    if not text or not text.isprintable():
        raise BadUsage("no token was given", remedy="one line on stdin, or at the prompt")
    return Token(value=Secret(text))


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _tried(house: "House", credential: "Credential", token: "Token", when: str) -> dict[str, Any]:
    """What --dry-run finds. Nothing is made, not even a ledger, and nobody asks for the expiry."""
    from rotator.rotation.keyring import inspected

    with house.imagined() as tools:
        verdict = inspected(tools, credential, token)
    expiry.refuse_past(token, house.clock.now())
    dies = getattr(verdict, "expires_at", None) or token.expires_at
    more = {"dry_run": True, "asks_expires_at": expiry.must_ask(verdict) and not when}
    return _told(credential, verdict, dies) | more


def _kept(
    house: "House",
    credential: "Credential",
    token: "Token",
    when: str,
    put: "Callable[[Tools, Credential, Token, Verdict], Taken]",
) -> dict[str, Any]:
    from rotator.cli.opening import refuse_unmet
    from rotator.rotation.keyring import inspected

    now = house.clock.now()
    with house.tools() as tools:
        verdict = inspected(tools, credential, token)
        if expiry.must_ask(verdict) and not when:
            if not _at_a_terminal():
                raise expiry.undecided(credential, now)
            token = replace(token, expires_at=expiry.asked(credential, now))
        expiry.refuse_past(token, now)
        with house.guarded(tools.ledger):
            refuse_unmet(tools.ledger, [credential.qualified])
            taken = put(tools, credential, token, verdict)
    written = {"generation": taken.generation, "request": taken.manual_id or None}
    return _told(credential, verdict, taken.expires_at) | written


def _told(
    credential: "Credential", verdict: "Verdict", expires_at: datetime | None
) -> dict[str, Any]:
    return {
        "credential": credential.qualified,
        **said(verdict),
        "dry_run": False,
        "expires_at": expires_at,
        "asks_expires_at": False,
        "generation": 0,
        "request": None,
    }


def said(verdict: "Verdict") -> dict[str, str]:
    return {"inspection": type(verdict).__name__.lower(), "text": getattr(verdict, "text", "")}


def _report_seed(
    house: "House", credential: "Credential", told: dict[str, Any], *, as_json: bool
) -> int:
    from rotator.cli import out

    dead = told["inspection"] == "dead"
    if as_json:
        out.say_json({**told, "worker": house.worker_is_alive()})
    else:
        text = f" ({told['text']})" if told["text"] else ""
        out.say(f"{told['credential']}: the provider says: {told['inspection']}{text}")
        if not dead:
            out.say(_end(credential, told, house.clock.now()))
        if told["dry_run"]:
            out.say("nothing was written: a dry run")
        else:
            out.say(f"kept as generation {told['generation']}", _onward(house, told["credential"]))
    return Exit.FAILED if dead else Exit.DONE


def _end(credential: "Credential", told: dict[str, Any], now: datetime) -> str:
    from rotator.cli import out

    if told["asks_expires_at"]:
        when = f"--expires-at {expiry.proposed(credential, now)}"
        return f"nobody but you can tell when it dies: without --dry-run, give {when}"
    return f"it dies {out.both(told['expires_at'], now) if told['expires_at'] else expiry.NEVER}"


def _onward(house: "House", name: str) -> str:
    if house.worker_is_alive():
        return "the worker goes on from here: `rotator status`"
    return f"no worker is alive: `rotator rotate {name}`, or start one"
