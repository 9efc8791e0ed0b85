"""Where episodes are kept: read by folding the log, changed by appending to it.

Reads are remembered in this process by version: an episode that has moved on is brought up to date by its newer
entries alone. What is remembered is never written; the database alone decides who was first.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Generic, TypeVar

from engine.audit import instant
from engine.codec import from_json
from engine.decision import Decision
from engine.errors import Conflict, NotFound, StepcareError
from engine.fold import fold
from engine.model import Episode, Json, Person, Site
from engine.service import Applied, Change
from storage import statements as sql
from storage.commit import Commit, Ready, Texts, person_place
from storage.database import Busy, Connection, Database, DriverError
from storage.ledger import Kept, StoredEntry, commitments_in, events_in, is_registered, kept_of, reads_in
from storage.seal import Place, Random, open_sealed
from storage.vault import Details

MOST_REMEMBERED = 4096
BATCH = 500
T = TypeVar("T", Episode, Person)


class Store:
    """The store of one database. Threads may share it."""

    def __init__(self, database: Database, random: Random) -> None:
        """Keep episodes in `database`; `random` salts what is sealed."""
        self.database, self._random = database, random
        self._texts = Texts()
        self._episodes: _Remembered[Episode] = _Remembered()
        self._persons: _Remembered[Person] = _Remembered()

    # --- reading --------------------------------------------------------------------------------------------------

    def site(self) -> Site:
        """Give the site as it is now."""
        with self.database.reading() as connection:
            found = connection.execute(sql.SITE_NOW).fetchone()
        return from_json(Site, json.loads(found[1])) if found else Site(zone=self.database.zone)

    def episode(self, episode: str) -> Episode:
        """Give an episode as it is now; raises NotFound."""
        with self.database.reading() as connection:
            found = connection.execute(sql.EPISODE_AT, {"id": episode}).fetchone()
            if found is None:
                raise NotFound(what="episode", name=episode, remedy="`stepcare episode list` shows those that are here")
            version, person = found
            known = self._episodes.get(episode) or Episode(id=episode, person=Person(id=person))
            if known.version > version:  # remembered from a later moment than this reader sees
                known = Episode(id=episode, person=Person(id=person))
            if known.version < version:
                known = self._folded(connection, known)
                self._episodes.put(episode, known)
            return replace(known, person=self._person(connection, person))

    def _folded(self, connection: Connection, episode: Episode) -> Episode:
        """Bring an episode up to date by the entries it has not seen."""
        for entry in stored_entries(connection, sql.EPISODE_ENTRIES, ep=episode.id, first=episode.version):
            sections = self._opened(entry)
            episode = fold(episode, events_in(sections), entry.epn + 1, reads_in(sections))
        return episode

    def _opened(self, entry: StoredEntry) -> dict[str, Json]:
        if entry.blob is None or entry.person_ref is None:
            return {"facts": {"outcome": ""}, "reads": [], "subject": {}, "text": []}
        place = Place(origin=self.database.origin, entry=entry.id)
        return open_sealed(entry.blob, commitments_in(entry.entry), self.database.vault.key(entry.person_ref), place)

    def person(self, person: str) -> Person:
        """Give a person as they are now; raises NotFound for one the vault does not know."""
        with self.database.reading() as connection:
            return self._person(connection, person)

    def _person(self, connection: Connection, person: str) -> Person:
        found = connection.execute(sql.PERSON_ROW, {"ref": person}).fetchone()
        key = self.database.vault.key(person)
        if found is None:
            return Person(id=person)
        version, blob, commitment = found
        known = self._persons.get(person)
        if known is None or known.version != version:
            place = person_place(self.database.origin, person, version)
            known = from_json(Person, open_sealed(blob, {"person": commitment}, key, place)["person"])
            self._persons.put(person, known)
        return known

    def pack(self, sha256: str) -> bytes:
        """Give the bytes of a published pack; raises NotFound."""
        return self._bytes(sql.PACK, "pathway pack", sha256)

    def parameters(self, sha256: str) -> bytes:
        """Give the canonical bytes of a parameter set; raises NotFound."""
        return self._bytes(sql.PARAMETERS, "parameter set", sha256)

    def _bytes(self, statement: str, what: str, sha256: str) -> bytes:
        with self.database.reading() as connection:
            found = connection.execute(statement, {"sha256": sha256}).fetchone()
        if found is None:
            raise NotFound(what=what, name=sha256, remedy="name the hash of one that was published here")
        return bytes(found[0])

    def remembered(self, actor: str, key: str) -> tuple[int, str] | None:
        """Give (entry, request hash) that an actor's idempotency key stands for, None for a new key."""
        with self.database.reading() as connection:
            found = connection.execute(sql.KEY_OF, {"actor": actor, "key": key}).fetchone()
        return (found[0], found[1]) if found else None

    def decision(self, index: int) -> Decision:
        """Give the decision an entry keeps: every rule's answer, but not its clauses and words; raises NotFound."""
        return self.kept(index).decision

    def kept(self, index: int) -> Kept:
        """Give all that an entry keeps of its decision; raises NotFound."""
        entry = next(self.entries(index, index + 1), None)
        if entry is None:
            raise NotFound(what="entry", name=str(index), remedy="the log begins at 0; `stepcare audit show` lists it")
        return kept_of(entry.entry, self._opened(entry))

    def entries(self, first: int = 0, end: int | None = None) -> Iterator[StoredEntry]:
        """Give the entries from `first` up to, not including, `end` (None: all), in order."""
        while end is None or first < end:
            stop = first + BATCH if end is None else min(first + BATCH, end)
            with self.database.reading() as connection:
                found = list(stored_entries(connection, sql.ENTRIES, first=first, end=stop))
            yield from found
            if len(found) < stop - first:
                return
            first = stop

    def entries_of(self, episode: str) -> list[StoredEntry]:
        """Give an episode's own entries, in order."""
        with self.database.reading() as connection:
            return list(stored_entries(connection, sql.EPISODE_ENTRIES, ep=episode, first=0))

    def due_timers(self, now: datetime, limit: int) -> list[tuple[str, str]]:
        """Give (episode, timer) of armed timers whose instant has come, the earliest first."""
        with self.database.reading() as connection:
            found = connection.execute(sql.DUE_TIMERS, {"now": instant(now), "most": limit}).fetchall()
        return [(episode, timer) for episode, timer in found]

    # --- writing --------------------------------------------------------------------------------------------------

    def add_person(self, ref: str, details: Details, now: datetime) -> None:
        """Keep a person in the vault, before anything is decided about them.

        A crash afterwards leaves a key that nobody uses, and nothing worse. Doing it again changes nothing.
        """
        self.database.vault.add_person(ref, details, now)

    def apply(self, changes: Sequence[Change]) -> list[Applied]:
        """Keep decisions durably, all that can be kept; returns after COMMIT, one answer for each, in order.

        They share a transaction where they touch different episodes and persons; one that cannot be kept does not
        undo its neighbours. `error` is StaleEpisode, KeyReused or what the database refused.
        """
        done: dict[int, Applied] = {}
        waiting = list(enumerate(changes))
        with self.database.lock:
            while waiting:
                group, waiting = _independent(waiting)
                done.update(self._kept(group))
        return [done[position] for position in range(len(changes))]

    def _kept(self, group: Sequence[tuple[int, Change]]) -> dict[int, Applied]:
        try:
            return self._transaction(group)
        except (StepcareError, DriverError) as error:
            # Waiting once for another process is enough: nobody in the group would fare better alone.
            if len(group) == 1 or _is_locked(error):
                return {position: Applied(index=None, error=_said(error)) for position, _ in group}
        # Somebody's row was refused by the database itself. Alone, each either stands or says why it does not.
        return {position: applied for one in group for position, applied in self._kept([one]).items()}

    def _transaction(self, group: Sequence[tuple[int, Change]]) -> dict[int, Applied]:
        database = self.database
        writer = database.writer
        writer.execute("BEGIN IMMEDIATE")
        try:
            commit = Commit(writer, database.vault, database.origin, self._random)
            done, ready = _checked(commit, group)
            if ready:
                commit.write_around(list(ready.values()))
                indexes = commit.append(list(ready.values()), self._texts)
                writer.execute("COMMIT")
                done.update(zip(ready, (Applied(index=index) for index in indexes), strict=True))
            else:
                writer.execute("ROLLBACK")
        except BaseException:
            database.undo()
            raise
        for one in ready.values():
            self._remember(one)
        return done

    def _remember(self, one: Ready) -> None:
        """Remember what was just committed, never earlier: a reader must not see what may still be undone."""
        after, person = one.change.after, one.change.person_after
        if isinstance(after, Episode) and one.steps:
            self._episodes.put(after.id, after)
            if person is not None:
                self._persons.put(person.id, person)

    def forget_keys(self, before: datetime) -> None:
        """Forget idempotency keys that were used before this moment."""
        with self.database.lock:
            try:
                self.database.writer.execute(sql.FORGET_KEYS, {"before": instant(before)})
            except DriverError as error:
                raise _said(error) from error


