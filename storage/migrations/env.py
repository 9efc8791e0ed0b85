"""Alembic's door, opened by `storage.database.migrate` only: it brings the connection and the transaction."""

from alembic import context

import storage.tables  # noqa: F401 - the tables join the metadata
from storage.columns import Room

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Room.metadata,
    # Schema, version number, head and meta are one transaction: a crash leaves the old version whole.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
    if connection.dialect.name == "postgresql":
        from storage.roles import grant  # its driver is loaded only by those who use it

        session = connection.connection.driver_connection
        grant(session, session.info.dbname)
