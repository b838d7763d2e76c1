"""What may stand in AWS when we look: strangers' secrets, deleted ones, labels moved."""

import json
from dataclasses import replace
from typing import Any

import pytest

from rotator.model import Reason, Shelf, State
from tests.rotation.stage import (
    ALBATO,
    DAY,
    HOUR,
    MINUTE,
    OAUTH,
    PASSWORD,
    SECOND,
    SSO,
    TOKEN_PATH,
    World,
    ask,
    is_home,
    last,
    record,
    requests,
    reworked,
    run,
    state,
    steps,
    works,
)
from tests.rotation.stage import over_boto3 as world

OTHER_ID = "00000000-0000-4000-8000-00000000000{}"


def name_of(played: World, shelf: Shelf) -> str:
    return played.credential.secrets[shelf].name


def write(played: World, shelf: Shelf, fields: Any, number: int = 1) -> None:
    """A stranger puts a version of its own."""
    played.client.put_secret_value(
        SecretId=name_of(played, shelf),
        SecretString=fields if isinstance(fields, str) else json.dumps(fields),
        ClientRequestToken=OTHER_ID.format(number),
    )


def move_back(played: World, shelf: Shelf) -> None:
    """Somebody makes the version before the current one current."""
    secret = played.aws.secret(name_of(played, shelf))
    assert secret is not None
    played.client.update_secret_version_stage(
        SecretId=secret.name,
        VersionStage="AWSCURRENT",
        MoveToVersionId=secret.labels["AWSPREVIOUS"],
        RemoveFromVersionId=secret.labels["AWSCURRENT"],
    )


def delete(played: World, shelf: Shelf, *, force: bool) -> None:
    how: Any = {"ForceDeleteWithoutRecovery": True} if force else {"RecoveryWindowInDays": 7}
    played.client.delete_secret(SecretId=name_of(played, shelf), **how)


def adopting(played: World) -> None:
    spec = replace(played.credential.token_secret, adopt=True)
    played.credential = replace(played.credential, token_secret=spec)


def test_a_secret_that_is_not_ours_is_left_alone_and_a_person_is_told_the_line() -> None:
    played = world(ALBATO)
    name = name_of(played, Shelf.TOKEN)
    played.client.create_secret(Name=name, SecretString='{"host": "db"}')
    run(played, HOUR)
    assert state(played) is State.NEEDS_A_PERSON
    assert "adopt = true" in played.row.text
    assert requests(played) == 0
    assert played.aws.stats.versions == 1

    adopting(played)
    run(played, 3 * HOUR)
    assert state(played) is State.FRESH
    assert played.published()["host"] == "db"
    assert works(played)


@pytest.mark.parametrize(
    "value",
    [{"SecretString": "plain"}, {"SecretBinary": b"\x00\xff"}, {"SecretString": '{"a": {"b": 1}}'}],
    ids=["plain", "binary", "nested"],
)
def test_an_adopted_secret_of_any_shape_becomes_ours(value: Any) -> None:
    played = world(PASSWORD)
    played.client.create_secret(Name=name_of(played, Shelf.TOKEN), **value)
    adopting(played)
    run(played, 30 * HOUR)
    assert state(played) is State.FRESH
    assert works(played)


@pytest.mark.parametrize("name", [OAUTH, SSO, PASSWORD])
@pytest.mark.parametrize("shelf", list(Shelf))
def test_a_secret_that_is_scheduled_for_deletion_is_restored(name: str, shelf: Shelf) -> None:
    played = world(name)
    run(played, 2 * HOUR + 5 * MINUTE)
    delete(played, shelf, force=False)
    before = requests(played)
    versions = played.aws.stats.versions
    outcome = played.rotate()
    assert last(outcome, "mend").text == f"the {shelf} secret is restored"
    assert is_home(played)
    assert requests(played) == before + 1  # our own look whether it works
    assert played.aws.stats.versions == versions


