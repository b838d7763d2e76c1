"""Which generation each consumer says that it holds, of rotator 0.2.0."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "holder",
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("generation", _WHOLE, server_default=sa.text("0"), nullable=False),
        sa.Column("seen_at", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("credential", "consumer"),
        sa.ForeignKeyConstraint(["credential"], ["credential.name"], ondelete="CASCADE"),
        sqlite_strict=True,
    )
