"""The ground: episodes, log, due work, outbox, and what the database refuses by itself.

The SQL beside this file is frozen: what `storage.schema.statements()` gave when this version was made.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    for statement in _statements(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Refuse: a log is never taken apart."""
    raise NotImplementedError("Stepcare migrates forwards only: restore the backup made before.")


def _statements(text: str) -> Iterator[str]:
    # A trigger's body holds semicolons; the library knows where a statement ends.
    waiting = ""
    for line in text.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""
