"""The invariants, judged at every event by what the provider and the store themselves know."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from rotator.ledger.facts import Row
from rotator.ledger.writes import Rest
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Shelf, State
from rotator.rotation.sealed import SPARE, parsed
from rotator.sandbox.secrets_manager import SecretsManager
from tests.crash.world import START
from tests.simulation.citizen import PASSWORD_CHANGED, Citizen, lives
from tests.simulation.faults import DAY, HOUR, MINUTE
from tests.simulation.weather import asked_lately

MOST_REQUESTS = 45
"""Of one credential within an hour, inspections too."""
MOST_YOUNG_VERSIONS = 100
MOST_WRITES_A_SECOND = 50
"""What AWS grants; rotator's own budget is 20."""
SLACK = 10 * MINUTE
"""Within which a credential is tried again in clear weather, however little time it has left."""
LONGEST_PATIENCE = 7 * HOUR
"""The longest back-off of all, and an hour: dead tokens are replaced in clear weather by then."""
AFTER_A_KILL = 65 * MINUTE
"""The longest back-off of a write that was denied, and a little: the gap that a grant leaves."""


class Invariant(StrEnum):
    """What has to hold at every event."""

    ALIVE = "no published token is dead while the outage is shorter than what the job survives"
    ONCE = "no spent token is presented again"
    NEWER = "no older generation replaces a newer one"
    PATIENT = "a provider is asked a bounded number of times an hour"
    WRITES = "AWS's write quota is kept"
    VERSIONS = "no secret has more than a hundred versions younger than a day"
    PERSON = "a person is needed only where no grant is left, and never without a cause"
    UPRIGHT = "no walk raises"


class Broken(NamedTuple):
    """One invariant that did not hold."""

    at: datetime
    credential: str
    invariant: Invariant
    text: str


@dataclass(kw_only=True)
class Told:
    """What the watch knows of one credential."""

    version: dict[Shelf, str] = field(default_factory=dict)
    fields: dict[Shelf, Mapping[str, str]] = field(default_factory=dict)
    newest: dict[Shelf, int] = field(default_factory=dict)
    since: dict[Shelf, datetime] = field(default_factory=dict)
    renew_at: dict[Shelf, datetime | None] = field(default_factory=dict)
    rest: Rest | None = None
    dead_since: datetime | None = None
    dead_why: str = ""
    twice: int = 0
    told: set[Invariant] = field(default_factory=set)
    """One line of each kind is enough."""


@dataclass
class Tally:
    """What is reported at the end, of one shard or of all."""

    counts: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    margins: list[float] = field(default_factory=list)
    """Hours that a published token had left when it was replaced."""
    shares: list[float] = field(default_factory=list)
    """The same as a share of its lifespan."""
    dead: dict[str, list[float]] = field(default_factory=dict)
    """Why -> hours that consumers held a dead token."""
    least_calls: float = 0.0
    least_writes: float = 0.0
    most_asked: int = 0
    most_young: int = 0
    most_writes: int = 0
    broken: list[Broken] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.counts += other.counts
        self.met += other.met
        self.margins += other.margins
        self.shares += other.shares
        for why, hours in other.dead.items():
            self.dead.setdefault(why, []).extend(hours)
        self.least_calls += other.least_calls
        self.least_writes += other.least_writes
        self.most_asked = max(self.most_asked, other.most_asked)
        self.most_young = max(self.most_young, other.most_young)
        self.most_writes = max(self.most_writes, other.most_writes)
        self.broken += other.broken


Troubles = Callable[[Citizen], list[tuple[datetime, datetime]]]


