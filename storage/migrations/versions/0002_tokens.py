"""Tokens for programs; and a commit may append several entries before their sealed parts."""

from pathlib import Path

from storage.migrations.frozen import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table of tokens; let a sealed part follow any entry of the commit under way."""
    run(Path(__file__))


def downgrade() -> None:
    """Refuse: a log is never taken apart."""
    raise NotImplementedError("Stepcare migrates forwards only: restore the backup made before.")
