"""The strict Secrets Manager fake against AWS's rules, through real boto3.

One suite for three back ends: the fake through the botocore hook, the fake over HTTP, and moto as
a second opinion. A row that moto is known to answer wrongly says so with `aws_only`, and then has
no moto row at all, so that nothing is skipped. What is not known of AWS is not asserted here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_hook import client_for
from rotator.sandbox.secrets_manager_http import SecretsManagerServer, serve

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient

DAY = timedelta(days=1)
CONFIG = Config(
    parameter_validation=False,  # what boto3 would stop must reach the service
    retries={"mode": "standard", "total_max_attempts": 1},
)

Test = Callable[..., None]
AWS_ONLY: dict[str, str] = {}
"""Test -> in what moto is wrong."""


def aws_only(moto_is_wrong: str) -> Callable[[Test], Test]:
    def mark(test: Test) -> Test:
        AWS_ONLY[test.__name__] = moto_is_wrong
        return test

    return mark


class Ticking:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def advance(self, duration: timedelta) -> None:
        self.instant += duration


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "back_end" not in metafunc.fixturenames:
        return
    back_ends = ["hook", "http"]
    if metafunc.function.__name__ not in AWS_ONLY:
        back_ends.append("moto")
    if "refusal" not in metafunc.fixturenames:
        metafunc.parametrize("back_end", back_ends)
        return
    rows = [(end, row) for row in REFUSALS for end in back_ends if end != "moto" or row.moto]
    ids = [f"{row.what}-{end}".replace(" ", "_") for end, row in rows]
    metafunc.parametrize(("back_end", "refusal"), rows, ids=ids)


@pytest.fixture(scope="module")
def server() -> Iterator[SecretsManagerServer]:
    clock = Ticking()
    with serve(SecretsManager(clock.now)) as server:
        yield server


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session("worker", "sandbox", region_name="eu-central-1")


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def sm(
    back_end: str, clock: Ticking, session: boto3.Session, server: SecretsManagerServer
) -> Iterator[SecretsManagerClient]:
    """A client, and a secret `app` that holds "one" in version 1."""
    service = server.service = SecretsManager(clock.now)
    with mock_aws() if back_end == "moto" else nullcontext():
        client = {
            "hook": lambda: client_for(service, config=CONFIG),
            "http": lambda: session.client(
                "secretsmanager", endpoint_url=server.url, config=CONFIG
            ),
            "moto": lambda: session.client("secretsmanager", config=CONFIG),
        }[back_end]()
        create(client)
        yield client
    client.close()


def token(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def create(sm: SecretsManagerClient, name: str = "app", **more: Any) -> str:
    given: dict[str, Any] = {"SecretString": "one", "ClientRequestToken": token(1), **more}
    return sm.create_secret(Name=name, **given)["ARN"]


def put(
    sm: SecretsManagerClient, number: int, *stages: str, value: str = "", name: str = "app"
) -> list[str]:
    more: dict[str, Any] = {"VersionStages": list(stages)} if stages else {}
    done = sm.put_secret_value(
        SecretId=name,
        SecretString=value or f"value {number}",
        ClientRequestToken=token(number),
        **more,
    )
    return done["VersionStages"]


def move(
    sm: SecretsManagerClient,
    stage: str,
    to: int | None = None,
    away_from: int | None = None,
) -> None:
    given: dict[str, Any] = {"SecretId": "app", "VersionStage": stage}
    if to is not None:
        given["MoveToVersionId"] = token(to)
    if away_from is not None:
        given["RemoveFromVersionId"] = token(away_from)
    sm.update_secret_version_stage(**given)


def promote(sm: SecretsManagerClient, number: int, over: int) -> None:
    move(sm, "AWSCURRENT", number, over)


def read(sm: SecretsManagerClient, **which: Any) -> str:
    return sm.get_secret_value(SecretId="app", **which)["SecretString"]


def labels(sm: SecretsManagerClient) -> dict[int, set[str]]:
    """Version number -> its labels, of versions that have any."""
    found = sm.describe_secret(SecretId="app")["VersionIdsToStages"]
    return {int(version[-12:]): set(stages) for version, stages in found.items() if stages}


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"]


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


# The same call again


def test_the_token_is_the_version_id(sm: SecretsManagerClient) -> None:
    put(sm, 2)
    assert sm.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")["VersionId"] == token(2)


@pytest.mark.parametrize("stages", [(), ("AWSPENDING",)])
def test_the_same_token_with_the_same_value_changes_nothing(
    sm: SecretsManagerClient, stages: tuple[str, ...]
) -> None:
    put(sm, 2, *stages)
    before = labels(sm)
    put(sm, 2, *stages)
    assert labels(sm) == before


def test_a_late_repetition_of_an_old_put_does_not_move_current_back(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2)
    put(sm, 3)
    assert put(sm, 2) == ["AWSPREVIOUS"]
    assert labels(sm) == {2: {"AWSPREVIOUS"}, 3: {"AWSCURRENT"}}


def test_the_same_token_with_another_value_is_refused(sm: SecretsManagerClient) -> None:
    put(sm, 2)
    assert code(lambda: put(sm, 2, value="other")) == "ResourceExistsException"
    assert read(sm, VersionStage="AWSCURRENT") == "value 2"


@aws_only("overwrites a pending version")
def test_the_same_token_with_another_value_is_refused_for_pending_too(
    sm: SecretsManagerClient,
) -> None:
    put(sm, 2, "AWSPENDING")
    assert code(lambda: put(sm, 2, "AWSPENDING", value="other")) == "ResourceExistsException"
    assert read(sm, VersionStage="AWSPENDING") == "value 2"


@aws_only("takes an update with a used token and its value")
@pytest.mark.parametrize("value", ["one", "other"])
def test_an_update_with_a_used_token_is_refused_whatever_its_value(
    sm: SecretsManagerClient, value: str
) -> None:
    given = {"SecretId": "app", "SecretString": value, "ClientRequestToken": token(1)}
    assert code(lambda: sm.update_secret(**given)) == "ResourceExistsException"


def test_creating_again_with_the_same_token_and_value_succeeds(sm: SecretsManagerClient) -> None:
    assert create(sm) == sm.describe_secret(SecretId="app")["ARN"]
    assert labels(sm) == {1: {"AWSCURRENT"}}


def test_without_a_token_boto3_makes_one_for_each_call(sm: SecretsManagerClient) -> None:
    first = sm.put_secret_value(SecretId="app", SecretString="same")["VersionId"]
    second = sm.put_secret_value(SecretId="app", SecretString="same")["VersionId"]
    assert first != second


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


# Reading


def test_a_version_is_read_by_id_and_label_if_they_agree(sm: SecretsManagerClient) -> None:
    assert read(sm, VersionId=token(1), VersionStage="AWSCURRENT") == "one"


def test_a_read_tells_the_version_its_labels_and_the_arn(sm: SecretsManagerClient) -> None:
    found = sm.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")
    assert (found["VersionId"], found["VersionStages"]) == (token(1), ["AWSCURRENT"])
    assert (found["Name"], found["ARN"]) == ("app", sm.describe_secret(SecretId="app")["ARN"])


def test_bytes_come_back_as_bytes(sm: SecretsManagerClient) -> None:
    sm.put_secret_value(SecretId="app", SecretBinary=b"\x00\xff")
    found = sm.get_secret_value(SecretId="app", VersionStage="AWSCURRENT")
    assert found["SecretBinary"] == b"\x00\xff"
    assert set(found) & {"SecretString", "SecretBinary"} == {"SecretBinary"}


def test_text_comes_back_as_it_was(sm: SecretsManagerClient) -> None:
    put(sm, 2, value='{"clé": "…\\n"}')
    assert read(sm, VersionStage="AWSCURRENT") == '{"clé": "…\\n"}'


@aws_only("never tells when a secret was read")
def test_a_read_is_noted_by_the_day(sm: SecretsManagerClient) -> None:
    assert "LastAccessedDate" not in sm.describe_secret(SecretId="app")
    read(sm)
    assert sm.describe_secret(SecretId="app")["LastAccessedDate"] == datetime(
        2026, 1, 1, tzinfo=UTC
    )


@aws_only("a batch gives the old value after a promotion")
def test_a_batch_tells_what_it_could_not_read(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")
    promote(sm, 2, over=1)
    found = sm.batch_get_secret_value(SecretIdList=["app", "nowhere"])
    assert [value["SecretString"] for value in found["SecretValues"]] == ["value 2"]
    assert [error["ErrorCode"] for error in found["Errors"]] == ["ResourceNotFoundException"]


# Names and ARNs


def test_an_arn_ends_in_a_hyphen_and_six_characters(sm: SecretsManagerClient) -> None:
    assert re.search(r":secret:app-[A-Za-z0-9]{6}$", sm.describe_secret(SecretId="app")["ARN"])


def test_a_secret_is_found_by_its_arn_and_by_the_arn_less_its_suffix(
    sm: SecretsManagerClient,
) -> None:
    arn = sm.describe_secret(SecretId="app")["ARN"]
    assert sm.describe_secret(SecretId=arn)["Name"] == "app"
    assert sm.describe_secret(SecretId=arn[:-7])["Name"] == "app"


def test_a_secret_is_not_found_by_an_arn_with_another_suffix(sm: SecretsManagerClient) -> None:
    arn = sm.describe_secret(SecretId="app")["ARN"][:-6] + "abcdef"
    assert code(lambda: sm.describe_secret(SecretId=arn)) == "ResourceNotFoundException"


@aws_only("finds it")
def test_a_name_that_ends_like_an_arn_is_not_found_by_the_arn_less_its_suffix(
    sm: SecretsManagerClient,
) -> None:
    arn = create(sm, "team-a1b2c3")
    assert sm.describe_secret(SecretId="team-a1b2c3")["ARN"] == arn
    assert code(lambda: sm.describe_secret(SecretId=arn[:-7])) == "ResourceNotFoundException"


def test_a_name_may_hold_every_character_that_aws_allows(sm: SecretsManagerClient) -> None:
    name = "Valid/_+=.@-Name09" + "x" * 100
    assert create(sm, name).rpartition("-")[0].endswith(f":secret:{name}")


def test_a_secret_may_be_created_empty(sm: SecretsManagerClient) -> None:
    made = sm.create_secret(Name="empty")
    assert "VersionId" not in set(made)
    assert not sm.describe_secret(SecretId="empty").get("VersionIdsToStages")
    empty = {"SecretId": "empty", "VersionStage": "AWSCURRENT"}
    assert code(lambda: sm.get_secret_value(**empty)) == "ResourceNotFoundException"


# Deletion


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


# Tags, lists, the rest


def tags(sm: SecretsManagerClient) -> dict[str, str]:
    found = sm.describe_secret(SecretId="app").get("Tags", [])
    return {tag["Key"]: tag["Value"] for tag in found}


def test_tags_are_added_replaced_and_removed(sm: SecretsManagerClient) -> None:
    sm.tag_resource(SecretId="app", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sm.tag_resource(SecretId="app", Tags=[{"Key": "b", "Value": "3"}])
    sm.untag_resource(SecretId="app", TagKeys=["a", "never there"])
    assert tags(sm) == {"b": "3"}


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("name", "team/", {"team/a", "team/b"}),
        ("name", "eam/", set()),
        ("tag-key", "owner", {"team/b"}),
        ("tag-value", "data", {"team/b"}),
        ("name", "!team/", {"app"}),
        ("description", "THE d", {"team/b"}),
        ("all", "DATA", {"team/b"}),
        ("owning-service", "rds", set()),
    ],
)
def test_secrets_are_listed_by_the_beginning_of_name_and_tags(
    sm: SecretsManagerClient, key: Any, value: str, found: set[str]
) -> None:
    create(sm, "team/a")
    create(sm, "team/b", Tags=[{"Key": "owner", "Value": "data"}], Description="The data")
    listed = sm.list_secrets(Filters=[{"Key": key, "Values": [value]}])["SecretList"]
    assert {entry["Name"] for entry in listed} == found


def test_every_filter_must_fit_and_of_its_values_one(sm: SecretsManagerClient) -> None:
    for name in ("team/a", "team/b", "other"):
        create(sm, name, Tags=[{"Key": "owner", "Value": name}])
    both: list[Any] = [
        {"Key": "name", "Values": ["team/", "app"]},
        {"Key": "tag-value", "Values": ["team/a", "other"]},
    ]
    assert [entry["Name"] for entry in sm.list_secrets(Filters=both)["SecretList"]] == ["team/a"]


def test_a_list_shows_labels_and_tags(sm: SecretsManagerClient) -> None:
    sm.tag_resource(SecretId="app", Tags=[{"Key": "a", "Value": "1"}])
    entry = sm.list_secrets()["SecretList"][0]
    assert entry["SecretVersionsToStages"] == {token(1): ["AWSCURRENT"]}
    assert entry["Tags"] == [{"Key": "a", "Value": "1"}]


def test_a_list_is_read_page_by_page(sm: SecretsManagerClient) -> None:
    for name in ("b", "c", "d", "e"):
        create(sm, name)
    pages = list(sm.get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["SecretList"]) for page in pages] == [2, 2, 1]
    assert {entry["Name"] for page in pages for entry in page["SecretList"]} == {
        *("app", "b", "c", "d", "e")
    }


@aws_only("sorts by nothing")
def test_a_list_is_sorted_as_asked(sm: SecretsManagerClient, clock: Ticking) -> None:
    for name in ("c", "b"):
        clock.advance(DAY)
        create(sm, name)
    clock.advance(DAY)
    put(sm, 2)

    def names(**how: Any) -> list[str]:
        return [entry["Name"] for entry in sm.list_secrets(**how)["SecretList"]]

    assert names() == ["app", "c", "b"]
    assert names(SortOrder="desc") == ["b", "c", "app"]
    assert names(SortBy="name") == ["app", "b", "c"]
    assert names(SortBy="last-changed-date") == ["c", "b", "app"]


def test_a_list_leaves_out_what_is_marked_for_deletion_unless_asked(
    sm: SecretsManagerClient,
) -> None:
    sm.delete_secret(SecretId="app")
    assert sm.list_secrets()["SecretList"] == []
    assert len(sm.list_secrets(IncludePlannedDeletion=True)["SecretList"]) == 1


def test_an_update_without_a_value_makes_no_version(sm: SecretsManagerClient) -> None:
    done = sm.update_secret(SecretId="app", Description="what it is for")
    assert "VersionId" not in set(done)
    assert sm.describe_secret(SecretId="app")["Description"] == "what it is for"
    assert labels(sm) == {1: {"AWSCURRENT"}}


def test_a_policy_is_kept(sm: SecretsManagerClient) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    sm.put_resource_policy(SecretId="app", ResourcePolicy=policy)
    assert sm.get_resource_policy(SecretId="app")["ResourcePolicy"] == policy


@aws_only("gives the name for the ARN")
def test_replicas_are_noted_and_bar_deletion(sm: SecretsManagerClient) -> None:
    away = [{"Region": "eu-west-1"}]
    done = sm.replicate_secret_to_regions(SecretId="app", AddReplicaRegions=away)  # type: ignore[arg-type]
    assert done["ARN"] == sm.describe_secret(SecretId="app")["ARN"]
    assert [copy["Region"] for copy in done["ReplicationStatus"]] == ["eu-west-1"]
    assert code(lambda: sm.delete_secret(SecretId="app")) == "InvalidParameterException"
    sm.remove_regions_from_replication(SecretId="app", RemoveReplicaRegions=["eu-west-1"])
    sm.delete_secret(SecretId="app")


# Refusals: one row each


@dataclass(frozen=True)
class Refusal:
    what: str
    call: Callable[[SecretsManagerClient], object]
    code: str
    says: str | None = None
    before: Callable[[SecretsManagerClient], object] = labels
    """What leads up to it; by default nothing that changes anything."""
    moto: bool = False
    """Whether moto refuses it with that code as well."""


def _put(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.put_secret_value(SecretId="app", **given)


def _stage(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.update_secret_version_stage(SecretId="app", **given)


def _create(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.create_secret(**{"Name": "new", "SecretString": "x", **given})


def _get(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.get_secret_value(**{"SecretId": "app", **given})


def _delete(**given: Any) -> Callable[[SecretsManagerClient], object]:
    return lambda sm: sm.delete_secret(**{"SecretId": "app", **given})


def _tag(*keys: str, value: str = "v") -> Callable[[SecretsManagerClient], object]:
    brought: list[Any] = [{"Key": key, "Value": value} for key in keys]
    return lambda sm: sm.tag_resource(SecretId="app", Tags=brought)


def _pending(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")


def _promoted(sm: SecretsManagerClient) -> None:
    put(sm, 2, "AWSPENDING")
    promote(sm, 2, over=1)


VALIDATION, PARAMETER = "ValidationException", "InvalidParameterException"
REQUEST, MISSING = "InvalidRequestException", "ResourceNotFoundException"
EXISTS, LIMIT = "ResourceExistsException", "LimitExceededException"

REFUSALS = [
    # values
    Refusal("65,537 bytes", _put(SecretString="x" * 65_537), VALIDATION, "'secretString'"),
    Refusal("65,538 bytes in half as many letters", _put(SecretString="é" * 32_769), VALIDATION),
    Refusal("65,537 bytes of binary", _put(SecretBinary=b"x" * 65_537), VALIDATION),
    Refusal("65,537 bytes at creation", _create(SecretString="x" * 65_537), VALIDATION),
    Refusal("an empty string", _put(SecretString=""), VALIDATION, "greater than or equal to 1"),
    Refusal("no value", _put(), REQUEST, "You must provide either", moto=True),
    Refusal("both values", _put(SecretString="x", SecretBinary=b"x"), PARAMETER),
    # tokens
    Refusal(
        "no token",
        _put(SecretString="x", ClientRequestToken=None),
        REQUEST,
        "You must provide a ClientRequestToken value",
    ),
    Refusal("no token at creation", _create(ClientRequestToken=None), REQUEST, "You must provide"),
    Refusal(
        "a token of 31", _put(SecretString="x", ClientRequestToken="t" * 31), PARAMETER, moto=True
    ),
    Refusal(
        "a token of 65", _put(SecretString="x", ClientRequestToken="t" * 65), PARAMETER, moto=True
    ),
    # names
    Refusal("a name that is taken", _create(Name="app"), EXISTS, "app already exists", moto=True),
    Refusal("a space in a name", _create(Name="a b"), VALIDATION, "Invalid name"),
    Refusal("an umlaut in a name", _create(Name="ä"), VALIDATION, "Invalid name"),
    Refusal("an empty name", _create(Name=""), VALIDATION),
    Refusal("a name of 513", _create(Name="n" * 513), VALIDATION),
    Refusal("a space in a secret id", _get(SecretId="a b"), VALIDATION, "Invalid name"),
    Refusal(
        "a secret that is not there",
        _get(SecretId="nowhere"),
        MISSING,
        r"^.*Secrets Manager can't find the specified secret\.$",
        moto=True,
    ),
    Refusal(
        "describing none", lambda sm: sm.describe_secret(SecretId="nowhere"), MISSING, moto=True
    ),
    Refusal("putting to none", lambda sm: put(sm, 2, name="nowhere"), MISSING, moto=True),
    # reading
    Refusal(
        "a version that is not there",
        _get(VersionId=token(9)),
        MISSING,
        f"can't find the specified secret value for VersionId: {token(9)}",
        moto=True,
    ),
    Refusal(
        "a label that is not there",
        _get(VersionStage="AWSPENDING"),
        MISSING,
        "can't find the specified secret value for staging label: AWSPENDING",
    ),
    Refusal(
        "a version under a label it has not",
        _get(VersionId=token(1), VersionStage="AWSPENDING"),
        REQUEST,
        "not associated to the provided VersionId",
        moto=True,
    ),
    # moving labels
    Refusal(
        "a promotion without a fence",
        lambda sm: move(sm, "AWSCURRENT", 2),
        PARAMETER,
        f"Staging label AWSCURRENT is currently attached to version {token(1)}",
        before=_pending,
        moto=True,
    ),
    Refusal(
        "a promotion with a wrong fence",
        lambda sm: promote(sm, 2, over=2),
        PARAMETER,
        before=_pending,
        moto=True,
    ),
    Refusal(
        "a promotion twice",
        lambda sm: promote(sm, 2, over=1),
        PARAMETER,
        before=_promoted,
        moto=True,
    ),
    Refusal("a promotion of none", lambda sm: promote(sm, 9, over=1), PARAMETER, moto=True),
    Refusal(
        "a label onto none",
        _stage(VersionStage="mine", MoveToVersionId=token(9)),
        PARAMETER,
        moto=True,
    ),
    Refusal("current taken off", lambda sm: move(sm, "AWSCURRENT", away_from=1), PARAMETER),
    Refusal("a label moved without a word where", lambda sm: move(sm, "mine"), PARAMETER),
    Refusal(
        "a label taken off where it is not",
        lambda sm: move(sm, "mine", away_from=1),
        PARAMETER,
        moto=True,
    ),
    Refusal(
        "a label of one's own moved without a fence",
        lambda sm: move(sm, "mine", 1),
        PARAMETER,
        "RemoveFromVersionId can't be empty",
        before=lambda sm: put(sm, 2, "mine"),
    ),
    Refusal(
        "21 labels in a call", lambda sm: put(sm, 2, *(f"l{n}" for n in range(21))), VALIDATION
    ),
    Refusal(
        "the 21st label on a secret",
        lambda sm: put(sm, 3, *(f"b{n}" for n in range(5))),
        LIMIT,
        before=lambda sm: put(sm, 2, *(f"a{n}" for n in range(15))),
    ),
    Refusal("a label of 257", lambda sm: put(sm, 2, "l" * 257), VALIDATION),
    # deletion
    Refusal("a window of 6 days", _delete(RecoveryWindowInDays=6), PARAMETER, moto=True),
    Refusal("a window of 31 days", _delete(RecoveryWindowInDays=31), PARAMETER, moto=True),
    Refusal(
        "a window and force",
        _delete(RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True),
        PARAMETER,
        moto=True,
    ),
    Refusal("deleting twice", _delete(), REQUEST, before=_delete(), moto=True),
    Refusal("deleting what is not there", _delete(SecretId="nowhere"), MISSING, moto=True),
    # tags
    Refusal("51 tags", _tag(*(f"k{n}" for n in range(51))), PARAMETER),
    Refusal(
        "51 tags at creation",
        _create(Tags=[{"Key": f"k{n}", "Value": ""} for n in range(51)]),
        PARAMETER,
    ),
    Refusal("a tag of AWS's own", _tag("aws:team"), PARAMETER),
    Refusal("a tag key of 129", _tag("k" * 129), VALIDATION),
    Refusal("a tag value of 257", _tag("k", value="v" * 257), VALIDATION),
    # the rest
    Refusal("a page of 101", lambda sm: sm.list_secrets(MaxResults=101), VALIDATION),
    Refusal("a page of 0", lambda sm: sm.list_secrets(MaxResults=0), VALIDATION),
    Refusal(
        "a page that is none",
        lambda sm: sm.list_secrets(NextToken="?"),
        "InvalidNextTokenException",
    ),
    Refusal("a batch of nothing", lambda sm: sm.batch_get_secret_value(), PARAMETER),
    Refusal(
        "a filter by what is no filter",
        lambda sm: sm.list_secrets(Filters=[{"Key": "colour", "Values": ["red"]}]),  # type: ignore[typeddict-item]
        PARAMETER,
    ),
    Refusal(
        "a batch of 21", lambda sm: sm.batch_get_secret_value(SecretIdList=["app"] * 21), VALIDATION
    ),
    Refusal("a description of 2049", _create(Description="d" * 2049), VALIDATION),
    Refusal(
        "a policy that is none",
        lambda sm: sm.put_resource_policy(SecretId="app", ResourcePolicy="{"),
        "MalformedPolicyDocumentException",
    ),
    Refusal("versions of none", lambda sm: sm.list_secret_version_ids(SecretId="nowhere"), MISSING),
]


def test_it_refuses(sm: SecretsManagerClient, refusal: Refusal) -> None:
    refusal.before(sm)
    with pytest.raises(ClientError, match=refusal.says) as caught:
        refusal.call(sm)
    assert caught.value.response["Error"]["Code"] == refusal.code


@aws_only("answers 404")
def test_what_is_not_there_is_a_400(sm: SecretsManagerClient) -> None:
    with pytest.raises(ClientError) as caught:
        sm.get_secret_value(SecretId="nowhere")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_value_of_65_536_bytes_is_taken(sm: SecretsManagerClient) -> None:
    put(sm, 2, value="é" * 32_768)
    assert len(read(sm, VersionStage="AWSCURRENT")) == 32_768


def test_what_moto_gets_wrong_is_counted() -> None:
    """These have no moto row; a row more without a second opinion should be noticed."""
    assert len(AWS_ONLY) == 18
    assert (len(REFUSALS), sum(not row.moto for row in REFUSALS)) == (54, 34)
