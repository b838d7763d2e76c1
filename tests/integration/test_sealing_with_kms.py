"""A machine whose sealing key is held by KMS: every verb and a real worker, over HTTP."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rotator.cli import keys
from rotator.cli.exits import Exit
from rotator.ledger.keyfile import make_key
from rotator.ledger.unlocking import held_by
from rotator.sandbox.iam import Guard
from rotator.sandbox.kms import Kms
from rotator.sandbox.secrets_manager_http import serve
from tests.integration.town import Town

ALIAS = "alias/rotator"


@pytest.fixture
def kms(here: Town) -> Iterator[Kms]:
    made = Kms(lambda: datetime(2026, 11, 22, tzinfo=UTC))
    made.create(ALIAS)
    with serve(made) as server:
        here.environ["AWS_ENDPOINT_URL_KMS"] = server.url
        here.environ["AWS_MAX_ATTEMPTS"] = "1"
        yield made


@pytest.fixture
def arn(kms: Kms) -> str:
    return next(iter(kms.keys))


@pytest.fixture
def sealed(here: Town, arn: str) -> Town:
    """The machine as the settings make it."""
    del arn
    here.environ["ROTATOR_SEAL_KMS_KEY"] = ALIAS
    return here


def key_file(here: Town) -> Path:
    return here.home / "keys" / "seal.key"


def test_rotations_need_no_key_file(sealed: Town, arn: str) -> None:
    assert sealed.run("rotate", "--all").code == 0
    assert not key_file(sealed).exists()
    with sealed.ledger() as ledger:
        assert held_by(ledger) == arn
    assert sealed.run("rotate", "--all").code == 0
    assert sealed.run("explain", "alation/etl").code == 0


def test_check_asks_for_a_key_and_opens_the_ledger(sealed: Town, kms: Kms, arn: str) -> None:
    assert f"makes keys, as {arn}" in sealed.run("check", "--all").out
    sealed.run("rotate", "oauth")
    said = sealed.run("check", "--all").out
    assert "opens the ledger" in said
    kms.stats.calls.clear()
    assert sealed.run("check", "--offline").code == 0
    assert kms.stats.calls.total() == 0
    second = kms.create(ALIAS)
    assert f"`rotator rekey` moves it to {second}" in sealed.run("check").out


def test_check_names_what_kms_refuses_and_prints_the_policy(sealed: Town, kms: Kms) -> None:
    kms.authorize = lambda *_: False
    said = sealed.run("check")
    assert said.code == Exit.WRONG
    assert "kms:GenerateDataKey" in said.out
    assert '"Sid": "SealWithAKeyOfYourOwn"' in said.out


def test_the_policy_that_check_prints_is_enough_to_seal(sealed: Town, kms: Kms) -> None:
    policy = sealed.run("check", "--json").json["iam"]
    kms.authorize = Guard(sealed.aws, {"AKIAEXAMPLE": [policy]})
    assert sealed.run("rotate", "--all").code == 0
    assert sealed.run("rotate", "--all").code == 0
    assert sealed.run("check").code == 0


def test_while_kms_is_down_no_verb_begins_and_nothing_is_lost(
    sealed: Town, kms: Kms, arn: str
) -> None:
    sealed.run("rotate", "--all")
    kms.faults.go_dark()
    said = sealed.run("rotate", "alation")
    assert said.code == Exit.FAILED
    assert f"no answer to kms:Decrypt on {arn}" in said.err
    assert sealed.run("status").code == 0
    kms.faults.clear()
    assert sealed.run("rotate", "alation").code == 0


def test_rekey_moves_a_ledger_from_its_key_file_to_kms(here: Town, kms: Kms, arn: str) -> None:
    del kms
    assert here.run("rotate", "--all").code == 0
    here.environ["ROTATOR_SEAL_KMS_KEY"] = ALIAS
    refused = here.run("rotate", "alation")
    assert refused.code == Exit.FAILED
    assert "rotator rekey" in refused.err
    found = here.run("rekey", "--json").json
    assert found == {"held_by": arn, "before": "file", "fresh": True}
    assert set(found) == set(keys.KEYS["rekey"])
    key_file(here).unlink()
    assert here.run("rotate", "--all").code == 0
    assert f"held by {arn}" in here.run("rekey").out
    del here.environ["ROTATOR_SEAL_KMS_KEY"]
    assert "held by the key file" in here.run("rekey").out
    assert here.run("rotate", "--all").code == 0


def test_rekey_moves_from_one_key_file_to_another(here: Town) -> None:
    here.run("rotate", "--all")
    old = key_file(here).rename(here.home / "keys" / "old.key")
    assert here.run("rekey").code == Exit.FAILED
    assert here.run("rekey", "--old-key-file", str(old)).code == 0
    # As after a kill behind its commit: it is told to do the same once more.
    again = here.run("rekey", "--old-key-file", str(old))
    assert again.code == 0
    assert "nothing to do" in again.out
    old.unlink()
    found = here.run("rekey", "--old-key-file", str(old), "--json")
    assert (found.code, found.json["fresh"]) == (0, False)
    assert here.run("rotate", "--all").code == 0


def test_rekey_from_a_file_that_never_was_the_ledgers_changes_nothing(here: Town) -> None:
    here.run("rotate", "--all")
    old = key_file(here).rename(here.home / "keys" / "old.key")
    make_key(here.home / "keys" / "strange.key")
    strange = str(here.home / "keys" / "strange.key")
    said = here.run("rekey", "--old-key-file", strange)
    assert said.code == Exit.FAILED
    assert f"the key file {strange} is not this ledger's" in said.err
    assert here.run("rekey", "--old-key-file", str(old), "--json").json["fresh"] is True


def test_a_real_worker_seals_with_kms_and_lives_through_its_outage(sealed: Town, kms: Kms) -> None:
    refused = sealed.spawn("worker", ROTATOR_SEAL_KMS_KEY="alias/none")
    assert refused.code == Exit.FAILED
    assert "kms:GenerateDataKey on alias/none (NotFoundException)" in refused.err
    command = [sys.executable, "-m", "rotator", "worker"]
    with subprocess.Popen(command, env=sealed.environ, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        for line in worker.stderr:
            sealed.heard.append(line)
            if "ready" in line:
                break
        asked = kms.stats.calls.total()
        kms.faults.go_dark()
        with sealed.ledger() as ledger:
            assert held_by(ledger)
        assert sealed.run("rotate", "alation/etl").code == 0
        worker.send_signal(signal.SIGTERM)
        sealed.heard += worker.stderr.readlines()
    assert worker.returncode == 0
    assert kms.stats.calls.total() == asked
    assert sealed.secret("alation/etl")["access_token"]