class _Remembered(Generic[T]):
    """The latest version seen of things, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def get(self, name: str) -> T | None:
        with self._lock:
            found = self._found.get(name)
            if found is not None:
                self._found.move_to_end(name)
            return found

    def put(self, name: str, found: T) -> None:
        with self._lock:
            known = self._found.get(name)
            if known is None or known.version < found.version:
                self._found[name] = found
            self._found.move_to_end(name)
            if len(self._found) > MOST_REMEMBERED:
                self._found.popitem(last=False)


def stored_entries(connection: Connection, statement: str, **values: object) -> Iterator[StoredEntry]:
    """Give the entries a statement of `statements.py` selects."""
    for idx, id_, ep, epn, leaf, entry, blob, key_id, person in connection.execute(statement, values):
        yield StoredEntry(
            idx=idx, id=id_, ep=ep, epn=epn, leaf=leaf, entry=entry, blob=blob, key_id=key_id, person_ref=person
        )


def _independent(
    waiting: Sequence[tuple[int, Change]],
) -> tuple[list[tuple[int, Change]], list[tuple[int, Change]]]:
    """Split off the changes that touch nothing in common: no two of them can make each other stale."""
    now: list[tuple[int, Change]] = []
    later: list[tuple[int, Change]] = []
    touched: set[object] = set()
    for position, change in waiting:
        own = _touches(change)
        # Once something waits, what touches the same waits behind it: callers are served in their order.
        (later if own & touched else now).append((position, change))
        touched |= own
    return now, later


def _touches(change: Change) -> set[object]:
    before, command = change.before, change.command
    found: set[object] = {("command", command.id)}
    if command.key is not None:
        found.add(("key", command.actor.id, command.key))
    if isinstance(before, Site):
        return found | {"site"}
    found |= {("episode", before.id), ("person", before.person.id)}
    return found if is_registered(change) else found | {"site"}


def _checked(commit: Commit, group: Sequence[tuple[int, Change]]) -> tuple[dict[int, Applied], dict[int, Ready]]:
    done: dict[int, Applied] = {}
    ready: dict[int, Ready] = {}
    for position, change in group:
        try:
            found = commit.check(change)
        except StepcareError as error:
            done[position] = Applied(index=None, error=error)
            continue
        if isinstance(found, Applied):
            done[position] = found
        else:
            ready[position] = found
    return done, ready


def _is_locked(error: Exception) -> bool:
    return isinstance(error, Busy) and "locked" in str(error)


def _said(error: Exception) -> Exception:
    """Give a driver's error as ours, with what to do."""
    if isinstance(error, StepcareError):
        return error
    if _is_locked(error):
        said: StepcareError = Conflict("Another process has been writing for too long: nothing was kept, try again.")
    else:
        said = StepcareError(f"The database refused ({error}): nothing was kept. Run `stepcare audit verify`.")
    said.__cause__ = error
    return said
