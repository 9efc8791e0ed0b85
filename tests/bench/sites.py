"""Places to measure in: a site that is ready to work, on SQLite or on PostgreSQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.model import Actor, Role
from stepcare.app import App, migrate_app, open_app, wall_clock
from stepcare.publishing import publish
from storage.sqlite import Files, connect
from storage.staff import Colleague, Staff
from tests.servers import Server
from tests.worlds import PACK
from workflows.load import load_pack

ZONE = "Europe/Berlin"
Start = Callable[[], Server]  # starts the server when it is first called; NoServer where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a database is. `vault` None: beside it."""

    database: str
    vault: Path | None = None

    @property
    def settings(self) -> Mapping[str, str]:
        """Give it as the environment names it."""
        vault = {"STEPCARE_VAULT": str(self.vault)} if self.vault is not None else {}
        return {"STEPCARE_DATABASE": self.database, **vault}


def on_sqlite(directory: Path) -> Place:
    """Make a site in a directory."""
    directory.mkdir(mode=0o700)
    place = Place(database=str(directory))
    migrate_app(place.database, ZONE)
    _settle_in(place)
    return place


def on_postgres(server: Server, vault: Path) -> Place:
    """Make a site on a server, its vault in a directory."""
    address = server.empty_database()
    migrate_app(address, ZONE, vault=vault)
    place = Place(database=server.app_of(address), vault=vault)
    _settle_in(place)
    return place


def _settle_in(place: Place) -> None:
    with open_app(place.database, wall_clock, place.vault) as app:
        Staff(app.database).add(Colleague(id="ann", roles=(Role.COORDINATOR,), teams=("main",)))
        publish(app, load_pack(PACK), Actor(id="olga", role=Role.PATHWAY_OWNER), "publish")


def size_of(place: Place) -> int:
    """Give the bytes of the main database: of SQLite's file everything in its log carried over first."""
    if place.vault is None:
        file = Files.of(place.database).database
        connection = connect(file)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return file.stat().st_size
    with open_app(place.database, wall_clock, place.vault) as app, app.database.reading() as connection:
        return int(connection.execute("SELECT pg_database_size(current_database())").fetchone()[0])


def entries_in(app: App) -> int:
    """Count the entries of the log."""
    with app.database.reading() as connection:
        return int(connection.execute("SELECT n FROM audit_head").fetchone()[0])
