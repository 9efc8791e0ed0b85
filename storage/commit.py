"""One commit: everything several decisions change, in the one order that is safe.

what they were decided on, looked at once more and locked → packs and parameter sets → due items, timers, messages →
persons → idempotency keys, each kind in id order → the log's head → the rows laid out, their entries (whose triggers
make the rows so), the sealed parts → the tree, once.

Whoever dies anywhere in between has written nothing: it is one transaction, and nothing is acknowledged before COMMIT.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.audit import canonical, instant
from engine.codec import to_json
from engine.decision import Erased, KeyGone, Recorded, Retained
from engine.errors import Conflict, KeyReused, StaleEpisode, StepcareError, VerificationFailed
from engine.errors import Erased as PersonErased
from engine.merkle import Frontier, leaf_hash
from engine.model import Episode, Kind, Site
from engine.service import Applied, Change, parameters_hash
from storage import statements as sql
from storage.connection import Connection, Words
from storage.database import SITE_REF
from storage.erasures import closing_of
from storage.ledger import Link, commitments_in, envelope_of
from storage.prepare import Prepared
from storage.retention import take_away
from storage.rows import TABLE_OF, Moment, episode_row
from storage.tables import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A change that may be kept: what it was checked against.

    `row` is the episode's list row before (None for a new one), `previous` the leaf of its last entry.
    """

    prepared: Prepared
    row: Row | None = None
    previous: bytes | None = None
    corrects: int | None = None


@dataclass(slots=True)
class Current:
    """What the database says now of everything a group is about."""

    episodes: Mapping[str, Row] = field(default_factory=dict)
    persons: Mapping[str, int] = field(default_factory=dict)
    erased: Mapping[str, int] = field(default_factory=dict)
    site: int = 0


