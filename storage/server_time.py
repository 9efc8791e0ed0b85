"""What time the database server has: the one clock that several machines share."""

from datetime import UTC, datetime

from storage.database import Database
from storage.sqlite import Sqlite

NOW = "SELECT clock_timestamp()"


def server_time(database: Database) -> datetime | None:
    """Give the server's time; None where there is no server (SQLite). Raises Unavailable where it does not answer."""
    if isinstance(database.backend, Sqlite):
        return None
    (now,) = database.look(NOW, {})
    return now.astimezone(UTC)  # type: ignore[no-any-return]  # the driver's own
