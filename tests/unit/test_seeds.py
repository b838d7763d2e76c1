import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.errors import SeedMissing, StoreDenied
from rotator.references import Place, SeedRef
from rotator.store.seeds import LARGEST, Seeds, warning

CANARY = "hunter2-canary"


def env(name: str) -> SeedRef:
    return SeedRef(place=Place.ENV, name=name)


def file(path: Path) -> SeedRef:
    return SeedRef(place=Place.FILE, name=str(path))


def secret(name: str, key: str = "") -> SeedRef:
    return SeedRef(place=Place.SECRET, name=name, key=key)


def reading(ref: SeedRef, secrets: dict[str, str | bytes] | None = None, **environ: str) -> str:
    return Seeds(environ, (secrets or {}).get).read(ref).reveal()


def complaint(
    ref: SeedRef, secrets: dict[str, str | bytes] | None = None, **environ: str
) -> SeedMissing:
    with pytest.raises(SeedMissing) as caught:
        reading(ref, secrets, **environ)
    error = caught.value
    assert str(ref) in error.text
    assert error.remedy
    assert CANARY not in str(error)
    assert error.__cause__ is None
    return error


def test_a_seed_comes_from_a_variable() -> None:
    assert reading(env("PASSWORD"), PASSWORD=CANARY) == CANARY


def test_the_environment_is_read_once() -> None:
    environ = {"PASSWORD": CANARY}
    seeds = Seeds(environ, lambda _: None)
    environ["PASSWORD"] = "later"
    assert seeds.read(env("PASSWORD")).reveal() == CANARY


def test_an_unset_or_empty_variable_is_missing() -> None:
    assert complaint(env("PASSWORD")).text == "environment variable PASSWORD is not set"
    assert complaint(env("PASSWORD"), PASSWORD="").text.endswith("is empty")
    assert complaint(env("PASSWORD"), PASSWORD="\n").text.endswith("is empty")


def test_a_file_is_read_anew_at_each_look(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("first\n")
    seeds = Seeds({}, lambda _: None)
    assert seeds.read(file(path)).reveal() == "first"
    path.write_text("second\r\n")
    assert seeds.read(file(path)).reveal() == "second"


def test_only_one_line_break_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(" a b \n\n")
    assert reading(file(path)) == " a b \n"


def test_links_to_links_are_followed_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "password").write_text(CANARY)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "password").symlink_to("..data/password")
    inside = tmp_path.resolve()
    seeds = Seeds({}, lambda _: None, lambda path: path.is_relative_to(inside))
    assert seeds.read(file(tmp_path / "password")).reveal() == CANARY


def test_a_link_that_leads_out_of_the_allowed_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(CANARY)
    (tmp_path / "allowed").mkdir()
    link = tmp_path / "allowed" / "password"
    link.symlink_to("../outside")
    inside = (tmp_path / "allowed").resolve()
    seeds = Seeds({}, lambda _: None, lambda path: path.is_relative_to(inside))
    with pytest.raises(SeedMissing, match="leads out of the allowed folders"):
        seeds.read(file(link))


@pytest.mark.parametrize(
    ("content", "text"),
    {
        b"": "is empty",
        b"\n": "is empty",
        b"\xff" + CANARY.encode(): "not UTF-8",
        b"a\0b": "no text",
        b"x" * (LARGEST + 1): "64 KiB",
    }.items(),
    ids=["empty", "a line break", "not UTF-8", "NUL", "too large"],
)
def test_a_file_that_holds_no_seed_is_missing(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    assert text in complaint(file(path)).text


def test_what_is_no_readable_file_is_missing(tmp_path: Path) -> None:
    assert "does not exist" in complaint(file(tmp_path / "password")).text
    (tmp_path / "dangling").symlink_to("nowhere")
    assert "does not exist" in complaint(file(tmp_path / "dangling")).text
    assert "no regular file" in complaint(file(Path("/dev/zero"))).text
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in complaint(file(tmp_path / "pipe")).text
    assert complaint(file(tmp_path)).remedy
    (tmp_path / "loop").symlink_to("loop")
    assert complaint(file(tmp_path / "loop")).remedy


def test_a_file_that_the_worker_may_not_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    path = tmp_path / "password"
    path.write_text(CANARY)
    monkeypatch.setattr(os, "open", refuse)
    assert "may not be read" in complaint(file(path)).text


def test_a_seed_comes_from_a_whole_secret_or_one_of_its_keys() -> None:
    whole = json.dumps({"password": CANARY})
    assert reading(secret("a/b"), {"a/b": CANARY}) == CANARY
    assert reading(secret("a/b", "password"), {"a/b": whole}) == CANARY


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (CANARY, "no JSON object"),
        (f'["{CANARY}"]', "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        (json.dumps({"other": CANARY}), "no such key"),
        (json.dumps({"password": 5}), "no string"),
        (json.dumps({"password": None}), "no string"),
        (json.dumps({"password": ""}), "is empty"),
        ('{"password": "\\ud800"}', "no text"),
        (CANARY.encode(), "is binary"),
    ],
    ids=["text", "array", "deep", "no key", "number", "null", "empty", "surrogate", "binary"],
)
def test_a_secret_without_a_string_at_the_key_is_missing(value: str | bytes, text: str) -> None:
    assert text in complaint(secret("a/b", "password"), {"a/b": value}).text


def test_a_secret_that_is_not_there_is_missing() -> None:
    assert "does not exist" in complaint(secret("a/b")).text


def test_what_the_store_says_is_passed_on() -> None:
    def denied(_: str) -> str:
        raise StoreDenied("access denied", remedy="allow secretsmanager:GetSecretValue")

    with pytest.raises(SeedMissing, match="access denied") as caught:
        Seeds({}, denied).read(secret("a/b"))
    assert caught.value.remedy == "allow secretsmanager:GetSecretValue"


def test_a_file_that_everybody_may_read_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(CANARY)
    path.chmod(0o644)
    assert "chmod o-r" in warning(file(path))
    path.chmod(0o640)
    assert not warning(file(path))
    assert not warning(file(tmp_path / "absent"))
    assert not warning(env("PASSWORD"))


@given(st.binary(max_size=80))
def test_any_secret_is_a_seed_or_missing(value: bytes) -> None:
    text = value.decode("latin-1")
    try:
        reading(secret("a", "k"), {"a": text})
    except SeedMissing as error:
        assert error.remedy  # noqa: PT017 - both ends are well
