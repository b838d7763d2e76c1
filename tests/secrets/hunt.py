"""What to look for, and where: every secret of the town begins with one word, in any disguise."""

import base64
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.integration.town import CANARY

_MIDDLES = {
    base64.b64encode(bytes(shift) + CANARY.encode()).decode()[2 * bool(shift) + shift : 8]
    for shift in range(3)
}
DISGUISES = (
    CANARY,
    CANARY.encode().hex(),
    "".join(f"%{byte:02X}" for byte in CANARY.encode()),
    repr(list(CANARY.encode()))[1:-1],
    *sorted(_MIDDLES),
)
"""As it is, in hexadecimal, in a URL, as a list of bytes, and in the middle of base64."""


def found_in(text: str | bytes) -> list[str]:
    """The disguises in which a planted secret shows."""
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    return [each for each in DISGUISES if each in text]


def files_beneath(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def dump(error: BaseException) -> str:
    """All that a careless crash reporter shows: each frame's locals, causes and contexts too."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True, compact=False)
    return "".join(told.format())
