"""Which version has which label, and how many versions there may be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.contract.secrets_manager.stage import (
    DAY,
    Ticking,
    aws_only,
    code,
    labels,
    move,
    promote,
    put,
    read,
    token,
)

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient

# Versions and labels


def test_the_first_version_is_current(sm: SecretsManagerClient) -> None:
    assert labels(sm) == {1: {"AWSCURRENT"}}


def test_the_first_version_is_current_though_it_was_put_as_pending(
    sm: SecretsManagerClient,
) -> None:
    sm.delete_secret(SecretId="app", ForceDeleteWithoutRecovery=True)
    sm.create_secret(Name="app")
    put(sm, 2, "AWSPENDING")
    assert labels(sm) == {2: {"AWSCURRENT", "AWSPENDING"}}


def test_a_put_makes_its_version_current_and_the_one_before_previous(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2)
    assert labels(sm) == {1: {"AWSPREVIOUS"}, 2: {"AWSCURRENT"}}
    assert read(sm, VersionStage="AWSCURRENT") == "value 2"


def test_the_version_before_the_previous_has_no_label_and_is_still_read_by_id(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2)
    put(sm, 3)
    assert labels(sm) == {2: {"AWSPREVIOUS"}, 3: {"AWSCURRENT"}}
    assert read(sm, VersionId=token(1)) == "one"


def test_a_put_answers_with_its_labels(sm: SecretsManagerClient) -> None:
    assert put(sm, 2) == ["AWSCURRENT"]
    assert sorted(put(sm, 3, "zeta", "alpha")) == ["alpha", "zeta"]


def test_a_put_as_pending_leaves_current_alone(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")
    assert labels(sm) == {1: {"AWSCURRENT"}, 2: {"AWSPENDING"}}
    assert read(sm, VersionStage="AWSPENDING") == "value 2"
    assert read(sm) == "one"


def test_a_promotion_moves_current_and_previous_and_leaves_pending(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2, "AWSPENDING")
    promote(sm, 2, over=1)
    assert labels(sm) == {1: {"AWSPREVIOUS"}, 2: {"AWSCURRENT", "AWSPENDING"}}
    assert read(sm, VersionStage="AWSCURRENT") == "value 2"


@aws_only("a read without a label gives the old value after a promotion")
def test_after_a_promotion_a_read_without_a_label_gives_the_new_value(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2, "AWSPENDING")
    promote(sm, 2, over=1)
    assert read(sm) == "value 2"


def test_pending_moves_on_with_the_next_put_as_pending(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")
    promote(sm, 2, over=1)
    put(sm, 3, "AWSPENDING")
    assert labels(sm) == {1: {"AWSPREVIOUS"}, 2: {"AWSCURRENT"}, 3: {"AWSPENDING"}}


@aws_only("leaves two versions with AWSCURRENT")
def test_a_plain_put_after_a_promotion_takes_pending_off_what_it_replaces(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2, "AWSPENDING")
    promote(sm, 2, over=1)
    put(sm, 3)
    assert labels(sm) == {2: {"AWSPREVIOUS"}, 3: {"AWSCURRENT"}}


def test_five_cycles_of_staging_and_promoting_end_with_the_last_two(
    sm: SecretsManagerClient,
) -> None:
    for number in range(2, 7):
        put(sm, number, "AWSPENDING")
        promote(sm, number, over=number - 1)
    assert labels(sm) == {5: {"AWSPREVIOUS"}, 6: {"AWSCURRENT", "AWSPENDING"}}


@aws_only("a put to AWSCURRENT wipes the labels of the version before")
def test_a_label_of_ones_own_stays_when_its_version_is_no_longer_current(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2, "AWSCURRENT", "mine")
    put(sm, 3)
    assert labels(sm) == {2: {"AWSPREVIOUS", "mine"}, 3: {"AWSCURRENT"}}


def test_two_rotations_with_labels_of_ones_own_end_as_recorded_on_aws(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2, "AWSCURRENT", "put0")
    put(sm, 3, "AWSPENDING", "put1")
    promote(sm, 3, over=2)
    put(sm, 4, "AWSPENDING", "put2")
    promote(sm, 4, over=3)
    assert labels(sm) == {
        2: {"put0"},
        3: {"AWSPREVIOUS", "put1"},
        4: {"AWSCURRENT", "AWSPENDING", "put2"},
    }


def test_a_put_takes_its_labels_from_the_versions_that_had_them(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2, "a", "b")
    put(sm, 3, "b", "c")
    assert labels(sm) == {1: {"AWSCURRENT"}, 2: {"a"}, 3: {"b", "c"}}


def test_moving_current_back_swaps_current_and_previous(sm: SecretsManagerClient) -> None:
    put(sm, 2)
    promote(sm, 1, over=2)
    assert labels(sm) == {1: {"AWSCURRENT"}, 2: {"AWSPREVIOUS"}}


def test_current_can_be_moved_to_a_version_without_a_label(sm: SecretsManagerClient) -> None:
    put(sm, 2)
    put(sm, 3)
    promote(sm, 1, over=3)
    assert labels(sm)[1] == {"AWSCURRENT"}
    assert labels(sm)[3] == {"AWSPREVIOUS"}


def test_a_free_label_is_attached_without_a_fence(sm: SecretsManagerClient) -> None:
    move(sm, "mine", 1)
    assert labels(sm) == {1: {"AWSCURRENT", "mine"}}


def test_a_label_is_moved_from_version_to_version(sm: SecretsManagerClient) -> None:
    put(sm, 2, "mine")
    move(sm, "mine", 1, 2)
    assert labels(sm) == {1: {"AWSCURRENT", "mine"}}


def test_a_label_is_taken_off(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")
    move(sm, "AWSPENDING", away_from=2)
    assert labels(sm) == {1: {"AWSCURRENT"}}


@aws_only("lists versions without a label always, and a name for the ARN")
def test_versions_without_a_label_are_listed_only_on_request(sm: SecretsManagerClient) -> None:
    put(sm, 2)
    put(sm, 3)
    shown = sm.list_secret_version_ids(SecretId="app")
    every = sm.list_secret_version_ids(SecretId="app", IncludeDeprecated=True)
    assert [version["VersionId"] for version in shown["Versions"]] == [token(2), token(3)]
    assert [version["VersionId"] for version in every["Versions"]] == [token(1), token(2), token(3)]
    assert "VersionStages" not in every["Versions"][0]
    assert shown["ARN"] == sm.describe_secret(SecretId="app")["ARN"]


# The version budget


@aws_only("keeps any number of versions")
def test_the_version_after_the_hundredth_of_a_day_is_refused(
    sm: SecretsManagerClient, clock: Ticking
) -> None:
    for number in range(2, 101):
        put(sm, number)
    clock.advance(DAY - timedelta(minutes=1))
    assert code(lambda: put(sm, 101)) == "LimitExceededException"
    assert put(sm, 100) == ["AWSCURRENT"]  # a repetition makes no version


@aws_only("keeps any number of versions")
def test_a_version_that_is_a_day_old_makes_room_for_one_more(
    sm: SecretsManagerClient, clock: Ticking
) -> None:
    for number in range(2, 101):
        put(sm, number)
    clock.advance(DAY)
    put(sm, 101)
    assert code(lambda: read(sm, VersionId=token(1))) == "ResourceNotFoundException"
    assert read(sm, VersionId=token(2)) == "value 2"


@aws_only("keeps any number of versions")
def test_a_version_with_a_label_is_never_removed(sm: SecretsManagerClient, clock: Ticking) -> None:
    move(sm, "kept", 1)
    for number in range(2, 102):
        clock.advance(DAY)
        put(sm, number)
    assert read(sm, VersionStage="kept") == "one"
    assert code(lambda: read(sm, VersionId=token(2))) == "ResourceNotFoundException"
