"""Tags, lists, and what else is kept beside a value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.secrets_manager.stage import (
    DAY,
    Ticking,
    aws_only,
    code,
    create,
    labels,
    put,
    token,
)

if TYPE_CHECKING:  # the stubs come with the linters, not with the tests
    from mypy_boto3_secretsmanager import SecretsManagerClient


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
