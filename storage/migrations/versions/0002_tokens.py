"""Tokens for programs; several entries in a commit before their sealed parts; due items know their place in the list."""

from pathlib import Path

from storage.migrations.frozen import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table of tokens; let a sealed part follow any entry of the commit under way; give open work its place."""
    run(Path(__file__))


def downgrade() -> None:
    """Refuse: a log is never taken apart."""
    raise NotImplementedError("Stepcare migrates forwards only: restore the backup made before.")
