"""The plan against its own table: every combination of facts, and an oracle of sentences."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Reason, Shelf
from rotator.plan import table
from rotator.plan.seen import Agreement, AnswerSeen, IntentSeen, Seen, ShelfSeen, Want
from rotator.plan.table import Step, Verb, next_step

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)
GENERATION = 5
"""Of both secrets, where nothing else is said."""
BOTH = frozenset({ACCESS_TOKEN, REFRESH_TOKEN})


# --- the oracle: one function for each sentence of the table, slow and plain ---------------------


def lease_is_gone(seen: Seen) -> Step | None:
    return None if seen.leased else Step(Verb.STOP, Reason.LEASE_GONE)


def reads_lag(seen: Seen) -> Step | None:
    agreements = [shelf.agreement for shelf in seen.shelves.values()]
    if agreements.count(Agreement.LAGGING) == 0:
        return None
    return Step(Verb.WAIT, Reason.READ_LAG, until=seen.now + timedelta(seconds=2))


STRAYED = {
    Agreement.OLDER: Reason.LABEL_MOVED_BACK,
    Agreement.FOREIGN_NEWER: Reason.FOREIGN_NEWER,
    Agreement.FOREIGN: Reason.FOREIGN,
}


def not_on_record(seen: Seen) -> Step | None:
    for shelf, found in seen.shelves.items():
        if found.agreement in STRAYED and f"mend:{shelf.value}" not in seen.back_offs:
            return Step(Verb.MEND, STRAYED[found.agreement], shelf)
    return None


def not_yet_read(seen: Seen) -> Step | None:
    for answer in seen.answers:
        if not answer.read and f"read:{answer.id}" not in seen.back_offs:
            return Step(Verb.READ, Reason.ANSWER_UNREAD, answer.id)
    return None


def stored(seen: Seen, token: str) -> int:
    """The generation of the secret that a token goes to, 0 where there is none."""
    shelf = {ACCESS_TOKEN: Shelf.TOKEN, REFRESH_TOKEN: Shelf.KEYRING}[token]
    return seen.shelves[shelf].generation if shelf in seen.shelves else 0


def everywhere(seen: Seen) -> Step | None:
    for answer in seen.answers:
        if answer.read and all(stored(seen, held) >= answer.generation for held in answer.holds):
            return Step(Verb.DROP, Reason.ANSWER_DONE, answer.id)
    return None


def newest_with(seen: Seen, token: str) -> AnswerSeen | None:
    """The answer of the highest generation that holds what its secret lacks."""
    best: AnswerSeen | None = None
    for answer in seen.answers:
        understood = answer.read and not answer.kept_back and token in answer.holds
        if understood and answer.generation > max(
            stored(seen, token), best.generation if best else 0
        ):
            best = answer
    return best


def not_kept(seen: Seen) -> Step | None:
    if "keep" in seen.back_offs:
        return None
    if answer := newest_with(seen, REFRESH_TOKEN):
        return Step(Verb.KEEP, Reason.REFRESH_TOKEN_NEW, answer.id)
    if seen.pair_to_turn and "keep:turn" not in seen.back_offs:
        return Step(Verb.KEEP, Reason.TOKEN_IN_USE, "turn")
    if seen.seed_to_keep and "keep:seed" not in seen.back_offs:
        return Step(Verb.KEEP, Reason.SEED_NEW, "seed")
    if seen.chain_to_adopt and "keep:adopt" not in seen.back_offs:
        return Step(Verb.KEEP, Reason.ANOTHER_LEDGER, "adopt")
    return None


def not_published(seen: Seen) -> Step | None:
    answer = newest_with(seen, ACCESS_TOKEN)
    if answer is None or "publish" in seen.back_offs:
        return None
    return Step(Verb.PUBLISH, Reason.ACCESS_TOKEN_NEW, answer.id)


def unanswered(seen: Seen) -> Step | None:
    for intent in seen.intents:
        over = seen.now >= intent.settles_at and seen.now >= intent.replayable_until
        if over and f"settle:{intent.id}" not in seen.back_offs:
            return Step(Verb.SETTLE, Reason.UNANSWERED, intent.id)
    return None


def wanted(seen: Seen) -> Step | None:
    for want in seen.wants:
        is_open = want.open_until is not None and want.open_until > seen.now
        barred = f"grant:{want.grant}" in seen.back_offs
        if want.grant and not (want.keep_first or is_open or barred):
            return Step(Verb.OBTAIN, want.reason, want.token)
    return None


def outlived(seen: Seen) -> Step | None:
    if not seen.outlived or "revoke" in seen.back_offs:
        return None
    return Step(Verb.REVOKE, Reason.OUTLIVED, seen.outlived)


def until(seen: Seen) -> datetime:
    """Whatever comes first of all that a later look may find changed, a day away at most."""
    instants = [seen.now + DAY]
    instants += list(seen.renew_at) + list(seen.back_offs.values())
    instants += [max(each.settles_at, each.replayable_until) for each in seen.intents]
    instants += [want.open_until for want in seen.wants if want.open_until is not None]
    return min(at for at in instants if at > seen.now)


def no_grant_left(seen: Seen) -> Step | None:
    if seen.pair_to_turn or all(want.grant for want in seen.wants):
        return None
    return Step(Verb.WAIT, Reason.NO_GRANT_LEFT, until=until(seen))


def nothing_fits(seen: Seen) -> Step | None:
    reason = Reason.REQUEST_OPEN if seen.intents else Reason.FRESH
    return Step(Verb.WAIT, Reason.BACKING_OFF if seen.back_offs else reason, until=until(seen))


TABLE: Mapping[tuple[str, str], Callable[[Seen], Step | None]] = {
    ("the lease is gone", "STOP"): lease_is_gone,
    (
        "less than a minute after our last write a secret shows another version, and none newer",
        "WAIT",
    ): reads_lag,
    ("the current version of either secret is not the one on record", "MEND"): not_on_record,
    ("a sealed answer not yet read", "READ"): not_yet_read,
    (
        "a read answer that each secret it has a token for has reached or passed",
        "DROP",
    ): everywhere,
    (
        "a refresh token read and not kept; a pair to turn; a seed or a chain to take over",
        "KEEP",
    ): not_kept,
    (
        "an access token read, alive, of a higher generation than the published one",
        "PUBLISH",
    ): not_published,
    ("a request past `settles_at` with no answer", "SETTLE"): unanswered,
    ("a token wanted, a grant usable, nothing open on what it would present", "OBTAIN"): wanted,
    ("an old token to revoke, past every consumer's staleness", "REVOKE"): outlived,
    ("a token wanted and due, no grant left, no pair to turn", "WAIT for a person"): no_grant_left,
    ("none of these", "WAIT"): nothing_fits,
}


def expected(seen: Seen) -> Step:
    steps = (sentence(seen) for sentence in TABLE.values())
    return next(step for step in steps if step)


def line(step: Step, seen: Seen) -> str | None:
    """What a failure of this step would back off, None for a step that cannot fail."""
    match step.verb:
        case Verb.STOP | Verb.WAIT | Verb.DROP:
            return None
        case Verb.OBTAIN:
            grant = next(want.grant for want in seen.wants if want.token == step.subject)
            return f"grant:{grant}"
        case Verb.KEEP if step.subject not in ("turn", "seed", "adopt"):
            return "keep"
        case Verb.PUBLISH:
            return "publish"
        case _:
            return f"{step.verb.value}:{step.subject}"


def judged(seen: Seen) -> Step:
    """The plan's step, once it is what the table says, backs nothing off twice and ends in time."""
    step = next_step(seen)
    assert step == expected(seen)
    assert line(step, seen) not in seen.back_offs
    if step.verb is Verb.WAIT:
        assert step.until is not None
        assert seen.now < step.until <= seen.now + DAY
    else:
        assert step.until is None
    return step


