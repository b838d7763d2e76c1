"""One credential of the simulation, its provider, and what befell it; and what is true of it."""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rotator.errors import ProviderError
from rotator.jobs.job import Credential
from rotator.model import REFRESH_TOKEN
from tests.crash.world import Scenario, credential_of
from tests.simulation.faults import Trouble

PASSWORD_CHANGED = "a password changed"
"""The cause that outlasts a renewal."""


@dataclass(kw_only=True)
class Citizen:
    """A credential with a provider of its own."""

    name: str
    scenario: Scenario
    fake: Any
    values: dict[str, str]
    """Name -> seed, as the worker is given them."""
    credential: Credential
    troubles: list[tuple[datetime, datetime]] = field(default_factory=list)
    """From when until when something was wrong for it alone."""
    weather: dict[str, Trouble] = field(default_factory=dict)
    """Troubles of its provider that last."""
    next_request: deque[Trouble] = field(default_factory=deque)
    """Each meets one of the next requests."""
    next_walk: deque[Trouble] = field(default_factory=deque)
    """Each meets one of the next walks."""
    asked: deque[datetime] = field(default_factory=deque)
    """When the provider was called, within the last hour."""
    causes: set[str] = field(default_factory=set)
    """Why it may need a person: what happened to the tokens at hand since one last helped."""
    revoked: set[str] = field(default_factory=set)
    """Access tokens that a person killed: nobody can know before it is renewed."""
    spent_by_others: bool = False
    """Somebody else spent the token at hand: the worker cannot know, and may present it."""
    two_ledgers: bool = False
    """Two workers that know nothing of one another write to its secrets: no write of AWS's is
    fenced, so while reads lag the one may put a generation that the other has passed."""
    woke_late: bool = False
    """A worker that was frozen just woke: turning a pair, adopting and seeding make versions of a
    new id each, so such a put may cover a newer keyring until the next walk puts that back. Answers
    are kept and published under their own ids, and change nothing the second time."""
    woken_to_send: int = 0
    """Requests that a frozen worker may send when it wakes: gap (b)."""
    journal: deque[tuple[datetime, str, str]] = field(default_factory=lambda: deque(maxlen=300))
    """The last that happened, for whoever looks into a broken invariant."""
    helped_at: datetime | None = None
    """When a person last mended it."""
    help_comes: bool = False
    frozen: bool = False

    @classmethod
    def make(cls, name: str, scenario: Scenario, fake: Any) -> "Citizen":
        values = dict(scenario.seeds(fake))
        credential = credential_of(scenario, values, name)
        return cls(
            name=credential.qualified, scenario=scenario, fake=fake, values=values,
            credential=credential,
        )  # fmt: skip

    def edited(self, digest: str) -> None:
        """Somebody changes the job file, or its seeds."""
        self.credential = credential_of(
            self.scenario, self.values, self.credential.name, digest=digest
        )

    def works(self, fields: Mapping[str, str]) -> bool:
        """Whether the provider takes what consumers read, whatever the weather is."""
        headers = {
            fields["header_name"].lower(): fields["header_value"],
            "content-type": "application/json",
        }
        method, path = self.scenario.consumer_call
        return bool(self.fake.handle(method, path, headers, b"").status == 200)

    def has_grant(self, kept: Collection[str]) -> bool:
        """Whether the provider would give an access token for what the worker holds."""
        held = {*kept, self.values.get(REFRESH_TOKEN, "")} - {""}
        return any(lives(self.fake, token) for token in held) or self._has_seed()

    def _has_seed(self) -> bool:
        """Whether a seed that is no refresh token brings one."""
        grants = self.credential.provider.grants
        usable = [grant for grant in grants if REFRESH_TOKEN not in grant.needs]
        return any(
            all(right(self.fake, self.values).get(need, False) for need in grant.needs)
            for grant in usable
        )


def right(fake: Any, values: Mapping[str, str]) -> dict[str, bool]:
    """Seed -> whether the provider takes it."""
    known = {
        "password": _password(fake),
        "partner_token": getattr(fake, "partner_token", None),
        "client_secret": getattr(fake, "client_secret", None),
    }
    found = {name: values.get(name) == value for name, value in known.items() if value is not None}
    sessions = {part for session in getattr(fake, "_sessions", ()) for part in session}
    cookies = {name: values.get(name) in sessions for name in ("ssid", "usid")}
    return {**found, **cookies}


def _password(fake: Any) -> str | None:
    if hasattr(fake, "passwords"):
        known = fake.passwords.get("etl")
        return known[0] if known else None
    found: str | None = getattr(fake, "password", None)
    return found


def lives(fake: Any, token: str) -> bool:
    """Whether the provider would take this refresh token."""
    books = getattr(fake, "_refresh", None)
    if books is not None:
        return token in books and fake._lives(books[token])  # noqa: SLF001 - its own books
    try:
        claims = fake._claims(token, "refresh")  # noqa: SLF001 - likewise
    except (ProviderError, Exception):  # noqa: BLE001 - a refusal, however it is put
        return False
    return not (fake.deny_list and claims["jti"] in fake._spent)  # noqa: SLF001 - likewise
