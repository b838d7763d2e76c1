import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.errors import Mistake
from rotator.jobs.files import JobBook
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Shelf
from rotator.references import Place
from tests.unit.acme import (
    ACCOUNT,
    ACME,
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
    only_job,
    written,
)


def test_a_sound_file_becomes_a_job(tmp_path: Path) -> None:
    job = only_job(loaded(written(tmp_path, etl=GOOD)))
    assert (job.name, job.provider_name, job.plugin, job.off) == ("etl", "acme", ACME, "")
    assert job.file == str(tmp_path / "etl.toml")
    assert job.schedule.survive == timedelta(hours=8)
    assert job.schedule.consumer_max_staleness == timedelta(minutes=15)
    (credential,) = job.credentials
    assert (credential.name, credential.job, credential.qualified) == ("etl", "etl", "etl/etl")
    assert credential.identity == {"account": "1151"}
    assert str(credential.seeds["password"]) == "environment variable ACME_ETL_PASSWORD"
    assert credential.token_secret.name == "rotator/token/etl/etl"
    assert credential.token_secret.owner == "etl/etl"
    assert credential.token_secret.tags == {"team": "data"}
    assert credential.keyring_secret is None
    assert list(credential.secrets) == [Shelf.TOKEN]


def test_a_chain_has_a_keyring_which_is_never_copied_nor_shared(tmp_path: Path) -> None:
    secret = """
name = "{prefix}/token/{credential}/{job}"
adopt = true
kms_key_id = "alias/rotator"
replica_regions = ["eu-west-1", "us-gov-east-1"]
policy = '''{"Version": "2012-10-17"}'''
"""
    text = GOOD.replace(TAGS, secret).replace("{ password", "{ refresh_token")
    (credential,) = only_job(
        loaded(written(tmp_path, etl=text), secret_prefix="prod/r")
    ).credentials
    token, keyring = credential.token_secret, credential.keyring_secret
    assert keyring is not None
    assert (token.name, keyring.name) == ("prod/r/token/etl/etl", "prod/r/keyring/etl/etl")
    assert token.adopt
    assert keyring.kms_key_id == "alias/rotator"
    assert token.replica_regions == ("eu-west-1", "us-gov-east-1")
    assert token.policy
    assert keyring.replica_regions == ()
    assert keyring.policy == ""
    assert list(credential.secrets) == [Shelf.TOKEN, Shelf.KEYRING]


def test_every_kind_of_reference_is_read(tmp_path: Path) -> None:
    refs = {
        '{ file = "/run/secrets/acme" }': (Place.FILE, "/run/secrets/acme", ""),
        '{ secret = "rotator/seed/acme" }': (Place.SECRET, "rotator/seed/acme", ""),
        '{ secret = "rotator/seed/acme#pass word" }': (
            Place.SECRET,
            "rotator/seed/acme",
            "pass word",
        ),
    }
    for text, told in refs.items():
        job = only_job(loaded(written(tmp_path, etl=GOOD.replace(REF, text))))
        ref = job.credentials[0].seeds["password"]
        assert (ref.place, ref.name, ref.key) == told


def test_a_seed_may_say_when_it_dies(tmp_path: Path) -> None:
    text = GOOD.replace(REF, REF[:-1] + ", expires_at = 2026-11-23T02:14:00+02:00 }")
    ref = only_job(loaded(written(tmp_path, etl=text))).credentials[0].seeds["password"]
    assert ref.expires_at is not None
    assert ref.expires_at.isoformat() == "2026-11-23T02:14:00+02:00"


def test_a_whole_schedule_is_read(tmp_path: Path) -> None:
    schedule = """
survive = "2h30m"
window = { cron = "0 1,9,17 * * *", duration = "4h", timezone = "Europe/Berlin" }
[schedule.access_token]
lifespan = "12h"
cron = "0 */6 * * *"
[schedule.refresh_token]
lifespan = "60d"
"""
    facts = only_job(loaded(written(tmp_path, etl=GOOD.replace(SURVIVE, schedule)))).schedule
    assert facts.window is not None
    assert facts.window.timezone == "Europe/Berlin"
    assert facts.token(ACCESS_TOKEN).cron == "0 */6 * * *"
    assert facts.token(REFRESH_TOKEN).lifespan == timedelta(days=60)
    assert facts.token(REFRESH_TOKEN).cron is None


LOOPBACK = ["http://127.0.0.1:8080", "http://[::1]:1/x", "https://acme.example.com:8443/a/"]