# --- the table itself ----------------------------------------------------------------------------


def rows() -> list[tuple[str, str]]:
    found = re.findall(r"^\| (.+?) \| (.+?) \|$", table.__doc__ or "", re.MULTILINE)
    assert found[0] == ("seen", "next")
    return found[1:]


def test_the_oracle_says_what_the_docstring_says() -> None:
    assert list(TABLE) == rows()


def test_the_docstring_lists_the_verbs_in_the_order_of_the_match() -> None:
    tree = ast.parse(inspect.getsource(next_step))
    (match,) = (node for node in ast.walk(tree) if isinstance(node, ast.Match))
    matched = [
        node.attr
        for case in match.cases
        for node in ast.walk(ast.Module(case.body, []))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Verb"
    ]
    listed = [verb.partition(" ")[0] for _, verb in rows()]
    assert listed[-2:] == ["WAIT", "WAIT"]  # a person's and any other wait are one case
    assert matched == listed[:-1]
    assert set(matched) == set(Verb.__members__)


# --- the product of all facts --------------------------------------------------------------------

AGREEMENTS: list[dict[Shelf, ShelfSeen]] = [
    {},
    *(
        {
            Shelf.TOKEN: ShelfSeen(agreement=token, generation=GENERATION),
            Shelf.KEYRING: ShelfSeen(agreement=keyring, generation=GENERATION),
        }
        for token, keyring in product(Agreement, Agreement)
    ),
    {Shelf.TOKEN: ShelfSeen(generation=6), Shelf.KEYRING: ShelfSeen(generation=GENERATION)},
    {Shelf.TOKEN: ShelfSeen(generation=GENERATION), Shelf.KEYRING: ShelfSeen(generation=6)},
    {Shelf.TOKEN: ShelfSeen(generation=GENERATION)},
]


