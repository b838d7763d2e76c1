"""Every way a job file can be wrong: where it is told, and what to write instead."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.acme import (
    ACCOUNT,
    CANARY,
    GOOD,
    NAME,
    PROVIDER,
    REF,
    SEEDS,
    SURVIVE,
    TABLE,
    TAGS,
    URL,
    loaded,
    written,
)

SEED = "credentials[0].seeds.password"
MANY = "".join(TABLE.replace('"etl"', f'"c{number}"') for number in range(40))


class Case(NamedTuple):
    """What is changed in GOOD, and the mistake that follows."""

    old: str
    new: str
    line: int
    field: str
    text: str
    remedy: str
    process: Mapping[str, str] = {}


BROKEN = {
    # the file
    "nothing": Case(GOOD, "", 1, "provider", "missing", "There are acme"),
    "syntax": Case(SURVIVE, "survive = 8h", 5, "", "expected newline", "toml.io"),
    "an open quote": Case(SURVIVE, 'survive = "8h', 5, "", "a line that ends", "Close the quotes"),
    "a key twice": Case(SURVIVE, SURVIVE + '\nsurvive = "9h"', 6, "", "second time", "Remove one"),
    "a table twice": Case("[secret]", "[schedule]", 7, "", "second time", "Join the two"),
    "a text without quotes": Case(SURVIVE, "survive = eight", 5, "", "invalid value", "quotes"),
    "nesting": Case(SURVIVE, "x = " + "[" * 60 + "]" * 60, 5, "", "too deeply", "No setting"),
    "a long number": Case(SURVIVE, "x = " + "9" * 5000, 5, "", "too long", "shorter"),
    "not a number": Case(SURVIVE, SURVIVE + "\n[x]\ny = nan", 7, "x.y", "not a number", "finite"),
    "a naive instant": Case(
        REF,
        REF[:-1] + ", expires_at = 2026-11-23T02:14:00 }",
        13,
        f"{SEED}.expires_at",
        "without its offset",
        "End it with Z",
    ),
    "a date alone": Case(SURVIVE, "survive = 2026-11-23", 5, "schedule.survive", "alone", "Z"),
    # the provider and its settings
    "no provider": Case(PROVIDER, "", 1, "provider", "missing", "There are acme"),
    "unknown provider": Case(PROVIDER, 'provider = "acne"', 1, "provider", "no such", "acme"),
    "provider number": Case(PROVIDER, "provider = 5", 1, "provider", "no such", "acme"),
    "no address": Case("base_url = " + URL, "", 1, "base_url", "missing", "the provider's address"),
    "unknown field": Case("base_url", "base_ulr", 2, "base_ulr", "no such field", "base_url?"),
    "unknown table": Case("[schedule]", "[schedule_]", 4, "schedule_", "no such", "schedule?"),
    "a number as text": Case(URL, URL + '\nretries = "x"', 3, "retries", "whole", "how often"),
    "too small": Case(URL, URL + "\nretries = -1", 3, "retries", "greater than", "how often"),
    "nan in a setting": Case(URL, URL + "\nratio = inf", 3, "ratio", "not a number", "finite"),
    "a pattern": Case(URL, URL + '\npath = "x"', 3, "path", "not of the form", "where tokens"),
    "a duration": Case(URL, URL + '\nreplay = "1x"', 3, "replay", "not a duration", '"30s"'),
    "nested": Case(URL, URL + "\nextra = { a = 1 }", 3, "extra.a", "not text", "quotes"),
    "a secret": Case(
        URL, URL + f'\npassword = "{CANARY}"', 3, "password", "literal", "password = {"
    ),
    "a hidden secret": Case(
        URL, URL + f'\nextra = {{ api_key = "{CANARY}" }}', 3, "extra.api_key", "literal", "seeds ="
    ),
    "client_secret": Case(
        ACCOUNT,
        ACCOUNT + f'\nclient_secret = "{CANARY}"',
        13,
        "credentials[0].client_secret",
        "literal secret",
        "change it there",
    ),
    "a secret as a table": Case(
        SURVIVE, f'access_token = "{CANARY}"', 5, "schedule.access_token", "literal", "Remove it"
    ),
    "a plug-in that quotes": Case(
        URL, URL + "\npath = '/bad'", 3, "path", "no path", "where tokens are given"
    ),
    # addresses
    "no address at all": Case(URL, '"acme"', 2, "base_url", "not an address", "the provider"),
    "another scheme": Case(URL, '"ftp://acme.example.com"', 2, "base_url", "not an https", "addr"),
    "plain http": Case(URL, '"http://acme.example.com"', 2, "base_url", "without TLS", "https://"),
    "a name for loopback": Case(URL, '"http://localhost:1"', 2, "base_url", "TLS", "127.0.0.1"),
    "like loopback": Case(URL, '"http://127.0.0.1.nip.io"', 2, "base_url", "TLS", "127.0.0.1"),
    "a login": Case(URL, f'"https://u:{CANARY}@acme.com"', 2, "base_url", "a login", "as seeds"),
    "a query": Case(URL, f'"https://acme.com/?k={CANARY}"', 2, "base_url", "a query", "its path"),
    "a fragment": Case(URL, '"https://acme.com/#x"', 2, "base_url", "fragment", "its path"),
    "a host outside": Case(
        URL, '"https://x.net"', 2, "base_url", "not allowed", "ROTATOR_ALLOWED_HOSTS",
        {"allowed_hosts": "*.example.com"},
    ),
    "another address": Case(
        URL, URL + '\nother_url = "http://x.net"', 3, "other_url", "without TLS", "https://"
    ),
    # the environment
    "our own variable": Case(
        URL, '{ env = "AWS_SECRET_ACCESS_KEY" }', 2, "base_url.env", "may not name",
        "SEED_VARIABLES"
    ),
    "a variable outside": Case(
        URL, '{ env = "URL" }', 2, "base_url.env", "may not name", "SEED_VARIABLES",
        {"allowed_seed_variables": "ACME_*"},
    ),
    "not a variable": Case(URL, "{ env = 5 }", 2, "base_url.env", "not the name", "A-Z"),
    "a password for a name": Case(
        REF, f'{{ env = "{CANARY}" }}', 13, f"{SEED}.env", "not the name of a variable", "A-Z"
    ),
    "a table is no reference": Case(
        TAGS, 'env = "PROD"', 8, "secret.env", "no such field", "There are adopt"
    ),
    # the schedule
    "schedule text": Case(
        "[schedule]\n" + SURVIVE, 'schedule = "8h"', 4, "schedule", "not a table", "[name]"
    ),
    "survive": Case(SURVIVE, 'survive = "8"', 5, "schedule.survive", "not a duration", '"30s"'),
    "survive number": Case(
        SURVIVE, "survive = 8", 5, "schedule.survive", "not a duration", '"30s"'
    ),
    "misspelt": Case(SURVIVE, 'surive = "8h"', 5, "schedule.surive", "no such field", "survive?"),
    "misspelt token": Case(
        SURVIVE, '[schedule.acess_token]\nlifespan = "1d"', 5, "schedule.acess_token", "no such",
        "access_token?"
    ),
    "misspelt within": Case(
        SURVIVE, '[schedule.access_token]\nlifspan = "1d"', 6, "schedule.access_token.lifspan",
        "no such", "lifespan?"
    ),
    "a lifespan too short": Case(
        SURVIVE, 'access_token.lifespan = "20m"', 5, "schedule.access_token.lifespan",
        "lives 20m is renewed 17m after its issue", "consumer_max_staleness to 2m",
    ),
    "a lifespan far too short": Case(
        SURVIVE, 'access_token.lifespan = "15m"', 5, "schedule.access_token.lifespan",
        "would be dead", "Have the provider issue",
    ),
    "a refresh token too short": Case(
        SURVIVE, 'refresh_token.lifespan = "15m"', 5, "schedule.refresh_token.lifespan", "dead",
        "longer"
    ),
    "no turns at all": Case(
        SURVIVE, SURVIVE + "\n[limits]\nat_once = 0", 7, "limits.at_once", "greater than", "at the"
    ),
    "too few turns": Case(
        SURVIVE,
        'access_token.lifespan = "1h"\nconsumer_max_staleness = "5m"\n[limits]\n'
        f"requests_per_minute = 1\n{MANY}",
        8, "limits.requests_per_minute",
        "41 credentials with 2 requests each take 1h22m at 1 a minute, and each is renewed every "
        "30m", "Allow at least 3 a minute",
    ),
    "too few turns for a cron": Case(
        SURVIVE,
        f'access_token.cron = "*/20 * * * *"\n[limits]\nrequests_per_minute = 4\n{MANY}',
        7, "limits.requests_per_minute", "take 20m30s at 4 a minute, and each is renewed every 20m",
        "Allow at least 5",
    ),
    "a cron with a gap": Case(
        SURVIVE, 'access_token.cron = "0 0 * * mon,tue"', 5, "schedule.access_token.cron",
        "leaves a gap of 6d, the token lives 24h: dead for 5d", "Renew at least every 23h45m",
    ),
    "a daily cron": Case(
        SURVIVE, 'access_token.cron = "0 0 * * *"', 5, "schedule.access_token.cron",
        "gap of 24h, the token lives 24h, and a consumer may hold it for 15m more", "every 23h45m",
    ),
    "a cron for another life": Case(
        SURVIVE, 'access_token = { lifespan = "24h", cron = "0 12 * * mon-sat" }', 5,
        "schedule.access_token.cron", "gap of 2d, the token lives 24h: dead for 24h", "every",
    ),
    "a cron too often": Case(
        SURVIVE, 'access_token.cron = "*/10 * * * *"', 5, "schedule.access_token.cron",
        "fires 144 times a day", "at most 86",
    ),
    "a cron that never fires": Case(
        SURVIVE, 'access_token.cron = "0 0 31 2 *"', 5, "schedule.access_token.cron", "never", "day"
    ),
    "no cron": Case(
        SURVIVE, 'access_token.cron = "often"', 5, "schedule.access_token.cron", "five fields",
        "minute"
    ),
    "a weekday by number": Case(
        SURVIVE, 'access_token.cron = "0 0 * * 1-5"', 5, "schedule.access_token.cron", "number",
        "mon-fri"
    ),
    "a window too short": Case(
        SURVIVE, 'window = { cron = "0 1 * * *", duration = "5m" }', 5, "schedule.window.duration",
        "greater than or equal", "at least 15m",
    ),
    "a window too rare": Case(
        SURVIVE, 'window = { cron = "0 1 * * sat", duration = "4h" }', 5, "schedule.window",
        "shut for 6d20h at a time, and a token that lives 24h has to be replaced within 23h44m",
        "Have it shut for 23h44m at most",
    ),
    "a window that never opens": Case(
        SURVIVE, 'window = { cron = "0 0 30 2 *", duration = "4h" }', 5, "schedule.window", "never",
        "cron"
    ),
    "an unknown zone": Case(
        SURVIVE, 'window = { cron = "0 * * * *", duration = "4h", timezone = "Mars" }', 5,
        "schedule.window.timezone", "no time zone", "Europe/Berlin",
    ),
    "half a window": Case(
        SURVIVE, 'window = { cron = "0 * * * *" }', 5, "schedule.window.duration", "missing", "15m"
    ),
    # the secret
    "a placeholder": Case(
        TAGS, 'name = "{prefix}/token/{jobs}"', 8, "secret.name", "not a template", "{credential}"
    ),
    "a brace": Case(TAGS, 'name = "{prefix"', 8, "secret.name", "not a template", "{prefix}"),
    "a format": Case(TAGS, 'name = "{job.name}"', 8, "secret.name", "not a template", "{prefix}"),
    "odd characters": Case(TAGS, 'name = "a b"', 8, "secret.name", "not a secret's name", "512"),
    "too long": Case(TAGS, f'name = "{"x" * 513}"', 8, "secret.name", "not a secret's", "512"),
    "like an ARN": Case(TAGS, 'name = "token-abc123"', 8, "secret.name", "as ARNs do", "otherwise"),
    "a credential like an ARN": Case(
        NAME, 'name = "etl-reader"', 11, "credentials[0].name", "as ARNs do", "End it otherwise"
    ),
    "under the keyring's prefix": Case(
        TAGS, 'name = "rotator/keyring/x"', 8, "secret.name", "for other secrets", "rotator/token/"
    ),
    "under the token's prefix": Case(
        TAGS, 'keyring_name = "{prefix}/token/x"', 8, "secret.keyring_name", "for other",
        "/keyring/"
    ),
    "under the seeds' prefix": Case(
        TAGS, 'name = "rotator/seed/x"', 8, "secret.name", "for other secrets", "rotator/token/"
    ),
    "tags": Case(TAGS, 'tags = { "aws:x" = "1" }', 8, "secret.tags", "AWS refuses", "no aws:"),
    "a tag's number": Case(TAGS, "tags = { x = 1 }", 8, "secret.tags.x", "not text", "quotes"),
    "an added key's name": Case(
        TAGS, 'keys = { "Api-Token" = "{access_token}" }', 8, "secret.keys.Api-Token",
        "not a key that every reader takes", "a letter first",
    ),
    "an added key that is there": Case(
        TAGS, 'keys = { header_value = "{access_token}" }', 8, "secret.keys.header_value",
        "there already", "stays what it is",
    ),
    "an added key for what is private": Case(
        TAGS, 'keys = { refresh_token = "{access_token}" }', 8, "secret.keys.refresh_token",
        "consumers never see", "otherwise",
    ),
    "an added key of a literal": Case(
        TAGS, f'keys = {{ api_token = "{CANARY}" }}', 8, "secret.keys.api_token", "not a template",
        "{key}, with access_token",
    ),
    "an added key of a private one": Case(
        TAGS, 'keys = { more = "{refresh_token}" }', 8, "secret.keys.more", "not a template",
        "access_token",
    ),
    "an added key's brace": Case(
        TAGS, 'keys = { more = "{{access_token}}" }', 8, "secret.keys.more", "not a template",
        "access_token",
    ),
    "an added key's number": Case(
        TAGS, "keys = { more = 1 }", 8, "secret.keys.more", "not text", "quotes"
    ),
    "an added key's lines": Case(
        TAGS, 'keys = { more = "{access_token}\\n" }', 8, "secret.keys.more", "printable", "1024"
    ),
    "too many added keys": Case(
        TAGS,
        "keys = {" + ", ".join(f'k{n} = "{{provider}}"' for n in range(21)) + "}",
        8, "secret.keys", "more than 20", "nobody reads",
    ),
    "kms": Case(TAGS, 'kms_key_id = "my key"', 8, "secret.kms_key_id", "not of the form", "alias/"),
    "a region": Case(
        TAGS, 'replica_regions = ["eu-west-1", "europe"]', 8, "secret.replica_regions[1]", "form",
        "regions"
    ),
    "a policy": Case(TAGS, 'policy = "{"', 8, "secret.policy", "not a JSON object", "Paste"),
    "adopt": Case(TAGS, 'adopt = "sure"', 8, "secret.adopt", "neither true nor false", "take over"),
    "adobt": Case(TAGS, "adobt = true", 8, "secret.adobt", "no such field", "adopt?"),
    # the credentials
    "none": Case(TABLE, "", 1, "credentials", "no credentials", "[[credentials]]"),
    "one table": Case(
        "[[credentials]]", "[credentials]", 10, "credentials", "list", "[[credentials]]"
    ),
    "no table": Case(
        GOOD, PROVIDER + "\ncredentials = [5]", 2, "credentials[0]", "not a table",
        "[[credentials]]"
    ),
    "no name": Case(NAME, "", 10, "credentials[0].name", "missing", "its name within the job"),
    "an odd name": Case(NAME, 'name = "ETL 1"', 11, "credentials[0].name", "not a name", "a-z"),
    "a long name": Case(NAME, f'name = "{"x" * 65}"', 11, "credentials[0].name", "not a", "64"),
    "a name twice": Case(
        TABLE, TABLE + TABLE, 15, "credentials[1].name",
        "second credential of this name, after line 10", "of its own"
    ),
    "no account": Case(ACCOUNT, "", 10, "credentials[0].account", "missing", "the account's id"),
    "an unknown setting": Case(
        ACCOUNT, ACCOUNT + "\naccounts = 1", 13, "credentials[0].accounts", "no such", "account?"
    ),
    "the plug-in refuses": Case(
        ACCOUNT, 'account = "zero"', 10, "credentials[0]", "of that kind", "Write another"
    ),
    "the plug-in breaks": Case(
        ACCOUNT, 'account = "crash"', 10, "credentials[0]", "broke (KeyError)", "Tell its author"
    ),
    # the seeds
    "no seeds": Case(SEEDS, "", 10, "credentials[0].seeds", "missing", "by reference"),
    "seeds text": Case(
        SEEDS, f'seeds = "{CANARY}"', 13, "credentials[0].seeds", "not a table", "{"
    ),
    "a literal": Case(REF, f'"{CANARY}"', 13, SEED, "a literal secret", '{ env = "NAME" }'),
    "a number": Case(REF, "12345678", 13, SEED, "a literal secret", '{ env = "NAME" }'),
    "a value": Case(
        REF, f'{{ value = "{CANARY}" }}', 13, f"{SEED}.value", "no such field", "There are env"
    ),
    "two references": Case(
        REF, '{ env = "A", file = "/b" }', 13, SEED, "not one reference", "file"
    ),
    "no reference": Case(REF, "{}", 13, SEED, "not one reference", "env"),
    "an unknown seed": Case(
        "password = {", "passwords = {", 13, "credentials[0].seeds.passwords", "no such seed",
        "password?"
    ),
    "a relative file": Case(REF, '{ file = "x" }', 13, f"{SEED}.file", "absolute", "Begin it"),
    "a file above": Case(
        REF, '{ file = "/run/secrets/../x" }', 13, f"{SEED}.file", "absolute", "without .."
    ),
    "a file outside": Case(
        REF, '{ file = "/etc/shadow" }', 13, f"{SEED}.file", "outside of the folders",
        "/run/secrets"
    ),
    "the key file": Case(
        REF, '{ file = "/home/ada/.config/rotator/seal.key" }', 13, f"{SEED}.file", "outside",
        "SEED_FOLDERS", {"allowed_seed_folders": "/"},
    ),
    "a secret outside": Case(
        REF, '{ secret = "prod/db#password" }', 13, f"{SEED}.secret", "may not come from",
        "rotator/seed/"
    ),
    "a secret that we publish": Case(
        REF, '{ secret = "rotator/token/a/b#access_token" }', 13, f"{SEED}.secret", "may not come",
        "PREFIXES", {"allowed_seed_prefixes": "rotator/"},
    ),
    "a keyring": Case(
        REF, '{ secret = "rotator/keyring/a/b#refresh_token" }', 13, f"{SEED}.secret",
        "may not come",
        "PREFIXES", {"allowed_seed_prefixes": "rotator/"},
    ),
    "an ARN": Case(
        REF, '{ secret = "arn:aws:secretsmanager:x" }', 13, f"{SEED}.secret", "not a secret's name",
        "512"
    ),
    "a variable of ours": Case(
        REF, '{ env = "ROTATOR_ALERT_URLS" }', 13, f"{SEED}.env", "may not name", "SEED_VARIABLES"
    ),
    "an instant as text": Case(
        REF, '{ env = "A", expires_at = "soon" }', 13, f"{SEED}.expires_at", "not an instant", "Z"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_with_line_field_and_remedy(tmp_path: Path, case: Case) -> None:
    assert case.old in GOOD
    folder = written(tmp_path, etl=GOOD.replace(case.old, case.new), good=GOOD)
    book = loaded(folder, {}, **case.process)
    mistakes = [each for each in book.mistakes if each.file.endswith("etl.toml")]
    assert [job.name for job in book.jobs] in (["good"], [])
    told = {each.field: each for each in mistakes}
    assert case.field in told, "\n".join(map(str, mistakes))
    mistake = told[case.field]
    assert mistake.file == str(tmp_path / "etl.toml")
    assert mistake.line == case.line, mistake
    assert case.text in mistake.text
    assert case.remedy in mistake.remedy
    assert CANARY not in "\n".join(map(str, book.mistakes))


def told(folder: Path, text: str) -> set[tuple[int, str]]:
    """Line and field of every mistake of one file."""
    return {(each.line, each.field) for each in loaded(written(folder, etl=text), {}).mistakes}


def test_what_is_wrong_is_told_at_once_and_not_in_rounds(tmp_path: Path) -> None:
    text = GOOD.replace(SURVIVE, "survive = 8h\nsurvife = 1\nwindow = {}")
    text = text.replace(URL, '"http://acme.example.com"\nretreis = 3')
    text = text.replace(NAME, "name = etl").replace(ACCOUNT, ACCOUNT + "\naccounts = 1")
    found = told(tmp_path, text)
    assert {(6, ""), (14, "")} <= found, "both lines that are no TOML"
    assert {(3, "retreis"), (7, "schedule.survife"), (16, "credentials[0].accounts")} <= found
    assert (8, "schedule.window.cron") not in found, "what is missing may stand in a flawed line"
    assert "credentials[0].name" not in {field for _, field in found}


def test_an_unknown_field_hides_no_other_mistake(tmp_path: Path) -> None:
    text = GOOD.replace(URL, '"http://acme.example.com"\nretreis = 3')
    text = text.replace(SURVIVE, 'survife = 1\naccess_token = { lifespan = "20m", lfspan = 1 }')
    assert told(tmp_path, text) == {
        (2, "base_url"),
        (3, "retreis"),
        (6, "schedule.survife"),
        (7, "schedule.access_token.lfspan"),
        (7, "schedule.access_token.lifespan"),
    }


@pytest.mark.parametrize("line", ["[schedule", "tags = [", 'policy = """', "and so on"])
def test_a_line_that_others_hang_on_is_told_alone(tmp_path: Path, line: str) -> None:
    text = GOOD.replace(SURVIVE, f"{line}\nsurvife = 1")
    (found,) = told(tmp_path, text)
    assert found[1] == ""
