"""Every place where bytes that others wrote come in. A surface takes any bytes and never breaks.

Each returns nothing and raises only AssertionError, where a promise is broken: an error of another
kind than the documented one, or a planted secret in a message.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rotator.environment import load_settings
from rotator.errors import BadSettings, ProviderError, SealError
from rotator.jobs.files import load
from rotator.ledger.sealing import Sealer
from rotator.model import Secret
from rotator.plan.table import next_step
from rotator.providers.base import Alive, Answer, Dead, Grant, Provider, Unknown
from rotator.providers.registry import plugins
from rotator.rotation.look import look
from rotator.rotation.pairs import stands_apart
from rotator.rotation.sealed import kept_token, spare_token, unpack_answer, unpack_tokens
from rotator.store import contract
from rotator.store.base import Version
from tests.crash.scenarios import ALL
from tests.crash.world import World

CANARY = "canary-5d1c9f27"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOME = {"HOME": "/home/ada"}
STATUSES = (200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503)
MEDIA = (
    "application/json",
    "text/json",
    "text/html; charset=utf-8",
    "",
    "application/json; q=\xff",
)


class Surface(NamedTuple):
    """One place, with examples that lead a search into it."""

    name: str
    meet: Callable[[bytes], None]
    examples: tuple[bytes, ...]


# --- job files -----------------------------------------------------------------------------------


@contextmanager
def _folder() -> Iterator[Path]:
    """In memory where there is such a place: a search writes a file a run."""
    memory = Path("/dev/shm")  # noqa: S108 - only tests write there
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


_JOBS = _folder()


@cache
def _jobs() -> Path:
    return _JOBS.__enter__()


def job_file(data: bytes) -> None:
    """Jobs, or mistakes with file and line; no value of the environment in any of them."""
    file = _jobs() / "etl.toml"
    file.write_bytes(data)
    environ = {"ALATION_BASE_URL": f"https://{CANARY}.example.com", "PLANTED": CANARY}
    book = load(_jobs(), load_settings(HOME), environ)
    assert book.jobs or book.mistakes
    for mistake in book.mistakes:
        assert mistake.file == str(file)
        assert mistake.text
        assert CANARY not in str(mistake)


# --- the environment -----------------------------------------------------------------------------


def environment(data: bytes) -> None:
    """Settings, or one line a wrong variable; none of them quotes a value."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    given = dict(line.partition("=")[::2] for line in lines if "=" in line)
    planted = {name: value + CANARY for name, value in given.items()}
    for environ in (given, planted):
        try:
            load_settings(HOME | environ)
        except BadSettings as wrong:
            _shows_nothing(str(wrong))


# --- what a provider answers ---------------------------------------------------------------------


@cache
def _providers() -> Mapping[str, tuple[Provider, ...]]:
    """Each as the crash suite's scenarios have it, so that every grant is among them."""
    found: dict[str, tuple[Provider, ...]] = {}
    for scenario in ALL:
        plugin = plugins()[scenario.provider]
        built = plugin.build(
            plugin.job.model_validate(scenario.job),
            plugin.credential.model_validate(scenario.credential),
            frozenset(scenario.seeds(scenario.fake(lambda: NOW))),
        )
        found[scenario.provider] = (*found.get(scenario.provider, ()), built)
    return found


def _answer(data: bytes) -> Answer:
    """Two bytes choose status and media type, a line is Date and Retry-After, the rest is body."""
    status = STATUSES[data[0] % len(STATUSES)] if data else 200
    media = MEDIA[data[1] % len(MEDIA)] if len(data) > 1 else ""
    line, _, body = data[2:].partition(b"\n")
    text = line.decode("latin-1")
    headers = {"content-type": media, "date": text, "retry-after": text}
    return Answer(
        status=status, headers=headers, body=body.replace(b"@", CANARY.encode()), received_at=NOW
    )


def _answers(provider: str) -> Callable[[bytes], None]:
    def meet(data: bytes) -> None:
        """Tokens or one of the six errors; a verdict; and no word of the answer in any text."""
        answer = _answer(data)
        for built in _providers()[provider]:
            for grant in built.grants:
                _read(grant, answer)
            for inspection in built.inspections.values():
                verdict = inspection.read(answer)
                assert isinstance(verdict, Alive | Dead | Unknown)
                _shows_nothing(repr(verdict))

    return meet


def _read(grant: Grant, answer: Answer) -> None:
    try:
        tokens = grant.read(answer, NOW)
    except ProviderError as error:
        _shows_nothing(f"{error} {error!r}")
        return
    for token in tokens.values():
        assert token.value.reveal()
        assert token.expires_at is None or token.expires_at.tzinfo is not None


def _shows_nothing(text: str) -> None:
    assert CANARY not in text


# --- what others wrote into our secrets ----------------------------------------------------------