class Commit:
    """The steps of one transaction, on the writer's connection."""

    def __init__(self, connection: Connection, words: Words) -> None:
        """Write to `connection`, where a transaction is open."""
        self._connection, self._words = connection, words

    # --- 1. may they be kept? ---------------------------------------------------------------------------------------

    def check(self, group: Mapping[int, Prepared], *, retried: bool) -> tuple[dict[int, Applied], dict[int, Ready]]:
        """Give what cannot be kept, and why; and the rest, ready.

        StaleEpisode when the episode, its person or the site has moved on since it was decided. Only what is stale, or
        was refused by the database before (`retried`), is asked whether it is in the log already: then its entry is
        the answer; KeyReused for a key that stands for another request, Conflict for a command that does.
        """
        current = self._current([one.change for one in group.values()])
        done: dict[int, Applied] = {}
        ready: dict[int, Ready] = {}
        for position, prepared in group.items():
            try:
                known = self._known(prepared) if retried else None
                found = known or self._ready(prepared, current)
            except StepcareError as error:
                found = self._excused(prepared, error)
            if isinstance(found, Ready):
                ready[position] = found
            else:
                done[position] = found
        return done, ready

    def _excused(self, prepared: Prepared, error: StepcareError) -> Applied:
        """Give the error, unless it is only that this very request has been kept meanwhile."""
        try:
            known = self._known(prepared) if isinstance(error, StaleEpisode) else None
        except StepcareError as said:
            error, known = said, None
        return known or Applied(index=None, error=error)

    def _current(self, changes: Sequence[Change]) -> Current:
        words, found = self._words, Current()
        episodes = [one.before for one in changes if isinstance(one.before, Episode)]
        if any(isinstance(one.before, Site) for one in changes):
            site = self._one(words.site)
            found.site = site[0] if site else 0
        about = {one.person.id for one in episodes}
        about |= {one.person_before.id for one in changes if one.person_before is not None}
        for change in changes:
            for event in change.decision.events:
                if isinstance(event, Erased):  # their episodes are locked like any other's, before the log's head
                    self._connection.execute(words.their_episodes, {"person": event.erasure.person}).fetchall()
        if episodes:
            self._episodes_now(found, episodes)
        if about:
            people = self._connection.execute(words.persons, {"ids": words.many(sorted(about))}).fetchall()
            found.persons = {ref: version for ref, version, _ in people}
            found.erased = {ref: entry for ref, _, entry in people if entry is not None}
        return found

    def _episodes_now(self, found: Current, episodes: Sequence[Episode]) -> None:
        words = self._words
        there = self._connection.execute(words.episodes, {"ids": words.many(sorted({one.id for one in episodes}))})
        found.episodes = {row[0]: dict(zip(sql.STOOD, row, strict=True)) for row in there}

    def _known(self, prepared: Prepared) -> Applied | None:
        """Give the entry that this very request has left already: its first commit was durable after all.

        Commitments are salted: nobody else's entry has the same.
        """
        change, key = prepared.change, prepared.change.command.key
        found = self._one(sql.KEY_OF, actor=change.command.actor.id, key=key) if key is not None else None
        if found is not None and found[1] != change.request_hash:
            raise KeyReused(key=key or "", entry=found[0])
        taken = self._one(sql.ENTRY_OF, id=change.command.id)
        if taken is not None and commitments_in(taken[1]) == prepared.commitments:
            return Applied(index=taken[0])
        if found is not None:
            return Applied(index=found[0], repeated=True)
        if taken is not None:
            raise Conflict(f"Command {change.command.id} is in the log already (entry {taken[0]}): make a new id.")
        return None

    def _ready(self, prepared: Prepared, current: Current) -> Ready:
        change, before = prepared.change, prepared.change.before
        if isinstance(before, Site):
            _require_version(SITE_REF, before.version, current.site)
            about = change.person_before
            if about is not None:
                _require_version(about.id, about.version, current.persons.get(about.id, 0))
            return Ready(prepared=prepared)
        if before.person.id in current.erased:
            raise PersonErased(person=before.person.id, entry=current.erased[before.person.id])
        row = current.episodes.get(before.id)
        _require_version(before.id, before.version, row["version"] if row else 0)
        # Doses may have been given in another episode of theirs. The person is part of the episode as it was decided
        # on, so it is the episode that is stale.
        person = before.person
        _require_version(before.id, person.version, current.persons.get(person.id, 0))
        return Ready(
            prepared=prepared,
            row=row,
            previous=row["leaf"] if row else None,
            corrects=self._corrected(change),
        )

    def _corrected(self, change: Change) -> int | None:
        if change.command.kind is not Kind.CORRECT:
            return None
        for event in change.decision.events:
            if isinstance(event, Recorded) and event.supersedes:
                found = self._one(sql.IDX_OF, id=event.supersedes)
                return found[0] if found else None
        return None

    # --- 2. everything that is not the log ----------------------------------------------------------------------------

    def write_around(self, ready: Sequence[Ready]) -> None:
        """Write packs, parameter sets, due work, persons and keys of all changes, each kind in id order."""
        prepared = [one.prepared for one in ready]
        for one in prepared:
            for sha, data, pathway, label in one.change.packs:
                if self._one(sql.PACK, sha256=sha) is None:
                    self._run(sql.ADD_PACK, sha256=sha, pathway_id=pathway, label=label, bytes=data)
            for sha, data in one.sets:
                if self._one(sql.PARAMETERS, sha256=sha) is None:
                    self._run(sql.ADD_PARAMETERS, sha256=sha, bytes=data)
        for table in TABLE_OF.values():
            work = [row for one in prepared for row in one.work.get(table, ())]
            self._each(sql.PUT_WORK[table], sorted(work, key=lambda row: (row["episode_id"], row["id"])))
        people = sorted((one.person_row for one in prepared if one.person_row), key=lambda row: str(row["ref"]))
        self._each(sql.ADD_PERSON, [row for row in people if row["version"] == 1])
        self._each(sql.STEP_PERSON, [{**row, "ref_": row["ref"]} for row in people if row["version"] > 1])
        keys = [_key_row(one.change) for one in prepared if one.change.command.key is not None]
        self._each(sql.ADD_KEY, sorted(keys, key=lambda row: (row["actor"], row["key"])))

    # --- 3. the log ---------------------------------------------------------------------------------------------------

    def append(self, ready: Sequence[Ready]) -> list[int]:
        """Append the entries in the order given; gives their indexes."""
        n, rooted, nodes = self._connection.execute(self._words.head).fetchone()
        if rooted != n:
            raise VerificationFailed(f"The log has {n} entries, its tree {rooted}: run `stepcare audit verify`.")
        self._require_all_closed(ready)
        links = [self._link(one, n + position) for position, one in enumerate(ready)]
        entries = [_entry_row(one, link) for one, link in zip(ready, links, strict=True)]
        self._lay_out(ready, n)
        self._each(sql.ADD_ENTRY, entries)
        self._each(sql.ADD_SEALED, [_sealed_row(one.prepared, n + at) for at, one in enumerate(ready)])
        for index, one in enumerate(ready, n):
            self._take_away(one.prepared.change, index)
        grown = Frontier.from_bytes(rooted, nodes).extend([row["leaf"] for row in entries])
        self._run(sql.ROOT_HEAD, rooted=n + len(entries), frontier=grown.to_bytes())
        return list(range(n, n + len(entries)))

    def _require_all_closed(self, ready: Sequence[Ready]) -> None:
        """Hold what an erasure says it closes against the log, now that the head is locked and nobody else appends."""
        for one in ready:
            change = one.prepared.change
            for event in change.decision.events if isinstance(change.before, Site) else ():
                if not isinstance(event, Erased):
                    continue
                person, now = event.erasure.person, closing_of(self._connection, event.erasure.person)
                if now != event.closes:
                    raise StaleEpisode(episode=f"of {person}", seen=event.closes.entries, current=now.entries)

    def _link(self, one: Ready, index: int) -> Link:
        prepared, change = one.prepared, one.prepared.change
        number, previous, version = one.row["version"] if one.row else 0, one.previous, change.before.version
        if prepared.chain is None:
            # Read now that the head is locked: nobody else appends to the site's chain, nor moves the site.
            last = self._one(sql.SITE_CHAIN_END)
            number, previous = (last[0] + 1, last[1]) if last else (0, None)
            site = self._one(sql.SITE_NOW)
            version = site[0] if site else 0
        parameters = change.decision.parameters
        if not parameters and isinstance(change.before, Site):
            parameters = parameters_hash(change.before.parameters)
        return Link(
            index=index,
            chain=prepared.chain,
            number=number,
            previous=previous,
            before=version,
            after=version + 1 if prepared.steps else version,
            parameters=parameters,
            corrects=one.corrects,
        )

    def _take_away(self, change: Change, index: int) -> None:
        """Do what an entry of custody says, in its own commit: empty, end, forget."""
        for event in change.decision.events if isinstance(change.before, Site) else ():
            match event:
                case Erased():
                    at = instant(event.erasure.at)
                    row = {"person_ref": event.erasure.person, "entry": change.command.id, "at": at, "destroyed": None}
                    self._run(sql.ADD_ERASURE, **row)
                case KeyGone():
                    self._run(sql.END_ERASURE, person=event.person, destroyed=change.command.id)
                case Retained():
                    take_away(self._connection, event, index, self._words)

    def _lay_out(self, ready: Sequence[Ready], first: int) -> None:
        laid = []
        for index, one in enumerate(ready, first):
            after, change = one.prepared.change.after, one.prepared.change
            if isinstance(after, Site):
                body = canonical(to_json(after)).decode()
                self._run(sql.LAY_SITE, id=1, version=after.version, last_idx=index, body=body)
            elif one.prepared.steps:
                moment = Moment(idx=index, at=change.decision.now, derived=change.decision.derived)
                laid.append(episode_row(after, change.person_after or after.person, moment, one.row))
        self._each(sql.LAY_EPISODE, laid)

    # --- the driver ---------------------------------------------------------------------------------------------------

    def _one(self, statement: str, **values: Any) -> Any:
        return self._connection.execute(statement, values).fetchone()

    def _run(self, statement: str, **values: Any) -> None:
        self._connection.execute(statement, values)

    def _each(self, statement: str, found: Sequence[Row]) -> None:
        if len(found) == 1:
            self._connection.execute(statement, found[0])
        elif found:
            self._connection.executemany(statement, found)


