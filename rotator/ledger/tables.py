"""What the ledger's database holds. One schema for SQLite and PostgreSQL.

Instants are whole microseconds since 1970 in UTC, durations whole microseconds: both databases
compare and sort them as integers, and nothing is lost to a time zone or a float. What has a shape
of its own (`presented`, `kills`, `tokens`) is JSON in a text column. A change here is a new file
in `migrations/versions`; a test compares what they build with what stands here. The condition of
an index is given for SQLite alone: to name PostgreSQL's would load its dialect, and asyncio, into
every verb.

`credential.dispatched_until` says that nobody else need try: `sweep` sets it for its claim, and a
lease stretches it to the lease's own end.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
    text,
)

metadata = MetaData()

Whole = BigInteger().with_variant(Integer, "sqlite")
"""64 bits in both: SQLite's INTEGER has them, PostgreSQL's has 32."""


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _whole(name: str) -> Column[int]:
    return Column(name, Whole, nullable=False, server_default=text("0"))


def _instant(name: str) -> Column[int]:
    return Column(name, Whole, nullable=False)


def _instant_or_none(name: str) -> Column[int | None]:
    return Column(name, Whole, nullable=True)


def _of_credential(*, primary_key: bool = False) -> Column[str]:
    whose = ForeignKey("credential.name", ondelete="CASCADE")
    return Column("credential", Text, whose, primary_key=primary_key, nullable=False)


meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
)

credential = Table(
    "credential",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("job", Text, nullable=False),
    _instant_or_none("due_at"),
    _instant_or_none("dispatched_until"),
    Column("lease_owner", Text),
    _instant_or_none("lease_until"),
    _whole("fence"),
    _text("state"),
    _instant_or_none("state_since"),
    _text("reason"),
    _text("text"),
    _whole("killed_through"),
    _instant_or_none("mended_at"),
    _instant_or_none("access_renew_at"),
    _instant_or_none("refresh_renew_at"),
    _instant_or_none("refresh_expires_at"),
    # As on_record has it for the consumers' secret: the sweep sorts by it.
    _instant_or_none("access_expires_at"),
    _instant_or_none("paused_at"),
    _text("paused_by"),
    _text("paused_why"),
    sqlite_strict=True,
)

_c = credential.c
_scheduled = text("due_at IS NOT NULL AND paused_at IS NULL")
_dispatched = text("dispatched_until IS NOT NULL")
# Each holds all that the sweep asks for, so that a backlog of 100,000 is sorted without the table;
# `paused_at` too, or SQLite looks it up.
_swept = (_c.due_at, _c.dispatched_until, _c.access_expires_at, _c.paused_at)
Index("credential_due", *_swept, _c.job, _c.name, sqlite_where=_scheduled)
Index("credential_due_of_job", _c.job, *_swept, _c.name, sqlite_where=_scheduled)
Index("credential_dispatched", _c.dispatched_until, _c.job, sqlite_where=_dispatched)

on_record = Table(
    "on_record",
    metadata,
    _of_credential(primary_key=True),
    Column("shelf", Text, primary_key=True, nullable=False),
    _text("version_id"),
    _whole("generation"),
    _instant_or_none("issued_at"),
    _instant_or_none("expires_at"),
    _instant("put_at"),
    _text("fingerprint"),
    sqlite_strict=True,
)
PUBLISHED = on_record.c.shelf == literal_column("'token'")
"""The condition of the index, in the statement's own text: see IN_DOUBT."""
Index("on_record_published", on_record.c.fingerprint, sqlite_where=PUBLISHED)

version = Table(
    "version",
    metadata,
    _of_credential(primary_key=True),
    Column("shelf", Text, primary_key=True, nullable=False),
    Column("version_id", Text, primary_key=True, nullable=False),
    _whole("generation"),
    _instant("put_at"),
    sqlite_strict=True,
)

