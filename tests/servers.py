"""A real PostgreSQL server for tests: a throw-away cluster on a socket, a child of this process, gone with it.

One per process that asks (`the_server()`), so that workers of a test run cannot disturb each other. `kill` and `start`
crash it and bring it back.
"""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import psycopg
from alembic.command import upgrade
from alembic.config import Config
from psycopg.sql import SQL, Identifier
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

import storage.migrate
from storage.roles import app_of, auditor_of, ensure_roles, grant, owner_of

ADMINISTRATOR = "administrator"
OLDEST = 15
LONGEST_SOCKET = 107 - len("/.s.PGSQL.5432")
START_SECONDS = 60
NEEDED = ("initdb", "postgres", "pg_dump")
MISSING = (
    f"No PostgreSQL {OLDEST} or newer was found (initdb, postgres and pg_dump in PATH, beside pg_config or in "
    "/usr/lib/postgresql/*/bin): install it (Debian: apt-get install postgresql) and run the tests again."
)
# What follows when our end of the pipe closes, however we ended: no server and no directory stays behind.
AFTER_US = 'read -r _; kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")" 2>/dev/null; sleep 1; rm -rf "$0"'


class NoServer(Exception):
    """There is no PostgreSQL on this machine, or it does not start."""


@cache
def programs() -> Path:
    """Give the directory of the newest server programs there are; NoServer with the remedy where there are none."""
    config = shutil.which("pg_config")
    asked = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False).stdout if config else ""  # noqa: S603 - a found program
    places = [Path(one) for one in os.environ.get("PATH", "").split(os.pathsep) if one]
    places += [Path(asked.strip())] if asked.strip() else []
    return newest([*places, *Path("/usr/lib/postgresql").glob("*/bin")])


def newest(places: Iterable[Path]) -> Path:
    """Give the one of these directories with the newest complete server; NoServer where none will do."""
    real = {(place / "postgres").resolve().parent for place in places}  # a link may stand alone
    found = {place: _version(place) for place in real if all(os.access(place / one, os.X_OK) for one in NEEDED)}
    fitting = [place for place, version in found.items() if version >= OLDEST]
    if not fitting:
        raise NoServer(MISSING)
    return max(fitting, key=lambda place: found[place])


