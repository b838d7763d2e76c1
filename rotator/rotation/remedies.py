"""What a person does where no grant is left: first what was missing or refused, then what else."""

from collections.abc import Iterable, Iterator

from rotator.jobs.job import Credential
from rotator.model import REFRESH_TOKEN
from rotator.providers.base import Grant
from rotator.providers.registry import plugins
from rotator.rotation.look import Sight
from rotator.sentences import within


def remedy(credential: Credential, sight: Sight) -> str:
    """One way out, or several with an "or" between them: the likeliest first."""
    name, holdings = credential.qualified, sight.holdings
    if holdings.foreign:
        return f"another ledger owns the chain: stop that worker, then `rotator adopt {name}`"
    if holdings.elsewhere:
        return (
            f"the kept token is for {holdings.elsewhere}: correct the address in the job "
            f"file, or get a new refresh token, then `rotator seed {name}`"
        )
    ways = [*holdings.missing, *_corrections(credential, holdings.refused_seeds)]
    if not ways or holdings.kept or REFRESH_TOKEN in credential.seeds:
        ways.append(_new_token(credential, holdings.refused_seeds))
    return "; or ".join(ways)


def _corrections(credential: Credential, refused: Iterable[Grant]) -> Iterator[str]:
    """Seeds that a person knows, a password for one, and what the job file presents with them."""
    for grant in refused:
        if REFRESH_TOKEN not in grant.needs:
            seeds = [f"{need} ({_where(credential, need)})" for need in sorted(grant.needs)]
            checked = _listed([*seeds, *_suspects(grant)])
            yield f"check {checked}, then `rotator rotate --again {credential.qualified}`"


def _new_token(credential: Credential, refused: Iterable[Grant]) -> str:
    """A refused token may also be a good one that was sent with somebody else's user_id."""
    asked = f"get a new refresh token ({_where(credential, REFRESH_TOKEN)})"
    told = f"{asked}, then `rotator seed {credential.qualified}`"
    fits = sorted({each for grant in refused if REFRESH_TOKEN in grant.needs
                   for each in _suspects(grant)})  # fmt: skip
    return f"{told}; or correct {_listed(fits)}, if the token is another's" if fits else told


def _suspects(grant: Grant) -> list[str]:
    return [f"`{name}`" for name in grant.suspects]


def _where(credential: Credential, seed: str) -> str:
    """Where a person gets it, at the very address of this credential."""
    provider = credential.provider
    said = plugins()[provider.name].seeds.get(seed, "from the provider")
    return within(said.replace("<base_url>", provider.host))


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