back_off = Table(
    "back_off",
    metadata,
    _of_credential(primary_key=True),
    Column("what", Text, primary_key=True, nullable=False),
    _instant("until"),
    _instant("since"),
    _whole("failures"),
    _text("reason"),
    _text("text"),
    sqlite_strict=True,
)

manual = Table(
    "manual",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    _of_credential(),
    _instant("asked_at"),
    _text("asked_by"),
    _text("why"),
    _text("tokens"),
    _whole("again"),
    _instant_or_none("met_at"),
    _text("outcome"),
    sqlite_strict=True,
)
_not_met = text("met_at IS NULL")
Index("manual_not_met", manual.c.credential, sqlite_where=_not_met)

# Requests and seals hang on nothing: an answer outlives whatever became of its credential.
request = Table(
    "request",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("credential", Text, nullable=False),
    _whole("generation"),
    _whole("made_from"),
    _text("grant"),
    _text("host"),
    _text("presented"),
    Column("spends", Text),
    _text("kills"),
    _instant("intended_at"),
    _instant("first_intended_at"),
    _instant("send_by"),
    _instant("settles_at"),
    # NULL: open.
    Column("outcome", Text),
    sqlite_strict=True,
)
_open = text("outcome IS NULL")
Index("request_open", request.c.credential, sqlite_where=_open)
Index("request_generation", request.c.credential, request.c.generation)

seal = Table(
    "seal",
    metadata,
    Column("request", Text, ForeignKey("request.id"), primary_key=True, nullable=False),
    Column("credential", Text, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    _instant("sent_at"),
    _instant("answered_at"),
    _instant_or_none("read_at"),
    _text("reader"),
    _text("outcome"),
    _text("tokens"),
    Column("keyring", LargeBinary, nullable=False),
    sqlite_strict=True,
)
Index("seal_credential", seal.c.credential)

mark = Table(
    "mark",
    metadata,
    _of_credential(primary_key=True),
    Column("kind", Text, primary_key=True, nullable=False),
    Column("key", Text, primary_key=True, nullable=False),
    _instant("at"),
    _text("because"),
    _text("text"),
    Column("times", Whole, nullable=False, server_default=text("1")),
    sqlite_strict=True,
)

spent = Table(  # by the token alone: a credential that is renamed or forgotten spends it no more
    "spent",
    metadata,
    Column("key", Text, primary_key=True, nullable=False),
    _text("by_credential"),
    _instant("at"),
    _text("because"),
    _text("text"),
    sqlite_strict=True,
)
IN_DOUBT = spent.c.because != literal_column("'answered'")
"""The condition of the index, in the statement's own text: with a parameter in its place, SQLite
compiles the statement anew at each run, to see whether the index serves this value too."""
Index("spent_in_doubt", spent.c.by_credential, sqlite_where=IN_DOUBT)

step = Table(
    "step",
    metadata,
    Column("id", Whole, primary_key=True, nullable=False),
    _of_credential(),
    Column("run", Text, nullable=False),
    _whole("seq"),
    _instant("at"),
    _text("step"),
    _text("reason"),
    _text("outcome"),
    _text("text"),
    _whole("duration"),
    _text("cause"),
    sqlite_strict=True,
)
Index("step_credential", step.c.credential, step.c.id)
Index("step_run", step.c.run)
Index("step_at", step.c.at)

# Of jobs too, and of what has no row: it hangs on nothing.
alert = Table(
    "alert",
    metadata,
    Column("credential", Text, primary_key=True, nullable=False),
    Column("key", Text, primary_key=True, nullable=False),
    _instant("at"),
    sqlite_strict=True,
)

# What consumers say of themselves. It decides nothing but how long an old token is left alone.
holder = Table(
    "holder",
    metadata,
    _of_credential(primary_key=True),
    Column("consumer", Text, primary_key=True, nullable=False),
    _whole("generation"),
    _instant("seen_at"),
    sqlite_strict=True,
)

# The key that seals is wrapped by its holder, all others under that key.
seal_key = Table(
    "seal_key",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    _instant("made_at"),
    sqlite_strict=True,
)
