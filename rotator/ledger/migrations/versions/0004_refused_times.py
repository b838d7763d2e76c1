"""How often in a row a seed was refused, of rotator 0.2.0.

What an earlier rotator marked was refused once, so far as anybody knows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.rename_table("mark", "mark_of_0003")
    op.create_table(
        "mark",
        sa.Column("credential", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", _WHOLE, nullable=False),
        sa.Column("because", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("text", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("times", _WHOLE, server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("credential", "kind", "key"),
        sa.ForeignKeyConstraint(["credential"], ["credential.name"], ondelete="CASCADE"),
        sqlite_strict=True,
    )
    op.execute(
        "INSERT INTO mark (credential, kind, key, at, because, text)"
        " SELECT credential, kind, key, at, because, text FROM mark_of_0003"
    )
    op.drop_table("mark_of_0003")