def _require_version(what: str, seen: int, current: int) -> None:
    if seen != current:
        raise StaleEpisode(episode=what, seen=seen, current=current)


def _key_row(change: Change) -> Row:
    command = change.command
    return {
        "actor": command.actor.id,
        "key": command.key,
        "entry": command.id,
        "request_hash": change.request_hash,
        "created_at": instant(change.decision.now),
    }


def _entry_row(one: Ready, link: Link) -> Row:
    envelope = envelope_of(one.prepared.change, link, one.prepared.commitments)
    data = envelope.to_bytes()
    return {
        "idx": link.index,
        "id": envelope.id,
        "ep": link.chain,
        "epn": link.number,
        "leaf": leaf_hash(data),
        "entry": data,
    }


def _sealed_row(prepared: Prepared, index: int) -> Row:
    return {"idx": index, "blob": prepared.blob, "key_id": prepared.key_id, "person_ref": prepared.person}


def touched(change: Change, chain: str | None) -> Iterable[object]:
    """Give what a change shares with others: two that share something cannot be in one group."""
    before, command = change.before, change.command
    yield ("command", command.id)
    if command.key is not None:
        yield ("key", command.actor.id, command.key)
    if isinstance(before, Episode):
        yield ("episode", before.id)
        yield ("person", before.person.id)
    if chain is None:
        yield "site"
    if isinstance(before, Site) and change.person_before is not None:
        yield ("person", change.person_before.id)