def secret_value(data: bytes) -> None:
    """Fields or none at all; whatever they hold, they are read as what they are."""
    text = data.decode("utf-8", "replace")
    fields = contract.decode(text)
    assert all(isinstance(value, str) for value in [*fields, *fields.values()])
    assert CANARY not in repr(fields)
    version = Version(id="0" * 32, fields=fields, value=Secret(text))
    assert version.generation >= 0
    for token in (kept_token(fields), spare_token(fields)):
        assert token is None or token.value
    stands_apart(fields, version.generation)


@cache
def _played() -> World:
    """A chain that is home, once for all looks at it."""
    world = World(next(each for each in ALL if each.name == "alation, SSO, two chains"))
    world.rotate()
    return world


def looked_at(data: bytes) -> None:
    """A look at secrets that hold anything ends in a step of the plan."""
    world = _played()
    record = world.ledger.look(world.credential.qualified)
    assert record is not None
    half = data.partition(b"\x00")
    versions = {
        shelf: Version(
            id="f" * 32, fields=contract.decode(part.decode("utf-8", "replace")), value=Secret("")
        )
        for shelf, part in zip(world.credential.secrets, (half[0], half[2]), strict=True)
    }
    sight = look(world.tools, world.credential, record, versions, world.clock.now())
    assert next_step(sight.seen).verb


# --- what lies in the ledger ---------------------------------------------------------------------


def sealed(data: bytes) -> None:
    """What a seal holds, or a SealError that shows none of it."""
    sealer = Sealer(bytes(range(32)))
    for read in (unpack_answer, unpack_tokens, lambda cipher: sealer.open(cipher, bound_to=("a",))):
        with suppress(SealError):
            read(data)


# --- all of them ---------------------------------------------------------------------------------

_TIMES = b'"token_expires_at": "2026-03-02T12:00:00Z", "created_at": "2026-03-01T12:00:00Z"'
_ANSWERS = {
    "alation": b'{"api_access_token": "@", "refresh_token": "@", "user_id": 7, "token_status":'
    b' "ACTIVE", ' + _TIMES + b"}",
    "albato": b'{"success": true, "data": {"sessionToken": "@", "permanentToken": null,'
    b' "sessionTokenValidUntil": 1795312800}}',
    "amino": b'{"data": [{"type": "access_tokens", "attributes": {"access_token": "@",'
    b' "refresh_token": "@", "expires_at_timestamp": 1795312800, "login_timestamp": 1795302800}}]}',
    "oauth2": b'{"access_token": "@", "token_type": "Bearer", "expires_in": 3600, "refresh_token":'
    b' "@", "scope": "a b"}',
}
_REFUSALS = (
    b'\x05\x00\n{"detail": "Refresh token provided is invalid.", "code": "401000"}',
    b'\x04\x00\n{"error": "invalid_grant", "error_description": "@"}',
    b'\x04\x00\n{"error": "invalid_client"}',
    b"\x05\x02Sun, 01 Mar 2026 12:00:00 GMT\n<html>@</html>",
    b"\x08\x00120\n",
    b'\x00\x00\n{"success": false, "message": "@"}',
    b'\x00\x00\n{"access_token": "@", "expires_in": 1e999}',
    b'\x00\x00\n{"access_token": "@", "expires_in": NaN}',
)
_JOB_FILES = tuple(file.read_bytes() for file in sorted(Path("jobs").glob("*.toml")))
_KEYRING = json.dumps(
    {
        "refresh_token": "r", "issued_at": "2026-03-01T12:00:00Z", "expires_at": "",
        "generation": "7", "ledger_id": "x", "host": "https://alation.test", "turned": "6",
        "spare_refresh_token": "s", "credential": "alation/etl", "schema": "1",
        "adopted_at": "2026-03-01T12:00:00Z",
    }
).encode()  # fmt: skip
_ENVIRONMENT = (
    b"ROTATOR_THREADS=8\nROTATOR_PUT_TIMEOUT=30s\nROTATOR_ALLOWED_HOSTS=*.example.com,a\n"
)

SURFACES = (
    Surface("job file", job_file, _JOB_FILES),
    Surface("environment", environment, (_ENVIRONMENT, b"ROTATOR_STATE_DIR=/x\nROTATOR_X=1")),
    *(
        Surface(
            f"answer of {name}",
            _answers(name),
            (b"\x00\x00Sun, 01 Mar 2026 12:00:00 GMT\n" + body, *_REFUSALS),
        )
        for name, body in _ANSWERS.items()
    ),
    Surface("secret value", secret_value, (_KEYRING, b"[]", b'{"a": 1}')),
    Surface("look", looked_at, (_KEYRING + b"\x00" + _KEYRING, b"\x00{}")),
    Surface("sealed answer", sealed, (b'{"tokens": {}, "carried": {}}', b"{}", os.urandom(60))),
)