@pytest.mark.parametrize("url", LOOPBACK)
def test_plain_http_is_for_literal_loopback(tmp_path: Path, url: str) -> None:
    only_job(loaded(written(tmp_path, etl=GOOD.replace(URL, f'"{url}"'))))


FROM_ENV = GOOD.replace(URL, '{ env = "ACME_URL" }\nretries = { env = "ACME_RETRIES" }').replace(
    ACCOUNT, 'account = { env = "ACME_ACCOUNT" }'
)
ENVIRON = {"ACME_URL": "https://acme.example.com", "ACME_RETRIES": "5", "ACME_ACCOUNT": "1151"}


def test_any_setting_may_come_from_the_environment(tmp_path: Path) -> None:
    job = only_job(loaded(written(tmp_path, etl=FROM_ENV), ENVIRON))
    assert job.credentials[0].provider.host == "https://acme.example.com"
    assert job.credentials[0].identity == {"account": "1151"}


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_variable_turns_the_job_off_by_name(tmp_path: Path, value: str | None) -> None:
    environ = {"ACME_RETRIES": "5"} | ({} if value is None else {"ACME_URL": value})
    job = only_job(loaded(written(tmp_path, etl=FROM_ENV), environ))
    assert job.off == "ACME_URL, ACME_ACCOUNT"
    assert job.credentials == ()


def test_a_job_that_is_off_is_still_looked_over(tmp_path: Path) -> None:
    book = loaded(written(tmp_path, etl=FROM_ENV.replace("seeds", "seed")))
    fields = [mistake.field for mistake in book.mistakes]
    assert fields == ["credentials[0].seeds", "credentials[0].seed"]


def test_a_wrong_value_from_the_environment_is_named_and_not_shown(tmp_path: Path) -> None:
    book = loaded(written(tmp_path, etl=FROM_ENV), ENVIRON | {"ACME_RETRIES": CANARY})
    (mistake,) = book.mistakes
    assert (mistake.line, mistake.field) == (3, "retries")
    assert mistake.text.endswith("(from the environment variable ACME_RETRIES)")
    assert CANARY not in str(mistake)


def test_a_plug_in_that_quotes_a_value_from_the_environment_is_hushed(tmp_path: Path) -> None:
    text = FROM_ENV.replace("retries = ", "path = ")
    (mistake,) = loaded(
        written(tmp_path, etl=text), ENVIRON | {"ACME_RETRIES": f"/bad-{CANARY}"}
    ).mistakes
    assert mistake.text.startswith("no path: …")


def test_a_table_of_free_keys_may_have_one_named_env(tmp_path: Path) -> None:
    text = GOOD.replace(TAGS, 'tags = { env = "prod" }').replace(
        URL, URL + '\nextra = { env = "x" }'
    )
    job = only_job(loaded(written(tmp_path, etl=text)))
    assert job.secret.tags == {"env": "prod"}


def test_a_job_may_add_keys_to_what_consumers_read_and_never_to_the_keyring(
    tmp_path: Path,
) -> None:
    keys = 'keys = { api_token = "{access_token}", env = "{provider}" }'
    job = only_job(loaded(written(tmp_path, etl=GOOD.replace(TAGS, keys))))
    (credential,) = job.credentials
    assert credential.token_secret.templates == {"api_token": "{access_token}", "env": "{provider}"}
    seeds = SEEDS.replace("password", "refresh_token")
    chain = GOOD.replace(TAGS, keys).replace(SEEDS, seeds)
    (credential,) = only_job(loaded(written(tmp_path, etl=chain))).credentials
    assert credential.keyring_secret is not None
    assert credential.keyring_secret.templates == {}


def test_a_setting_that_only_sounds_like_a_secret_is_one(tmp_path: Path) -> None:
    only_job(loaded(written(tmp_path, etl=GOOD.replace(URL, URL + '\nrefresh_token = "old"'))))


def test_all_mistakes_of_all_files_are_told_at_once_and_sound_files_go_on(tmp_path: Path) -> None:
    bad = GOOD.replace(SURVIVE, "survive = 5").replace(ACCOUNT, "").replace(REF, '"x"')
    folder = written(tmp_path, a=bad, b="x", c=GOOD)
    book = loaded(folder)
    assert [job.name for job in book.jobs] == ["c"]
    places = [(Path(each.file).name, each.line, each.field) for each in book.mistakes]
    assert places == [
        ("a.toml", 5, "schedule.survive"),
        ("a.toml", 10, "credentials[0].account"),
        ("a.toml", 13, "credentials[0].seeds.password"),
        ("b.toml", 1, ""),
    ]


