"""Alembic's door, opened by `storage.database.migrate` only: it brings the connection and the transaction."""

from alembic import context

from storage.tables import Room

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Room.metadata,
    # Schema, version number, head and meta are one transaction: a crash leaves the old version whole.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
