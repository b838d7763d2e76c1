"""An API that takes one header's value and refuses all else, over HTTP on loopback."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from rotator.sandbox.fakes import Fake, Reply
from rotator.sandbox.server import served


class Api(Fake):
    """`/moved/…` redirects to `target`; everything else wants `accepts` in `header`."""

    header = "authorization"
    accepts = ""
    refusal = 401
    target = ""

    def __init__(self) -> None:
        super().__init__(lambda: datetime.now(UTC))  # noqa: TID251 - only for its log
        self.sent: list[str] = []
        """What each request held in `header`."""
        self.bodies: list[bytes] = []

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        del method
        self.sent.append(headers.get(self.header, ""))
        self.bodies.append(body)
        if path.startswith("/moved"):
            return Reply(307, {"location": self.target}, b"")
        is_good = headers.get(self.header) == self.accepts
        return Reply(200 if is_good else self.refusal, {}, b"")


@contextmanager
def api() -> Iterator[tuple[Api, str]]:
    """One that listens, and its address."""
    fake = Api()
    with served(fake) as url:
        yield fake, url