def test_two_files_that_publish_to_one_secret_are_told_where(tmp_path: Path) -> None:
    shared = GOOD.replace(TAGS, 'name = "shared"')
    book = loaded(written(tmp_path, a=shared, b=shared))
    (mistake,) = book.mistakes
    assert [job.name for job in book.jobs] == ["a"]
    assert (Path(mistake.file).name, mistake.line) == ("b.toml", 10)
    assert "as a/etl does" in mistake.text
    assert f"{tmp_path / 'a.toml'}:10" in mistake.text
    assert "{credential}" in mistake.remedy


def test_two_credentials_of_a_file_that_publish_to_one_secret_are_told(tmp_path: Path) -> None:
    text = GOOD.replace(TAGS, 'name = "shared/{job}"') + TABLE.replace(NAME, 'name = "two"')
    (mistake,) = loaded(written(tmp_path, a=text)).mistakes
    assert (mistake.line, mistake.field) == (14, "credentials[1]")


def test_a_keyring_and_a_token_never_share_a_secret(tmp_path: Path) -> None:
    text = GOOD.replace(TAGS, 'name = "x"\nkeyring_name = "x"').replace(
        "{ pass", "{ refresh_token="
    )
    text = text.replace("{ refresh_token=word", "{ refresh_token")
    (mistake,) = loaded(written(tmp_path, a=text)).mistakes
    assert "as a/etl does" in mistake.text


def test_a_seed_is_never_read_from_a_secret_that_a_job_writes_to(tmp_path: Path) -> None:
    reads = GOOD.replace(REF, '{ secret = "apps/x/shared#access_token" }')
    writes = GOOD.replace(TAGS, 'name = "apps/x/shared"')
    book = loaded(written(tmp_path, a=reads, b=writes), allowed_seed_prefixes="app")
    (mistake,) = book.mistakes
    assert (Path(mistake.file).name, mistake.field) == ("b.toml", "secret.name")
    assert "for other secrets" in mistake.text


def test_a_digest_changes_with_a_setting_and_not_with_a_comment(tmp_path: Path) -> None:
    def digests(text: str, environ: Mapping[str, str] | None = None) -> tuple[str, str]:
        job = only_job(loaded(written(tmp_path, etl=text), environ))
        return job.digest, job.credentials[0].digest

    words = GOOD.replace(URL, URL + '\nwords = ["c", "a", "b"]')
    same = GOOD.replace(URL, URL + '\nwords = ["b", "c", "a"]  # another order')
    assert digests(words) == digests(same)
    changed = [
        GOOD,
        GOOD.replace("acme.example", "acme2.example"),
        GOOD.replace("1151", "1152"),
        GOOD.replace("ACME_ETL", "ACME_TWO"),
        GOOD.replace("8h", "9h"),
        GOOD.replace("data", "other"),
    ]
    assert len({digests(text) for text in changed}) == len(changed)
    assert digests(FROM_ENV, ENVIRON) != digests(FROM_ENV, ENVIRON | {"ACME_RETRIES": "6"})


def test_a_digest_of_one_credential_does_not_know_the_others(tmp_path: Path) -> None:
    alone = only_job(loaded(written(tmp_path, etl=GOOD)))
    two = only_job(loaded(written(tmp_path, etl=GOOD + TABLE.replace(NAME, 'name = "two"'))))
    assert alone.credentials[0].digest == two.credentials[0].digest
    assert alone.digest != two.digest


def test_a_missing_folder_is_one_mistake(tmp_path: Path) -> None:
    book = loaded(tmp_path / "nowhere")
    (mistake,) = book.mistakes
    assert book.unread == mistake
    assert "no such file or directory" in mistake.text
    assert "ROTATOR_JOBS_DIR" in mistake.remedy


def test_an_empty_folder_has_no_jobs_and_no_mistakes(tmp_path: Path) -> None:
    assert loaded(tmp_path) == JobBook((), ())


def test_what_is_no_job_file_is_passed_over(tmp_path: Path) -> None:
    for name in (
        "README.md",
        "LICENSE",
        "notes.txt",
        "etl.toml.bak",
        "etl.toml~",
        ".etl.tml",
        ".#etl.toml",
    ):
        (tmp_path / name).write_text("x")
    (tmp_path / "..data").mkdir()
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "etl.toml.bak").write_text("x")
    (tmp_path / "archive" / ".etl.toml").write_text("x")
    (tmp_path / "archive" / "deeper").mkdir()
    (tmp_path / "archive" / "deeper" / "etl.toml").write_text("x")
    (tmp_path / "old.yaml").mkdir()
    assert loaded(tmp_path) == JobBook((), ())


