"""How a demo ended: what was promised, whether it held, and the figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from rotator.sandbox.ambush import Ambush
from rotator.sandbox.consumer import PAUSE
from rotator.sandbox.journal import Journal
from rotator.sandbox.stage import Stage
from rotator.sandbox.troupe import Part

INTERRUPTED = "interrupted before its time was up"
RENEWALS, REPLACEMENTS = 2, 1
"""How often each access token, and each refresh token of a chain, must have been replaced."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise."""

    held: bool
    text: str


@dataclass(frozen=True, slots=True)
class Summary:
    checks: tuple[Check, ...]
    figures: tuple[str, ...]
    is_interrupted: bool = False

    @property
    def is_good(self) -> bool:
        return all(check.held for check in self.checks)


def summarize(
    stage: Stage, cast: Sequence[Part], journal: Journal, ambush: Ambush, died: str
) -> Summary:
    """`died`: why the play was broken off, empty where it was not."""
    checks = [
        _renewed(cast),
        _replaced(cast),
        _survived(stage, ambush),
        _accepted(cast),
    ]
    if died:
        checks.insert(0, Check(held=False, text=died))
    figures = tuple(_figures(stage, cast, journal))
    return Summary(tuple(checks), figures, died == INTERRUPTED)


def _renewed(cast: Sequence[Part]) -> Check:
    counts = ", ".join(f"{part.name} {part.renewals}" for part in cast)
    held = all(part.renewals >= RENEWALS for part in cast)
    return Check(held, f"every access token renewed at least twice: {counts}")


def _replaced(cast: Sequence[Part]) -> Check:
    chains = [part for part in cast if part.is_chain]
    counts = ", ".join(f"{part.name} {part.replacements}" for part in chains)
    held = all(part.replacements >= REPLACEMENTS for part in chains)
    return Check(held, f"every refresh token of a chain replaced at least once: {counts}")


def _survived(stage: Stage, ambush: Ambush) -> Check:
    if ambush.killed is None:
        return Check(held=False, text="the worker was to be killed, and no moment came for it")
    name, twice = ambush.killed.credential, stage.cast.presented_twice
    if not ambush.home.is_set():
        return Check(held=False, text=f"the kill was not survived: {name} lost its refresh token")
    text = (
        f"the kill survived: {name}'s sealed answer reached AWS by the next worker,"
        f" {ambush.took:.1f} s later; refresh tokens presented twice: {twice}"
    )
    return Check(twice == 0, text)


def _accepted(cast: Sequence[Part]) -> Check:
    broken = [f"{part.name}'s consumer broke off: {part.tally.broken}" for part in cast
              if part.tally.broken]  # fmt: skip
    if broken:
        return Check(held=False, text="; ".join(broken))
    stayed = sum(part.tally.stayed for part in cast)
    calls = sum(part.tally.accepted for part in cast)
    text = f"no call stayed refused after one re-read: {stayed} did, {calls} were accepted at once"
    return Check(stayed == 0 and calls > 0, text)


def _figures(stage: Stage, cast: Sequence[Part], journal: Journal) -> list[str]:
    healed = ", ".join(f"{part.name} {part.tally.healed}" for part in cast if part.tally.healed)
    gap = f"{journal.longest_gap * 1000:.0f} ms"
    stats = stage.aws.stats
    writes = f"writes to AWS: {stage.aws.written}, at most {stage.aws.most_in_a_second} a second"
    return [
        f"calls refused, and accepted after one re-read {PAUSE:g} s later: {healed or 'none'}",
        f"longest time from a provider ending the old token to the new one being published: {gap}",
        f"rotations: {journal.rotations}; {writes}; versions made: {stats.versions}",
    ]
