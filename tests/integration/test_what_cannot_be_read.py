"""Job files by the wrong name, a folder or a ledger that cannot be read: every verb says so."""

import pytest

from rotator.cli.exits import Exit
from tests.integration.town import ALATION, Town


@pytest.fixture
def here(here: Town) -> Town:
    here.job("alation", ALATION)
    (here.jobs / "alation.toml").rename(here.jobs / "alation.toml.txt")
    return here


def test_check_names_it_and_fails_nothing_for_it(here: Town) -> None:
    found = here.run("check", "--json", "--offline").json["findings"]
    (stray,) = [each for each in found if each["part"] == "alation.toml.txt"]
    assert (stray["level"], stray["what"]) == ("warn", "job file")
    assert "nobody reads it" in stray["text"]
    assert "ends in .toml" in stray["remedy"]
    shown = here.run("check", "--offline").out
    assert "warn  alation.toml.txt: it looks like a job file, and nobody reads it" in shown


def test_status_counts_it(here: Town) -> None:
    assert (
        "1 file not read, for want of its name or its place: `rotator check`"
        in here.run("status").out
    )


def test_a_folder_that_is_not_there_is_no_file_with_mistakes(here: Town) -> None:
    gone = str(here.home / "gone")
    told = "the folder of job files cannot be read: no such file or directory"
    here.environ["ROTATOR_JOBS_DIR"] = gone
    assert f"{told}: {gone} (`rotator init` makes it" in here.run("status").out
    every = here.run("rotate", "--all")
    assert (every.code, f"{told}: {gone}" in every.err) == (Exit.WRONG, True)
    one = here.run("explain", "alation")
    assert (one.code, f"({told}: {gone}; `rotator init`" in one.err) == (Exit.USAGE, True)
    check = here.run("check", "--offline")
    assert (check.code, f"fail  {gone}: {told} (" in check.out) == (Exit.WRONG, True)


def test_check_tells_of_a_damaged_ledger_and_of_all_else_as_well(here: Town) -> None:
    here.ledger_path.parent.mkdir()
    here.ledger_path.write_text("this is no database at all")
    said = here.run("check", "--offline")
    assert said.code == Exit.WRONG
    assert f"fail  this machine: the ledger's file is no database: {here.ledger_path}" in said.out
    assert "alation.toml.txt: it looks like a job file" in said.out
    assert "oauth: 1 credential" in said.out


def test_whoever_asks_for_its_credential_is_told_of_it(here: Town) -> None:
    said = here.run("rotate", "alation/sso")
    assert said.code == Exit.USAGE
    assert "there is no credential alation/sso (alation.toml.txt is no job file" in said.err
