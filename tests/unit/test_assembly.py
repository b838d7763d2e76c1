from collections.abc import Mapping
from pathlib import Path

import pytest

from rotator.engine import assembly
from rotator.engine.book import load_book
from rotator.environment import load_settings
from rotator.errors import LedgerError, SealError
from rotator.settings import Settings

OAUTH = """\
provider = "oauth2"
token_url = "https://auth.example.com/token"

[[credentials]]
name = "reports"
client_id = "me"
seeds.client_secret = { env = "SECRET" }
"""
CHAIN = OAUTH + 'seeds.refresh_token = { env = "TOKEN" }\n'


def settings(home: Path, **more: str) -> Settings:
    given: Mapping[str, str] = {
        "HOME": str(home),
        "ROTATOR_STATE_DIR": str(home / "state"),
        "ROTATOR_JOBS_DIR": str(home / "jobs"),
        **{f"ROTATOR_{name.upper()}": value for name, value in more.items()},
    }
    return load_settings(given)


def test_everything_is_put_together_on_one_clock(tmp_path: Path) -> None:
    given = settings(tmp_path, clock_factor="3600", clock_epoch="2026-03-01T00:00:00Z",
                     request_timeout="1s", put_timeout="2s")  # fmt: skip
    with assembly.open_tools(given, {}) as tools:
        assert tools.clock.factor == 3600
        assert tools.send_within.total_seconds() == 1
        assert tools.settle_time.total_seconds() == 2 * 3600 + 60
        assert tools.lease_time.total_seconds() == 8 * 3600 + 60
        assert tools.owner == assembly.owner_name()
        now = tools.clock.now()
        tools.ledger.enrol({"a": ["a/b"]}, now)
        lease = tools.ledger.take("a/b", "me", now, now + tools.lease_time)
        assert lease is not None
        assert tools.ledger.take("a/b", "you", now, now + tools.lease_time) is None
    assert assembly.ledger_path(given).exists()


def test_a_ledger_that_was_given_stays_open(tmp_path: Path) -> None:
    given = settings(tmp_path)
    with assembly.open_ledger(given) as ledger:
        with assembly.open_tools(given, {}, "me", ledger=ledger) as tools:
            assert tools.ledger is ledger
            assert tools.owner == "me"
        assert ledger.rows() == []


def test_another_ledger_s_key_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with assembly.open_tools(settings(tmp_path), {}):
        pass
    key = tmp_path / ".config" / "rotator" / "seal.key"
    key.unlink()
    with pytest.raises(SealError), assembly.open_tools(settings(tmp_path), {}):
        pass


def test_where_there_is_no_ledger_none_is_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(LedgerError), assembly.open_ledger(settings(tmp_path), create=False):
        pass


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "chain.toml").write_text(CHAIN)
    (folder / "plain.toml").write_text(OAUTH)
    return tmp_path


def on(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rotator.ledger.lockfile.filesystem", lambda *_: kind)


def test_on_a_disk_that_stays_all_jobs_run(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on("ext4", monkeypatch)
    book = load_book(settings(jobs), {})
    assert [job.name for job in book.jobs] == ["chain", "plain"]


def test_on_one_that_does_not_chains_are_refused_with_what_is_at_risk(
    jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("tmpfs", monkeypatch)
    book = load_book(settings(jobs), {})
    assert [job.name for job in book.jobs] == ["plain"]
    (mistake,) = book.mistakes
    assert mistake.file.endswith("chain.toml")
    assert "tmpfs" in mistake.text
    assert "only refresh token" in mistake.text
    assert "ROTATOR_STATE_DIR" in mistake.remedy
    assert "ROTATOR_ALLOW_EPHEMERAL_STATE" in mistake.remedy


def test_who_accepts_the_risk_runs_them(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on("tmpfs", monkeypatch)
    book = load_book(settings(jobs, allow_ephemeral_state="true"), {})
    assert len(book.jobs) == 2
