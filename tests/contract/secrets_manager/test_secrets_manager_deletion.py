"""Deleted with a recovery window, deleted at once, and restored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.contract.secrets_manager.stage import (
    DAY,
    Ticking,
    aws_only,
    code,
    create,
    move,
    put,
    read,
)

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


def test_a_secret_marked_for_deletion_is_described_with_the_date(sm: SecretsManagerClient) -> None:
    gone_at = sm.delete_secret(SecretId="app", RecoveryWindowInDays=7)["DeletionDate"]
    found = sm.describe_secret(SecretId="app")
    assert abs(gone_at - found["DeletedDate"] - 7 * DAY) < DAY * 8


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda sm: put(sm, 2), id="put"),
        pytest.param(lambda sm: put(sm, 1, value="one"), id="repeat a put"),
        pytest.param(lambda sm: move(sm, "mine", 1), id="label"),
        pytest.param(lambda sm: sm.tag_resource(SecretId="app", Tags=[]), id="tag"),
        pytest.param(lambda sm: sm.untag_resource(SecretId="app", TagKeys=["a"]), id="untag"),
    ],
)
@aws_only("changes a secret that is marked for deletion")
def test_a_secret_marked_for_deletion_takes_no_changes(
    sm: SecretsManagerClient, call: Callable[[SecretsManagerClient], object]
) -> None:
    sm.delete_secret(SecretId="app")
    with pytest.raises(sm.exceptions.InvalidRequestException, match="was marked for deletion"):
        call(sm)


def test_a_secret_marked_for_deletion_is_neither_read_nor_updated(
    sm: SecretsManagerClient,
) -> None:
    sm.delete_secret(SecretId="app")
    assert code(lambda: read(sm)) == "InvalidRequestException"
    update = {"SecretId": "app", "SecretString": "two"}
    assert code(lambda: sm.update_secret(**update)) == "InvalidRequestException"


def test_a_restored_secret_is_as_it_was(sm: SecretsManagerClient) -> None:
    sm.delete_secret(SecretId="app")
    sm.restore_secret(SecretId="app")
    assert read(sm) == "one"
    assert "DeletedDate" not in sm.describe_secret(SecretId="app")


@aws_only("answers ResourceExistsException")
def test_a_name_marked_for_deletion_cannot_be_created(sm: SecretsManagerClient) -> None:
    sm.delete_secret(SecretId="app")
    with pytest.raises(sm.exceptions.InvalidRequestException, match="already scheduled for del"):
        create(sm)


def test_a_name_deleted_at_once_is_free_and_comes_back_under_another_arn(
    sm: SecretsManagerClient,
) -> None:
    before = sm.describe_secret(SecretId="app")["ARN"]
    sm.delete_secret(SecretId="app", ForceDeleteWithoutRecovery=True)
    after = create(sm)
    assert after != before
    assert after[:-6] == before[:-6]


def test_deleting_at_once_what_is_not_there_succeeds(sm: SecretsManagerClient) -> None:
    assert sm.delete_secret(SecretId="none", ForceDeleteWithoutRecovery=True)["Name"] == "none"


@aws_only("has no clock to advance")
def test_after_the_recovery_window_the_name_is_free(
    sm: SecretsManagerClient, clock: Ticking
) -> None:
    sm.delete_secret(SecretId="app", RecoveryWindowInDays=7)
    clock.advance(7 * DAY - timedelta(seconds=1))
    assert code(lambda: create(sm)) == "InvalidRequestException"
    clock.advance(timedelta(seconds=1))
    assert code(lambda: sm.restore_secret(SecretId="app")) == "ResourceNotFoundException"
    create(sm)
