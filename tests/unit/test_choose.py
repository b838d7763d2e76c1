"""With which grant: the first that may be used, and never a spent token to one that spends it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring
from rotator.policy.grants import Choice, Holding, Refused, Source, choose
from rotator.providers.base import Answer, Grant, Request

REFRESH, ACCESS = frozenset({REFRESH_TOKEN}), frozenset({ACCESS_TOKEN})
PASSWORD = frozenset({"password"})


def ask(_: Keyring) -> Request:
    return Request(url="https://acme.example.com/")


def read(_: Answer, __: datetime) -> Keyring:
    return {}


def grant(
    name: str, needs: Iterable[str], yields: Iterable[str], spends: str | None = None
) -> Grant:
    return Grant(
        name=name,
        needs=frozenset(needs),
        yields=frozenset(yields),
        spends=spends,
        ask=ask,
        read=read,
    )


def held(name: str, fingerprint: str, *, spent: bool = False) -> Holding:
    return Holding(name=name, fingerprint=fingerprint, source=Source.SEED, spent=spent)


def never(_: Grant, __: tuple[Holding, ...]) -> bool:
    return False


def of(*names: str) -> Refused:
    """These grants were refused, whatever they presented."""
    return lambda grant, _: grant.name in names


MINT = grant("refresh_token", REFRESH, ACCESS)
REGENERATE = grant("regenerate", REFRESH, REFRESH, REFRESH_TOKEN)
LOG_IN = grant("password", PASSWORD, REFRESH)
ALATION = (MINT, REGENERATE, LOG_IN)
SEEDED = {
    REFRESH_TOKEN: [held(REFRESH_TOKEN, "r1"), held(REFRESH_TOKEN, "r2")],
    "password": [held("password", "p")],
}


def chosen(
    wanted: str,
    holdings: Mapping[str, Sequence[Holding]],
    refused: Refused = never,
    grants: Sequence[Grant] = ALATION,
) -> tuple[str, tuple[str, ...]] | None:
    choice = choose(wanted, grants, holdings, refused)
    return choice and (choice.grant.name, tuple(each.fingerprint for each in choice.presents))


def test_the_first_grant_that_yields_it_presents_what_is_preferred() -> None:
    assert chosen(ACCESS_TOKEN, SEEDED) == ("refresh_token", ("r1",))
    assert chosen(REFRESH_TOKEN, SEEDED) == ("regenerate", ("r1",))


def test_a_refused_token_gives_way_to_the_next_before_another_grant_is_tried() -> None:
    def refused(_: Grant, presents: tuple[Holding, ...]) -> bool:
        return presents[0].fingerprint == "r1"

    assert chosen(ACCESS_TOKEN, SEEDED, refused) == ("refresh_token", ("r2",))


def test_a_grant_that_may_not_be_used_gives_way_to_the_next() -> None:
    assert chosen(REFRESH_TOKEN, SEEDED, of("regenerate")) == ("password", ("p",))


def test_what_the_first_grant_lacks_is_obtained_first() -> None:
    lost = {"password": SEEDED["password"]}
    assert chosen(ACCESS_TOKEN, lost) == ("password", ("p",))


def test_a_dead_refresh_token_is_replaced_by_the_password() -> None:
    assert chosen(ACCESS_TOKEN, SEEDED, of("refresh_token", "regenerate")) == ("password", ("p",))


def test_a_person_is_needed_where_nothing_may_be_presented() -> None:
    assert chosen(ACCESS_TOKEN, {}) is None
    assert chosen(ACCESS_TOKEN, SEEDED, of("refresh_token", "regenerate", "password")) is None
    assert chosen("unheard_of", SEEDED) is None


def test_a_spent_token_mints_but_is_never_spent_again() -> None:
    spent = {REFRESH_TOKEN: [held(REFRESH_TOKEN, "r1", spent=True)]}
    assert chosen(ACCESS_TOKEN, spent) == ("refresh_token", ("r1",))
    assert chosen(REFRESH_TOKEN, spent) is None


def test_a_spent_token_never_hides_a_fresh_one() -> None:
    fresh = held(REFRESH_TOKEN, "fresh")
    both = {REFRESH_TOKEN: [held(REFRESH_TOKEN, "r1", spent=True), fresh]}
    assert chosen(REFRESH_TOKEN, both) == ("regenerate", ("fresh",))


def test_grants_that_need_each_other_are_no_endless_loop() -> None:
    circle = (grant("a", {"b"}, {"a"}), grant("b", {"c"}, {"b"}), grant("c", {"a"}, {"c"}))
    assert chosen("a", {}, grants=circle) is None
    assert chosen("a", {"a": [held("a", "x")]}, grants=circle) == ("c", ("x",))


def test_a_grant_that_needs_nothing_is_always_there() -> None:
    assert chosen(ACCESS_TOKEN, {}, grants=[grant("free", (), ACCESS)]) == ("free", ())


# --- anything ------------------------------------------------------------------------------------

NAMES = ("access", "cookie", "password", "refresh")
NEEDS = st.frozensets(st.sampled_from(NAMES), max_size=2)
YIELDS = st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=2)


@st.composite
def grants(draw: st.DrawFn) -> tuple[Grant, ...]:
    found = []
    for index in range(draw(st.integers(0, 4))):
        needs, yields = draw(NEEDS), draw(YIELDS)
        spends = draw(st.sampled_from([None, *sorted(needs)]))
        found.append(grant(f"grant {index}", needs, yields, spends))
    return tuple(found)


HOLDINGS = st.fixed_dictionaries(
    {},
    optional={
        name: st.lists(st.booleans(), max_size=2).map(
            lambda marks, name=name: [  # type: ignore[misc]
                held(name, f"{name} {index}", spent=spent) for index, spent in enumerate(marks)
            ]
        )
        for name in NAMES
    },
)
REFUSALS = st.sets(st.tuples(st.integers(0, 3), st.sampled_from(NAMES), st.integers(0, 1)))


def refusing(marks: set[tuple[int, str, int]]) -> Refused:
    """Each mark bars one grant with one token; a refusal binds to all that is presented."""
    barred = {(f"grant {index}", f"{name} {which}") for index, name, which in marks}

    def refused(grant: Grant, presents: tuple[Holding, ...]) -> bool:
        return any((grant.name, each.fingerprint) in barred for each in presents)

    return refused


def usable(
    grant: Grant, holdings: Mapping[str, Sequence[Holding]], refused: Refused
) -> list[tuple[Holding, ...]]:
    """All that a grant may present, by brute force."""
    every = product(*(holdings.get(name, []) for name in sorted(grant.needs)))
    return [
        presents
        for presents in every
        if not refused(grant, presents)
        and not any(each.spent and each.name == grant.spends for each in presents)
    ]


def within_reach(wanted: str, grants: Sequence[Grant]) -> set[str]:
    """What is wanted, and whatever grants that yield any of it need."""
    names, before = {wanted}, set[str]()
    while names != before:
        before = set(names)
        names |= {need for grant in grants if grant.yields & before for need in grant.needs}
    return names


ANYTHING: Callable[[Callable[..., None]], Callable[..., None]] = given(
    st.sampled_from(NAMES), grants(), HOLDINGS, REFUSALS.map(refusing)
)


def presentable(choice: Choice, holdings: Mapping[str, Sequence[Holding]]) -> bool:
    return all(each in holdings[each.name] for each in choice.presents)


@ANYTHING
@settings(max_examples=200)
def test_no_spent_token_is_presented_to_a_grant_that_spends_it(
    wanted: str,
    grants: Sequence[Grant],
    holdings: Mapping[str, Sequence[Holding]],
    refused: Refused,
) -> None:
    choice = choose(wanted, grants, holdings, refused)
    if choice is None:
        return
    assert choice.grant in grants
    assert [each.name for each in choice.presents] == sorted(choice.grant.needs)
    assert presentable(choice, holdings)
    assert not any(each.spent and each.name == choice.grant.spends for each in choice.presents)
    assert not refused(choice.grant, choice.presents)


@ANYTHING
@settings(max_examples=200)
def test_a_person_is_called_exactly_if_no_grant_within_reach_may_be_used(
    wanted: str,
    grants: Sequence[Grant],
    holdings: Mapping[str, Sequence[Holding]],
    refused: Refused,
) -> None:
    reach = within_reach(wanted, grants)
    helpful = [each for each in grants if each.yields & reach and usable(each, holdings, refused)]
    choice = choose(wanted, grants, holdings, refused)
    assert (choice is None) is (helpful == [])
    assert choice is None or choice.grant in helpful


@ANYTHING
@settings(max_examples=200)
def test_nothing_is_obtained_on_the_way_while_a_grant_yields_it_at_once(
    wanted: str,
    grants: Sequence[Grant],
    holdings: Mapping[str, Sequence[Holding]],
    refused: Refused,
) -> None:
    direct = [
        Choice(each, presents)
        for each in grants
        if wanted in each.yields
        for presents in usable(each, holdings, refused)
    ]
    if direct:
        assert choose(wanted, grants, holdings, refused) == direct[0]
