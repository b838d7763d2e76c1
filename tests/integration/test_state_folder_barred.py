"""Every verb where this user may not enter the state folder: one line, and the documented code."""

from pathlib import Path
from typing import Any

import pytest

from rotator.cli.exits import Exit
from tests.integration.town import Town

VERBS = (
    "status",
    "status --json",
    "explain alation/sso",
    "history",
    "history alation/sso",
    "health",
    "rotate alation/sso",
    "rotate --all --json",
    "seed alation/sso --expires-at 2099-01-01",
    "adopt alation/sso --yes",
    "pause alation/sso --why moving",
    "resume alation/sso",
    "forget alation/sso --yes",
    "migrate",
    "rekey",
)


@pytest.fixture
def barred(here: Town, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder, played: tests may run as root, of whom the kernel asks no permission."""
    state, stat = here.home / "state", Path.stat
    state.mkdir()

    def refusing(path: Path, **more: Any) -> Any:
        if state in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **more)

    monkeypatch.setattr(Path, "stat", refusing)
    return state


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_where_it_may_not_look_and_what_to_do(
    here: Town, barred: Path, verb: str
) -> None:
    said = here.run(*verb.split(), stdin=f"{here.hand_made()}\n")
    told = said.err or said.out
    assert said.code == Exit.FAILED
    assert f"{barred}/" in told
    assert "cannot be looked at: Permission denied (run this as the worker's user" in told
    assert told.count("\n") == 1
    assert not list(barred.iterdir())


def test_whoever_asks_how_things_stand_leaves_no_lock_behind(here: Town) -> None:
    """It would belong to them, and the worker could not take it."""
    (here.home / "state").mkdir()
    assert here.run("status").code == Exit.DONE
    assert not list((here.home / "state").iterdir())