@pytest.mark.parametrize("name", [OAUTH, SSO, ALBATO])
def test_a_token_secret_that_is_gone_is_made_anew(name: str) -> None:
    played = world(name)
    run(played, 2 * HOUR + 5 * MINUTE)
    delete(played, Shelf.TOKEN, force=True)
    outcome = played.rotate()
    assert last(outcome, "mend").text == "the token secret is gone for good"
    assert is_home(played)


def test_a_token_that_is_handed_out_again_is_published_where_its_secret_is_gone() -> None:
    played = world(ALBATO, same_until_expiry=True)
    run(played, 2 * HOUR + 5 * MINUTE)
    before = played.published()
    delete(played, Shelf.TOKEN, force=True)
    played.rotate()
    assert played.published()["access_token"] == before["access_token"]
    assert is_home(played)


def test_a_keyring_that_is_gone_with_its_chain_needs_a_person_once_and_not_before() -> None:
    played = world(OAUTH)
    run(played, 2 * HOUR + 5 * MINUTE)
    delete(played, Shelf.KEYRING, force=True)
    played.rotate()
    assert state(played) is State.NEEDS_A_PERSON
    assert "rotator seed" in played.row.text
    assert works(played)  # consumers go on until the token dies
    spent = requests(played, TOKEN_PATH)
    run(played, 2 * DAY)
    assert requests(played, TOKEN_PATH) == spent
    assert played.fake.counts["presented_twice"] == 0


def test_a_keyring_that_is_gone_comes_back_by_a_password() -> None:
    played = world(PASSWORD)
    run(played, 2 * HOUR + 5 * MINUTE)
    delete(played, Shelf.KEYRING, force=True)
    played.rotate()
    assert is_home(played)


def test_a_keyring_that_came_back_after_it_was_gone_is_taken() -> None:
    played = world(OAUTH)
    run(played, 2 * HOUR + 5 * MINUTE)
    kept = played.kept()
    delete(played, Shelf.KEYRING, force=True)
    played.rotate()
    assert state(played) is State.NEEDS_A_PERSON
    write(played, Shelf.KEYRING, dict(kept))
    played.rotate()
    run(played, HOUR)
    assert is_home(played)


@pytest.mark.parametrize("shelf", list(Shelf))
def test_a_label_moved_back_is_moved_forward_again(shelf: Shelf) -> None:
    played = world(OAUTH)
    run(played, 3 * HOUR + 5 * MINUTE)
    newest = dict(played.published()), dict(played.kept())
    move_back(played, shelf)
    played.clock.at += 2 * MINUTE
    versions = played.aws.stats.versions
    outcome = played.rotate()
    assert last(outcome, "mend").outcome == "ok"
    assert (dict(played.published()), dict(played.kept())) == newest
    assert played.aws.stats.versions == versions
    assert is_home(played)


def test_both_labels_moved_back_are_both_moved_forward() -> None:
    played = world(OAUTH)
    run(played, 3 * HOUR + 5 * MINUTE)
    newest = dict(played.published()), dict(played.kept())
    played.ledger.pause(played.credential.qualified, played.clock.now(), "ann", "")
    played.clock.at += 16 * MINUTE
    move_back(played, Shelf.TOKEN)
    move_back(played, Shelf.KEYRING)
    outcome = played.rotate()
    assert steps(outcome).count("mend") == 2
    assert (dict(played.published()), dict(played.kept())) == newest


def test_a_label_that_moves_while_we_move_it_is_fenced() -> None:
    played = world(OAUTH)
    run(played, 3 * HOUR + 5 * MINUTE)
    newest = dict(played.published())
    move_back(played, Shelf.TOKEN)
    played.clock.at += 2 * MINUTE
    played.aws.faults.fail("UpdateSecretVersionStage", "InvalidParameterException")
    assert last(played.rotate(), "mend").outcome == "FenceLost"
    run(played, 10 * SECOND)
    assert played.published()["generation"] >= newest["generation"]
    assert works(played)


