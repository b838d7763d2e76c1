"""What must hold between a job file, its provider and the process's settings."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import AnyUrl, BaseModel

from rotator import cron
from rotator.durations import display
from rotator.jobs.fields import SeedModel
from rotator.jobs.report import Report, near
from rotator.jobs.secret_fields import check_secret_name
from rotator.jobs.toml_lines import Place
from rotator.model import ACCESS_TOKEN
from rotator.policy.when import FLOOR, SKEW, fits
from rotator.providers.base import Plugin
from rotator.references import Place as Where
from rotator.references import SeedRef
from rotator.schedule import Limits, Schedule, Window
from rotator.settings import Settings


def urls(report: Report, base: Place, model: BaseModel, settings: Settings) -> None:
    """Every address among the settings: https, no login, no query, on an allowed host."""
    for name in type(model).model_fields:
        url = getattr(model, name)
        if isinstance(url, AnyUrl) and (said := _wrong_url(url, settings)):
            report.add((*base, name), said)


def _wrong_url(url: AnyUrl, settings: Settings) -> str:
    host = (url.host or "").strip("[]")
    if url.username or url.password:
        return "an address with a login; give the login as seeds"
    if url.query or url.fragment:
        return "an address with a query or fragment; end it with its path"
    if url.scheme != "https" and not _is_loopback(host):
        return "without TLS; write https:// (http:// is for 127.0.0.1 and [::1] only)"
    if not settings.allows_host(host):
        return "a host that is not allowed; ROTATOR_ALLOWED_HOSTS lists those that are"
    return ""


def _is_loopback(host: str) -> bool:
    """Literally: what a name resolves to is not ours to say."""
    return host == "::1" or (host.startswith("127.") and host.replace(".", "").isdigit())


def seeds(
    report: Report, base: Place, given: Mapping[str, SeedModel], plugin: Plugin, settings: Settings
) -> dict[str, SeedRef]:
    """The references, each to a seed that the provider knows and at a place that is allowed."""
    refs = {name: model.reference() for name, model in given.items()}
    for name, ref in refs.items():
        place = (*base, name)
        if name not in plugin.seeds:
            report.add(place, f"{plugin.name} has no such seed", near(name, plugin.seeds))
        elif said := _wrong_reference(ref, settings):
            report.add((*place, ref.place.value), said)
    return refs


def _wrong_reference(ref: SeedRef, settings: Settings) -> str:
    if ref.place is Where.ENV and not settings.allows_variable(ref.name):
        return wrong_variable()
    if ref.place is Where.FILE and not settings.allows_file(Path(ref.name)):
        folders = ", ".join(map(str, settings.allowed_seed_folders))
        return (
            f"outside of the folders that seeds may lie in; ROTATOR_ALLOWED_SEED_FOLDERS: {folders}"
        )
    if ref.place is Where.SECRET:
        return _wrong_secret(ref, settings)
    return ""


def wrong_variable() -> str:
    return "a variable that job files may not name; see ROTATOR_ALLOWED_SEED_VARIABLES"


def _wrong_secret(ref: SeedRef, settings: Settings) -> str:
    try:
        check_secret_name(ref.name)
    except ValueError as error:
        return str(error)
    if not settings.allows_secret(ref.name):
        prefixes = ", ".join(settings.seed_prefixes)
        return f"a secret that seeds may not come from; ROTATOR_ALLOWED_SEED_PREFIXES: {prefixes}"
    return ""


def secret_prefix(report: Report, place: Place, settings: Settings, name: str, kind: str) -> None:
    """IAM tells the consumers' secrets from the worker's own, and from seeds, by their prefixes."""
    prefix = settings.secret_prefix
    ours, theirs = ("token", "keyring") if kind == "name" else ("keyring", "token")
    if name.startswith((f"{prefix}/{theirs}/", f"{prefix}/seed/", *settings.seed_prefixes)):
        text = "a name under a prefix that is for other secrets"
        report.add(place, text, f"begin it {prefix}/{ours}/, or with another folder")


def schedule(report: Report, facts: Schedule, plugin: Plugin) -> None:
    """Whether every token can be renewed before it dies, by arithmetic."""
    for name in {*facts.tokens, *plugin.lifespans}:
        said = facts.token(name)
        lifespan = said.lifespan or plugin.lifespans.get(name)
        staleness = facts.consumer_max_staleness if name == ACCESS_TOKEN else timedelta(0)
        place = ("schedule", name)
        if lifespan and not fits(lifespan, staleness):
            report.add((*place, "lifespan"), *_never_fits(lifespan, staleness))
            continue
        if said.cron:
            _cron(report, (*place, "cron"), said.cron, lifespan, staleness)
        if facts.window and lifespan:
            _window(report, facts.window, lifespan, staleness)
    if facts.window and cron.largest_gap(facts.window.cron, facts.window.timezone) is None:
        report.add(("schedule", "window"), "this window never opens", "mend its cron")


def _window(report: Report, window: Window, lifespan: timedelta, staleness: timedelta) -> None:
    """Whether a token that is renewed as the window shuts could wait for it to open again.

    One that is renewed earlier may not: then a renewal falls outside, and no token dies of that.
    """
    gap = cron.largest_gap(window.cron, window.timezone)
    room = lifespan - staleness - SKEW
    if gap is None or gap - window.duration <= room:
        return
    shut = gap - window.duration
    text = (
        f"this window is shut for {display(shut)} at a time, and a token that lives"
        f" {display(lifespan)} has to be replaced within {display(room)} ({display(staleness)} for"
        f" the slowest consumer, {display(SKEW)} for clocks): next to no renewal would fall"
        " into it"
    )
    remedy = f"have it shut for {display(room)} at most, or remove it"
    report.add(("schedule", "window"), text, remedy)


REQUESTS = 2
"""Of one renewal: to obtain the token, and to verify it."""


def limits(report: Report, facts: Schedule, said: Limits, plugin: Plugin, size: int) -> None:
    """Whether all credentials have their turn before the first is to be renewed again."""
    per_minute, every = said.requests_per_minute, _renewed_every(facts, plugin)
    if per_minute is None or every is None:
        return
    requests, minute = size * REQUESTS, timedelta(minutes=1)
    if requests * minute / per_minute <= every:
        return
    least = -(-requests * minute // every)
    text = (
        f"{size} credentials with {REQUESTS} requests each take"
        f" {display(requests * minute / per_minute)} at {per_minute} a minute, and each is renewed"
        f" every {display(every)}"
    )
    report.add(("limits", "requests_per_minute"), text, f"allow at least {least} a minute")


def _renewed_every(facts: Schedule, plugin: Plugin) -> timedelta | None:
    """The shortest time between two renewals of an access token, None where nobody tells."""
    said = facts.token(ACCESS_TOKEN)
    lifespan = said.lifespan or plugin.lifespans.get(ACCESS_TOKEN)
    if said.cron:
        return timedelta(days=1) / max(cron.busiest_day(said.cron), 1)
    return max(lifespan / 2, FLOOR) if lifespan else None


def _never_fits(lifespan: timedelta, staleness: timedelta) -> tuple[str, str]:
    earliest = max(lifespan / 4, FLOOR)
    room = lifespan - earliest - SKEW
    text = (
        f"a token that lives {display(lifespan)} is renewed {display(earliest)} after its issue at"
        f" the earliest, and then a consumer may hold it for {display(staleness)} more, with"
        f" {display(SKEW)} for clocks: it would be dead before"
    )
    if room < timedelta(0):
        return text, "have the provider issue tokens that live longer"
    return text, f"lower schedule.consumer_max_staleness to {display(room)}"


def _cron(
    report: Report, place: Place, line: str, lifespan: timedelta | None, staleness: timedelta
) -> None:
    most = cron.busiest_day(line)
    gap = cron.largest_gap(line)
    if gap is None:
        report.add(place, "this cron never fires", "mend its day and month")
    elif most > cron.MOST_A_DAY:
        text = f"this cron fires {most} times a day, and AWS keeps about 100 versions of a secret"
        report.add(place, text, f"fire at most {cron.MOST_A_DAY} times a day")
    elif lifespan:
        _gap(report, place, gap, lifespan, staleness)


def _gap(
    report: Report, place: Place, gap: timedelta | None, lifespan: timedelta, staleness: timedelta
) -> None:
    if gap is None or gap + staleness <= lifespan:
        return
    text = f"this cron leaves a gap of {display(gap)}, the token lives {display(lifespan)}"
    if gap > lifespan:
        text += f": dead for {display(gap - lifespan)}"
    else:
        text += f", and a consumer may hold it for {display(staleness)} more"
    report.add(place, text, f"renew at least every {display(lifespan - staleness)}")


class Claim(NamedTuple):
    """That a credential writes to a secret."""

    secret: str
    owner: str
    place: Place
    report: Report


def keep_apart(claims: Iterable[Claim]) -> None:
    """No two credentials write to one secret. That none reads a seed there, prefixes see to."""
    owners: dict[str, Claim] = {}
    for claim in claims:
        first = owners.setdefault(claim.secret, claim)
        if first is not claim:
            at = f"{first.report.file}:{first.report.line(first.place)}"
            text = f"it would write to {claim.secret}, as {first.owner} does ({at})"
            claim.report.add(claim.place, text, "put {job} and {credential} into its name")
