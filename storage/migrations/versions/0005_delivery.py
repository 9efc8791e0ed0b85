"""Delivery: who works on a timer or message, what was tried and what came back, and what a retention run takes of it."""

from pathlib import Path

from storage.migrations.frozen import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the worker's own columns and tables; tries and receipts go with an erasure or a retention run only."""
    run(Path(__file__))


def downgrade() -> None:
    """Refuse: a log is never taken apart."""
    raise NotImplementedError("Stepcare migrates forwards only: restore the backup made before.")
