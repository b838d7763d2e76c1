"""Alation's API tokens: a refresh token of 60 days mints access tokens of 24 hours.

Sources: the vendor's pages "Authentication" and "API Authentication (legacy tokens)" at
developer.alation.com, its own Python SDK (allie-sdk) with its tests, and public clients. Every path
ends with a slash: without it, Django answers 301.

What they leave open is assumed at its worst. Nothing says that minting or regenerating lets
earlier access tokens live, so both count as killing them; regenerating spends the old refresh
token at once, with no grace known.
"""

from datetime import timedelta
from functools import partial

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN
from rotator.providers import shapes
from rotator.providers.alation.exchange import PASSWORD, Exchange
from rotator.providers.alation.settings import Credential, Job
from rotator.providers.base import Grant, Inspection, Plugin, Provider


def _inspection(alation: Exchange, operation: str, token: str, field: str) -> Inspection:
    ask = partial(alation.present, operation, token, field)
    return Inspection(needs=frozenset({token}), ask=ask, read=alation.judged)


def _grants(alation: Exchange) -> tuple[Grant, Grant, Grant]:
    refresh, access = frozenset({REFRESH_TOKEN}), frozenset({ACCESS_TOKEN})
    mint = Grant(
        name="refresh_token",
        needs=refresh,
        yields=access,
        kills=access if alation.job.mint_kills else frozenset(),
        suspects=("user_id",),
        ask=partial(alation.present, "createAPIAccessToken", REFRESH_TOKEN, REFRESH_TOKEN),
        read=alation.minted,
    )
    regenerate = Grant(
        name="regenerate",
        needs=refresh,
        yields=refresh,
        spends=REFRESH_TOKEN,
        kills=access if alation.job.regenerate_kills else frozenset(),
        suspects=("user_id",),
        ask=partial(alation.present, "regenRefreshToken", REFRESH_TOKEN, REFRESH_TOKEN),
        read=alation.regenerated,
    )
    log_in = Grant(
        name=PASSWORD,
        needs=frozenset({PASSWORD}),
        yields=refresh,
        suspects=("username",),
        kills=access,  # one source has createRefreshToken revoke the user's earlier tokens
        ask=alation.log_in,
        read=alation.logged_in,
    )
    return mint, regenerate, log_in


def build(job: Job, credential: Credential, seeds: frozenset[str]) -> Provider:
    """One user's way in. Raises ValueError for a password without its username."""
    if PASSWORD in seeds and not credential.username:
        raise ValueError("`username` is needed where a password is given")
    alation = Exchange(job, credential)
    mint, regenerate, log_in = _grants(alation)
    identity = {"user_id": str(credential.user_id), "username": credential.username}
    return Provider(
        name="alation",
        host=shapes.origin(str(job.base_url)),
        identity={name: value for name, value in identity.items() if value},
        grants=(mint, regenerate, log_in) if PASSWORD in seeds else (mint, regenerate),
        header=lambda token: ("TOKEN", token.value.reveal()),
        isolated=job.alternate and (job.mint_kills or job.regenerate_kills),
        second_by=PASSWORD if PASSWORD in seeds else "",
        token_type="TOKEN",  # noqa: S106 - its kind
        inspections={
            REFRESH_TOKEN: _inspection(
                alation, "validateRefreshToken", REFRESH_TOKEN, REFRESH_TOKEN
            ),
            ACCESS_TOKEN: _inspection(
                alation, "validateAPIAccessToken", ACCESS_TOKEN, "api_access_token"
            ),
        },
    )


plugin = Plugin(
    name="alation",
    title="Alation, data catalog",
    job=Job,
    credential=Credential,
    seeds={
        REFRESH_TOKEN: "<base_url>/account/auth, Create Refresh Token; for SSO users the only way.",
        PASSWORD: "The user's own, where the instance lets users log in without SSO.",
    },
    build=build,
    lifespans={ACCESS_TOKEN: timedelta(hours=24), REFRESH_TOKEN: timedelta(days=60)},
    cannot=(
        "Revoke one access token: revokeAPIAccessTokens ends the new one with the old.",
        "Revoke a refresh token: only a person can, in Alation's own pages.",
        "Serve its OAuth 2.0 clients: use the provider `oauth2` with <base_url>/oauth/v2/token/.",
    ),
    example="""\
provider = "alation"
base_url = "https://acme.alationcloud.com"

[[credentials]]
name = "etl"
user_id = 1151                    # the number in the address of the user's own profile page
seeds = { refresh_token = { env = "ALATION_ETL_REFRESH_TOKEN" } }
# Without SSO, a password lets rotator come back by itself from a lost refresh token:
# username = "svc-etl@example.com"
# seeds = { password = { env = "ALATION_ETL_PASSWORD" } }
""",
)
