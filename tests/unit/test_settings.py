from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.environment import load_settings
from rotator.errors import BadSettings
from rotator.model import Secret
from rotator.settings import Settings, variable

HOME = {"HOME": "/home/ada"}
CANARY = "hunter2-canary"


def complaint(environ: dict[str, str]) -> list[str]:
    with pytest.raises(BadSettings) as caught:
        load_settings(HOME | environ)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return str(caught.value).splitlines()


def test_without_any_variable_the_defaults_hold() -> None:
    settings = load_settings(HOME)
    assert settings.jobs_dir == Path("jobs")
    assert settings.state_dir == Path("/home/ada/.local/state/rotator")
    assert settings.key_file == Path("/home/ada/.config/rotator/seal.key")
    assert (settings.secret_prefix, settings.write_budget, settings.threads) == ("rotator", 20.0, 8)
    assert settings.request_timeout == timedelta(seconds=30)
    assert not settings.allow_ephemeral_state
    assert settings.seed_prefixes == ("rotator/seed/",)


def test_systemd_says_where_state_and_credentials_are() -> None:
    given = {
        "STATE_DIRECTORY": "/var/lib/rotator:/x",
        "CREDENTIALS_DIRECTORY": "/run/credentials/r",
    }
    settings = load_settings(given)
    assert settings.state_dir == Path("/var/lib/rotator")
    assert settings.key_file == Path("/run/credentials/r/rotator.key")


def test_with_a_kms_key_no_key_file_is_needed() -> None:
    given = {"STATE_DIRECTORY": "/var/lib/rotator"}
    with pytest.raises(BadSettings, match="ROTATOR_KEY_FILE"):
        load_settings(given)
    for key in ("alias/rotator", "arn:aws:kms:eu-central-1:111122223333:alias/rotator"):
        assert load_settings(given | {"ROTATOR_SEAL_KMS_KEY": key}).seal_kms_key == key


def test_our_certificate_is_shown_where_the_patterns_say() -> None:
    assert load_settings(HOME).presents_certificate_to("a.example")
    settings = load_settings(HOME | {"ROTATOR_TLS_CLIENT_CERT_HOSTS": "*.corp.example,b.example"})
    assert settings.presents_certificate_to("SSO.corp.example")
    assert not settings.presents_certificate_to("a.example")


def test_addresses_are_allowed_one_by_one_or_as_networks() -> None:
    given = HOME | {"ROTATOR_ALLOWED_ADDRESSES": "169.254.10.1, fe80::/64"}
    assert [str(each) for each in load_settings(given).allowed_addresses] == [
        "169.254.10.1/32", "fe80::/64"
    ]  # fmt: skip


def test_every_variable_is_read() -> None:
    settings = load_settings(
        HOME
        | {
            "ROTATOR_JOBS_DIR": "/etc/rotator/jobs",
            "ROTATOR_SECRET_PREFIX": "prod/rotator",
            "ROTATOR_REQUEST_TIMEOUT": "1m30s",
            "ROTATOR_ALLOW_EPHEMERAL_STATE": "yes",
            "ROTATOR_ALLOWED_HOSTS": "*.example.com, auth.example.org",
            "ROTATOR_ALLOWED_SEED_FOLDERS": "/a,/b",
            "ROTATOR_ALERT_URLS": f"slack://{CANARY}, mailto://x?to=a,b",
            "ROTATOR_CLOCK_FACTOR": "3600",
            "ROTATOR_CLOCK_EPOCH": "2026-01-01T00:00:00Z",
        }
    )
    assert settings.request_timeout == timedelta(seconds=90)
    assert settings.allow_ephemeral_state
    assert settings.allowed_hosts == ("*.example.com", "auth.example.org")
    assert settings.allowed_seed_folders == (Path("/a"), Path("/b"))
    urls = [url.reveal() for url in settings.alert_urls]
    assert urls == [f"slack://{CANARY}", "mailto://x?to=a,b"]
    assert settings.seed_prefixes == ("prod/rotator/seed/",)
    assert CANARY not in repr(settings)


def test_an_empty_variable_is_an_unset_one() -> None:
    assert load_settings(HOME | {"ROTATOR_THREADS": "", "ROTATOR_KEY_FILE": ""}).threads == 8


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("127.0.0.1:8421", "127.0.0.1", 8421),
        (" 127.9.9.9:1 ", "127.9.9.9", 1),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_the_api_listens_at_an_address(given: str, host: str, port: int) -> None:
    found = load_settings(HOME | {"ROTATOR_API_LISTEN": given}).api_listen
    assert found is not None
    assert (str(found.host), found.port) == (host, port)


@pytest.mark.parametrize("address", ["0.0.0.0:8421", "[::]:8421", "10.0.0.7:8421"])
def test_beyond_loopback_the_api_wants_a_key(address: str) -> None:
    given = {"ROTATOR_API_LISTEN": address}
    assert complaint(given) == [
        "ROTATOR_API_LISTEN: others reach that address; set ROTATOR_API_KEY, or use 127.0.0.1"
    ]
    settings = load_settings(HOME | given | {"ROTATOR_API_KEY": "0123456789abcdef\n"})
    assert settings.api_key == Secret("0123456789abcdef")


