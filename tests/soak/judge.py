"""Whether the promises held: asked after each kill, by each consumer, and when all is quiet."""

import threading
from collections import Counter, defaultdict
from datetime import timedelta

from rotator.model import REFRESH_TOKEN, Shelf, State
from tests.soak.aftermath import Aftermath, Stands
from tests.soak.town import BY_CREDENTIAL, Town

SPARED = timedelta(hours=3)
"""So near to a token's end nobody is killed: the outage that the jobs survive, 4 hours, is over."""


class Judge:
    """Counts, and says what broke. Asked by the lane and its consumers."""

    def __init__(self, town: Town) -> None:
        self.broken: list[str] = []
        self.counts: Counter[str] = Counter()
        self._town = town
        self._gap: defaultdict[str, set[str]] = defaultdict(set)
        """Requests that a kill left without a sealed answer, by credential, until they end."""
        self._caught: set[str] = set()
        """All requests that a kill left so; answers also come too late by themselves."""
        self._reseeded: set[str] = set()
        """Credentials for which a person has made a token that is not in use yet."""
        self._lock = threading.Lock()

    def after_kill(self, found: Aftermath) -> None:
        fresh = found.gap.keys() - self._caught
        self._caught |= fresh
        self.counts["kills in a gap"] += bool(fresh)
        self.counts["requests caught in a gap"] += len(fresh)
        if found.damage:
            self._break(f"the ledger is damaged: {found.damage}")
        self.look(found)
        if self._town.presented_twice:
            self._break(f"{self._town.presented_twice} spent tokens were presented again")
        for secret in self._town.older:
            self._break(f"{secret}: an older generation replaced a newer one")

    def look(self, found: Aftermath) -> list[str]:
        """The chains that were lost since; a person has given each a new token."""
        with self._lock:
            for id_, whose in found.gap.items():
                self._gap[whose].add(id_)
            needy = [name for name, row in found.rows.items() if row.state == _NEEDY]
            lost = [name for name in needy if self._is_lost(name, found)]
            self._reseeded.intersection_update(needy)
            for whose in self._gap:
                self._close(whose, found, lost=whose in lost)
        for name in lost:
            self._town.reseed(name)
        return lost

    def refused(self, credential: str, token: str, expires_in: float) -> bool:
        """A consumer was, with what is published; whether until a person has done something."""
        with self._lock:
            if credential in self._reseeded:
                self.counts["refused while a person was needed"] += 1
                return True
        self.counts["consumer calls refused"] += 1
        if BY_CREDENTIAL[credential].kills and not self._town.books.is_newest(credential, token):
            return False
        with self._lock:
            if self._gap[credential] and BY_CREDENTIAL[credential].gap:
                return True
        dead = f", it expired {-expires_in:.0f} s of the clock ago" if expires_in <= 0 else ""
        self._break(f"{credential}: a consumer was refused outside of the gap{dead}")
        return False

    def away(self, found: Aftermath) -> list[str]:
        """Who is not at home, of all credentials."""
        return [name for name in BY_CREDENTIAL if not _is_home(found.rows.get(name))]

    def in_a_hurry(self, found: Aftermath) -> list[str]:
        """Whose token would not outlast much more: the next worker must be left alone."""
        soon = (self._town.clock.now() + SPARED).timestamp()
        with self._lock:
            return [
                name
                for name, row in found.rows.items()
                if row.expires_at and row.expires_at < soon and name not in self._reseeded
            ]

    def static(self, found: Aftermath) -> None:
        """With no worker running: nothing is under way, and each chain hangs by its newest link."""
        for name, kind in BY_CREDENTIAL.items():
            row = found.rows[name]
            if row.sealed or row.open:
                self._break(f"{name}: {row.sealed} seals and {row.open} requests were left over")
            kept = self._town.secret(name, Shelf.KEYRING).get(REFRESH_TOKEN, "")
            if kind.strict and kept != self._town.books.tips.get(name, ""):
                self._break(f"{name}: the keyring does not hold the newest refresh token")

    def _close(self, whose: str, found: Aftermath, *, lost: bool) -> None:
        """Forget requests that have ended; those that will need a person, when they do."""
        ended = {id_: found.outcomes[id_] for id_ in self._gap[whose] if id_ in found.outcomes}
        waits = bool(BY_CREDENTIAL[whose].gap) and not lost
        over = {id_ for id_, how in ended.items() if not (waits and how == "unanswered")}
        saved = {id_ for id_ in over & self._caught if not lost and ended[id_] != "sealed"}
        self.counts["saved"] += len(saved)
        self._gap[whose] -= over

    def _is_lost(self, name: str, found: Aftermath) -> bool:
        """Whether a chain has just been lost inside a gap; outside of one that breaks a promise."""
        gap = BY_CREDENTIAL[name].gap
        unanswered = [id_ for id_ in self._gap[name] if found.outcomes.get(id_) == "unanswered"]
        if not unanswered:
            if name not in self._reseeded:
                self._break(f"{name} needs a person, and no kill explains it: {found.rows[name]}")
                self._reseeded.add(name)
            return False
        kept = self._town.secret(name, Shelf.KEYRING).get(REFRESH_TOKEN, "")
        if not gap:
            self._break(f"{name} needs a person although it has another way: {found.rows[name]}")
        elif gap == "acted on" and kept == self._town.books.tips[name]:
            self._break(f"{name} needs a person although its provider never acted")
        by_kill = any(id_ in self._caught for id_ in unanswered)
        self.counts["chains that needed a person" if by_kill else "lost without a kill"] += 1
        self.counts[f"lost: {BY_CREDENTIAL[name].job}"] += 1
        self._reseeded.add(name)
        return True

    def _break(self, text: str) -> None:
        if text not in self.broken:
            self.broken.append(text)


_NEEDY = State.NEEDS_A_PERSON.value


def _is_home(row: Stands | None) -> bool:
    return row is not None and row.state == State.FRESH and not (row.sealed or row.open)
