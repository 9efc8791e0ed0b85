"""Who is signed in to the pages."""

from pathlib import Path

from storage.migrations.frozen import run

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table of sessions."""
    run(Path(__file__))


def downgrade() -> None:
    """Refuse: a log is never taken apart."""
    raise NotImplementedError("Stepcare migrates forwards only: restore the backup made before.")
