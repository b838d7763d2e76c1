"""What a check found, and how grave it is."""

from dataclasses import dataclass

OK, OFF, NOTE, WARN, FAIL = "ok", "off", "note", "warn", "fail"
LEVELS = (OK, OFF, NOTE, WARN, FAIL)
"""The gravest last."""
MACHINE, AWS = "this machine", "AWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    level: str
    part: str
    """Under which it is shown: a job, a file that is broken, this machine or AWS."""
    about: str
    """A credential, a host, a folder, a line of a file."""
    what: str
    text: str
    remedy: str = ""
