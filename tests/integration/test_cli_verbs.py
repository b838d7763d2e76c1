"""`token`, `init`, `migrate` and `health`: what they print, and what they leave behind."""

import re
from datetime import timedelta

from rotator.cli.exits import Exit
from rotator.ledger.migrations import HEAD
from tests.integration.town import Said, Town, documented


def revealed(here: Town, *arguments: str) -> Said:
    """The one verb that may: what it says is not heard."""
    said = here.run(*arguments)
    here.heard.clear()
    return said


def test_token_prints_the_token_its_header_or_all(here: Town) -> None:
    here.run("rotate", "alation/etl")
    value = here.secret("alation/etl")["access_token"]
    assert revealed(here, "token", "alation/etl").out == f"{value}\n"
    assert revealed(here, "token", "alation/etl", "--header").out == f"TOKEN: {value}\n"
    found = revealed(here, "token", "alation/etl", "--json").json
    assert found == here.secret("alation/etl")


def test_token_fails_where_there_is_none_or_a_dead_one(here: Town) -> None:
    assert "has no token yet" in here.run("token", "oauth").err
    here.oauth.access_lifespan = timedelta(seconds=0)
    here.run("rotate", "oauth")
    said = here.run("token", "oauth")
    assert said.code == Exit.FAILED
    assert said.out == ""
    assert here.run("token", "oauth", "--header", "--json").code == Exit.USAGE
    assert "alation is 2 credentials" in here.run("token", "alation").err


def test_init_writes_a_sound_job_file_once(here: Town) -> None:
    said = here.run("init", "albato")
    assert said.code == 0
    assert here.run("check", "--offline", "--json").code == Exit.WRONG  # its seed is yet to come
    assert here.run("init", "albato").code == Exit.USAGE
    assert here.run("init", "albato", "--name", "other", "--json").json == {
        "provider": "albato",
        "file": str(here.jobs / "other.toml"),
    }
    assert "did you mean albato?" in here.run("init", "albatro").err
    assert "no name for a job" in here.run("init", "albato", "--name", "../x").err
    (here.home / "file").write_text("")
    said = here.run("init", "amino", ROTATOR_JOBS_DIR=str(here.home / "file/x"))
    assert said.code == 1
    assert "set ROTATOR_JOBS_DIR" in said.err


def test_init_gives_each_job_variables_of_its_own(here: Town) -> None:
    def variables(provider: str, *options: str) -> set[str]:
        written = here.run("init", provider, *options, "--json").json["file"]
        return set(re.findall(r'env = "(\w+)"', (here.jobs / written).read_text()))

    (here.jobs / "alation.toml").unlink()
    assert variables("alation") == {"ALATION_ETL_REFRESH_TOKEN", "ALATION_ETL_PASSWORD"}
    mine = variables("alation", "--name", "my-own")
    assert mine == {"MY_OWN_ETL_REFRESH_TOKEN", "MY_OWN_ETL_PASSWORD"}
    assert "TEAM_REPORTS_REFRESH_TOKEN" in variables("oauth2", "--name", "team")
    for refused in ("2nd", "aws"):
        assert "ALATION_ETL_PASSWORD" in variables("alation", "--name", refused)


def test_migrate_brings_an_older_ledger_up_and_keeps_a_copy(here: Town) -> None:
    assert "nothing to do" in here.run("migrate").out
    here.run("rotate", "oauth")
    assert here.run("migrate", "--json").json == {"schema": HEAD, "copy": None}


def test_health_tells_that_nobody_works(here: Town) -> None:
    said = here.run("health")
    assert said.code == 1
    assert "no worker has ever started here" in said.out
    found = here.run("health", "--json")
    documented("health", found.json)
    assert found.json["healthy"] is False
