"""What the tests of the plug-ins share: a clock that is turned, and answers made by hand."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

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


def json_with(keys: Sequence[str]) -> st.SearchStrategy[Any]:
    """Any JSON whose objects have these keys: what a reader of answers looks at."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4)
        ),
        max_leaves=12,
    )
