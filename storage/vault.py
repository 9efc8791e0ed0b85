"""The vault: who the people are, and the keys to what is sealed about them.

A file of its own, so that it can have its own short backups: when a key is destroyed here and those backups have aged
out, the sealed parts of the log stay closed for ever, while the log itself still verifies.

Each person has a data key, wrapped by a key-encryption key that never lies in this file. The vault is written before
the main database: a crash between the two leaves a key that nobody uses, and nothing worse.
"""

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from json import dumps
from pathlib import Path
from threading import RLock
from typing import Any, Self, cast

from engine.audit import canonical, instant, parse_canonical, problem_in
from engine.errors import Conflict, InvalidInput, NotFound, Unavailable, Unverifiable, VerificationFailed
from storage.seal import KEY, DataKey, Random
from storage.vault_key import KeyEncryptionKey

try:  # the standard library's SQLite may be too old for several writing processes
    from pysqlite3 import dbapi2 as sqlite3
except ImportError:
    import sqlite3

SCHEMA_VERSION = 1
MOST_CACHED = 10_000
BUSY_SECONDS = 10.0
MALFORMED = "malformed"  # how SQLite says that a page is not what it should be
CHECK = b"the right key opens this"
APPLICATION = 0x53437674  # "SCvt" in the file's header: nothing else is taken for a vault
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;
CREATE TABLE person (
    ref TEXT PRIMARY KEY, wrapped_key BLOB NOT NULL, key_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, born TEXT, contacts TEXT NOT NULL, language TEXT NOT NULL, added_at TEXT NOT NULL
) STRICT;
CREATE TABLE key_destroyed (ref TEXT PRIMARY KEY, key_id TEXT NOT NULL, destroyed_at TEXT NOT NULL) STRICT;
"""


class KeyDestroyed(Unverifiable):
    """The person's data key was destroyed on purpose: what was sealed with it stays closed for ever."""

    code = "key-destroyed"

    def __init__(self, *, ref: str, destroyed_at: str) -> None:
        """Keep the facts; the sentence is made from them."""
        self.ref, self.destroyed_at = ref, destroyed_at
        super().__init__(
            f"The data key of {ref} was destroyed at {destroyed_at}: its sealed parts cannot be read, nor new ones made."
        )


# --- the vault ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Who a person is and how to reach them. `contacts` maps a channel (email, sms) to an address."""

    name: str = field(repr=False)
    born: date | None = field(default=None, repr=False)
    contacts: Mapping[str, str] = field(default_factory=dict, repr=False)
    language: str = "en"


