"""A real process that replaces the ledger's keys, killed by SIGKILL before each of its effects."""

import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rotator.errors import SealError
from rotator.ledger.keyfile import KeyFile
from rotator.ledger.sql import SqlLedger
from rotator.ledger.unlocking import rekey, unlock
from rotator.model import Secret

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HERE = ("ledger-1", "alation/etl", "request-1")
PLAIN = b'{"refresh_token": "planted"}'
# Each statement of SQL and each name that is made or removed is an effect.
REKEY = """
import os, signal, sqlite3, sys
from datetime import UTC, datetime
from pathlib import Path
from rotator.ledger.keyfile import KeyFile
from rotator.ledger.sql import SqlLedger
from rotator.ledger.unlocking import rekey

home, left = Path(sys.argv[1]), 0  # none is counted before the ledger is open

def effect(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def heard(event, args):
    if event in ("os.link", "os.remove", "os.mkdir"):
        effect()

def connect(*args, **kwargs):
    made = opened(*args, **kwargs)
    made.set_trace_callback(effect)
    return made

opened = sqlite3.dbapi2.connect
sqlite3.connect = sqlite3.dbapi2.connect = connect
sys.addaudithook(heard)
ledger = SqlLedger.open(home / "state" / "ledger.db")
old, new = (KeyFile(home / name, home / "state") for name in ("old.key", "new.key"))
left = int(sys.argv[2])
rekey(ledger, old, new, datetime.now(UTC))
ledger.close()
left = 0  # what a measure of coverage writes at the end is no effect of rekey
"""


class Home:
    """A ledger with one seal, and the key files that it was and will be opened by."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.old, self.new = (
            KeyFile(path / name, path / "state") for name in ("old.key", "new.key")
        )

    def ledger(self) -> SqlLedger:
        return SqlLedger.open(self.path / "state" / "ledger.db")

    def killed_before(self, effect: int) -> bool:
        command = [sys.executable, "-c", REKEY, str(self.path), str(effect)]
        code = subprocess.run(command, check=False).returncode
        assert code in (0, -signal.SIGKILL)
        return code != 0


def opens(ledger: SqlLedger, holder: KeyFile, cipher: bytes, name: str) -> bool:
    """Whether this key file opens the ledger; what it opens is then all there."""
    try:
        sealer, fingerprints = unlock(ledger, holder, NOW)
    except SealError:
        return False
    assert sealer.open(cipher, bound_to=HERE) == PLAIN
    assert fingerprints.fingerprint(Secret("s")) == name
    return True


def test_rekey_killed_before_any_effect_loses_nothing_and_can_be_run_again(tmp_path: Path) -> None:
    first = Home(tmp_path / "first")
    (first.path / "state").mkdir(parents=True)
    ledger = first.ledger()
    sealer, fingerprints = unlock(ledger, first.old, NOW)
    cipher, name = sealer.seal(PLAIN, bound_to=HERE), fingerprints.fingerprint(Secret("s"))
    ledger.close()

    moved: list[bool] = []
    killed = True
    while killed:
        home = Home(Path(shutil.copytree(first.path, tmp_path / f"killed {len(moved) + 1}")))
        killed = home.killed_before(len(moved) + 1)
        ledger = home.ledger()
        moved.append(not opens(ledger, home.old, cipher, name))
        rekey(ledger, home.new if moved[-1] else home.old, home.new, NOW)
        assert opens(ledger, home.new, cipher, name)
        assert not opens(ledger, home.old, cipher, name)
        ledger.close()
    assert moved == sorted(moved), "once the keys have moved they stay so"
    assert moved.count(False) > 5
    assert moved[-1]
