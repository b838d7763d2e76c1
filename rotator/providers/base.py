"""What a provider plug-in is made of: facts, and for each request two pure functions.

`ask` says what to send, `read` says what an answer means. No I/O, schedule, storage, retry, clock
or log line in here: those are the engine's.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from rotator.errors import Garbled
from rotator.model import Keyring, Secret, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. `body` and every header value that matters are secret."""

    url: str
    method: str = "POST"
    headers: Mapping[str, Secret] = field(default_factory=dict)
    body: Secret | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Answer:
    """One complete HTTP answer, as sealed: headers with lower-case names, the body's bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def date(self) -> datetime | None:
        """The provider's own clock (RFC 9110, 6.6.1), for skew."""
        try:
            at = parsedate_to_datetime(self.headers.get("date", ""))
            return at if at.tzinfo else at.replace(tzinfo=UTC)  # -0000 is parsed as naive
        except (TypeError, ValueError, OverflowError):
            return None

    def json(self) -> Any:
        """The body as JSON. Raises Garbled, without quoting it, where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Garbled(f"HTTP {self.status} with a body that is not JSON") from None

    def json_object(self) -> dict[str, Any]:
        """The body as one JSON object. Raises Garbled where it is anything else."""
        found = self.json()
        if not isinstance(found, dict):
            raise Garbled(f"HTTP {self.status} with JSON that is not an object")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One request that yields tokens, and so the one place where a crash can lose them."""

    name: str
    """RFC 6749's grant_type where it has one."""
    needs: frozenset[str]
    """Tokens and seeds that it presents, by name."""
    yields: frozenset[str]
    """Tokens that its answer holds (a chain's refresh token too)."""
    spends: str | None = None
    """The token presented that dies with the request, answered or not."""
    kills: frozenset[str] = frozenset()
    """Earlier tokens that may die of the answer."""
    suspects: tuple[str, ...] = ()
    """Settings whose mistake the provider's refusal does not tell from a wrong token or seed."""
    replay: timedelta = timedelta(0)
    """How long after sending, the same request may be sent again."""
    ask: Callable[[Keyring], Request]
    read: Callable[[Answer, datetime], Keyring]
    """The new tokens in an answer to a request sent at that instant, or a ProviderError.

    A keyring without the token that the grant spends says that the old one stays: RFC 6749 (6)
    replaces a refresh token only by a new one.
    """


class Alive(NamedTuple):
    """The provider vouches for the token, with its real dates where it tells them."""

    issued_at: datetime | None = None
    expires_at: datetime | None = None


class Dead(NamedTuple):
    """The provider disowns the token."""

    text: str = ""


class Unknown(NamedTuple):
    """The provider did not say."""

    text: str = ""


Verdict = Alive | Dead | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One request about a token that changes nothing."""

    needs: frozenset[str]
    ask: Callable[[Keyring], Request]
    read: Callable[[Answer], Verdict]
    """Never raises: what it cannot read is Unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One request that ends an access token and no other: never its siblings, nor its chain."""

    needs: frozenset[str]
    ask: Callable[[Keyring], Request]
    read: Callable[[Answer], None]
    """Returns where the token is dead now; raises a ProviderError where that is not sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One credential's way in, built from its job's settings. All facts, no state."""

    name: str
    host: str
    """scheme://host:port of every request, lower case; marks and keyrings are bound to it."""
    identity: Mapping[str, str]
    """The settings that are presented beside a token (user_id, client_id …)."""
    grants: tuple[Grant, ...]
    """Cheapest first; the engine falls back down the list."""
    header: Callable[[Token], tuple[str, str]]
    """What a consumer sends: the header's name and its whole value."""
    token_type: str = "Bearer"
    inspections: Mapping[str, Inspection] = field(default_factory=dict)
    isolated: bool = False
    """Chains of one principal live side by side, and a grant kills only what came of its own: a
    credential may hold a pair of them and use them in turn."""
    second_by: str = ""
    """The grant that makes a second chain beside the first; empty: only a person can."""
    revocation: Revocation | None = None
    """Where the job asks for it: how to end an access token that no consumer holds any more."""

    @property
    def is_chain(self) -> bool:
        """Whether a grant spends what it presents: each answer holds the only key to the next."""
        return any(grant.spends for grant in self.grants)

    def grant(self, name: str) -> Grant | None:
        """The grant of that name, None where the job no longer has it."""
        return next((grant for grant in self.grants if grant.name == name), None)


class Settings(BaseModel):
    """The root of every provider's settings: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JobSettings(Settings):
    """What the job of a provider with one address has: where it is."""

    base_url: HttpUrl = Field(description="The provider's address, https://… (http for loopback).")


Identity = Annotated[str, Field(json_schema_extra={"identity": True})]
"""A credential setting that is presented beside a token; changing it lifts refusals."""

SeedFacts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A provider as the registry knows it. Every provider module has one, named `plugin`."""

    name: str
    title: str
    """The vendor's own spelling, with a few words on what it is."""
    job: type[Settings]
    """JobSettings, or whatever else says where the provider is."""
    credential: type[Settings]
    seeds: SeedFacts
    """Name of each seed that a credential may have -> where a person gets it."""
    build: Callable[[Any, Any, frozenset[str]], Provider]
    """(job settings, credential settings, names of the seeds that the job file gives)."""
    lifespans: Mapping[str, timedelta] = field(default_factory=dict)
    """What the vendor documents, by token name; only to be compared with what is observed."""
    cannot: tuple[str, ...] = ()
    """What this module does not do, for `check` and the docs."""
    example: str = ""
    """A commented job file, for `rotator init` and jobs/README.md."""


BodyEncoding = Literal["json", "form"]