def test_what_is_set_for_consumers_is_no_error() -> None:
    names = ("ROTATOR_CONSUMER", "ROTATOR_REPORT_KEY", "ROTATOR_REPORT_URL")
    assert load_settings(HOME | dict.fromkeys(names, "x")) == load_settings(HOME)


WRONG = {
    "ROTATOR_API_LISTEN": [
        "8421",
        ":8421",
        "localhost:8421",
        "127.0.0.1",
        "127.0.0.1:0",
        "::1:1",
        "127.0.0.1:65536",
        "x@127.0.0.1:1",
        "127.0.0.1:1/x",
        CANARY,
    ],
    "ROTATOR_API_KEY": ["0123456789abcde", "two words, a key", "a key of 16 l\u00e9tters"],
    "ROTATOR_ALLOWED_ADDRESSES": ["everything", "10.0.0.0/33", CANARY],
    "ROTATOR_TLS_CA_FILE": ["ca.pem", f"{CANARY}/ca.pem"],
    "ROTATOR_NOTIFY_CA_FILE": ["ca.pem", f"{CANARY}/ca.pem"],
    "ROTATOR_SEAL_KMS_KEY": ["rotator", "kms:alias/rotator", CANARY, "alias/a b"],
    "ROTATOR_THREADS": ["0", "65", "eight", CANARY, "1.5"],
    "ROTATOR_WRITE_BUDGET": ["0.01", "51", "nan", "inf", "-1", CANARY],
    "ROTATOR_REQUEST_TIMEOUT": ["30", "0s", "11m", "30 s", CANARY],
    "ROTATOR_PUT_TIMEOUT": ["PT30S"],
    "ROTATOR_LOG_FORMAT": ["xml", CANARY],
    "ROTATOR_LOG_LEVEL": ["INFO"],
    "ROTATOR_STATE_DIR": ["state", "/var/../etc", "/var/lib/x\n", f"{CANARY}/x"],
    "ROTATOR_KEY_FILE": ["key", "~/.config/key"],
    "ROTATOR_SECRET_PREFIX": ["/rotator", "rotator/", "a//b", "rot ator", "x" * 129, "rotätor"],
    "ROTATOR_ALLOW_EPHEMERAL_STATE": ["maybe", CANARY],
    "ROTATOR_ALLOWED_HOSTS": ["a,,b", ","],
    "ROTATOR_ALLOWED_SEED_FOLDERS": ["secrets", "/a,b", "/a,"],
    "ROTATOR_CLOCK_FACTOR": ["0", "inf"],
    "ROTATOR_CLOCK_EPOCH": ["2026-01-01T00:00:00", "yesterday"],
    "ROTATOR_ENVIRONMENT": ["prod eu", "x" * 65],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_names_its_variable_and_the_remedy_and_not_itself(
    name: str, value: str
) -> None:
    (line,) = complaint({name: value})
    assert line.startswith(f"{name}: ")
    assert "; " in line
    assert CANARY not in line


def test_every_wrong_variable_is_told_at_once() -> None:
    lines = complaint({"ROTATOR_THREADS": "0", "ROTATOR_LOG_LEVEL": "x", "ROTATOR_TREADS": "8"})
    assert [line.partition(":")[0] for line in lines] == [
        "ROTATOR_LOG_LEVEL",
        "ROTATOR_THREADS",
        "ROTATOR_TREADS",
    ]


def test_an_unknown_variable_is_an_error_that_guesses_what_was_meant() -> None:
    (line,) = complaint({"ROTATOR_STATE_DIRECTORY": CANARY})
    assert line == "ROTATOR_STATE_DIRECTORY: no setting of rotator; did you mean ROTATOR_STATE_DIR?"
    (line,) = complaint({"ROTATOR_\xc4\n\u2028\u2029xxxxxxxxxxx": CANARY})
    assert "there are ROTATOR_JOBS_DIR" in line
    assert CANARY not in line


def test_a_lower_case_variable_is_an_unknown_one() -> None:
    (line,) = complaint({"ROTATOR_threads": "9"})
    assert line.endswith("did you mean ROTATOR_THREADS?")


def test_what_kubernetes_injects_for_a_service_of_our_name_is_no_error() -> None:
    links = {
        "ROTATOR_SERVICE_HOST": "10.0.0.1",
        "ROTATOR_SERVICE_PORT": "80",
        "ROTATOR_SERVICE_PORT_HTTP": "80",
        "ROTATOR_PORT": "tcp://10.0.0.1:80",
        "ROTATOR_PORT_80_TCP": "tcp://10.0.0.1:80",
        "ROTATOR_PORT_80_TCP_ADDR": "10.0.0.1",
        "ROTATOR_WEB_SERVICE_HOST": "10.0.0.1",
    }
    assert load_settings(HOME | links).threads == 8


def test_the_key_never_lies_beside_what_it_seals(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "link").symlink_to(state)
    for key in (state / "key", tmp_path / "link" / "key"):
        given = {"ROTATOR_STATE_DIR": str(state), "ROTATOR_KEY_FILE": str(key)}
        assert complaint(given)[0].startswith("ROTATOR_KEY_FILE: it lies in the state folder; ")


def test_without_a_home_the_folders_must_be_said() -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings({})
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "ROTATOR_KEY_FILE",
        "ROTATOR_STATE_DIR",
    ]


