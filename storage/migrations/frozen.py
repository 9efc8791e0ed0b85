"""SQL beside a migration, frozen as it was when the version was made: one file for each kind of database."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from alembic import op


def run(script: Path) -> None:
    """Run the SQL beside a migration's script: `.sql` for SQLite, `.postgresql.sql` for PostgreSQL."""
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        # Its driver takes a whole script, if no parameter is looked for in it.
        script = script.with_suffix(".postgresql.sql")
        bind.exec_driver_sql(script.read_text(encoding="utf-8"), execution_options={"no_parameters": True})
        return
    for statement in _statements(script.with_suffix(".sql").read_text(encoding="utf-8")):
        bind.exec_driver_sql(statement)


def _statements(text: str) -> Iterator[str]:
    # A trigger's body holds semicolons; the library knows where a statement ends.
    waiting = ""
    for line in text.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""
