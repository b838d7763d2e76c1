"""Amino (AminoTV, AminoMOVE): a login gives a pair of JWTs, and the pair is renewed as a pair.

Sources: the vendor's pages "Obtaining access token and refresh token", "Cookie-token exchange" and
"User login" (Confluence space MAPI). They name the renewal by its anchor only, so its path and body
are settings here; the platform's word that it follows JSON:API stands for its errors.
"""

from collections.abc import Iterator

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers import shapes
from rotator.providers.amino.exchange import Exchange, header, read_inspection
from rotator.providers.amino.settings import Credential, Job
from rotator.providers.base import Grant, Inspection, Plugin, Provider

_BOTH = frozenset({ACCESS_TOKEN, REFRESH_TOKEN})


def build(job: Job, credential: Credential, seeds: frozenset[str]) -> Provider:
    """Raises ValueError where the settings do not fit the seeds."""
    _check(job, credential, seeds)
    amino = Exchange(job, credential.username)
    inspection = Inspection(
        needs=frozenset({ACCESS_TOKEN}), ask=amino.ask_inspect, read=read_inspection
    )
    return Provider(
        name=plugin.name,
        host=shapes.origin(str(job.base_url)),
        identity={"username": credential.username} if credential.username else {},
        grants=tuple(_grants(amino, seeds)),
        header=header,
        inspections={ACCESS_TOKEN: inspection} if job.inspect_path else {},
    )


def _check(job: Job, credential: Credential, seeds: frozenset[str]) -> None:
    if "password" in seeds and not job.password_path:
        raise ValueError("the seed `password` is of no use without the setting `password_path`")
    if len(seeds & {"ssid", "usid"}) == 1:
        raise ValueError("the seeds `ssid` and `usid` are of use only together")
    if seeds & {"password", "ssid"} and not credential.username:
        raise ValueError("`username` is missing: a password and cookies are presented with one")


def _grants(amino: Exchange, seeds: frozenset[str]) -> Iterator[Grant]:
    job = amino.job
    yield Grant(
        name="refresh_token",
        needs=frozenset({REFRESH_TOKEN}),
        yields=_BOTH,
        spends=REFRESH_TOKEN if job.refresh_rotates else None,
        replay=job.refresh_lifespan if job.replay is None else job.replay,
        ask=amino.ask_refresh,
        read=amino.read,
    )
    logins = (
        ("password", {"password"}, amino.ask_password),
        ("cookie", {"ssid", "usid"}, amino.ask_cookie),
    )
    for name, needs, ask in logins:
        if needs <= seeds:
            yield Grant(
                name=name,
                needs=frozenset(needs),
                yields=_BOTH,
                suspects=("username",),
                ask=ask,
                read=amino.read,
            )


_EXAMPLE = """\
provider = "amino"
base_url = { env = "AMINO_BASE_URL" }    # https://… of the operator's installation
# renew_path = "/api/auth/v1/access_tokens"  # the vendor's pages do not say; ask your operator
# renew_encoding = "json"                    # or "form"
# inspect_path = "/channels"                 # a harmless GET; tells a living token from a dead one
# password_path = "/api/auth/v1/access_tokens"  # if your version gives tokens for a password
# service = "webui"                          # for the exchange of cookies

[schedule]
survive = "4h"                  # an outage this long must not cost a consumer its token
consumer_max_staleness = "10m"  # the slowest consumer's cache

[schedule.access_token]
lifespan = "24h"                # what you expect; what the provider answers wins

[schedule.refresh_token]
lifespan = "4d"

[[credentials]]
name = "epg"
seeds = { refresh_token = { env = "AMINO_EPG_REFRESH_TOKEN" } }  # from the last login's answer

# [[credentials]]
# name = "portal"
# username = "portal@example.com"
# seeds = { ssid = { env = "AMINO_PORTAL_SSID" }, usid = { env = "AMINO_PORTAL_USID" } }
"""

plugin = Plugin(
    name="amino",
    title="Amino (AminoTV, AminoMOVE; JSON Web Tokens)",
    job=Job,
    credential=Credential,
    seeds={
        REFRESH_TOKEN: "The refresh token in the answer to the last login.",
        "password": "The password of `username`, where `password_path` is set.",
        "ssid": "The cookie of that name of a web session that is logged in.",
        "usid": "The cookie of that name of the same session.",
    },
    build=build,
    cannot=(
        "Log in by Digest, in two stages: seed a refresh token, a password or cookies instead.",
        "Revoke: Amino keeps no tokens; forgetting deletes what is stored, a leaked one lives on.",
        "Know where a token is renewed: the vendor's pages do not say, see `renew_path`.",
    ),
    example=_EXAMPLE,
)
