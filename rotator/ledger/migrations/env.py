"""Run by Alembic, with the connection and the transaction that `migrate` opened."""

from alembic import context

from rotator.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters little: a changed table is made anew
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
