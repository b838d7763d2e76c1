"""Any token endpoint that keeps to OAuth 2.0 (RFC 6749); known vendors' habits are settings.

Sources: RFC 6749 sections 2.3.1, 4.4, 5 and 6; RFC 7662 for introspection; RFC 7009 for
revocation; RFC 9700, 4.14 for refresh tokens that rotate.
"""

from collections.abc import Iterator
from functools import partial

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Token
from rotator.providers import shapes
from rotator.providers.base import Grant, Inspection, Plugin, Provider, Revocation
from rotator.providers.oauth2.exchange import Exchange, read_introspection
from rotator.providers.oauth2.settings import SECRET, Credential, GrantName, Job


def _header(job: Job, token: Token) -> tuple[str, str]:
    scheme = (token.kind or "Bearer") if job.scheme is None else job.scheme
    return job.header_name, f"{scheme} {token.value.reveal()}".lstrip()


def build(job: Job, credential: Credential, seeds: frozenset[str]) -> Provider:
    """Raises ValueError where the settings contradict one another."""
    _check(job, seeds)
    oauth = Exchange(job, credential.client_id)
    inspected = (ACCESS_TOKEN, REFRESH_TOKEN) if job.introspection_url else ()
    return Provider(
        name=plugin.name,
        host=shapes.origin(str(job.token_url)),
        identity={"client_id": credential.client_id},
        grants=tuple(_grants(oauth, seeds)),
        header=partial(_header, job),
        token_type=job.scheme or "Bearer",
        inspections={name: _inspection(oauth, name) for name in inspected},
        revocation=_revocation(oauth) if job.revocation_url else None,
    )


def _check(job: Job, seeds: frozenset[str]) -> None:
    if job.client_auth == "none" and "client_credentials" in _names(job, seeds):
        raise ValueError("the grant client_credentials needs a client_auth (RFC 6749, 4.4)")
    if job.client_auth == "none" and SECRET in seeds:
        raise ValueError('the seed `client_secret` is of no use with client_auth = "none"')
    for name in ("introspection_url", "revocation_url"):
        url = str(getattr(job, name) or job.token_url)
        if shapes.origin(url) != shapes.origin(str(job.token_url)):
            raise ValueError(f"{name} is on another host than token_url")
    chained = "refresh_token" in _names(job, seeds)
    if job.revocation_url and chained and not job.revocation_spares:
        raise ValueError(
            "revocation_url beside a refresh token, which a server may revoke with the access token"
            " (RFC 7009, 2.1); if yours does not, write revocation_spares = true"
        )


def _names(job: Job, seeds: frozenset[str]) -> tuple[GrantName, ...]:
    by_seed: GrantName = "refresh_token" if REFRESH_TOKEN in seeds else "client_credentials"
    return tuple(dict.fromkeys(job.grants)) or (by_seed,)


def _grants(oauth: Exchange, seeds: frozenset[str]) -> Iterator[Grant]:
    for name in _names(oauth.job, seeds):
        yield _refresh(oauth) if name == "refresh_token" else _client(oauth)


def _refresh(oauth: Exchange) -> Grant:
    return Grant(
        name="refresh_token",
        needs=frozenset({REFRESH_TOKEN}) | oauth.presents,
        yields=frozenset({ACCESS_TOKEN, REFRESH_TOKEN}),
        spends=None if oauth.job.refresh_reusable else REFRESH_TOKEN,
        kills=oauth.kills,
        replay=oauth.job.replay,
        ask=oauth.ask_refresh,
        read=oauth.read_refresh,
    )


def _client(oauth: Exchange) -> Grant:
    return Grant(
        name="client_credentials",
        needs=oauth.presents,
        yields=frozenset({ACCESS_TOKEN}),
        kills=oauth.kills,
        ask=oauth.ask_client,
        read=oauth.read_client,
    )


def _inspection(oauth: Exchange, name: str) -> Inspection:
    needs = frozenset({name}) | oauth.presents
    return Inspection(needs=needs, ask=partial(oauth.ask_introspect, name), read=read_introspection)


def _revocation(oauth: Exchange) -> Revocation:
    needs = frozenset({ACCESS_TOKEN}) | oauth.presents
    return Revocation(needs=needs, ask=oauth.ask_revoke, read=oauth.read_revoked)


_EXAMPLE = """\
provider = "oauth2"
token_url = "https://auth.example.com/oauth/token"
client_auth = "basic"             # or "post", or "none" for a public client
# scope = "read write"
# extra = { audience = "https://api.example.com" }
# grants = ["refresh_token"]      # unset: refresh_token if seeded here, else client_credentials
# access_lifespan = "1h"          # where the server sends no expires_in
# refresh_lifespan = "60d"        # where refresh tokens expire and the server does not say when
# refresh_reusable = true         # Google, Zoho, Entra: a refresh token survives its use
# replay = "30m"                  # Xero 30m, Atlassian 10m: a lost answer may be asked for again
# kills_access_token = true       # GitHub Apps: the earlier access token ends with the new one
# scheme = "Zoho-oauthtoken"      # what stands before the token in the Authorization header
# introspection_url = "https://auth.example.com/oauth/introspect"
# revocation_url = "https://auth.example.com/oauth/revoke"  # end what nobody holds any more
# revocation_spares = true        # revoking an access token ends neither siblings nor the chain

[schedule]
survive = "20m"                 # an outage this long must not cost a consumer its token
consumer_max_staleness = "5m"   # the slowest consumer's cache

[schedule.access_token]
lifespan = "1h"                 # what you expect; what the server answers wins

[[credentials]]
name = "reports"
client_id = "reports-service"
seeds.client_secret = { env = "REPORTS_CLIENT_SECRET" }
seeds.refresh_token = { env = "REPORTS_REFRESH_TOKEN" }  # from the login that a person granted
"""

plugin = Plugin(
    name="oauth2",
    title="OAuth 2.0 (any token endpoint that keeps to RFC 6749)",
    job=Job,
    credential=Credential,
    seeds={
        SECRET: "The client's secret, from where the client is registered.",
        REFRESH_TOKEN: "The refresh token in the answer to the login that a person granted.",
    },
    build=build,
    cannot=(
        "Log a person in: the first refresh token comes from an authorization that they granted.",
        "Authenticate the client by private_key_jwt, client_secret_jwt or mutual TLS.",
        "Bind tokens to a key (DPoP, mutual TLS).",
        "Read tokens that stand deeper in the answer, such as Slack's `authed_user`.",
        "Revoke a refresh token (RFC 7009): only access tokens that were replaced, if told to.",
    ),
    example=_EXAMPLE,
)
