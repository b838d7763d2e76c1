"""What a power cut leaves: only what had been synced. Seen by strace, on a real worker.

Every write and every sync of the ledger's files is replayed up to an instant, and writes that no
sync had followed by then are thrown away, as a disk may. SQLite has to find in what is left the
intent before the request for it leaves, and the sealed answer before anything of it does.
"""

import codecs
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rotator.clock import Clock
from rotator.model import REFRESH_TOKEN
from rotator.sandbox.oauth2 import TOKEN
from rotator.sandbox.stage import Stage
from tests.integration import test_worker
from tests.integration.test_worker import OAUTH, Play

_REQUESTS = 3
_CALLS = "pwrite64,ftruncate,fdatasync,fsync,sendto"
_STRACE = ("strace", "-f", "-yy", "-s", "80000", "--seccomp-bpf", "-e", f"trace={_CALLS}", "-e",
           "signal=none")  # fmt: skip
_LINE = re.compile(
    r"(?P<pid>\d+) +(?:(?P<call>\w+)\((?P<rest>.*)|<\.\.\. (?P<again>\w+) resumed>(?P<end>.*))"
)
_PLACE = re.compile(r"\d+<(?P<place>TCP:\[.*?\]|[^>]*)>(?:, (?P<arguments>.*))?", re.DOTALL)
_DATA = re.compile(r'"(?P<data>(?:[^"\\]|\\.)*)"(?:, \d+, (?P<offset>\d+))?')
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True)
class Event:
    """One call that has ended; a `sendto` counts from its beginning."""

    call: str
    place: str
    """A path, or both ends of a connection."""
    arguments: str

    @property
    def data(self) -> bytes:
        found = _DATA.search(self.arguments)
        return codecs.escape_decode(found["data"])[0] if found else b""

    @property
    def offset(self) -> int:
        found = _DATA.search(self.arguments)
        assert found is not None
        assert found["offset"], "the data was cut short"
        return int(found["offset"])


def events(trace: Iterable[str]) -> Iterator[Event]:
    begun: dict[str, str] = {}
    for line in trace:
        found = _LINE.match(line)
        if found is None:
            continue
        call, rest = found["call"], found["rest"]
        if call is None:
            call, rest = found["again"], begun.pop(found["pid"], "") + found["end"]
            if call == "sendto":
                continue
        elif rest.endswith(_UNFINISHED):
            begun[found["pid"]] = rest = rest.removesuffix(_UNFINISHED)
            if call != "sendto":
                continue
        if where := _PLACE.match(rest):
            yield Event(call, where["place"], where["arguments"] or "")


@dataclass
class Disk:
    """The ledger's files, as far as a power cut would leave them."""

    synced: dict[str, bytearray] = field(default_factory=dict)
    _loose: list[Event] = field(default_factory=list)

    def see(self, event: Event) -> None:
        if event.call in {"pwrite64", "ftruncate"}:
            self._loose.append(event)
        elif event.call in {"fdatasync", "fsync"}:
            held = [each for each in self._loose if each.place == event.place]
            self._loose = [each for each in self._loose if each.place != event.place]
            for each in held:
                self._settle(each)

    def _settle(self, event: Event) -> None:
        file = self.synced.setdefault(event.place, bytearray())
        if event.call == "ftruncate":
            del file[int(event.arguments.partition(")")[0]) :]
            return
        end = event.offset + len(event.data)
        file.extend(bytes(max(end - len(file), 0)))
        file[event.offset : end] = event.data

    def holds(self, scratch: Path, ledger: Path, table: str, request: str) -> bool:
        """Whether SQLite finds that row after the lights are on again."""
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        for place, content in self.synced.items():
            (scratch / Path(place).name).write_bytes(content)
        column = "id" if table == "request" else "request"
        with closing(sqlite3.connect(scratch / ledger.name)) as database:
            sql = f"SELECT count(*) FROM {table} WHERE {column} = ?"  # noqa: S608 - ours
            found: int = database.execute(sql, (request,)).fetchone()[0]
            return found == 1


@dataclass(frozen=True)
class Traced:
    scratch: Path
    ledger: Path
    events: list[Event]
    requests: list[str]
    """Of each answer that was kept, the seed's own first version left out."""
    provider: str
    aws: str

    @property
    def _files(self) -> tuple[str, str]:
        return str(self.ledger), f"{self.ledger}-wal"

    def at(self, moment: int, *, syncs: bool = True) -> Disk:
        """The disk when that event began."""
        disk = Disk()
        for event in self.events[:moment]:
            if event.place in self._files and (syncs or "sync" not in event.call):
                disk.see(event)
        return disk

    def sends(self, port: str, what: bytes) -> list[int]:
        """The moments at which it sent that to somebody."""
        return [
            moment
            for moment, event in enumerate(self.events)
            if event.call == "sendto" and event.place.endswith(port + "]") and what in event.data
        ]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """A worker that has renewed a chain twice, and all that it wrote and sent."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed: apt-get install strace")
    folder = tmp_path_factory.mktemp("traced")
    trace = folder / "trace"
    epoch = Clock().now()
    command = (*_STRACE, "-o", str(trace), sys.executable, "-m", "rotator", "worker")
    jobs = folder / "jobs"
    jobs.mkdir()
    with (
        pytest.MonkeyPatch.context() as patch,
        Stage(Clock(3_600, epoch), epoch.isoformat(), jobs=jobs, worker=command) as stage,
    ):
        patch.setattr(test_worker, "PATIENCE", 60.0)
        played = Play(stage, jobs)
        played.add("oauth2")
        worker = stage.start_worker()
        _renewed(played, _REQUESTS)
        worker.end()
        found = list(events(trace.read_text(errors="surrogateescape").splitlines()))
        ids = [each.version_id for each in played.versions if each.token == REFRESH_TOKEN]
        return Traced(
            folder / "scratch", stage.ledger_file, found, ids[1 : 1 + _REQUESTS],
            _port(stage.urls["oauth2"]), _port(stage.environ["AWS_ENDPOINT_URL_SECRETS_MANAGER"]),
        )  # fmt: skip


def _renewed(played: Play, times: int) -> None:
    played.until(lambda: played.stored(OAUTH) >= times, f"{times} tokens")


def _port(url: str) -> str:
    return f"->127.0.0.1:{urlsplit(url).port}"


def test_no_request_leaves_before_its_intent_would_survive_a_power_cut(traced: Traced) -> None:
    sent = traced.sends(traced.provider, f"POST {TOKEN}".encode())
    assert len(sent) >= len(traced.requests) >= 2
    for moment, request in zip(sent, traced.requests, strict=False):
        assert traced.at(moment).holds(traced.scratch, traced.ledger, "request", request)


def test_nothing_of_an_answer_leaves_before_its_seal_would_survive_a_power_cut(
    traced: Traced,
) -> None:
    for request in traced.requests:
        first = traced.sends(traced.aws, request.encode())[0]
        assert traced.at(first).holds(traced.scratch, traced.ledger, "seal", request)


def test_without_its_syncs_the_ledger_would_have_kept_nothing(traced: Traced) -> None:
    moment = traced.sends(traced.provider, f"POST {TOKEN}".encode())[0]
    assert traced.at(moment).synced
    assert not traced.at(moment, syncs=False).synced
