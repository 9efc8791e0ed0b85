"""Erasing a person: one row that empties what lists say of them, and after which nothing is sealed about them."""

from pathlib import Path

from storage.migrations.frozen import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table of erasures with what it refuses and empties; an episode's row may be emptied without an entry."""
    run(Path(__file__))


def downgrade() -> None:
    """Refuse: a log is never taken apart."""
    raise NotImplementedError("Stepcare migrates forwards only: restore the backup made before.")
