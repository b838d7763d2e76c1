"""Who plays in the demo: the fakes, with lifespans that an administrator might set, and seeds.

The seeds go to the worker by the variables that the shipped job files name.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.sandbox.alation import AlationFake
from rotator.sandbox.albato import AlbatoFake
from rotator.sandbox.amino import CHANNELS, AminoFake
from rotator.sandbox.fakes import Fake
from rotator.sandbox.oauth2 import ME, TOKEN, OAuthFake

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that a consumer makes of a provider with its access token."""

    method: str
    path: str


CALLS: Mapping[str, Call] = {
    "alation": Call("GET", "/integration/v2/datasource/"),
    "albato": Call("POST", "/wl/acme/get-own-credential"),
    "amino": Call("GET", CHANNELS),
    "oauth2": Call("GET", ME),
}
"""By the provider's name."""

KILLING: Mapping[str, frozenset[str]] = {
    "alation": frozenset(
        {"/integration/v1/createAPIAccessToken/", "/integration/v1/regenRefreshToken/"}
    ),
    "albato": frozenset({"/wl/acme/get-user-session-token"}),
}
"""The requests that end the access token that consumers hold, by the provider's name."""


class Cast:
    """One fake a provider, all on the same clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.alation = AlationFake(now, access_lifespan=_DAY, refresh_lifespan=2 * _DAY)
        self.albato = AlbatoFake(now, users={"customer-17"}, session_lifespan=12 * _HOUR)
        self.amino = AminoFake(now, access_lifespan=_DAY, refresh_lifespan=4 * _DAY)
        self.oauth2 = OAuthFake(now, client_id="reports-service")

    @property
    def fakes(self) -> Mapping[str, Fake]:
        """By the provider's name."""
        return {
            "alation": self.alation,
            "albato": self.albato,
            "amino": self.amino,
            "oauth2": self.oauth2,
        }

    def environ(self, urls: Mapping[str, str]) -> dict[str, str]:
        """What the shipped job files want to know, with new seeds; `urls` by provider."""
        return {
            "ALATION_BASE_URL": urls["alation"],
            "ALATION_ETL_REFRESH_TOKEN": self.alation.hand_made(1151),
            "ALBATO_BASE_URL": urls["albato"],
            "ALBATO_PARTNER_TOKEN": self.albato.partner_token,
            "AMINO_BASE_URL": urls["amino"],
            "AMINO_EPG_REFRESH_TOKEN": self.amino.enrol(),
            "OAUTH2_TOKEN_URL": urls["oauth2"] + TOKEN,
            "OAUTH2_REPORTS_CLIENT_SECRET": self.oauth2.client_secret,
            "OAUTH2_REPORTS_REFRESH_TOKEN": self.oauth2.enrol(),
        }

    @property
    def presented_twice(self) -> int:
        """How often a refresh token that was spent came again."""
        return sum(fake.counts["presented_twice"] for fake in self.fakes.values())

    def killed_at(self, provider: str, since: datetime) -> datetime | None:
        """When the first request after `since` ended the access token that consumers hold."""
        fake = self.fakes[provider]
        with fake.lock:
            _shorten(fake)
            return min(_kills(fake, KILLING.get(provider, frozenset()), since), default=None)


_REMEMBERED = 2_000


def _shorten(fake: Fake) -> None:
    """Consumers fill the log of a demo that runs all night."""
    if len(fake.log) > 2 * _REMEMBERED:
        del fake.log[:-_REMEMBERED]


def _kills(fake: Fake, paths: frozenset[str], since: datetime) -> Iterator[datetime]:
    for seen in reversed(fake.log):
        if seen.at <= since:
            return
        if seen.path in paths and seen.outcome.startswith("2"):
            yield seen.at