def test_what_looks_like_a_job_file_is_named_and_not_read(tmp_path: Path) -> None:
    names = ["etl", "etl.TML", "etl.conf", "etl.toml.txt", "etl.yaml", "etl.yml"]
    for name in names:
        (tmp_path / name).write_text(GOOD)
    (tmp_path / "mounted.tml").symlink_to("etl")
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "oauth.toml").write_text(GOOD)
    found = sorted([*names, "mounted.tml", "team/oauth.toml"])
    strays = tuple(str(tmp_path / name) for name in found)
    assert loaded(tmp_path) == JobBook((), (), strays=strays)


@pytest.mark.parametrize(
    "name", ["ETL.toml", "etl 1.toml", "-x.toml", "ä.toml", "a.b.toml", "x.TOML"]
)
def test_a_file_name_that_is_no_job_name_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(GOOD)
    (mistake,) = loaded(tmp_path).mistakes
    assert (mistake.line, mistake.field) == (1, "")
    assert "[a-z0-9][a-z0-9_-]*.toml" in mistake.remedy


def _folder(path: Path) -> None:
    path.mkdir()


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    path.write_bytes(b"#" * (1 << 20) + b"\n")


def _binary(path: Path) -> None:
    path.write_bytes(b"a = 1\n\x00\xff\xfe")


def _utf16(path: Path) -> None:
    path.write_text(GOOD, encoding="utf-16")


@pytest.mark.parametrize(
    ("make", "line", "text"),
    [
        (_folder, 1, "not a file"),
        (_dangling, 1, "not there"),
        (_loop, 1, "cannot be read"),
        (_pipe, 1, "not a file"),
        (_device, 1, "not a file"),
        (_huge, 1, "larger than 1 MiB"),
        (_binary, 2, "not UTF-8"),
        (_utf16, 1, "not UTF-8"),
    ],
)
def test_what_is_no_text_file_is_told_and_stops_nobody(
    tmp_path: Path, make: Callable[[Path], None], line: int, text: str
) -> None:
    make(tmp_path / "etl.toml")
    book = loaded(written(tmp_path, good=GOOD))
    (mistake,) = book.mistakes
    assert [job.name for job in book.jobs] == ["good"]
    assert mistake.line == line
    assert text in mistake.text
    assert mistake.remedy


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    written(tmp_path, etl=GOOD)
    monkeypatch.setattr(Path, "open", refuse)
    (mistake,) = loaded(tmp_path).mistakes
    assert "may not be read" in mistake.text


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "etl.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    only_job(loaded(tmp_path))


def test_a_mistake_reads_like_a_compiler_says_it() -> None:
    mistake = Mistake("jobs/a.toml", 3, "x", "no such field", "Did you mean y?")
    assert str(mistake) == "jobs/a.toml:3: x: no such field. Did you mean y?"


_FRAGMENTS = st.sampled_from(
    [*GOOD.splitlines(), "[[credentials]]", "[", "x = 1", "= {", "nan", REF]
)
_QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_QUICK
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_no_bytes_make_loading_raise(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "etl.toml").write_bytes(content)
    book = loaded(tmp_path)
    assert book.mistakes
    assert not book.jobs


@_QUICK
@given(st.lists(_FRAGMENTS, max_size=16))
def test_no_mixture_of_good_lines_makes_loading_raise(tmp_path: Path, lines: list[str]) -> None:
    book = loaded(written(tmp_path, etl="\n".join(lines)))
    assert bool(book.mistakes) != bool(book.jobs)


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.just("nan"), st.just(f'"{CANARY}"'), st.just(REF)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(map(_toml, each))}]"),
        st.dictionaries(st.sampled_from(["env", "a", "name"]), inner, max_size=2).map(
            lambda each: "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in each.items()) + " }"
        ),
    ),
    max_leaves=5,
)
_PLACES = [PROVIDER, URL, SURVIVE, TAGS, NAME, ACCOUNT, SEEDS, REF]


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@_QUICK
@given(st.sampled_from(_PLACES), _VALUES)
def test_no_value_of_any_type_makes_loading_raise_or_is_shown(
    tmp_path: Path, place: str, value: object
) -> None:
    key = place.partition(" = ")[0] + " = " if " = " in place and place != REF else ""
    book = loaded(written(tmp_path, etl=GOOD.replace(place, key + _toml(value))))
    assert bool(book.mistakes) != bool(book.jobs)
    assert CANARY not in "".join(str(mistake) for mistake in book.mistakes)
