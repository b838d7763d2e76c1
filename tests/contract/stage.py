"""What the tests of the plug-ins share: a clock that is turned, and answers made by hand."""

import json
from datetime import datetime

from rotator.clock import Clock
from rotator.providers.base import Answer


class TurnedClock(Clock):
    """Time stands until somebody turns it."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at

    def now(self) -> datetime:
        return self.at


def answered(at: datetime, status: int, content: object, **headers: str) -> Answer:
    """Bytes as they are, all else as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status=status, headers=headers, body=body, received_at=at)
