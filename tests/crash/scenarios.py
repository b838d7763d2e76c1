"""Every provider and grant, with and without a grant to fall back to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from rotator.sandbox.alation import AlationFake
from rotator.sandbox.albato import AlbatoFake
from rotator.sandbox.amino import AminoFake
from rotator.sandbox.fakes import LOST_REQUEST, NONE, Fault, html, json_reply
from rotator.sandbox.oauth2 import OAuthFake
from rotator.schedule import Schedule
from tests.crash.world import Scenario

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALATION, ALBATO = "https://alation.test", "https://albato.test"
AMINO, OAUTH = "https://amino.test", "https://oauth.test"
_LONG = Schedule(survive=HOUR)


def _alation(name: str, *, seeded: bool, password: bool, pair: bool = False) -> Scenario:
    def seeds(fake: AlationFake) -> dict[str, str]:
        found = {"refresh_token": fake.hand_made(7)} if seeded else {}
        return {**found, "password": "correct horse"} if password else found

    return Scenario(
        name=name,
        provider="alation",
        consumer_call=("GET", "/integration/v2/datasource/"),
        origin=ALATION,
        fake=lambda now: AlationFake(
            now=now,
            refresh_lifespan=DAY,  # so that both tokens are renewed within the horizon
            passwords={"etl": ("correct horse", 7)} if password else {},
        ),
        job={"base_url": ALATION, "alternate": pair},
        credential={"user_id": 7, "username": "etl"},
        seeds=seeds,
        horizon=13 * HOUR,
        schedule=_LONG,
        second=(lambda fake: fake.hand_made(7)) if pair and not password else None,
    )


def _amino(name: str, kind: str, *, deny_list: bool = False) -> Scenario:
    def seeds(fake: AminoFake) -> dict[str, str]:
        if kind == "cookie":
            return fake.session()
        return (
            {"password": fake.password} if kind == "password" else {"refresh_token": fake.enrol()}
        )

    path = {"password_path": "/api/auth/v1/access_tokens"} if kind == "password" else {}
    return Scenario(
        name=name,
        provider="amino",
        consumer_call=("GET", "/channels"),
        origin=AMINO,
        fake=lambda now: AminoFake(now=now, deny_list=deny_list),
        job={"base_url": AMINO, **path, **({"replay": "0s"} if deny_list else {})},
        credential={"username": "epg@example.com"},
        seeds=seeds,
        horizon=14 * HOUR,
        schedule=_LONG,
    )


def _oauth(
    name: str,
    *grants: str,
    grace: timedelta = timedelta(0),
    inspect: bool = False,
    revoke: bool = False,
) -> Scenario:
    def seeds(fake: OAuthFake) -> dict[str, str]:
        found = {"refresh_token": fake.enrol()} if "refresh_token" in grants else {}
        return {"client_secret": fake.client_secret, **found}

    introspection = {"introspection_url": f"{OAUTH}/oauth/introspect"} if inspect else {}
    revocation = {"revocation_url": f"{OAUTH}/oauth/revoke", "revocation_spares": True}
    return Scenario(
        name=name,
        provider="oauth2",
        consumer_call=("GET", "/api/me"),
        origin=OAUTH,
        fake=lambda now: OAuthFake(now=now, grace=grace),
        job={
            "token_url": f"{OAUTH}/oauth/token",
            "grants": list(grants),
            "replay": f"{int(grace.total_seconds())}s",
            **introspection,
            **(revocation if revoke else {}),
        },
        credential={"client_id": "sandbox-client"},
        seeds=seeds,
        horizon=(33 if revoke else 20) * timedelta(minutes=1),
        schedule=_LONG,
    )


def _troubled(
    scenario: Scenario,
    trouble: str,
    faults: Mapping[str, Sequence[Fault]],
    *,
    refresh_lifespan: timedelta = DAY,
    longer: timedelta = timedelta(0),
) -> Scenario:
    """The same with what goes wrong, by path and in order, though nobody is killed."""

    def fake(now: Callable[[], datetime]) -> Any:
        made = scenario.fake(now)
        made.refresh_lifespan = refresh_lifespan
        for path, each in faults.items():
            for fault in each:
                made.fail_next(path, fault)
        return made

    name, horizon = f"{scenario.name}, {trouble}", scenario.horizon + longer
    return replace(scenario, name=name, fake=fake, horizon=horizon)


_UNCLEAR = [html(502)] * 4
"""One more than another grant waits for, so that it is used beside the doubt."""
_DISOWNED = Fault(name="disowned", reply=json_reply(401, {"code": "401000"}))
_API = "/integration/v1"

ALL = (
    _alation("alation, SSO", seeded=True, password=False),
    _alation("alation, SSO, two chains", seeded=True, password=False, pair=True),
    _alation("alation, password", seeded=False, password=True, pair=True),
    _alation("alation, seed and password", seeded=True, password=True),
    Scenario(
        name="albato, partner token",
        provider="albato",
        consumer_call=("POST", "/wl/acme/get-own-credential"),
        origin=ALBATO,
        fake=lambda now: AlbatoFake(now=now, partner_name="acme", partner_token="pt", users={"u"}),
        job={"base_url": ALBATO, "partner_name": "acme"},
        credential={"user_id": "u"},
        seeds=lambda fake: {"partner_token": fake.partner_token},
        horizon=14 * HOUR,
        schedule=_LONG,
    ),
    _amino("amino, refresh token", "refresh_token"),
    _amino("amino, refresh token on a server that remembers", "refresh_token", deny_list=True),
    _amino("amino, password", "password"),
    _amino("amino, cookies", "cookie"),
    _oauth("oauth2, refresh token", "refresh_token"),
    _oauth("oauth2, refresh token, replay window", "refresh_token", grace=HOUR),
    _oauth("oauth2, refresh token, introspection", "refresh_token", inspect=True),
    _oauth("oauth2, refresh token, then client", "refresh_token", "client_credentials"),
    _troubled(
        _oauth("oauth2, both grants", "refresh_token", "client_credentials", inspect=True),
        "one in doubt",
        {"/oauth/token": [NONE, LOST_REQUEST], "/oauth/introspect": [NONE, *_UNCLEAR]},
        longer=timedelta(minutes=10),
    ),
    _troubled(
        _alation("alation, every grant", seeded=True, password=True),
        "a chain in doubt, its mint refused",
        {
            f"{_API}/createAPIAccessToken/": [NONE, _DISOWNED],
            f"{_API}/regenRefreshToken/": [LOST_REQUEST],
            f"{_API}/validateRefreshToken/": [NONE, *_UNCLEAR],
        },
        refresh_lifespan=30 * DAY,  # so that its mint comes first
    ),
    _troubled(
        _alation("alation, every grant", seeded=True, password=True),
        "a chain in doubt, nobody answering",
        {
            f"{_API}/regenRefreshToken/": [LOST_REQUEST],
            f"{_API}/validateRefreshToken/": [NONE, *[LOST_REQUEST] * 4],
        },
    ),
    _oauth("oauth2, client", "client_credentials"),
    _oauth("oauth2, client, revocation", "client_credentials", revoke=True),
)