def answer(
    name: str, generation: int, *holds: str, read: bool = True, kept_back: bool = False
) -> AnswerSeen:
    return AnswerSeen(
        id=name, generation=generation, read=read, holds=frozenset(holds), kept_back=kept_back
    )


ANSWERS: dict[str, tuple[AnswerSeen, ...]] = {
    "no answer": (),
    "one unread": (answer("a", 6, read=False),),
    "one done": (answer("a", GENERATION, *BOTH),),
    "a refusal": (answer("a", 6),),
    "a new refresh token": (answer("a", 6, REFRESH_TOKEN),),
    "a new access token": (answer("a", 6, ACCESS_TOKEN),),
    "a new pair": (answer("a", 6, *BOTH),),
    "one kept back": (answer("a", 6, *BOTH, kept_back=True),),
    "one kept back and replaced": (answer("a", 4, *BOTH, kept_back=True),),
    "one kept back, to be read anew": (answer("a", 6, *BOTH, kept_back=True, read=False),),
    "a pair, and a newer one": (answer("a", 6, *BOTH), answer("b", 7, *BOTH)),
    "one kept back, and a new pair": (
        answer("a", 6, *BOTH, kept_back=True),
        answer("b", 7, *BOTH),
    ),
}


def intent(name: str, settles: timedelta, replayable: timedelta = -HOUR) -> IntentSeen:
    return IntentSeen(id=name, settles_at=NOW + settles, replayable_until=NOW + replayable)


INTENTS: list[tuple[IntentSeen, ...]] = [
    (),
    (intent("i", SECOND),),
    (intent("i", timedelta(0)),),
    (intent("i", -SECOND, HOUR),),
    (intent("i", -SECOND, 40 * DAY), intent("j", -SECOND)),
]


def want(token: str, grant: str = "", opens: timedelta | None = None, **facts: bool) -> Want:
    at = None if opens is None else NOW + opens
    return Want(token=token, reason=Reason.DUE, grant=grant, open_until=at, **facts)


WANTS: list[tuple[Want, ...]] = [
    (),
    (want(ACCESS_TOKEN),),
    (want(ACCESS_TOKEN, "refresh_token"),),
    (want(ACCESS_TOKEN, "refresh_token", SECOND),),
    (want(REFRESH_TOKEN, "regenerate", keep_first=True), want(ACCESS_TOKEN)),
    (want(REFRESH_TOKEN, "regenerate", timedelta(0)), want(ACCESS_TOKEN, "refresh_token")),
]
FLAGS = list(product((False, True), repeat=3))


def every(answers: tuple[AnswerSeen, ...]) -> Iterator[Seen]:
    for shelves, intents, wants, (turn, seed, adopt) in product(AGREEMENTS, INTENTS, WANTS, FLAGS):
        yield Seen(
            now=NOW,
            shelves=shelves,
            answers=answers,
            intents=intents,
            wants=wants,
            pair_to_turn=turn,
            seed_to_keep=seed,
            chain_to_adopt=adopt,
            renew_at=(NOW + 40 * DAY,),
        )


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_the_first_line_that_fits_is_taken_and_the_next_once_it_backs_off(
    answers: tuple[AnswerSeen, ...],
) -> None:
    for seen in every(answers):
        step = judged(seen)
        while failed := line(step, seen):
            seen = replace(seen, back_offs={**seen.back_offs, failed: NOW + HOUR})  # noqa: PLW2901
            step = judged(seen)


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_without_the_lease_nothing_is_done_whatever_is_seen(
    answers: tuple[AnswerSeen, ...],
) -> None:
    for seen in every(answers):
        assert next_step(replace(seen, leased=False)) == Step(Verb.STOP, Reason.LEASE_GONE)


LINES = (
    "mend:token", "mend:keyring", "read:a", "keep", "keep:turn", "keep:seed", "keep:adopt",
    "publish", "settle:i", "grant:regenerate", "grant:refresh_token",
)  # fmt: skip
BUSY = Seen(
    now=NOW,
    shelves={
        Shelf.TOKEN: ShelfSeen(agreement=Agreement.FOREIGN, generation=GENERATION),
        Shelf.KEYRING: ShelfSeen(agreement=Agreement.OLDER, generation=GENERATION),
    },
    answers=(answer("a", 6, read=False), answer("b", 7, *BOTH)),
    intents=(intent("i", -HOUR),),
    wants=(want(REFRESH_TOKEN, "regenerate"), want(ACCESS_TOKEN, "refresh_token")),
    pair_to_turn=True,
    seed_to_keep=True,
    chain_to_adopt=True,
)


