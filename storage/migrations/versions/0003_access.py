"""The second log: who looked at what."""

from pathlib import Path

from storage.migrations.frozen import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the log of reads; its head is founded with the database, or by the migration of an old one."""
    run(Path(__file__))


def downgrade() -> None:
    """Refuse: a log is never taken apart."""
    raise NotImplementedError("Stepcare migrates forwards only: restore the backup made before.")
