"""Whether a write will work, and the label that is moved back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.clock import new_id
from rotator.errors import (
    FenceLost,
    NotOurs,
    StoreDenied,
    StoreUnavailable,
)
from rotator.model import Secret
from rotator.store.base import SecretSpec
from tests.contract.store.stage import KEYRING, SHARED, SPEC, Bench, Told, fields

# Proof


def test_a_proof_puts_the_current_version_again_and_makes_none(bench: Bench) -> None:
    version = bench.store.put(SPEC, new_id(), fields())
    store = bench.connect()
    current, before = store.get(SPEC), bench.now
    store.prove(SPEC, current)
    assert bench.calls(since=before) == ["PutSecretValue"]
    assert (bench.versions(), store.get(SPEC)) == (1, version)


def test_a_proof_lasts_ten_minutes_for_the_prefix_and_the_key(bench: Bench) -> None:
    clock = Told()
    store = bench.connect(clock=clock)
    names = [replace(SPEC, name=f"rotator/token/alation/{n}", owner=f"alation/{n}") for n in "abc"]
    first, second, third = names
    third = replace(third, kms_key_id="alias/other")
    current = {
        spec.name: store.put(spec, new_id(), fields(credential=spec.owner)) for spec in names
    }
    store.put(first, new_id(), fields(2, credential=first.owner))

    def cost(spec: SecretSpec) -> list[str]:
        before = bench.now
        store.prove(spec, current[spec.name])
        return bench.calls(since=before)

    assert cost(second) == []
    assert cost(third) == ["PutSecretValue"]
    clock.instant += timedelta(minutes=9)
    assert cost(second) == []
    clock.instant += timedelta(minutes=1)
    assert cost(second) == ["PutSecretValue"]
    clock.instant -= timedelta(days=1)  # it jumped; what lies ahead proves nothing
    assert cost(second) == ["PutSecretValue"]


def test_a_proof_for_the_token_prefix_is_none_for_the_keyrings(bench: Bench) -> None:
    keyring = {**fields(), "refresh_token": "r"}
    for generation in (1, 2):
        bench.store.put(SPEC, new_id(), fields(generation))
    current = bench.connect().put(KEYRING, new_id(), keyring)
    before = bench.now
    bench.store.prove(KEYRING, current)
    assert "PutSecretValue" in bench.calls(since=before)


def test_a_proof_where_there_is_nothing_makes_the_secret_empty(bench: Bench) -> None:
    bench.store.prove(SPEC, None)
    assert bench.versions() == 0
    assert bench.connect().get(SPEC) is None
    before = bench.now
    bench.store.put(SPEC, new_id(), fields())
    assert bench.calls(since=before) == ["PutSecretValue"]


def test_an_empty_secret_of_ours_is_written_to_by_the_next_worker(bench: Bench) -> None:
    bench.store.prove(SPEC, None)
    store = bench.connect()
    store.prove(SPEC, None)
    store.put(SPEC, new_id(), fields())
    assert bench.value() == fields()


def test_a_proof_restores_what_is_scheduled_for_deletion(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    bench.raw.delete_secret(SecretId=SPEC.name)
    store = bench.connect()
    store.prove(SPEC, store.get(SPEC))
    assert bench.value() == fields()


@pytest.mark.parametrize("value", ["plain", b"\x00\x01"], ids=["plain", "binary"])
def test_a_proof_leaves_an_adopted_value_as_it_is(bench: Bench, value: str | bytes) -> None:
    bench.made(value)
    bench.store.prove(SHARED, bench.store.get(SHARED))
    told = bench.raw.get_secret_value(SecretId=SHARED.name)
    assert value in (told.get("SecretString"), told.get("SecretBinary"))
    assert bench.versions(SHARED.name) == 1
    assert bench.calls().count("PutSecretValue") == 1


def test_a_proof_fails_where_a_put_would(bench: Bench) -> None:
    current = bench.store.put(SPEC, new_id(), fields())
    bench.service.faults.fail("PutSecretValue", "AccessDeniedException")
    with pytest.raises(StoreDenied):
        bench.store.prove(SPEC, current)


def test_a_denied_put_ends_the_proof(bench: Bench) -> None:
    bench.store.put(SPEC, new_id(), fields())
    current = bench.store.put(SPEC, new_id(), fields(2))
    bench.service.faults.fail("PutSecretValue", "AccessDeniedException")
    with pytest.raises(StoreDenied):
        bench.store.put(SPEC, new_id(), fields(3))
    before = bench.now
    bench.store.prove(SPEC, current)
    assert bench.calls(since=before) == ["PutSecretValue"]


def test_a_replay_of_what_is_gone_is_a_lost_fence(bench: Bench) -> None:
    current = bench.store.put(SPEC, new_id(), fields())
    bench.raw.delete_secret(SecretId=SPEC.name)
    with pytest.raises(FenceLost):
        bench.store.replay(SPEC, current)


def test_a_proof_of_what_changes_all_the_time_is_unavailable(bench: Bench) -> None:
    bench.store.get(SPEC)
    bench.service.faults.fail("CreateSecret", "ResourceExistsException", times=99)
    with pytest.raises(StoreUnavailable, match="rest"):
        bench.store.prove(SPEC, None)


def test_a_replay_of_another_binary_than_the_current_is_a_lost_fence(bench: Bench) -> None:
    bench.made(b"\x00")
    current = bench.store.get(SHARED)
    bench.raw.put_secret_value(SecretId=SHARED.name, SecretBinary=b"\x01")
    with pytest.raises(FenceLost):
        bench.store.replay(SHARED, current)
    with pytest.raises(FenceLost):
        bench.store.replay(SHARED, None)


def test_a_replay_in_other_bytes_is_proof_enough_and_changes_nothing(bench: Bench) -> None:
    current = bench.store.put(SPEC, new_id(), fields())
    bench.store.replay(SPEC, replace(current, value=Secret("other")))
    assert (bench.value(), bench.versions()) == (fields(), 1)


# Moving back


def test_the_label_is_moved_back_to_an_older_version(bench: Bench) -> None:
    bench.store.put(SPEC, old := new_id(), fields())
    bench.store.put(SPEC, new := new_id(), fields(2))
    bench.store.move_back(SPEC, old, away_from=new)
    assert bench.value()["generation"] == "1"
    version = bench.store.get(SPEC)
    assert version is not None
    assert version.id == old


@pytest.mark.parametrize("away_from", ["old", "unknown"])
def test_a_label_that_sits_elsewhere_is_not_moved(bench: Bench, away_from: str) -> None:
    bench.store.put(SPEC, old := new_id(), fields())
    bench.store.put(SPEC, new_id(), fields(2))
    with pytest.raises(FenceLost):
        bench.store.move_back(SPEC, old, away_from=old if away_from == "old" else new_id())
    assert bench.value()["generation"] == "2"


def test_a_version_that_is_gone_is_not_moved_to(bench: Bench) -> None:
    bench.store.put(SPEC, current := new_id(), fields())
    with pytest.raises(FenceLost):
        bench.store.move_back(SPEC, new_id(), away_from=current)


def test_a_denied_move_is_no_lost_fence(bench: Bench) -> None:
    bench.store.put(SPEC, current := new_id(), fields())
    for code in ("LimitExceededException", "AccessDeniedException"):
        bench.service.faults.fail("UpdateSecretVersionStage", code)
        with pytest.raises(StoreDenied):
            bench.store.move_back(SPEC, new_id(), away_from=current)


def test_a_label_of_another_owner_is_not_moved(bench: Bench) -> None:
    bench.made("{}", owner="amino/main")
    with pytest.raises(NotOurs):
        bench.store.move_back(SHARED, new_id(), away_from=new_id())
