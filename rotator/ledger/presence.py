"""Whether a file in the state folder is there, for all that ask before they open it."""

import stat
from pathlib import Path

from rotator.errors import LedgerError


def is_there(path: Path) -> bool:
    """Raises LedgerError where this user may not look, or where what is there is no file.

    `Path.exists` raises PermissionError there, and from Python 3.14 on it says no.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        raise LedgerError(
            f"{path.parent} is no folder",
            remedy="move it away, or set ROTATOR_STATE_DIR to another path",
        ) from error
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be looked at: {error.strerror}",
            remedy="run this as the worker's user, who should own ROTATOR_STATE_DIR",
        ) from error
    if not stat.S_ISREG(mode):
        raise LedgerError(f"{path} is no regular file", remedy="move it away")
    return True
