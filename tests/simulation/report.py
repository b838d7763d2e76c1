"""What a simulation found, in words and figures."""

from collections.abc import Sequence

from tests.simulation.shards import Play
from tests.simulation.watch import MOST_REQUESTS, MOST_WRITES_A_SECOND, MOST_YOUNG_VERSIONS, Tally


def report(wanted: Play, tally: Tally, seconds: float) -> str:
    """One fact a line."""
    return "\n".join([*_figures(wanted, tally, seconds), *_broken(tally)])


def _figures(wanted: Play, tally: Tally, seconds: float) -> list[str]:
    counts = tally.counts
    calls, writes = counts["requests"], counts["AWS writes"]
    speed = f"{wanted.credential_days / seconds:.0f} credential-days a second"
    who = f"{len(wanted.credentials)} credentials x {wanted.days:g} days, seed {wanted.seed}"
    margins, shares = _hours(tally.margins), _percent(tally.shares)
    made = f"({counts['secrets made']} secrets made besides)"
    asked = f"requests of one credential in an hour: {tally.most_asked} of {MOST_REQUESTS}"
    young = f"versions younger than a day: {tally.most_young} of {MOST_YOUNG_VERSIONS}"
    fast = f"AWS writes in a second: {tally.most_writes} of {MOST_WRITES_A_SECOND}"
    return [
        f"{who}: {counts['walks']} walks in {seconds:.0f} s",
        f"speed: {speed}, {wanted.processes} process(es)",
        f"faults that happened: {sum(tally.met.values())}: {_listed(tally.met)}",
        f"provider calls: {calls}, {_times(calls, tally.least_calls)}",
        f"AWS writes: {writes} {made}, {_times(writes, tally.least_writes)}",
        f"margin when replaced: {margins}; of the lifespan: {shares}",
        f"consumers held a dead token, with reason: {_dead(tally)}",
        f"a person helped {counts['helped by a person']} times",
        f"at most: {asked}; {fast}; {young}",
    ]


def _broken(tally: Tally) -> list[str]:
    lines = [
        f"  {broken.at:%Y-%m-%d %H:%M:%S} {broken.credential}: {broken.invariant}: {broken.text}"
        for broken in tally.broken
    ]
    return [f"broken invariants: {len(lines)}", *lines]


def _listed(met: dict[str, int]) -> str:
    return ", ".join(f"{kind} {times}" for kind, times in sorted(met.items()))


def _times(made: int, least: float) -> str:
    """The least: one for each renewal, had each come exactly when the schedule says."""
    return f"{made / max(least, 1):.2f} times the least possible ({least:.0f})"


def quantile(found: Sequence[float], share: float) -> float:
    """0 where there is nothing."""
    ordered = sorted(found)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def _hours(found: Sequence[float]) -> str:
    least, first, half = (quantile(found, share) for share in (0, 0.01, 0.5))
    return f"min {least:.1f} h, p1 {first:.1f} h, p50 {half:.1f} h"


def _percent(found: Sequence[float]) -> str:
    least, first, half = (quantile(found, share) for share in (0, 0.01, 0.5))
    return f"min {least:.0%}, p1 {first:.0%}, p50 {half:.0%}"


def _dead(tally: Tally) -> str:
    return (
        "; ".join(
            f"{why}: {len(hours)} times, p50 {quantile(hours, 0.5):.2f} h, most {max(hours):.2f} h"
            for why, hours in sorted(tally.dead.items())
        )
        or "never"
    )
