import inspect

import pytest

from rotator import errors, triage
from rotator.model import Reason
from rotator.store import aws_errors
from rotator.triage import BY_REASON, REASONS, advised, outcome_of, reason_of, trouble_of

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.RotatorError)
]
DECISIONS = {
    Reason.LEASE_GONE, Reason.READ_LAG, Reason.LABEL_MOVED_BACK, Reason.FOREIGN_NEWER,
    Reason.ANSWER_UNREAD, Reason.ANSWER_DONE, Reason.REFRESH_TOKEN_NEW, Reason.SEED_NEW,
    Reason.ACCESS_TOKEN_NEW, Reason.MISSING, Reason.DUE, Reason.ASKED_FOR, Reason.KILLED,
    Reason.OUTLIVED, Reason.FRESH, Reason.BACKING_OFF, Reason.REQUEST_OPEN, Reason.PAUSED,
    Reason.CHAIN_MISSING, Reason.TOKEN_IN_USE,
}  # fmt: skip
"""Why a step is taken or none is; nothing is wrong then."""


def test_every_reason_is_a_decision_or_has_one_class_and_one_action() -> None:
    assert set(Reason) == DECISIONS | set(BY_REASON)
    assert not DECISIONS & set(BY_REASON)
    assert all(trouble.name and trouble.action for trouble in BY_REASON.values())


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_that_can_be_raised_has_a_class_and_an_action(
    kind: type[errors.RotatorError],
) -> None:
    abstract = {errors.RotatorError, errors.ProviderError, errors.StoreError}
    error = kind([]) if kind is errors.BadJobs else kind("it broke")
    trouble = trouble_of(outcome_of(error))
    assert trouble is not None
    assert (trouble.name == "bug") == (kind in abstract)
    if kind in REASONS:
        assert trouble is BY_REASON[reason_of(error)]


@pytest.mark.parametrize("kind", [errors.Unreachable, errors.Unanswered, errors.ProviderDown])
def test_a_network_failure_is_never_called_an_expired_login(
    kind: type[errors.ProviderError],
) -> None:
    trouble = BY_REASON[reason_of(kind("no route"))]
    assert trouble.name in ("network", "provider down")
    assert "seed" not in trouble.action
    assert "expired" not in trouble.action


def test_no_action_deletes_anything() -> None:
    for trouble in BY_REASON.values():
        assert "delete" not in trouble.action
        assert "forget" not in trouble.action


def test_an_action_reads_well_behind_the_word_next() -> None:
    for trouble in BY_REASON.values():
        assert not trouble.action.startswith("nothing:"), trouble


def test_a_failure_has_one_remedy_in_brackets() -> None:
    trouble = triage.Trouble("AWS denied", "allow it")
    assert advised("no write to x", trouble) == "no write to x (allow it)"
    assert advised("no write to x (see the policy)", trouble) == "no write to x (see the policy)"


def test_a_class_beneath_a_drawn_one_goes_by_its_name() -> None:
    assert outcome_of(aws_errors.Refused("no", code="X")) == "StoreDenied"
    assert outcome_of(KeyError("x")) == "KeyError"
    assert trouble_of("KeyError") == triage.BY_REASON[Reason.UNEXPECTED]


@pytest.mark.parametrize("outcome", ["ok", "tokens", ""])
def test_what_went_well_has_no_class(outcome: str) -> None:
    assert trouble_of(outcome) is None


def test_a_machine_that_was_too_slow_is_told() -> None:
    trouble = trouble_of("Late")
    assert trouble is not None
    assert trouble.name == "machine"
