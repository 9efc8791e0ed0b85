"""The rows beside the log, held against what the folded log says they must be."""

import hashlib
import json
from collections.abc import Iterable, Mapping

from engine.audit import canonical
from engine.codec import to_json
from engine.errors import StepcareError, VerificationFailed
from storage.connection import Connection, rows
from storage.database import Database
from storage.guards import missing
from storage.prepare import person_place, priorities_in
from storage.rows import TABLE_OF, UNVOUCHED, Work, work_row
from storage.seal import open_sealed
from storage.tables import Row
from storage.walk import Walk

Key = tuple[object, ...]


def compare_rows(connection: Connection, database: Database, walk: Walk) -> None:
    """Compare every table that an entry speaks of; findings go to the walk."""
    for name in missing(connection, database.backend):
        walk.fault(None, "guard", f"The schema is not as it was made: {name} is missing or changed.")
    _hashed(connection, walk, "pack", walk.folded.pathways)
    _hashed(connection, walk, "parameter_set", walk.folded.parameters)
    _keys(connection, walk)
    _laid_out(connection, walk)
    if walk.opened or not walk.frontier.size:
        _site(connection, walk)
        _episodes(connection, walk)
        _work(connection, walk)
        _persons(connection, database, walk)


def _select(connection: Connection, table: str) -> list[Row]:
    return rows(connection.execute(f'SELECT * FROM "{table}"'))  # noqa: S608 - the names of our own tables


def _hashed(connection: Connection, walk: Walk, table: str, named: Mapping[str, int]) -> None:
    here = set()
    for row in _select(connection, table):
        here.add(row["sha256"])
        if not _is_itself(row):
            walk.fault(named.get(row["sha256"]), table, f"{row['sha256']} has other bytes than its name says.")
        elif table == "pack" and _named(row["bytes"]) != (row["pathway_id"], row["label"]):
            walk.fault(named.get(row["sha256"]), table, f"{row['sha256']} is listed under another id or version.")
    for sha, idx in named.items():
        if sha not in here:
            walk.fault(idx, table, f"{sha}, which it was decided under, is missing.")


def _is_itself(row: Row) -> bool:
    return hashlib.sha256(row["bytes"]).hexdigest() == str(row["sha256"])


def _named(data: bytes) -> tuple[object, object]:
    pack = json.loads(data)
    return pack.get("id"), pack.get("version")


def _keys(connection: Connection, walk: Walk) -> None:
    used = {(actor, key): idx for actor, key, idx in walk.folded.keys.values() if key is not None}
    for row in _select(connection, "idempotency"):
        actor, key, idx = walk.folded.keys.get(row["entry"], (None, None, None))
        if (actor, key) != (row["actor"], row["key"]) and row["entry"] not in walk.folded.unread:
            named = used.get((row["actor"], row["key"]), idx)
            walk.fault(named, "idempotency", f"Key {row['key']!r} of {row['actor']} stands for an entry without it.")


def _laid_out(connection: Connection, walk: Walk) -> None:
    for table in ("episode_next", "site_next"):
        for row in _select(connection, table):
            walk.fault(None, table, f"A row for {row['id']} was laid out and never became one: no entry took it.")


def _site(connection: Connection, walk: Walk) -> None:
    site, idx = walk.folded.site, walk.folded.last.get(None)
    body = canonical(to_json(site)).decode()
    wanted: dict[Key, Row] = {(1,): {"id": 1, "version": site.version, "last_idx": idx, "body": body}}
    here: dict[Key, Row] = {(row["id"],): row for row in _select(connection, "site_state")}
    if None not in walk.folded.broken:
        _same(walk, "site_state", here, wanted if site.version else {}, {(1,): idx})


def _episodes(connection: Connection, walk: Walk) -> None:
    folded = walk.folded
    here: dict[Key, Row] = {
        (row["id"],): row for row in _select(connection, "episode") if row["id"] not in folded.broken
    }
    wanted: dict[Key, Row] = {(key,): row for key, row in folded.rows.items() if key not in folded.broken}
    _same(walk, "episode", here, wanted, {key: folded.last.get(str(key[0])) for key in here | wanted})


def _work(connection: Connection, walk: Walk) -> None:
    folded = walk.folded
    wanted: dict[str, dict[Key, Row]] = {table: {} for table in TABLE_OF.values()}
    packs = {
        row["sha256"]: priorities_in(json.loads(row["bytes"])) for row in _select(connection, "pack") if _is_itself(row)
    }
    unknown = {episode.id for episode in folded.episodes.values() if episode.pathway not in packs}
    for episode in folded.episodes.values():
        if episode.id not in folded.broken:
            items: list[Work] = [*episode.due_items, *episode.timers, *episode.messages]
            for item in items:
                row = work_row(episode, item, packs.get(episode.pathway, {}))
                wanted[TABLE_OF[type(item)]][episode.id, item.id] = row
    for table, due in wanted.items():
        here: dict[Key, Row] = {
            (row["episode_id"], row["id"]): {name: row[name] for name in row if name not in UNVOUCHED}
            for row in _select(connection, table)
            if row["episode_id"] not in folded.broken
        }
        # What lane its pathway gave an item cannot be told once the pack is lost, and that is a finding already.
        for key in due.keys() & here.keys() if table == "due_item" else ():
            if key[0] in unknown and due[key]["place"] is not None:
                due[key]["place"] = here[key]["place"]
        put = {key: folded.put.get((table, str(key[0]), str(key[1]))) for key in here | due}
        _same(walk, table, here, due, put)


def _same(
    walk: Walk, table: str, here: Mapping[Key, Row], wanted: Mapping[Key, Row], idx: Mapping[Key, int | None]
) -> None:
    """Note every row that is missing, was added, or differs, by the entry that last spoke of it."""
    for key in _sorted(here.keys() | wanted.keys()):
        row, due = here.get(key), wanted.get(key)
        if row is None:
            walk.fault(idx.get(key), table, f"Row {key} is missing.")
        elif due is None:
            walk.fault(idx.get(key), table, f"Row {key} follows from no entry.")
        elif row != due:
            other = sorted(name for name in due if row[name] != due[name])
            walk.fault(idx.get(key), table, f"Row {key} is not what the log says in {', '.join(other)}.")


def _sorted(keys: Iterable[Key]) -> list[Key]:
    return sorted(keys, key=str)


def _persons(connection: Connection, database: Database, walk: Walk) -> None:
    folded = walk.folded
    here = {row["ref"]: row for row in _select(connection, "person_state")}
    for ref in sorted(here.keys() | folded.persons.keys()):
        row, person, idx = here.get(ref), folded.persons.get(ref), folded.last.get(ref)
        if ref in folded.broken or (person is not None and folded.broken & person.episodes.keys()):
            continue
        if row is None or person is None:
            walk.fault(idx, "person_state", f"{ref} {'is missing' if row is None else 'follows from no entry'}.")
            continue
        try:
            _person(database, row, canonical(to_json(person)))
        except StepcareError as error:
            walk.fault(idx, "person_state", error)


def _person(database: Database, row: Row, wanted: bytes) -> None:
    ref, version = row["ref"], row["version"]
    key = database.vault.key(ref)
    if key.id != row["key_id"]:
        raise VerificationFailed(f"{ref} is sealed under key {row['key_id']}, its key is {key.id}.")
    place = person_place(database.origin, ref, version)
    found = open_sealed(row["sealed"], {"person": row["commitment"]}, key, place)["person"]
    if canonical(found) != wanted:
        raise VerificationFailed(f"What is kept of {ref} is not what the log says.")
