"""`rotator adopt`: a chain from another ledger, or from a newer copy of this one."""

from typing import TYPE_CHECKING, Any

from rotator.cli import options
from rotator.cli.exits import BadUsage, Exit
from rotator.cli.seeding import said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.jobs.job import Credential
    from rotator.rotation.keyring import Taken
    from rotator.rotation.tools import Tools

_RISK = """\
Adopting makes this ledger the only one that may spend what these keyrings hold:
  {names}
Do it only if no other worker runs on them, here or elsewhere. Should one, both will spend the same
refresh token, and providers answer that by ending the whole chain."""


def adopt(
    names: options.Names = None,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> int:
    """Take over chains from another ledger, or after this one was restored from a copy.

    Each keyring is written anew with this ledger's id and the next generation; a token that went
    into a request without an answer is cleared if the provider says that it lives. Without names:
    every chain.
    """
    from rotator.cli import out
    from rotator.cli.opening import House

    house = House.open()
    chains = [each for each in house.chosen(names or ["*"]) if each.keyring_secret is not None]
    if not chains:
        raise BadUsage("none of them is a chain", remedy="only chains have keyrings to adopt")
    if not yes:
        out.warn(_RISK.format(names="\n  ".join(each.qualified for each in chains)))
    options.confirmed("Adopt?", yes=yes)
    with house.tools() as tools, house.guarded(tools.ledger):
        told = _adopted(tools, chains)
    if as_json:
        out.say_json(told)
    else:
        out.say(*(f"{each['credential']}: {each['outcome']}{_why(each)}" for each in told))
    return _adopt_code(told)


def _adopted(tools: "Tools", chains: "Sequence[Credential]") -> list[dict[str, Any]]:
    """One that fails stops no other."""
    from rotator.cli.opening import refuse_unmet
    from rotator.errors import RotatorError
    from rotator.rotation.keyring import adopt as take

    told: list[dict[str, Any]] = []
    for each in chains:
        try:
            refuse_unmet(tools.ledger, [each.qualified])
            told.append(_plain(each.qualified, take(tools, each)))
        except RotatorError as error:
            found = {"credential": each.qualified, "outcome": "failed", "text": str(error)}
            told.append({**found, "inspection": None, "generation": 0})
    return told


def _plain(name: str, taken: "Taken | None") -> dict[str, Any]:
    if taken is None:
        text = "there is no keyring yet"
        return {"credential": name, "outcome": "skipped", "text": text, "inspection": None,
                "generation": 0}  # fmt: skip
    dead = said(taken.verdict)
    texts = [f"the provider says: {dead['inspection']}"]
    texts += ["it was another ledger's"] if taken.was_foreign else []
    texts += ["a doubt about it is lifted"] if taken.lifted else []
    return {
        "credential": name,
        "outcome": "needs a person" if dead["inspection"] == "dead" else "adopted",
        "text": "; ".join(texts),
        "inspection": dead["inspection"],
        "generation": taken.generation,
    }


def _why(each: dict[str, Any]) -> str:
    return f": {each['text']}" if each["text"] else ""


def _adopt_code(told: list[dict[str, Any]]) -> int:
    outcomes = {each["outcome"] for each in told}
    if "needs a person" in outcomes:
        return Exit.PERSON
    return Exit.FAILED if "failed" in outcomes else Exit.DONE
