"""What goes wrong, and reads that lag."""

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from rotator.clock import new_id
from rotator.errors import (
    StoreDenied,
    StoreError,
    StoreUnavailable,
    VersionBudget,
)
from rotator.sandbox.secrets_manager_hook import client_for
from tests.contract.store.stage import (
    ONCE,
    SPEC,
    Bench,
    fields,
    questions,
)

# What goes wrong


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("InternalServiceError", 500),
        ("ServiceUnavailableException", 503),
        ("SomethingNew", 502),
        ("RequestLimitExceeded", 400),
    ],
)
def test_a_trouble_that_passes_is_unavailable(bench: Bench, code: str, status: int) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.fail("*", code, status=status, times=2)
    with pytest.raises(StoreUnavailable):
        bench.store.get(SPEC)
    with pytest.raises(StoreUnavailable):
        bench.store.put(SPEC, new_id(), fields(2))


@pytest.mark.parametrize("how", ["closed", "503"])
def test_an_outage_is_unavailable(bench: Bench, how: str) -> None:
    bench.service.faults.go_dark(how)
    for ask in questions(bench.store):
        with pytest.raises(StoreUnavailable):
            ask()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDeniedException", "deploy/iam/worker.json"),
        ("ExpiredTokenException", "renew the AWS credentials"),
        ("UnrecognizedClientException", "renew the AWS credentials"),
        ("InvalidSignatureException", "clock"),
        ("EncryptionFailure", "kms:GenerateDataKey"),
        ("DecryptionFailure", "kms:Decrypt"),
        ("KMSAccessDeniedException", "kms:Decrypt"),
        ("InvalidParameterException", "console"),
        ("LimitExceededException", "console"),
        ("PublicPolicyException", "policy under [secret]"),
        ("MissingAuthenticationTokenException", "renew the AWS credentials"),
        ("SomethingNew", "console"),
    ],
)
def test_a_refusal_says_what_a_person_does(bench: Bench, code: str, said: str) -> None:
    bench.store.get(SPEC)
    bench.service.faults.fail("CreateSecret", code)
    with pytest.raises(StoreDenied) as caught:
        bench.store.put(SPEC, new_id(), fields())
    assert said in caught.value.remedy
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_denial_names_the_action_the_secret_and_the_kind_of_policy(bench: Bench) -> None:
    bench.service.account.authorize = lambda *_: False
    with pytest.raises(StoreDenied) as caught:
        bench.store.get(SPEC)
    assert str(caught.value).startswith(
        "AWS denies secretsmanager:GetSecretValue on rotator/token/alation/etl "
        "(arn:aws:secretsmanager:eu-central-1:111122223333:secret:rotator/token/alation/etl): "
        "no identity-based policy allows it"
    )


def test_an_unusable_key_is_a_matter_for_a_person(bench: Bench) -> None:
    spec = replace(SPEC, kms_key_id="alias/gone")
    bench.service.account.unusable_keys.add("alias/gone")
    with pytest.raises(StoreDenied, match="KMS"):
        bench.store.put(spec, new_id(), fields())


def test_too_many_versions_in_a_day_wait_for_hours(bench: Bench) -> None:
    for generation in range(1, 101):
        bench.store.put(SPEC, new_id(), fields(generation))
    with pytest.raises(VersionBudget):
        bench.store.put(SPEC, new_id(), fields(101))
    bench.clock.instant += timedelta(hours=24)
    bench.store.put(SPEC, new_id(), fields(101))
    assert bench.value()["generation"] == "101"


def test_a_name_that_never_comes_to_rest_is_unavailable(bench: Bench) -> None:
    bench.store.get(SPEC)
    bench.service.faults.fail("CreateSecret", "ResourceExistsException", times=99)
    with pytest.raises(StoreUnavailable, match="rest"):
        bench.store.put(SPEC, new_id(), fields())


def test_a_refused_request_that_looking_again_does_not_explain_is_shown(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.fail("PutSecretValue", "InvalidRequestException", times=99)
    with pytest.raises(StoreDenied, match="InvalidRequestException"):
        bench.store.put(SPEC, new_id(), fields(2))


class _Page(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()


@pytest.mark.parametrize("body", [b"<html>denied</html>", b"", b"[]"], ids=["html", "none", "list"])
def test_a_proxys_page_is_no_answer_of_aws(bench: Bench, body: bytes) -> None:
    def proxy(request: Any, **_: object) -> AWSResponse:
        return AWSResponse(request.url, 403, HTTPHeaders(), _Page(body))

    client = client_for(bench.service, config=ONCE)
    events: Any = client.meta.events
    events.register_first("before-send.secrets-manager.GetSecretValue", proxy)
    with pytest.raises(StoreUnavailable):
        bench.connect(client=client).get(SPEC)


def test_no_error_and_no_log_line_holds_what_was_put(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore.parsers").setLevel(logging.DEBUG)
    store, planted = bench.connect(), fields(access_token="PLANTED")
    store.put(SPEC, new_id(), planted)
    store.get(SPEC)
    bench.service.faults.fail("PutSecretValue", "ValidationException", times=9)
    with pytest.raises(StoreError) as caught:
        store.put(SPEC, new_id(), planted)
    assert "PLANTED" not in caplog.text
    assert "PLANTED" not in f"{caught.value!r} {caught.value} {caught.value.__dict__}"


# Reads that lag


def test_a_lagging_read_is_told_as_it_is(bench: Bench) -> None:
    bench.store.put(SPEC, old := new_id(), fields())
    bench.clock.instant += timedelta(minutes=1)
    bench.store.put(SPEC, new_id(), fields(2))
    bench.service.faults.lag = timedelta(seconds=30)
    version = bench.store.get(SPEC)
    assert version is not None
    assert version.id == old


def test_a_put_repeated_while_reads_lag_is_done(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.clock.instant += timedelta(minutes=1)
    bench.store.put(SPEC, request := new_id(), fields(2))
    bench.service.faults.lag = timedelta(seconds=30)
    assert bench.connect().put(SPEC, request, fields(2)).id == request


def test_a_secret_made_a_moment_ago_and_not_seen_yet_is_not_made_twice(bench: Bench) -> None:
    bench.clock.instant += timedelta(minutes=1)
    bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.lag = timedelta(seconds=30)
    other = bench.connect()
    assert other.get(SPEC) is None
    with pytest.raises(StoreUnavailable):
        other.put(SPEC, new_id(), fields(2))
    bench.service.faults.lag = timedelta(0)
    assert other.put(SPEC, new_id(), fields(2)).generation == 2


def test_a_secret_that_comes_into_sight_between_two_reads_is_read_again(bench: Bench) -> None:
    bench.store.put(SPEC, request := new_id(), fields())
    bench.service.faults.fail("GetSecretValue", "ResourceNotFoundException")
    version = bench.connect().get(SPEC)
    assert version is not None
    assert version.id == request


def test_a_secret_that_is_there_and_stays_unreadable_is_not_taken_for_none(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.fail("GetSecretValue", "ResourceNotFoundException", times=2)
    with pytest.raises(StoreUnavailable, match="cannot be read yet, though it is there"):
        bench.connect().get(SPEC)