def _version(place: Path) -> int:
    said = subprocess.run([place / "postgres", "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - a found program
    number = said.rpartition(") ")[2].split()[0].partition(".")[0] if ") " in said else ""
    digits = "".join(one for one in number if one.isdigit())
    return int(digits) if digits else 0


class Server:
    """One cluster. `durable` False: commits are not flushed, for suites that do not test what survives a crash."""

    def __init__(self, *, durable: bool = True) -> None:
        """Make a cluster and start it."""
        self._programs = programs()
        self.directory = _directory()
        self._identity = _identity()
        if self._identity:
            os.chown(self.directory, self._identity["user"], self._identity["group"])
        self._flags = (
            [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        )
        self._names = count()
        self._template: str | None = None
        self._process: subprocess.Popen[Any] | None = None
        self._watch = subprocess.Popen(  # noqa: S603 - our own words
            ["/bin/sh", "-c", AFTER_US, str(self.directory)], stdin=subprocess.PIPE, start_new_session=True
        )
        atexit.register(self.stop)
        try:
            self._run(
                "initdb", "--pgdata", str(self.data), "--username", ADMINISTRATOR, "--auth", "trust",
                "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
            )  # fmt: skip
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def data(self) -> Path:
        """Give the directory of the cluster."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """Give the file of what the server says."""
        return self.directory / "log"

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, also after it was killed; back when it answers."""
        command: list[str | Path] = [
            self._programs / "postgres", "-D", self.data, "-k", self.directory, "-c", "listen_addresses=",
            "-c", "max_connections=60", "-c", "shared_buffers=32MB", *self._flags,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = process = subprocess.Popen(  # noqa: S603 - a found program
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, **self._identity
            )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.administrator_of("postgres")).close()
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > until:
                    raise NoServer(f"PostgreSQL does not start: {self.log.read_text()[-2000:]}") from None
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End every one of its processes at once, as a power cut would: nothing is written any more."""
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGSTOP)  # so that it starts nobody while we look
        for child in _children(process.pid):
            os.kill(child, signal.SIGKILL)
        process.kill()
        process.wait()
        self._process = None

    def stop(self) -> None:
        """End it for good, and remove its cluster."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                self._process = process
                self.kill()
        if self._watch.poll() is None:
            self._watch.kill()
        self._watch.communicate()
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.stop)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - a found program
            [self._programs / program, *arguments], capture_output=True, text=True, check=False, cwd=self.directory,
            **self._identity,
        )  # fmt: skip
        if done.returncode != 0:
            raise NoServer(f"{program} failed: {done.stderr[-2000:]}")

    # --- its databases ------------------------------------------------------------------------------------------------

    def url(self, database: str, role: str) -> str:
        """Give the address of a database for a role."""
        return f"postgresql://{quote(role)}@/{quote(database)}?{urlencode({'host': str(self.directory)})}"

    def administrator_of(self, database: str) -> str:
        """Give the address of a database for the cluster's superuser; `database` is its name or any address of it."""
        return self.url(name_of(database), ADMINISTRATOR)

    def app_of(self, database: str) -> str:
        """Give the address of a database for the programs that serve."""
        return self.url(name_of(database), app_of(name_of(database)))

    def auditor_of(self, database: str) -> str:
        """Give the address of a database for its auditor."""
        return self.url(name_of(database), auditor_of(name_of(database)))

    def empty_database(self) -> str:
        """Make a database with nothing in it; gives the administrator's address of it."""
        name = f"clinic_{next(self._names)}"
        with self._administrator() as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self.administrator_of(name)

    def fresh_database(self, template: str | None = None) -> str:
        """Make a copy of a migrated database nobody is connected to; gives the app's address of it.

        None: a database that was migrated only, and has no head yet.
        """
        source = name_of(template or self._migrated())
        name = f"clinic_{next(self._names)}"
        with self._administrator() as connection:
            connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(source)))
        with self._administrator(name) as connection:
            self._hand_over(connection, source, name)
        return self.app_of(name)

    def _hand_over(self, connection: "psycopg.Connection[tuple[Any, ...]]", source: str, name: str) -> None:
        """Give a copy the roles of its own name, as if it had been migrated under it."""
        ensure_roles(connection, name)
        old, new = Identifier(owner_of(source)), Identifier(owner_of(name))
        connection.execute(SQL("REASSIGN OWNED BY {} TO {}").format(old, new))
        connection.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(Identifier(source), old))  # shared: it went too
        connection.execute(SQL("SET ROLE {}").format(new))
        for role in (Identifier(app_of(source)), Identifier(auditor_of(source))):
            connection.execute(SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role))
            connection.execute(SQL("REVOKE ALL ON SCHEMA public FROM {}").format(role))
        grant(connection, name)

    def drop_database(self, url: str) -> None:
        """Remove a database and its roles, whoever is connected."""
        name = name_of(url)
        with self._administrator() as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
            for role in (app_of(name), auditor_of(name), owner_of(name)):
                connection.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(role)))

    def _administrator(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self.administrator_of(database), autocommit=True)

    def _migrated(self) -> str:
        if self._template is None:
            self._template = self.empty_database()
            migrate_schema(self._template)
        return self._template


def name_of(url: str) -> str:
    """Give the name of a database from its address; a name stays as it is."""
    return urlsplit(url).path.lstrip("/") if "://" in url else url


def migrate_schema(url: str, revision: str = "head") -> None:
    """Bring the schema of a database to a revision, as its administrator; nothing is founded."""
    config = Config()
    config.set_main_option("script_location", str(Path(storage.migrate.__file__).with_name("migrations")))
    connection = psycopg.connect(url, autocommit=True)
    try:
        name = connection.info.dbname
        ensure_roles(connection, name)
        connection.autocommit = False
        engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
        with engine.begin() as transaction:
            transaction.exec_driver_sql(f'SET LOCAL ROLE "{owner_of(name)}"')
            config.attributes["connection"] = transaction
            upgrade(config, revision)
    finally:
        connection.close()


@cache
def the_server() -> Server:
    """Give this process's server, started when first asked for. It does not flush: crashes have one of their own."""
    return Server(durable=False)


def _directory() -> Path:
    place = Path(tempfile.mkdtemp(prefix="pg-"))
    if len(str(place)) <= LONGEST_SOCKET:
        return place
    place.rmdir()
    return Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short


def _identity() -> dict[str, Any]:
    """Give who the server runs as: it refuses root, so then somebody who may do nothing."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise NoServer("PostgreSQL does not run as root, and there is no user postgres or nobody: run the tests as a user.")


def _children(parent: int) -> Iterator[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == parent:
            yield int(stat.parent.name)