class Watch:
    """Looks at one credential before and after each walk."""

    def __init__(
        self, aws: SecretsManager, troubles: Troubles, ledger_id: Callable[[], str]
    ) -> None:
        self._aws, self._troubles, self._ledger_id = aws, troubles, ledger_id
        self.tally = Tally()
        self.of: dict[str, Told] = {}

    def add(self, citizen: Citizen) -> None:
        self.of[citizen.name] = Told()

    def fields(self, citizen: Citizen, shelf: Shelf) -> Mapping[str, str]:
        """What lies there now, as of the last look."""
        return self.of[citizen.name].fields.get(shelf, {})

    def before(self, citizen: Citizen, now: datetime) -> None:
        """A consumer calls, where its token may have died since the last look."""
        expires_at = parsed(self.fields(citizen, Shelf.TOKEN).get("expires_at", ""))
        if expires_at is not None and expires_at <= now + HOUR:
            self._consumer(citizen, now)

    def after(self, citizen: Citizen, now: datetime, rest: Rest | None) -> None:
        """Everything, after a walk or whatever else may have changed the world."""
        told = self.of[citizen.name]
        kept = told.version.get(Shelf.KEYRING)
        self._spent(citizen, told, now)  # before a chain that is new ends what excuses it
        for shelf, spec in citizen.credential.secrets.items():
            self._shelf(citizen, told, shelf, spec.name, now)
        if rest is not None:
            self._rested(told, rest)
            if rest.state is State.FRESH and told.version.get(Shelf.KEYRING) != kept:
                self._went_on(citizen)
        self._consumer(citizen, now)
        self._asked(citizen, now)
        if rest is not None and rest.state is State.NEEDS_A_PERSON:
            self._person(citizen, now, rest)

    def left_behind(self, citizen: Citizen, row: Row) -> None:
        """A worker that died after its last write, or woke late, told nobody when it is due."""
        told = self.of[citizen.name]
        told.renew_at[Shelf.TOKEN] = told.renew_at.get(Shelf.TOKEN) or row.access_renew_at

    def say(self, citizen: Citizen, now: datetime, invariant: Invariant, text: str) -> None:
        told = self.of[citizen.name].told
        if invariant not in told:
            told.add(invariant)
            self.tally.broken.append(Broken(now, citizen.name, invariant, text))

    def end(self) -> Tally:
        """What the whole account knows."""
        stats = self._aws.stats
        self.tally.most_writes = stats.peak_writes_per_second
        self.tally.counts["AWS writes"] = sum(
            stats.calls[name] for name in ("PutSecretValue", "UpdateSecretVersionStage")
        )
        self.tally.counts["secrets made"] = stats.calls["CreateSecret"]
        self.tally.counts["AWS reads"] = stats.calls["GetSecretValue"]
        return self.tally

    # What lies in the store

    def _shelf(self, citizen: Citizen, told: Told, shelf: Shelf, name: str, now: datetime) -> None:
        secret = self._aws.secret(name)
        current = secret.labels.get("AWSCURRENT") if secret else None
        if secret is None or current is None or told.version.get(shelf) == current:
            return
        self._versions(citizen, [made.created_at for made in secret.versions.values()], now)
        fields = json.loads(secret.versions[current].value.string or "{}")
        generation = int(fields.get("generation", 0))
        late = citizen.two_ledgers or (citizen.woke_late and shelf is Shelf.KEYRING)
        if generation < told.newest.get(shelf, 0) and not late:
            text = f"{shelf}: {generation} after {told.newest[shelf]}"
            self.say(citizen, now, Invariant.NEWER, text)
        self._replaced(citizen, told, shelf, now)
        told.newest[shelf] = max(generation, told.newest.get(shelf, 0))
        told.version[shelf], told.fields[shelf], told.since[shelf] = current, fields, now
        told.renew_at[shelf] = None
        if shelf is Shelf.TOKEN:
            citizen.revoked.clear()
        elif all(lives(citizen.fake, token) for token in self.held(citizen) if token):
            citizen.spent_by_others = False

    def _went_on(self, citizen: Citizen) -> None:
        """A chain with a newer token owes nothing any more to what befell an earlier one.

        One of a pair may, for its other token is older; and so may what falls back to a password.
        """
        kept, spare = self.held(citizen)
        if spare or citizen.frozen or citizen.two_ledgers or not lives(citizen.fake, kept):
            return
        citizen.woken_to_send = 0
        citizen.causes &= {PASSWORD_CHANGED}

    def _versions(self, citizen: Citizen, made: list[datetime], now: datetime) -> None:
        young = sum(at > now - DAY for at in made)
        self.tally.most_young = max(self.tally.most_young, young)
        if young > MOST_YOUNG_VERSIONS:
            self.say(citizen, now, Invariant.VERSIONS, f"{young} versions")

    def _replaced(self, citizen: Citizen, told: Told, shelf: Shelf, now: datetime) -> None:
        """Margin, and how much of the least that the schedule could do with this token was."""
        fields = told.fields.get(shelf)
        if fields is None:
            self._least(citizen, shelf, 1.0)
            return
        issued_at, expires_at = parsed(fields["issued_at"]), parsed(fields["expires_at"])
        if issued_at is None or expires_at is None:
            return
        due = told.renew_at.get(shelf)
        if due is not None and due > issued_at:
            self._least(citizen, shelf, (now - told.since[shelf]) / (due - issued_at))
        if shelf is Shelf.TOKEN:
            left = max(expires_at - now, timedelta(0))
            self.tally.margins.append(left / HOUR)
            self.tally.shares.append(left / (expires_at - issued_at))

    def _least(self, citizen: Citizen, shelf: Shelf, renewals: float) -> None:
        """Each renewal is one call and one write; a token that comes along costs no call."""
        along = any(
            {ACCESS_TOKEN, REFRESH_TOKEN} <= grant.yields
            for grant in citizen.credential.provider.grants
        )
        if shelf is Shelf.KEYRING and along:
            return
        self.tally.least_calls += renewals
        self.tally.least_writes += renewals * (2 if along else 1)

    def _rested(self, told: Told, rest: Rest) -> None:
        told.rest = rest
        told.renew_at[Shelf.TOKEN] = rest.access_renew_at
        told.renew_at[Shelf.KEYRING] = rest.refresh_renew_at

    # What consumers hold

    def _consumer(self, citizen: Citizen, now: datetime) -> None:
        told = self.of[citizen.name]
        fields = told.fields.get(Shelf.TOKEN)
        if fields is None:
            return
        if citizen.works(fields):
            if told.dead_since is not None:
                self._revived(told, now)
            return
        expires_at = parsed(fields.get("expires_at", "")) or now
        if told.dead_since is None:
            told.dead_since = min(expires_at, now)
        told.dead_why = self._why_dead(citizen, told, expires_at, now)
        if not told.dead_why:
            text = f"dead since {told.dead_since:%Y-%m-%d %H:%M:%S}"
            self.say(citizen, now, Invariant.ALIVE, text)

    def _revived(self, told: Told, now: datetime) -> None:
        assert told.dead_since is not None
        hours = (now - told.dead_since) / HOUR
        self.tally.dead.setdefault(told.dead_why, []).append(hours)
        told.dead_since = None

    def _why_dead(self, citizen: Citizen, told: Told, expires_at: datetime, now: datetime) -> str:
        """What excuses it, empty for nothing."""
        fields = told.fields[Shelf.TOKEN]
        if citizen.revoked & {fields[ACCESS_TOKEN], "*"}:
            return "revoked by a person"
        if not citizen.has_grant(self.held(citizen)) or citizen.causes:
            return "a person is awaited"
        since = max(told.dead_since or now, citizen.helped_at or START)
        due = told.renew_at.get(Shelf.TOKEN) or told.since[Shelf.TOKEN]
        begin = max(due, told.since[Shelf.TOKEN], citizen.helped_at or due)
        killed = since < expires_at
        if killed:
            clear = longest(self._free(citizen, since, now))
            return "killed by its successor" if clear <= AFTER_A_KILL else ""
        if any(
            until - at > max((expires_at - at) / 4, SLACK)
            for at, until in self._free(citizen, begin, expires_at)
        ):
            return ""
        return "" if longest(self._free(citizen, since, now)) > LONGEST_PATIENCE else "an outage"

    def _free(
        self, citizen: Citizen, begin: datetime, end: datetime
    ) -> list[tuple[datetime, datetime]]:
        """When nothing was wrong, between two instants."""
        found, at = [], begin
        for since, until in sorted(self._troubles(citizen)):
            if until < begin or since > end:
                continue
            if since > at:
                found.append((at, since))
            at = max(at, until)
        return [*found, (at, end)] if at < end else found

    # What is asked, spent, and told

    def _asked(self, citizen: Citizen, now: datetime) -> None:
        asked = asked_lately(citizen, now)
        self.tally.most_asked = max(self.tally.most_asked, asked)
        if asked > MOST_REQUESTS:
            self.say(citizen, now, Invariant.PATIENT, f"{asked} requests in an hour")

    def _spent(self, citizen: Citizen, told: Told, now: datetime) -> None:
        twice = citizen.fake.counts["presented_twice"]
        if twice <= told.twice:
            return
        told.twice = twice
        if citizen.spent_by_others:
            return
        if citizen.woken_to_send:
            citizen.woken_to_send -= 1
            return
        self.say(citizen, now, Invariant.ONCE, f"{twice} times by now")

    def _person(self, citizen: Citizen, now: datetime, rest: Rest) -> None:
        kept = self.fields(citizen, Shelf.KEYRING)
        foreign = kept.get("ledger_id", self._ledger_id()) != self._ledger_id()
        second = any("second worker" in cause for cause in citizen.causes)
        seen_late = second and "another ledger" in rest.text  # while reads lag
        if foreign or seen_late or citizen.frozen:
            return
        if not citizen.causes:
            self.say(citizen, now, Invariant.PERSON, f"without a cause: {rest.text}")
        elif citizen.has_grant(self.held(citizen)) and not any(
            "spend" in c for c in citizen.causes
        ):
            self.say(citizen, now, Invariant.PERSON, f"a grant is left: {rest.text}")

    def held(self, citizen: Citizen) -> tuple[str, str]:
        """Both refresh tokens, where a pair is used in turn."""
        return self.kept(citizen), self.fields(citizen, Shelf.KEYRING).get(SPARE, "")

    def kept(self, citizen: Citizen) -> str:
        """The refresh token in the keyring."""
        return self.fields(citizen, Shelf.KEYRING).get(REFRESH_TOKEN, "")


def longest(spans: list[tuple[datetime, datetime]]) -> timedelta:
    return max((until - at for at, until in spans), default=timedelta(0))
