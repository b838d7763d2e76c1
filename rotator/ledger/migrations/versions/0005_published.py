"""Who publishes a token is found by its fingerprint, of rotator 0.2.0."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    condition = sa.text("shelf = 'token'")
    op.create_index(
        "on_record_published",
        "on_record",
        ["fingerprint"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
