"""Where episodes are kept: read by folding the log, changed by appending to it.

Reads are remembered in this process by version: an episode that has moved on is brought up to date by its newer
entries alone. What is remembered is never written; the database alone decides who was first.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import Generic, TypeVar

from engine.audit import instant
from engine.closing import Closing
from engine.codec import from_json
from engine.decision import Decision
from engine.errors import Conflict, Erased, NotFound, StepcareError, Unavailable
from engine.fold import fold
from engine.model import Command, Episode, Json, Person, Site
from engine.service import Applied, Change, Seen
from storage import statements as sql
from storage.commit import Commit, touched
from storage.connection import Connection
from storage.database import SITE_REF, Database
from storage.erasures import closing_of
from storage.hints import due_soon
from storage.ledger import Kept, StoredEntry, commitments_in, events_in, kept_of, reads_in
from storage.prepare import Prepared, Preparer, person_place
from storage.seal import Place, Random, open_sealed
from storage.vault import Details, KeyDestroyed
from storage.writer import Writer

MOST_REMEMBERED = 4096
BATCH = 500
T = TypeVar("T", Episode, Person)


class Store:
    """The store of one database. Threads may share it."""

    def __init__(self, database: Database, random: Random) -> None:
        """Keep episodes in `database`; `random` salts what is sealed."""
        self.database = database
        self.writer = Writer(self._keep)
        # Called after a commit that leaves something to do within SOON, with its instant; it must not raise.
        self.on_due: Callable[[datetime], None] | None = None
        self._prepare = Preparer(database, random)
        self._site: tuple[int, Site] | None = None
        self._episodes: _Remembered[Episode] = _Remembered()
        self._persons: _Remembered[Person] = _Remembered()

    # --- reading --------------------------------------------------------------------------------------------------

    def look(self, command: Command) -> Seen:
        """Give what a command is about as it is now: one statement where all of it is remembered; raises Erased."""
        asked = {"id": command.episode, "actor": command.actor.id, "key": command.key}
        site, version, person, key, erased = self.database.look(sql.LOOK, asked)
        if erased is not None:
            self._episodes.forget(str(command.episode))
            self.require_not_erased(erased)
        known = self._site
        return Seen(
            site=known[1] if known is not None and known[0] == site else self.site(),
            episode=None if version is None else self._as_of(str(command.episode), version, person or 0),
            known=self.remembered(command.actor.id, str(command.key)) if key is not None else None,
        )

    def _as_of(self, episode: str, version: int, person: int) -> Episode:
        known = self._episodes.get(episode)
        if known is None or known.version != version or known.person.version != person:
            return self.episode(episode)
        try:
            self.database.vault.key(known.person.id)
        except KeyDestroyed:  # erased, perhaps by another process: nothing is remembered of them here either
            self._episodes.forget(episode)
            self._persons.forget(known.person.id)
            raise
        return known

    def site(self) -> Site:
        """Give the site as it is now."""
        found = self.database.look(sql.SITE_NOW, {})
        if found is None:
            return Site(zone=self.database.zone)
        known = self._site
        if known is None or known[0] != found[0]:
            known = self._site = (found[0], from_json(Site, json.loads(found[1])))
        return known[1]

    def episode(self, episode: str) -> Episode:
        """Give an episode as it is now; raises NotFound, and Erased from the first moment of its person's erasure."""
        with self.database.reading() as connection:
            found = connection.execute(sql.EPISODE_AT, {"id": episode}).fetchone()
            if found is None:
                raise NotFound(what="episode", name=episode, remedy="`stepcare episode list` shows those that are here")
            version, person = found
            self._require_not_erased(connection, person)
            known = self._episodes.get(episode) or Episode(id=episode, person=Person(id=person))
            if known.version > version:  # remembered from a later moment than this reader sees
                known = Episode(id=episode, person=Person(id=person))
            known = self._folded(connection, known) if known.version < version else known
            now = self._person(connection, person)
            if known.person is not now:
                known = replace(known, person=now)
            self._episodes.put(episode, known)
            return known

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
        """Give a person as they are now; raises Erased, and NotFound for one the vault does not know.

        The site is nobody's person, but a refused registration is sealed with its key.
        """
        with self.database.reading() as connection:
            self._require_not_erased(connection, person)
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

    def closing(self, person: str) -> Closing:
        """Give the entries about a person so far, which erasing them would close for ever; NotFound for the site."""
        if person == SITE_REF:
            raise NotFound(what="person", name=person, remedy="its key is the site's own; name a person")
        with self.database.reading() as connection:
            return closing_of(connection, person)

    def require_not_erased(self, person: str) -> None:
        """Raise Erased for somebody who was erased, also while their key is still there; nothing of them is kept."""
        with self.database.reading() as connection:
            self._require_not_erased(connection, person)

    def _require_not_erased(self, connection: Connection, person: str) -> None:
        found = connection.execute(sql.IS_ERASED, {"person": person}).fetchone()
        if found is not None:
            self._persons.forget(person)
            raise Erased(person=person, entry=found[1])

    def names(self, persons: Iterable[str]) -> dict[str, str]:
        """Give the names behind references; who was erased has none, also while the vault still knows it."""
        erased = self.erased()
        return self.database.vault.names([person for person in persons if person not in erased])

    def find_people(self, words: str, most: int) -> list[str]:
        """Give the references of people whose name holds these words; nobody who was erased is found."""
        erased = self.erased()
        return [person for person in self.database.vault.find(words, most) if person not in erased]

    def erased(self) -> dict[str, int]:
        """Give every person who was erased, with the number of the entry that did it."""
        with self.database.reading() as connection:
            return dict(connection.execute(sql.ERASED_BY, {}).fetchall())

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
        """Give all that an entry keeps of its decision; raises NotFound, and Erased where its person was."""
        entry = next(self.entries(index, index + 1), None)
        if entry is None:
            raise NotFound(what="entry", name=str(index), remedy="the log begins at 0; `stepcare audit show` lists it")
        if entry.person_ref is not None:
            self.require_not_erased(entry.person_ref)
        return kept_of(entry.entry, self._opened(entry))

    def size(self) -> int:
        """Give how many entries the log has."""
        with self.database.reading() as connection:
            return _length(connection)

    def entries(self, first: int = 0, end: int | None = None) -> Iterator[StoredEntry]:
        """Give the entries from `first` up to, not including, `end` (None: all), in order.

        A row beyond the log's head, or before its beginning, is no entry.
        """
        first = max(0, first)
        while end is None or first < end:
            with self.database.reading() as connection:
                size = _length(connection)
                stop = min(first + BATCH, size if end is None else min(size, end))
                found = list(stored_entries(connection, sql.ENTRIES, first=first, end=stop))
            yield from found
            if stop >= size:
                return
            first = stop

    def entries_of(self, episode: str) -> list[StoredEntry]:
        """Give an episode's own entries, in order."""
        with self.database.reading() as connection:
            return list(stored_entries(connection, sql.EPISODE_ENTRIES, ep=episode, first=0))

    def entries_about(self, person: str, end: int) -> list[StoredEntry]:
        """Give the entries about a person (or the site) that come before `end`, in order."""
        with self.database.reading() as connection:
            end = min(end, _length(connection))
            return list(stored_entries(connection, sql.ENTRIES_ABOUT, person=person, end=end))

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

        They share a transaction, with each other and with what other threads hand over, where they touch different
        episodes and persons; one that cannot be kept does not undo its neighbours. `error` is StaleEpisode, KeyReused
        or what the database refused.
        """
        done: dict[int, Applied] = {}
        prepared: dict[int, Prepared] = {}
        for position, change in enumerate(changes):
            try:
                prepared[position] = self._prepare(change)
            except StepcareError as error:
                done[position] = Applied(index=None, error=error)
        kept = self.writer.submit(list(prepared.values())) if prepared else ()
        done.update(zip(prepared, kept, strict=True))
        return [done[position] for position in range(len(changes))]

    def _keep(self, prepared: Sequence[Prepared]) -> list[Applied]:
        """Keep what the writer's group holds, in as few transactions as it takes."""
        done: dict[int, Applied] = {}
        waiting = list(enumerate(prepared))
        while waiting:
            group, waiting = _independent(waiting)
            done.update(self._kept(dict(group), retried=False))
        return [done[position] for position in range(len(prepared))]

    def _kept(self, group: Mapping[int, Prepared], *, retried: bool) -> dict[int, Applied]:
        database = self.database
        try:
            return self._transaction(group, retried=retried)
        except StepcareError as error:
            said = error
            # Waiting once for another process, or for the disk, is enough: nobody would fare better alone. But where a
            # server has hung up, it may be back.
            if retried or (isinstance(said, Conflict | Unavailable) and not database.hung_up):
                return {position: Applied(index=None, error=said) for position in group}
        return self._one_by_one(group)

    def _one_by_one(self, group: Mapping[int, Prepared]) -> dict[int, Applied]:
        """Keep each alone: somebody's row was refused, and each either stands or says why it does not."""
        done: dict[int, Applied] = {}
        gone: Exception | None = None
        for position, prepared in group.items():
            if gone is None:
                done.update(self._kept({position: prepared}, retried=True))
                error = done[position].error
                gone = error if isinstance(error, Unavailable) else None
            else:
                done[position] = Applied(index=None, error=gone)
        return done

    def _transaction(self, group: Mapping[int, Prepared], *, retried: bool) -> dict[int, Applied]:
        database = self.database
        with database.writing() as connection:
            commit = Commit(connection, database.backend.words)
            done, ready = commit.check(group, retried=retried)
            due = due_soon([one.prepared for one in ready.values()])
            if ready:
                commit.write_around(list(ready.values()))
                if due is not None and database.backend.words.hint:
                    connection.execute(database.backend.words.hint, {"at": instant(due)})
                indexes = commit.append(list(ready.values()))
                done.update(zip(ready, (Applied(index=index) for index in indexes), strict=True))
        for one in ready.values():
            self._remember(one.prepared)
        if due is not None and self.on_due is not None:
            self.on_due(due)
        return done

    def _remember(self, one: Prepared) -> None:
        """Remember what was just committed, never earlier: a reader must not see what may still be undone."""
        after, person = one.change.after, one.change.person_after
        if isinstance(after, Episode) and one.steps:
            if person is not None:
                self._persons.put(person.id, person)
                after = replace(after, person=person)
            self._episodes.put(after.id, after)

    def forget_keys(self, before: datetime) -> None:
        """Forget idempotency keys that were used before this moment."""
        with self.database.writing() as connection:
            connection.execute(sql.FORGET_KEYS, {"before": instant(before)})


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

    def forget(self, name: str) -> None:
        with self._lock:
            self._found.pop(name, None)

    def put(self, name: str, found: T) -> None:
        with self._lock:
            known = self._found.get(name)
            if known is None or known.version <= found.version:
                self._found[name] = found
            self._found.move_to_end(name)
            if len(self._found) > MOST_REMEMBERED:
                self._found.popitem(last=False)


def _length(connection: Connection) -> int:
    """Give how many entries the log has, by its head."""
    found = connection.execute(sql.HEAD_NOW).fetchone()
    return int(found[0]) if found is not None else 0


def stored_entries(connection: Connection, statement: str, **values: object) -> Iterator[StoredEntry]:
    """Give the entries a statement of `statements.py` selects."""
    for idx, id_, ep, epn, leaf, entry, blob, key_id, person in connection.execute(statement, values):
        yield StoredEntry(
            idx=idx, id=id_, ep=ep, epn=epn, leaf=leaf, entry=entry, blob=blob, key_id=key_id, person_ref=person
        )


def _independent(
    waiting: Sequence[tuple[int, Prepared]],
) -> tuple[list[tuple[int, Prepared]], list[tuple[int, Prepared]]]:
    """Split off those that touch nothing in common: no two of them can make each other stale."""
    now: list[tuple[int, Prepared]] = []
    later: list[tuple[int, Prepared]] = []
    met: set[object] = set()
    for position, one in waiting:
        own = set(touched(one.change, one.chain))
        # Once something waits, what touches the same waits behind it: callers are served in their order.
        (later if own & met else now).append((position, one))
        met |= own
    return now, later
