"""Who still holds an older token, as consumers say themselves."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rotator.cli import out
from rotator.ledger.facts import Holder

_NAMED = 5
"""Consumers in one line; --json has all."""


def by_credential(holders: Iterable[Holder]) -> Mapping[str, Sequence[Holder]]:
    found: dict[str, list[Holder]] = defaultdict(list)
    for each in holders:
        found[each.credential].append(each)
    return found


def behind(holders: Sequence[Holder], published: int) -> list[str]:
    """One sentence for each older generation that somebody holds."""
    older: dict[int, list[str]] = defaultdict(list)
    for each in holders:
        if each.generation < published:
            older[each.generation].append(each.consumer)
    return [_said(generation, older[generation], len(holders)) for generation in sorted(older)]


def _said(generation: int, names: Sequence[str], of: int) -> str:
    verb = "holds" if len(names) == 1 else "hold"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"{len(names)} of {out.counted(of, 'consumer')} still {verb} generation {generation}:"
        f" {', '.join(names[:_NAMED])}{more}"
    )


def plain(holders: Iterable[Holder]) -> list[dict[str, Any]]:
    """For --json."""
    return [
        {"consumer": each.consumer, "generation": each.generation, "seen_at": each.seen_at}
        for each in holders
    ]
