"""The ground: episodes, log, due work, outbox, and what the database refuses by itself.

The SQL beside this file is frozen: what `storage.schema` and `schema_postgres` gave when this version was made.
"""

from pathlib import Path

from storage.migrations.frozen import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    run(Path(__file__))


def downgrade() -> None:
    """Refuse: a log is never taken apart."""
    raise NotImplementedError("Stepcare migrates forwards only: restore the backup made before.")
