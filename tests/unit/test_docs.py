from pathlib import Path

import pytest

from rotator.cli import docs
from rotator.environment import load_settings
from rotator.jobs.files import load
from rotator.providers.registry import plugins

JOBS = docs.ROOT / "jobs"
SETTINGS = load_settings({"HOME": "/home/ada"})
ON = {
    "ALATION_BASE_URL": "https://acme.alationcloud.com",
    "ALBATO_BASE_URL": "https://api.albato.com",
    "AMINO_BASE_URL": "https://tv.example.com",
    "OAUTH2_TOKEN_URL": "https://auth.example.com/oauth/token",
}


def test_the_pages_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().out


def test_a_page_that_is_not_is_told_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "PAGES", [(page, lambda _: "new\n")])
    assert docs.main(["--check"]) == 1
    assert not page.exists()
    assert docs.main([]) == 0
    assert page.read_text() == "new\n"
    assert docs.main(["--check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "page.md: would change: run `make docs`",
        "page.md: written",
    ]


def test_a_block_is_replaced_and_the_rest_of_its_page_stays() -> None:
    page = "a\n<!-- help -->\nold\n<!-- /help -->\nb\n"
    assert docs.block(page, "help", r"new \1") == ("a\n<!-- help -->\nnew \\1\n<!-- /help -->\nb\n")
    assert docs.block(page, "other", "new") == page


def test_every_job_file_that_we_ship_is_sound_and_off_by_name() -> None:
    book = load(JOBS, SETTINGS, {})
    assert book.mistakes == ()
    assert {job.off for job in book.jobs} == set(ON)
    assert {job.provider_name for job in book.jobs} == set(plugins())


def test_every_job_file_that_we_ship_works_once_its_variable_is_set() -> None:
    book = load(JOBS, SETTINGS, ON)
    assert book.mistakes == ()
    assert all(job.credentials and not job.off for job in book.jobs)


def test_what_the_shipped_job_files_propose_in_comments_is_sound(tmp_path: Path) -> None:
    text = (JOBS / "alation.toml").read_text()
    assert "\n# window = " in text
    (tmp_path / "alation.toml").write_text(text.replace("\n# window = ", "\nwindow = "))
    assert load(tmp_path, SETTINGS, ON).mistakes == ()


@pytest.mark.parametrize("name", plugins())
def test_every_example_of_a_provider_is_sound(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.toml").write_text(plugins()[name].example)
    assert load(tmp_path, SETTINGS, ON).mistakes == ()


@pytest.mark.parametrize("name", plugins())
def test_every_field_of_a_provider_is_described(name: str) -> None:
    plugin = plugins()[name]
    fields = plugin.job.model_fields | plugin.credential.model_fields
    assert [field for field, facts in fields.items() if not facts.description] == []