class Vault:
    """An open vault. Threads may share it; processes may share its file."""

    def __init__(self, connection: Any, key: KeyEncryptionKey, random: Random) -> None:
        """Use `Vault.open`."""
        self._connection, self._key, self._random = connection, key, random
        self._lock = RLock()
        self._keys: dict[str, DataKey] = {}
        self._seen = 0
        self.id = ""

    @classmethod
    def open(cls, path: Path, key: KeyEncryptionKey, *, origin: str, random: Random, create: bool = False) -> Self:
        """Open the vault of the database with this origin; `create` makes it where there is none.

        NotFound when it is missing; InvalidInput when the file is not a vault or is that of another database;
        Unverifiable when it was written by a newer version or the key is not its key.
        """
        if not path.exists():
            if not create:
                remedy = "restore it from its backup; only `stepcare migrate` on a new database makes a new one"
                raise NotFound(what="vault", name=str(path), remedy=remedy)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        address = f"{path.absolute().as_uri()}?mode=rw"
        shared = {"isolation_level": None, "check_same_thread": False, "timeout": BUSY_SECONDS}
        connection = sqlite3.connect(address, uri=True, **shared)
        vault = cls(connection, key, random)
        try:
            vault._begin(path, origin, create=create)
        except BaseException:
            connection.close()
            raise
        return vault

    def _begin(self, path: Path, origin: str, *, create: bool) -> None:
        try:
            self._connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten, not only unlinked
            self._connection.execute("PRAGMA synchronous = FULL")
            if create:
                self._create(origin)
            application = self._one("PRAGMA application_id")[0]
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, full, unreadable: it says so itself
                raise
            application = 0  # not a file of SQLite's
        if application != APPLICATION:
            raise InvalidInput(f"{path} is not a vault: give the path of the vault of {origin}.")
        meta = dict(self._connection.execute("SELECT name, value FROM meta").fetchall())
        if meta["schema_version"] > SCHEMA_VERSION:
            raise Unverifiable(
                f"The vault {path} is of version {meta['schema_version']}, this program reads {SCHEMA_VERSION}: "
                "use the newer program, or restore the vault from before the upgrade."
            )
        if meta["origin"] != origin:
            raise InvalidInput(
                f"The vault {path} belongs to the database {meta['origin']}, not to {origin}: give the vault of this one."
            )
        self.id = meta["vault_id"]
        self._key.unwrap(meta["key_check"], self._bound_to("", ""))

    def _create(self, origin: str) -> None:
        # Never into a file that holds anything, such as the main database or a vault that is already there.
        if self._one("SELECT count(*) FROM sqlite_schema")[0]:
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        with self._transaction():
            if self._one("SELECT count(*) FROM sqlite_schema")[0]:
                return  # another process was faster
            for statement in SCHEMA.split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
            self.id = self._random(8).hex()
            meta = {
                "schema_version": SCHEMA_VERSION,
                "vault_id": self.id,
                "origin": origin,
                "key_check": self._key.wrap(CHECK, self._bound_to("", "")),
            }
            self._connection.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))

    def close(self) -> None:
        """Forget the keys and close the file."""
        with self._lock:
            self._keys.clear()
            self._connection.close()

    def add_person(self, ref: str, details: Details, now: datetime) -> None:
        """Keep a person under this reference and make their data key.

        Doing it again with the same details changes nothing, so a command may be repeated after a crash. Conflict when
        the reference is another person's, or that of one who was erased.
        """
        (error,) = self.add_people([(ref, details)], now)
        if error is not None:
            raise error

    def add_people(self, people: Sequence[tuple[str, Details]], now: datetime) -> list[Conflict | None]:
        """Keep several persons in one commit; gives for each, in order, why they alone were not kept, or None.

        Raises InvalidInput for details that cannot be kept; then nobody is.
        """
        found = [(ref, _row_of(details)) for ref, details in people]
        with self._transaction():
            return [self._added(ref, row, instant(now)) for ref, row in found]

    def _added(self, ref: str, row: tuple[str, str | None, str, str], at: str) -> Conflict | None:
        if self._destroyed(ref) is not None:
            return Conflict(f"{ref} was erased and cannot come back: register the person under a new reference.")
        found = self._one("SELECT name, born, contacts, language FROM person WHERE ref = ?", ref)
        if found is not None:
            said = f"{ref} is already kept with other details: use a new reference for a new person."
            return None if found == row else Conflict(said)
        key_id = self._random(8).hex()
        wrapped = self._key.wrap(self._random(KEY), self._bound_to(ref, key_id))
        self._connection.execute("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (ref, wrapped, key_id, *row, at))
        return None

    def key(self, ref: str) -> DataKey:
        """Give a person's data key.

        NotFound for a reference not kept here; KeyDestroyed after erasure; VerificationFailed when the row was altered.
        """
        with self._lock:
            # Another process may have destroyed a key: then nothing cached here may be used any more.
            seen = self._one("PRAGMA data_version")[0]
            if seen != self._seen or len(self._keys) >= MOST_CACHED:
                self._keys.clear()
                self._seen = seen
            if ref not in self._keys:
                self._keys[ref] = self._read_key(ref)
            return self._keys[ref]

    def _read_key(self, ref: str) -> DataKey:
        found = self._one("SELECT key_id, wrapped_key FROM person WHERE ref = ?", ref)
        if found is None:
            if (destroyed_at := self._destroyed(ref)) is not None:
                raise KeyDestroyed(ref=ref, destroyed_at=destroyed_at)
            raise _unknown(ref)
        try:
            return DataKey(id=found[0], secret=self._key.unwrap(found[1], self._bound_to(ref, found[0])))
        except Unverifiable:  # the vault's own key opened the vault, so the row is what is wrong
            self._key.unwrap(self._one("SELECT value FROM meta WHERE name = 'key_check'")[0], self._bound_to("", ""))
            raise VerificationFailed(
                f"The data key of {ref} was altered in the vault: restore it from a backup."
            ) from None

    def names(self, refs: Iterable[str]) -> dict[str, str]:
        """Give the names behind references; who is not kept here (any more) is left out."""
        wanted = dumps(list(refs))
        query = "SELECT ref, name FROM person WHERE ref IN (SELECT value FROM json_each(?))"
        with self._lock, self._spoken_for():
            return dict(self._connection.execute(query, (wanted,)).fetchall())

    def find(self, words: str, most: int) -> list[str]:
        """Give the references of people whose name holds each of these words, whatever their case, up to `most`."""
        wanted = [word.casefold() for word in words.split()]
        found: list[str] = []
        with self._lock, self._spoken_for():
            # Not even a quick scan leaves this room: names are compared here, and references go out.
            for ref, name in self._connection.execute("SELECT ref, name FROM person ORDER BY name, ref"):
                folded = name.casefold()
                if wanted and all(word in folded for word in wanted):
                    found.append(ref)
                    if len(found) == most:
                        break
        return found

    def details(self, ref: str) -> Details:
        """Give everything known about a person; NotFound when there is none."""
        with self._lock:
            found = self._one("SELECT name, born, contacts, language FROM person WHERE ref = ?", ref)
        if found is None:
            raise _unknown(ref)
        name, born, contacts, language = found
        reached = cast("dict[str, str]", parse_canonical(contacts.encode()))
        return Details(name=name, born=date.fromisoformat(born) if born else None, contacts=reached, language=language)

    def destroy_key(self, ref: str, now: datetime) -> bool:
        """Destroy a person's data key and forget who they are, for ever; doing it again changes nothing.

        True when no trace is left in the files; False when a reader elsewhere holds an old page: call it again.
        """
        with self._transaction():
            if self._destroyed(ref) is None:
                found = self._one("SELECT key_id FROM person WHERE ref = ?", ref)
                if found is None:
                    raise _unknown(ref)
                self._connection.execute("DELETE FROM person WHERE ref = ?", (ref,))
                self._connection.execute("INSERT INTO key_destroyed VALUES (?, ?, ?)", (ref, found[0], instant(now)))
            self._keys.pop(ref, None)
        with self._lock:
            # Otherwise the old pages, with the wrapped key and the name, stay in the log file beside the vault.
            busy, _, _ = self._one("PRAGMA wal_checkpoint(TRUNCATE)")
            return not busy

    def rewrap(self, key: KeyEncryptionKey) -> int:
        """Wrap every data key under another key-encryption key, in one commit; gives how many there are.

        Processes that have the vault open under the old key must be started again.
        """
        with self._transaction():
            rows = self._connection.execute("SELECT ref, key_id, wrapped_key FROM person").fetchall()
            for ref, key_id, wrapped in rows:
                place = self._bound_to(ref, key_id)
                fresh = key.wrap(self._key.unwrap(wrapped, place), place)
                self._connection.execute("UPDATE person SET wrapped_key = ? WHERE ref = ?", (fresh, ref))
            check = key.wrap(CHECK, self._bound_to("", ""))
            self._connection.execute("UPDATE meta SET value = ? WHERE name = 'key_check'", (check,))
        self._key = key
        self._one("PRAGMA wal_checkpoint(TRUNCATE)")  # nothing the old key opens stays beside the vault
        return len(rows)

    def _destroyed(self, ref: str) -> str | None:
        found = self._one("SELECT destroyed_at FROM key_destroyed WHERE ref = ?", ref)
        return None if found is None else str(found[0])

    def _one(self, query: str, *values: str) -> Any:
        with self._spoken_for():
            return self._connection.execute(query, values).fetchone()

    @contextmanager
    def _spoken_for(self) -> Generator[None]:
        """Raise what the driver refuses as ours."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            # What is no vault at all, and what its tables forbid, is said by whoever asked.
            if not isinstance(error, sqlite3.OperationalError) and MALFORMED not in str(error):
                raise
            raise Unavailable(
                f"The vault cannot be used now ({error}): nothing was kept. See to its disk and rights, then try again."
            ) from error

    def _bound_to(self, ref: str, key_id: str) -> bytes:
        # Bound to its row, so that nobody can give one person's key to another by editing the file.
        return b"stepcare/vault/1" + canonical([self.id, ref, key_id])

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._lock, self._spoken_for():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        # After some errors (disk full) SQLite has undone it by itself; asking again would hide why. One that cannot
        # even be undone is undone when it is next opened.
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def _row_of(details: Details) -> tuple[str, str | None, str, str]:
    texts = [details.name, details.language, *details.contacts, *details.contacts.values()]
    if not details.name.strip() or problem_in(texts) or any("\x00" in text for text in texts):
        raise InvalidInput(
            "The person's name is empty, or a name or contact holds half a character or a NUL: type it again."
        )
    born = details.born.isoformat() if details.born else None
    return details.name, born, canonical(dict(details.contacts)).decode(), details.language


def _unknown(ref: str) -> NotFound:
    return NotFound(what="person", name=ref, remedy="check the reference, or register the person first")
