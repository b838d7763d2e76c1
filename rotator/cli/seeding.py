"""`rotator seed`: a refresh token from a person's hands."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rotator.cli import options
from rotator.cli.exits import BadUsage, Exit

if TYPE_CHECKING:
    from rotator.cli.opening import House
    from rotator.jobs.job import Credential
    from rotator.model import Token
    from rotator.providers.base import Verdict
    from rotator.rotation.keyring import Taken
    from rotator.rotation.tools import Tools

_NEVER = "never"
_EXPIRES = "When it dies, if the provider cannot tell: 2026-12-31, an instant with zone, or never."


def seed(  # noqa: PLR0917 - an option each
    context: typer.Context,
    name: options.Name,
    expires_at: Annotated[str, typer.Option(metavar="WHEN", help=_EXPIRES)] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Inspect the token and say what would be done.")
    ] = False,
    spare: Annotated[
        bool,
        typer.Option("--spare", help="Put it beside the one that is there, to use them in turn."),
    ] = False,
    replaces: Annotated[
        bool,
        typer.Option("--replace", help="Even if a living one is kept and nobody vouches for it."),
    ] = False,
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

    if context.args:  # never echoed: it may be the token
        raise BadUsage(
            "a token is never an argument, and this one is in the shell's history now",
            remedy="type it at the prompt or pipe it in; if it was real, make another",
        )
    given = _instant(expires_at) if expires_at and expires_at != _NEVER else None
    house = House.open()
    credential = house.one(name)
    _refuse_chainless(credential)
    if spare:
        _refuse_alone(credential)
    if not (expires_at or _can_tell(credential) or _at_a_terminal()):
        raise _undecided(credential, house.clock.now())  # before a token is piped in for nothing
    token = _read(credential)
    with house.tools() as tools:
        inspected = _inspected(tools, credential, replace(token, expires_at=given), expires_at)
        put = keyring.second if spare else partial(keyring.seed, replaces=replaces)
        told = _tried(*inspected) if dry_run else _kept(house, tools, *inspected, put)
    return _report_seed(house, told, dry_run=dry_run, as_json=as_json)


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


def _instant(text: str) -> datetime:
    """A date is the beginning of its day, in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadUsage("--expires-at is no date", remedy="2026-12-31, or never") from None
    if len(text) == len("2026-12-31"):
        return at.replace(tzinfo=UTC)
    if at.tzinfo is None:
        raise BadUsage("--expires-at has no time zone", remedy="end it with Z")
    return at.astimezone(UTC)


def _inspected(
    tools: "Tools", credential: "Credential", token: "Token", asked: str
) -> "tuple[Credential, Token, Verdict]":
    """The token with its dates, and what the provider says of it."""
    from rotator.rotation.keyring import inspected

    verdict = inspected(tools, credential, token)
    if _must_ask(verdict) and not asked:
        token = replace(token, expires_at=_asked_expiry(credential, tools.clock.now()))
    if token.expires_at is not None and token.expires_at <= tools.clock.now():
        raise BadUsage("the token would be dead already", remedy="look at --expires-at")
    return credential, token, verdict


def _tried(credential: "Credential", token: "Token", verdict: "Verdict") -> dict[str, Any]:
    dies = getattr(verdict, "expires_at", None) or token.expires_at
    return _told(credential, verdict, dies) | {"dry_run": True}


def _kept(
    house: "House",
    tools: "Tools",
    credential: "Credential",
    token: "Token",
    verdict: "Verdict",
    put: "Callable[[Tools, Credential, Token, Verdict], Taken]",
) -> dict[str, Any]:
    from rotator.cli.opening import refuse_unmet

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
        "generation": 0,
        "request": None,
    }


def _must_ask(verdict: "Verdict") -> bool:
    from rotator.providers.base import Alive, Dead

    return not isinstance(verdict, Dead) and not (isinstance(verdict, Alive) and verdict.expires_at)


def _asked_expiry(credential: "Credential", now: datetime) -> datetime | None:
    """Where the provider cannot tell, whoever made it can; the job's own lifespan is proposed."""
    if not _at_a_terminal():
        raise _undecided(credential, now)
    question = f"When does the refresh token of {credential.qualified} die (nobody else can tell)"
    said = str(typer.prompt(question, default=_proposed(credential, now)))
    return None if said == _NEVER else _instant(said)


def _undecided(credential: "Credential", now: datetime) -> BadUsage:
    remedy = f"--expires-at {_proposed(credential, now)}"
    return BadUsage("the provider does not tell when this token dies", remedy=remedy)


def _proposed(credential: "Credential", now: datetime) -> str:
    from rotator.model import REFRESH_TOKEN

    lifespan = credential.schedule.token(REFRESH_TOKEN).lifespan
    return f"{now + lifespan:%Y-%m-%d}" if lifespan else _NEVER


def said(verdict: "Verdict") -> dict[str, str]:
    return {"inspection": type(verdict).__name__.lower(), "text": getattr(verdict, "text", "")}


def _report_seed(house: "House", told: dict[str, Any], *, dry_run: bool, as_json: bool) -> int:
    from rotator.cli import out

    dead = told["inspection"] == "dead"
    if as_json:
        out.say_json({**told, "worker": house.worker_is_alive()})
    else:
        text = f" ({told['text']})" if told["text"] else ""
        out.say(f"{told['credential']}: the provider says: {told['inspection']}{text}")
        if not dead:
            dies = told["expires_at"]
            out.say(f"it dies {out.both(dies, house.clock.now()) if dies else _NEVER}")
        if not dry_run:
            out.say(f"kept as generation {told['generation']}", _onward(house, told["credential"]))
    return Exit.FAILED if dead else Exit.DONE


def _onward(house: "House", name: str) -> str:
    if house.worker_is_alive():
        return "the worker goes on from here: `rotator status`"
    return f"no worker is alive: `rotator rotate {name}`, or start one"