def test_what_job_files_may_name_is_bounded() -> None:
    settings = load_settings(HOME | {"ROTATOR_ALLOWED_HOSTS": "*.example.com"})
    assert settings.allows_variable("ALATION_PASSWORD")
    assert not settings.allows_variable("AWS_SECRET_ACCESS_KEY")
    assert not settings.allows_variable("ROTATOR_ALERT_URLS")
    assert settings.allows_file(Path("/run/secrets/x"))
    assert not settings.allows_file(Path("/etc/shadow"))
    assert settings.allows_secret("rotator/seed/alation")
    assert not settings.allows_secret("prod/database")
    assert settings.allows_host("ACME.example.com")
    assert not settings.allows_host("example.com.evil.net")


def test_no_allow_list_opens_our_own_files_and_secrets() -> None:
    wide = {"ROTATOR_ALLOWED_SEED_FOLDERS": "/", "ROTATOR_ALLOWED_SEED_PREFIXES": "rotator"}
    settings = load_settings(HOME | wide)
    assert not settings.allows_file(settings.key_file)
    assert not settings.allows_file(settings.state_dir / "ledger.db")
    assert not settings.allows_secret("rotator/token/a/b")
    assert not settings.allows_secret("rotator/keyring/a/b")


def test_every_setting_that_is_not_hidden_has_a_description() -> None:
    hidden = {name for name, facts in Settings.model_fields.items() if not facts.description}
    assert hidden == {"clock_factor", "clock_epoch"}


@given(st.dictionaries(st.sampled_from([variable(f) for f in Settings.model_fields]), st.text()))
def test_any_environment_is_read_or_refused_by_name(environ: dict[str, str]) -> None:
    try:
        load_settings(HOME | environ)
    except BadSettings as error:
        names = {line.partition(":")[0] for line in str(error).splitlines()}
        assert names <= set(environ)


def mounted(folder: Path, **files: str) -> dict[str, str]:
    for name, text in files.items():
        (folder / name).write_text(text)
    return {"ROTATOR_SETTINGS_DIR": str(folder)}


def test_a_mounted_file_is_a_setting_and_a_variable_comes_before_it(tmp_path: Path) -> None:
    environ = mounted(
        tmp_path,
        ROTATOR_ALERT_URLS=f"slack://{CANARY}\n",
        rotator_threads="3",
        ROTATOR_WRITE_BUDGET="10",
        unrelated="x",
    )
    settings = load_settings(HOME | environ | {"ROTATOR_WRITE_BUDGET": "5"})
    assert [url.reveal() for url in settings.alert_urls] == [f"slack://{CANARY}"]
    assert (settings.threads, settings.write_budget) == (3, 5)


def test_kubernetes_mounts_files_behind_two_links(tmp_path: Path) -> None:
    data = tmp_path / "..2026_11_22"
    data.mkdir()
    environ = mounted(data, ROTATOR_THREADS="3")
    (tmp_path / "..data").symlink_to(data)
    (tmp_path / "ROTATOR_THREADS").symlink_to(tmp_path / "..data" / "ROTATOR_THREADS")
    assert load_settings(HOME | environ | {"ROTATOR_SETTINGS_DIR": str(tmp_path)}).threads == 3


def test_systemd_s_credentials_may_hold_settings(tmp_path: Path) -> None:
    mounted(tmp_path, ROTATOR_THREADS="3")
    given = {"CREDENTIALS_DIRECTORY": str(tmp_path), "STATE_DIRECTORY": "/var/lib/rotator"}
    assert load_settings(given).threads == 3
    absent = given | {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}
    assert load_settings(absent).threads == 8


def test_a_wrong_value_in_a_mounted_file_is_told_by_its_variable(tmp_path: Path) -> None:
    (line,) = complaint(mounted(tmp_path, ROTATOR_THREADS=CANARY))
    assert line.startswith("ROTATOR_THREADS: ")
    assert CANARY not in line


def unreadable(folder: Path, how: str) -> Path:
    file = folder / "ROTATOR_ALERT_URLS"
    match how:
        case "no folder":
            return folder / "none"
        case "not text":
            file.write_bytes(b"\xff\xfe")
        case "a folder":
            file.mkdir()
        case _:
            (folder.parent / "outside").write_text(CANARY)
            file.symlink_to(folder.parent / "outside")
    return folder


@pytest.mark.parametrize("how", ["no folder", "not text", "a folder", "a link out of it"])
def test_a_mounted_file_that_cannot_be_read_is_not_skipped(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    (line,) = complaint({"ROTATOR_SETTINGS_DIR": str(unreadable(folder, how))})
    assert line.startswith("ROTATOR_SETTINGS_DIR: no such folder, or a file in it that cannot be")
