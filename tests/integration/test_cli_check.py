"""`check`: all that can be wrong before a token dies of it."""

import json
import re
from datetime import timedelta

from rotator.cli.exits import Exit
from rotator.sandbox.iam import Guard
from tests.integration.town import PASSWORD, Town, documented


def test_check_passes_a_sound_house_and_changes_nothing(here: Town) -> None:
    said = here.run("check")
    assert said.code == 0, said.out
    assert [line.split(":")[0] for line in said.out.splitlines() if line] == [
        "ok    this machine", "ok    this machine", "warn  alation",
        "      warn  sso", "ok    oauth", "ok    AWS", "1 warning; 15 things to know",
    ]  # fmt: skip
    whole = here.run("check", "--all").out
    assert "sso: limit: should an answer with a new refresh token be lost" in whole
    assert "renewed by day 40 of 60, which leaves 20 days" in whole
    assert "note  etl, sso: limit: a ledger restored from a copy" in whole
    assert "ok    etl: seed password: readable from environment variable ALATION_PASSWORD" in whole
    assert "note  it cannot bind tokens to a key" in whole
    here.run("rotate", "--all")
    before = here.secret("alation/etl")
    found = here.run("check", "--json").json
    documented("check", found)
    documented("check findings", found["findings"])
    written = [each for each in found["findings"] if "read and written" in each["text"]]
    assert len(written) == 2  # one for each prefix
    assert here.secret("alation/etl") == before
    assert here.alation.counts["/integration/v1/createAPIAccessToken/"] == 2  # by rotate


def test_check_tells_all_mistakes_with_file_and_line(here: Town) -> None:
    here.job("bad", 'provider = "alation"\nbase_url = "https://x.example"\nsurprise = 1\n'
             '[[credentials]]\nname = "x"\nuser_id = 0\n')  # fmt: skip
    said = here.run("check", "--offline")
    assert said.code == Exit.WRONG
    assert "fail  bad.toml: 3 mistakes" in said.out
    assert "fail  line 3, surprise: no such field (there are " in said.out
    assert "fail  line 6, credentials[0].user_id: " in said.out


def test_check_of_a_broken_job_tells_its_mistakes_and_no_others(here: Town) -> None:
    here.job("alation", 'provider = "alatoin"\n')
    here.job("bad", "foo = [\n")
    for name in ("alation", "alation/etl", "al*"):
        said = here.run("check", "--offline", name)
        assert said.code == Exit.WRONG
        assert "fail  line 1, provider: no such provider (did you mean alation?)" in said.out
        assert "bad.toml" not in said.out
        assert "oauth" not in said.out
    both = here.run("check", "--offline", "alation", "oauth")
    assert (both.code, "ok    oauth: 1 credential" in both.out) == (Exit.WRONG, True)
    assert here.run("check", "--offline", "oauth").code == Exit.DONE
    assert here.run("check", "--offline", "zzz").code == Exit.USAGE
    gone = here.run("check", "--offline", "alation", ROTATOR_JOBS_DIR="/nowhere")
    assert (gone.code, "fail  /nowhere: the folder of job" in gone.out) == (Exit.WRONG, True)


def test_check_puts_whole_sentences_into_its_lines_as_parts_of_them(here: Town) -> None:
    here.job("bad", 'provider = "oauth2"\n[[credentials]]\nname = "x"\nclient_id = "me"\n'
             'seeds.client_secret = { file = "/nowhere/secret" }\n'
             'seeds.refresh_token = { secret = "elsewhere/token" }\n')  # fmt: skip
    out = here.run("check", "--offline").out
    assert "ROTATOR_ALLOWED_SEED_FOLDERS" in out
    assert "ROTATOR_ALLOWED_SEED_PREFIXES" in out
    assert "missing (write it: the token endpoint, https://… (http for loopback))" in out


def test_what_check_leaves_out_is_shown_by_the_command_that_it_names(here: Town) -> None:
    here.job("bad", 'provider = "oauth2"\n' + "".join(f"odd{at} = 1\n" for at in range(9)))
    cut = here.run("check", "--offline").out
    assert " more: `rotator check --all`\n" in cut
    assert "odd8" not in cut
    assert "odd8" in here.run("check", "--offline", "--all").out


def test_check_finds_seeds_that_are_missing_or_open_to_all(here: Town) -> None:
    folder = here.home / "seeds"
    folder.mkdir()
    (folder / "open").write_text(PASSWORD)
    (folder / "open").chmod(0o644)
    job = (here.jobs / "alation.toml").read_text()
    job = job.replace('{ env = "ALATION_PASSWORD" }', f'{{ file = "{folder}/open" }}')
    (here.jobs / "alation.toml").write_text(job)
    found = here.run(
        "check", "--offline", "--json", ROTATOR_ALLOWED_SEED_FOLDERS=str(folder),
        ALATION_SSO_TOKEN="",
    ).json["findings"]  # fmt: skip
    levels = {each["about"]: each["level"] for each in found if each["what"].startswith("seed")}
    assert levels == {"alation/etl": "warn", "alation/sso": "fail", "oauth/reports": "ok"}


def test_a_seed_that_a_chain_has_outgrown_is_missed_by_nobody(here: Town) -> None:
    here.run("rotate", "alation/sso")
    assert here.run("check", "--offline", ALATION_SSO_TOKEN="").code == 0


def test_check_compares_lifespans_with_the_schedule(here: Town) -> None:
    here.alation.access_lifespan = timedelta(hours=2)
    here.run("rotate", "alation/etl")
    out = here.run("check", "alation/etl", "--offline").out
    assert "lives 2h, and 24h was expected" in out
    assert "an outage as long as `survive` would cost a consumer its token" in out
    here.alation.access_lifespan = timedelta(minutes=20)
    here.run("rotate", "alation/etl")
    assert (
        "too short for consumers that look every 15m"
        in here.run("check", "alation/etl", "--offline").out
    )