def test_a_stranger_s_older_version_is_put_back_once_in_a_quarter_of_an_hour() -> None:
    played = world(ALBATO)
    run(played, HOUR)
    ours = dict(played.published())
    write(played, Shelf.TOKEN, {**ours, "access_token": "stranger", "generation": "0"})
    assert last(played.rotate(), "mend").outcome == "ok"
    assert dict(played.published()) == ours

    write(played, Shelf.TOKEN, {**ours, "access_token": "again", "generation": "0"}, 2)
    played.clock.at += MINUTE
    outcome = played.rotate()
    assert last(outcome, "mend").outcome == "ForeignWriter"
    assert "find the other writer" in played.row.text
    moved = played.aws.stats.calls["UpdateSecretVersionStage"]
    run(played, 10 * MINUTE)
    assert played.aws.stats.calls["UpdateSecretVersionStage"] == moved
    run(played, 10 * MINUTE)
    assert state(played) is State.FRESH
    assert works(played)


def test_a_stranger_s_version_that_reads_show_after_it_was_put_back_is_no_second_one() -> None:
    played = world(ALBATO)
    run(played, HOUR)
    ours = dict(played.published())
    write(played, Shelf.TOKEN, {**ours, "access_token": "stranger", "generation": "0"})
    played.clock.at += MINUTE
    played.aws.faults.lag = 20 * SECOND
    outcome = played.rotate()
    assert [step.outcome for step in outcome.steps] == ["ok"]
    assert outcome.reason is Reason.READ_LAG
    run(played, MINUTE)
    assert state(played) is State.FRESH
    assert record(played).back_offs == {}
    assert dict(played.published()) == ours


def test_a_stranger_s_newer_version_is_adopted_and_ours_come_after_it() -> None:
    played = world(ALBATO)
    run(played, HOUR)
    write(played, Shelf.TOKEN, {**played.published(), "generation": "40"})
    outcome = played.rotate()
    assert last(outcome, "mend").text == "adopted generation 40 of the token secret as it is"
    assert requests(played) == 1
    ask(played)
    played.rotate()
    assert played.published()["generation"] == "41"


def test_a_stranger_s_plain_text_never_reaches_consumers_for_long() -> None:
    played = world(ALBATO)
    run(played, HOUR)
    ours = dict(played.published())
    write(played, Shelf.TOKEN, "hello")
    played.rotate()
    assert dict(played.published()) == ours


def test_another_host_s_token_is_never_sent_there_and_comes_back_with_its_host() -> None:
    played = world(SSO)
    run(played, 26 * HOUR)
    kept = dict(played.kept())
    asked = requests(played)
    reworked(played, base_url="https://other.test")
    played.rotate()
    run(played, HOUR)
    assert dict(played.kept()) == kept
    assert requests(played) == asked
    assert state(played) is State.NEEDS_A_PERSON
    assert "https://alation.test" in played.row.text

    reworked(played, base_url="https://alation.test")
    played.rotate()
    run(played, 3 * HOUR)
    assert is_home(played)


def test_a_new_version_of_nobody_s_while_an_answer_waits_is_settled_by_generation() -> None:
    played = world(OAUTH)
    run(played, HOUR / 3)
    played.clock.at = played.row.due_at or played.clock.at
    real = played.tools.store._inner.put  # type: ignore[attr-defined]  # noqa: SLF001

    def put(*args: object) -> object:
        made = real(*args)
        if Shelf.TOKEN in str(args[0]):
            write(played, Shelf.TOKEN, {**played.published(), "generation": "9"}, 3)
        return made

    played.tools.store._inner.put = put  # type: ignore[attr-defined]  # noqa: SLF001
    played.rotate()
    played.tools.store._inner.put = real  # type: ignore[attr-defined]  # noqa: SLF001
    run(played, 4 * HOUR)
    assert record(played).seals == ()
    assert is_home(played)
