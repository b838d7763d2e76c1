"""What `check` says of seeds: that each reference leads to one, and no two chains to the same."""

from collections.abc import Iterator, Mapping, Sequence

from rotator.cli.checks.findings import FAIL, NOTE, OK, WARN, Finding
from rotator.cli.opening import House
from rotator.errors import SeedMissing
from rotator.jobs.job import Credential
from rotator.ledger.facts import Row
from rotator.model import REFRESH_TOKEN, Secret, Shelf
from rotator.references import Place, SeedRef
from rotator.store.secrets_manager import SecretsManagerStore
from rotator.store.seeds import Seeds, warning

_Values = dict[str, Secret]
"""What was read, by its reference. Compared, and never shown."""


def seeds(
    house: House,
    chosen: Sequence[Credential],
    store: SecretsManagerStore,
    rows: Mapping[str, Row],
    *,
    offline: bool,
) -> Iterator[Finding]:
    """Whether each reference leads to a seed. No value is shown, nor is its length."""
    reader = Seeds(house.environ, store.read_secret, house.settings.allows_file)
    values: _Values = {}
    grown = {name for name, row in rows.items() if Shelf.KEYRING in row.records}
    for credential in chosen:
        for name, ref in sorted(credential.seeds.items()):
            if offline and ref.place is Place.SECRET:
                continue
            optional = credential.qualified in grown and name == REFRESH_TOKEN
            yield _finding(credential, name, *_seed(reader, ref, values, optional=optional))
    yield from _shared(list(house.book.credentials.values()), chosen, values, grown)


def _finding(credential: Credential, name: str, level: str, text: str, remedy: str = "") -> Finding:
    return Finding(
        level=level, part=credential.job, about=credential.qualified,
        what=f"seed {name}", text=text, remedy=remedy,
    )  # fmt: skip


def _seed(reader: Seeds, ref: SeedRef, values: _Values, *, optional: bool) -> tuple[str, str, str]:
    """Level, text and remedy. A chain that grew from its seed needs it no more."""
    try:
        values[str(ref)] = reader.read(ref)
    except SeedMissing as error:
        return NOTE if optional else FAIL, error.text, error.remedy
    unwise, _, remedy = warning(ref).partition(": ")
    return (WARN, unwise, remedy) if unwise else (OK, f"readable from {ref}", "")


def _shared(
    every: Sequence[Credential], chosen: Sequence[Credential], values: _Values, grown: set[str]
) -> Iterator[Finding]:
    """Chains of one refresh token: whichever spends it first leaves the others with a dead one.

    By reference, and where values are at hand by these. Once all of them have kept a chain only
    the next value that is put there is at stake.
    """
    groups: dict[tuple[str, Secret | str], list[Credential]] = {}
    for each in every:
        ref = each.seeds.get(REFRESH_TOKEN)
        if ref is not None:
            what = values.get(str(ref), str(ref))
            groups.setdefault((each.provider.host, what), []).append(each)
    for group in groups.values():
        if len(group) > 1 and any(each.provider.is_chain for each in group):
            names = [each.qualified for each in group]
            level, told = WARN if grown.issuperset(names) else FAIL, _told(names)
            yield from (_finding(e, REFRESH_TOKEN, level, *told) for e in group if e in chosen)


def _told(names: Sequence[str]) -> tuple[str, str]:
    last = f"{', '.join(names[:-1])} and {names[-1]}"
    text = f"{last} take the same refresh token, which only the first to use it can spend"
    remedy = (
        "have the provider make a refresh token for each, or keep one of them: any number of"
        " consumers can read its secret"
    )
    return text, remedy
