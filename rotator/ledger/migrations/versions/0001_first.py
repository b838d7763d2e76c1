"""The first schema, of rotator 0.1.0."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _alerts()
    _credentials()
    _schedule()
    _metas()
    _requests()
    _back_offs()
    _manuals()
    _marks()
    _spent()
    _on_records()
    _seals()
    _steps()
    _versions()


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, server_default=sa.text("0"), nullable=False)


def _instant(name: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=False)


_id = _instant


def _instant_or_none(name: str) -> sa.Column[int | None]:
    return sa.Column(name, _WHOLE, nullable=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)


def _name(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _name_or_none(name: str) -> sa.Column[str | None]:
    return sa.Column(name, sa.Text(), nullable=True)


def _index(name: str, table: str, columns: list[str], where: str = "") -> None:
    only = sa.text(where) if where else None
    op.create_index(name, table, columns, sqlite_where=only, postgresql_where=only)


def _alerts() -> None:
    op.create_table(
        "alert",
        _name("credential"),
        _name("key"),
        _instant("at"),
        sa.PrimaryKeyConstraint("credential", "key"),
        sqlite_strict=True,
    )


def _credentials() -> None:
    op.create_table(
        "credential",
        _name("name"),
        _name("job"),
        _instant_or_none("due_at"),
        _instant_or_none("dispatched_until"),
        _name_or_none("lease_owner"),
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
        _instant_or_none("access_expires_at"),
        _instant_or_none("paused_at"),
        _text("paused_by"),
        _text("paused_why"),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )


def _schedule() -> None:
    _index(
        "credential_dispatched",
        "credential",
        ["dispatched_until", "job"],
        "dispatched_until IS NOT NULL",
    )
    _index(
        "credential_due",
        "credential",
        ["due_at", "dispatched_until", "access_expires_at", "paused_at", "job", "name"],
        "due_at IS NOT NULL AND paused_at IS NULL",
    )
    _index(
        "credential_due_of_job",
        "credential",
        ["job", "due_at", "dispatched_until", "access_expires_at", "paused_at", "name"],
        "due_at IS NOT NULL AND paused_at IS NULL",
    )


def _metas() -> None:
    op.create_table(
        "meta", _name("key"), _name("value"), sa.PrimaryKeyConstraint("key"), sqlite_strict=True
    )


def _requests() -> None:
    op.create_table(
        "request",
        _name("id"),
        _name("credential"),
        _whole("generation"),
        _whole("made_from"),
        _text("grant"),
        _text("host"),
        _text("presented"),
        _name_or_none("spends"),
        _text("kills"),
        _instant("intended_at"),
        _instant("first_intended_at"),
        _instant("send_by"),
        _instant("settles_at"),
        _name_or_none("outcome"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    _index("request_generation", "request", ["credential", "generation"])
    _index("request_open", "request", ["credential"], "outcome IS NULL")


def _back_offs() -> None:
    op.create_table(
        "back_off",
        _name("credential"),
        _name("what"),
        _instant("until"),
        _instant("since"),
        _whole("failures"),
        _text("reason"),
        _text("text"),
        sa.ForeignKeyConstraint(["credential"], ["credential.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("credential", "what"),
        sqlite_strict=True,
    )


def _manuals() -> None:
    op.create_table(
        "manual",
        _name("id"),
        _name("credential"),
        _instant("asked_at"),
        _text("asked_by"),
        _text("why"),
        _text("tokens"),
        _whole("again"),
        _instant_or_none("met_at"),
        _text("outcome"),
        sa.ForeignKeyConstraint(["credential"], ["credential.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    _index("manual_not_met", "manual", ["credential"], "met_at IS NULL")


def _marks() -> None:
    op.create_table(
        "mark",
        _name("credential"),
        _name("kind"),
        _name("key"),
        _instant("at"),
        _text("because"),
        _text("text"),
        sa.ForeignKeyConstraint(["credential"], ["credential.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("credential", "kind", "key"),
        sqlite_strict=True,
    )


def _spent() -> None:
    op.create_table(
        "spent",
        _name("key"),
        _text("by_credential"),
        _instant("at"),
        _text("because"),
        _text("text"),
        sa.PrimaryKeyConstraint("key"),
        sqlite_strict=True,
    )
    _index("spent_in_doubt", "spent", ["by_credential"], "because != 'answered'")


def _on_records() -> None:
    op.create_table(
        "on_record",
        _name("credential"),
        _name("shelf"),
        _text("version_id"),
        _whole("generation"),
        _instant_or_none("issued_at"),
        _instant_or_none("expires_at"),
        _instant("put_at"),
        _text("fingerprint"),
        sa.ForeignKeyConstraint(["credential"], ["credential.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("credential", "shelf"),
        sqlite_strict=True,
    )


def _seals() -> None:
    op.create_table(
        "seal",
        _name("request"),
        _name("credential"),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        _instant("sent_at"),
        _instant("answered_at"),
        _instant_or_none("read_at"),
        _text("reader"),
        _text("outcome"),
        _text("tokens"),
        sa.Column("keyring", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"],
            ["request.id"],
        ),
        sa.PrimaryKeyConstraint("request"),
        sqlite_strict=True,
    )
    _index("seal_credential", "seal", ["credential"])


def _steps() -> None:
    op.create_table(
        "step",
        _id("id"),
        _name("credential"),
        _name("run"),
        _whole("seq"),
        _instant("at"),
        _text("step"),
        _text("reason"),
        _text("outcome"),
        _text("text"),
        _whole("duration"),
        _text("cause"),
        sa.ForeignKeyConstraint(["credential"], ["credential.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    _index("step_at", "step", ["at"])
    _index("step_credential", "step", ["credential", "id"])
    _index("step_run", "step", ["run"])


def _versions() -> None:
    op.create_table(
        "version",
        _name("credential"),
        _name("shelf"),
        _name("version_id"),
        _whole("generation"),
        _instant("put_at"),
        sa.ForeignKeyConstraint(["credential"], ["credential.name"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("credential", "shelf", "version_id"),
        sqlite_strict=True,
    )