def test_check_connects_to_providers_and_sends_them_nothing(here: Town) -> None:
    job = (here.jobs / "oauth.toml").read_text()
    (here.jobs / "oauth.toml").write_text(job.replace(here.urls["oauth"], "http://127.0.0.1:9"))
    (here.jobs / "meta.toml").write_text(job.replace(here.urls["oauth"], "https://169.254.169.254"))
    found = here.run("check", "--json").json["findings"]
    told = {each["about"]: each["text"] for each in found if each["what"] == "provider"}
    assert told["http://127.0.0.1:9"] == "http://127.0.0.1:9: connecting failed"
    assert "metadata" in told["https://169.254.169.254"]
    assert told[here.urls["alation"]] == f"{here.urls['alation']}: can be connected to"
    assert here.alation.counts.total() == 0


def test_check_without_rights_says_which_and_prints_the_policy(here: Town) -> None:
    here.run("rotate", "--all")
    here.aws.account.authorize = lambda *_: False
    said = here.run("check")
    assert said.code == Exit.WRONG
    assert "DescribeSecret" in said.out
    assert '"Sid": "PublishTokensAndKeepKeyrings"' in said.out


def test_check_asks_aws_once_where_nobody_answers_and_prints_no_policy(here: Town) -> None:
    here.aws.faults.go_dark()
    said = here.run("check")
    assert said.code == Exit.WRONG
    assert said.out.count("fail") == 1
    assert "fail  AWS: no answer to secretsmanager:DescribeSecret" in said.out
    assert "check the network" in said.out
    assert "Sid" not in said.out
    assert said.out.splitlines()[-1].startswith("1 to mend; ")


def test_check_says_plainly_that_every_job_is_off(here: Town) -> None:
    for name in ("alation", "oauth"):
        text = (here.jobs / f"{name}.toml").read_text()
        text = re.sub(r'_url = ".*"', f'_url = {{ env = "{name.upper()}_URL" }}', text)
        (here.jobs / f"{name}.toml").write_text(text)
    said = here.run("check")
    assert said.code == 0
    assert "off   alation: off until ALATION_URL is set" in said.out
    assert said.out.splitlines()[-1].startswith("every job is off: nothing is kept alive yet")
    (here.jobs / "oauth.toml").unlink()
    (here.jobs / "bad.toml").write_text("provider = 1\n")
    assert here.run("check").out.splitlines()[-1].startswith("2 to mend; every job is off")


def test_check_tells_how_many_renewals_fall_outside_of_a_window(here: Town) -> None:
    job = (
        (here.jobs / "alation.toml")
        .read_text()
        .replace(
            "[[credentials]]",
            """\
[schedule.window]
cron = "0 1 * * *"
duration = "4h"

[[credentials]]""",
            1,
        )
    )
    (here.jobs / "alation.toml").write_text(job)
    out = here.run("check", "alation", "--offline", "--all").out
    found = re.findall(r"access_token: (\d+) of the next 20 renewals fall outside", out)
    assert found
    assert all(8 <= int(count) <= 12 for count in found)


def test_check_shows_some_of_many_lines_and_says_how_to_see_the_rest(here: Town) -> None:
    text = (here.jobs / "oauth.toml").read_text()
    one = text[text.index("[[credentials]]") :]
    seeds = {f"s{number}": f"NOT_SET_{number}" for number in range(9)}
    for name, variable in seeds.items():
        text += one.replace('"reports"', f'"{name}"').replace("OAUTH_SECRET", variable)
    (here.jobs / "oauth.toml").write_text(text)
    out = here.run("check", "oauth", "--offline").out
    assert out.count("is not set (set it and start the worker anew)") == 6
    assert "… and 3 more: `rotator check --all oauth`" in out
    assert out.splitlines()[-1].startswith("9 to mend")


def test_the_policy_that_check_prints_is_enough_to_rotate(here: Town) -> None:
    policy = here.run("check", "--json").json["iam"]
    here.aws.account.authorize = Guard(here.aws, {"AKIAEXAMPLE": [policy], "": [policy]})
    assert here.run("rotate", "--all").code == 0
    assert here.run("check").code == 0
    here.aws.account.authorize = None


def test_the_policy_names_seeds_keys_and_names_of_ones_own(here: Town) -> None:
    job = (here.jobs / "oauth.toml").read_text()
    job = job.replace('{ env = "OAUTH_SECRET" }', '{ secret = "rotator/seed/oauth#secret" }')
    job += '\n[secret]\nname = "team/{credential}"\nkms_key_id = "alias/rotator"\n'
    job += 'replica_regions = ["eu-west-1"]\n'
    (here.jobs / "oauth.toml").write_text(job)
    policy = json.dumps(here.run("check", "--offline", "--json").json["iam"])
    assert "secret:rotator/seed/oauth-??????" in policy
    assert "secret:team/reports-??????" in policy
    assert "ReplicateSecretToRegions" in policy
    assert "kms:ViaService" in policy
    assert '"Sid"' in here.run("check", "--offline", "--iam").out


def test_check_looks_at_the_sealing_key(here: Town) -> None:
    here.run("rotate", "oauth")
    key = here.home / "keys" / "seal.key"
    key.chmod(0o644)
    assert f"the key file {key} is open to others" in here.run("check", "--offline").out
    key.unlink()
    said = here.run("check", "--offline")
    assert said.code == Exit.WRONG