def test_each_line_is_passed_over_for_its_own_back_off_and_for_no_other() -> None:
    subsets = (set(lines) for size in range(len(LINES) + 1) for lines in combinations(LINES, size))
    for lines in subsets:
        judged(replace(BUSY, back_offs=dict.fromkeys(lines, NOW + HOUR)))
        kept = replace(BUSY, answers=(), back_offs=dict.fromkeys(lines, NOW + HOUR))
        judged(kept)


GENERATIONS = st.integers(0, 3)
MOMENTS = st.timedeltas(-2 * DAY, 2 * DAY).map(lambda after: NOW + after)
LATER = st.timedeltas(SECOND, 2 * DAY).map(lambda after: NOW + after)
HOLDS = st.frozensets(st.sampled_from(sorted(BOTH)))
SHELVES = st.dictionaries(
    st.sampled_from(Shelf),
    st.builds(ShelfSeen, agreement=st.sampled_from(Agreement), generation=GENERATIONS),
)
CALM = st.dictionaries(st.sampled_from(Shelf), st.builds(ShelfSeen, generation=GENERATIONS))


def unlike(kind: st.SearchStrategy[AnswerSeen]) -> st.SearchStrategy[tuple[AnswerSeen, ...]]:
    return st.lists(kind, max_size=3, unique_by=lambda seen: seen.id).map(tuple)


ANY_ANSWERS = unlike(
    st.builds(
        AnswerSeen,
        id=st.sampled_from("abc"),
        generation=st.integers(1, 4),
        read=st.booleans(),
        holds=HOLDS,
        kept_back=st.booleans(),
    )
)
ANY_INTENTS = st.lists(
    st.builds(IntentSeen, id=st.sampled_from("ij"), settles_at=MOMENTS, replayable_until=MOMENTS),
    max_size=2,
    unique_by=lambda seen: seen.id,
).map(tuple)
ANY_WANTS = st.lists(
    st.builds(
        Want,
        token=st.sampled_from(sorted(BOTH)),
        reason=st.sampled_from([Reason.DUE, Reason.MISSING, Reason.ASKED_FOR, Reason.KILLED]),
        grant=st.sampled_from(["", "regenerate", "refresh_token"]),
        open_until=st.none() | MOMENTS,
        keep_first=st.booleans(),
    ),
    max_size=2,
    unique_by=lambda want: want.token,
).map(tuple)
ANYTHING = st.builds(
    Seen,
    now=st.just(NOW),
    leased=st.sampled_from([True] * 9 + [False]),
    shelves=CALM | SHELVES,
    answers=ANY_ANSWERS,
    intents=ANY_INTENTS,
    wants=ANY_WANTS,
    pair_to_turn=st.booleans(),
    seed_to_keep=st.booleans(),
    chain_to_adopt=st.booleans(),
    outlived=st.sampled_from(["", "v"]),
    back_offs=st.dictionaries(
        st.sampled_from([*LINES, "revoke", "look", "read:b", "settle:j"]), LATER
    ),
    renew_at=st.lists(MOMENTS, max_size=2).map(tuple),
)


@given(ANYTHING)
@settings(max_examples=300)
def test_whatever_is_seen_the_plan_has_the_table_s_answer(seen: Seen) -> None:
    judged(seen)


@given(ANYTHING)
@settings(max_examples=300)
def test_a_want_that_no_grant_can_meet_is_said_to_a_person_once_nothing_else_is_left(
    seen: Seen,
) -> None:
    wants = (want(ACCESS_TOKEN), *seen.wants[:1])
    stuck = replace(seen, leased=True, wants=wants, pair_to_turn=False)
    step = next_step(stuck)
    if step.verb is Verb.WAIT and step.reason is not Reason.READ_LAG:
        assert step.reason is Reason.NO_GRANT_LEFT


def test_a_secret_that_is_not_there_has_reached_nothing() -> None:
    step = next_step(Seen(now=NOW, answers=(answer("a", 1, ACCESS_TOKEN),)))
    assert step == Step(Verb.PUBLISH, Reason.ACCESS_TOKEN_NEW, "a")


def test_a_publish_is_not_held_up_by_a_failing_keep() -> None:
    seen = Seen(now=NOW, answers=(answer("a", 1, *BOTH),), back_offs={"keep": NOW + HOUR})
    assert next_step(seen) == Step(Verb.PUBLISH, Reason.ACCESS_TOKEN_NEW, "a")


def test_a_credential_with_nothing_to_do_rests_for_a_day() -> None:
    assert next_step(Seen(now=NOW)) == Step(Verb.WAIT, Reason.FRESH, until=NOW + DAY)
