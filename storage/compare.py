"""The rows beside the log, held against what the folded log says they must be."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from engine.audit import canonical, instant
from engine.codec import to_json
from engine.errors import StepcareError, Unverifiable, VerificationFailed
from engine.model import Erasure
from engine.service import parameters_hash
from storage.connection import Connection, rows
from storage.database import Database
from storage.erasures import has_key
from storage.guards import added, missing, unsound
from storage.prepare import person_place, priorities_in
from storage.rows import TABLE_OF, UNVOUCHED, Work, emptied_row, work_row
from storage.schema_erasure import AT, EMPTY_MESSAGE
from storage.seal import open_sealed
from storage.sqlite import Sqlite
from storage.tables import Row
from storage.walk import Walk

Key = tuple[object, ...]


# There is one of each, for ever; a second one could be the one that is read.
ALONE = ("audit_head", "meta")
STRAY_TRIES = (
    "SELECT a.id FROM delivery_attempt a LEFT JOIN message m ON m.episode_id = a.episode_id AND m.id = a.message_id "
    "WHERE m.id IS NULL ORDER BY a.id"
)
ORPHANS = "SELECT s.idx FROM audit_sealed s LEFT JOIN audit_entry e ON e.idx = s.idx WHERE e.idx IS NULL ORDER BY s.idx"
UNCHECKED = (
    "who has a token, and whether one was added: `stepcare token list` shows them",
    "names and contacts in the vault, the register of staff, and what else is in the vault's file: no entry says it",
    "when this database was made, which workers are alive, what they counted, and who has a calendar feed",
    "how each try to send a message went, and the receipts that came: what became of the message, an entry says",
)
ON_A_SERVER = (
    "the server's own files and indexes: its administrator can, with the extension amcheck",
    "who may do what in the server: its roles, and what was granted to them",
)


def compare_rows(connection: Connection, database: Database, walk: Walk) -> tuple[str, ...]:
    """Compare every table that an entry speaks of; findings go to the walk. Gives what was not looked at."""
    _schema(connection, database, walk)
    _alone(connection, walk)
    _forged(connection, walk)
    unnamed = (*_packs(connection, walk), *_sets(connection, walk))
    _keys(connection, walk)
    _laid_out(connection, walk)
    if walk.opened or not walk.frontier.size:
        _erasures(connection, database, walk)
        _site(connection, walk)
        _runs(connection, walk)
        _episodes(connection, walk)
        _work(connection, walk)
        _persons(connection, database, walk)
    return (*UNCHECKED, *unnamed, *(() if isinstance(database.backend, Sqlite) else ON_A_SERVER))


def _schema(connection: Connection, database: Database, walk: Walk) -> None:
    for name in missing(connection, database.backend):
        walk.fault(None, "guard", f"The schema is not as it was made: {name} is missing or changed.")
    for name in added(connection, database.backend):
        walk.fault(None, "guard", f"Something was added to the schema: {name} is not ours.")
    for said in unsound(connection, database.backend):
        walk.fault(None, "file", f"The database's file is not sound: {said}.")


def _alone(connection: Connection, walk: Walk) -> None:
    for table in ALONE:
        there = [row["id"] for row in _select(connection, table)]
        if there != [1]:
            walk.fault(
                None, table, f"It has the rows {', '.join(map(str, sorted(there))) or 'none'}: there must be one, 1."
            )


def _forged(connection: Connection, walk: Walk) -> None:
    """Find what no program of this version writes."""
    for (idx,) in connection.execute(ORPHANS).fetchall():
        walk.fault(idx, "sealed", "A sealed part is here without its entry.")
    for (number,) in connection.execute(STRAY_TRIES).fetchall():
        walk.fault(None, "delivery_attempt", f"Row {number} is about no message.")


def _select(connection: Connection, table: str) -> list[Row]:
    return rows(connection.execute(f'SELECT * FROM "{table}"'))  # noqa: S608 - the names of our own tables


def _hashed(connection: Connection, walk: Walk, table: str, named: Mapping[str, int | None]) -> set[str]:
    """Hold what is named by its hash against its bytes; gives those that nothing names."""
    here = set()
    for row in _select(connection, table):
        here.add(str(row["sha256"]))
        if not _is_itself(row):
            walk.fault(named.get(row["sha256"]), table, f"{row['sha256']} has other bytes than its name says.")
        elif table == "pack" and _named(row["bytes"]) != (row["pathway_id"], row["label"]):
            walk.fault(named.get(row["sha256"]), table, f"{row['sha256']} is listed under another id or version.")
    for sha, idx in named.items():
        if sha not in here:
            walk.fault(idx, table, f"{sha}, which it was decided under, is missing.")
    return here - named.keys()


def _packs(connection: Connection, walk: Walk) -> Iterator[str]:
    # A pack comes with the command that would publish it, also when that is refused; then nothing names it.
    unnamed = _hashed(connection, walk, "pack", walk.folded.pathways)
    if unnamed:
        yield f"where {len(unnamed)} packs come from that no accepted entry names: nothing was decided under them"


def _sets(connection: Connection, walk: Walk) -> Iterator[str]:
    """Look at the parameter sets: each is in force from one change of the site to the next, so an entry names it."""
    folded, size = walk.folded, walk.frontier.size
    known = (walk.opened or not size) and None not in folded.broken and not folded.unread
    now = {parameters_hash(folded.site.parameters): folded.last.get(None)} if known else {}
    unnamed = _hashed(connection, walk, "parameter_set", {**now, **folded.parameters})
    if unnamed and not known:
        yield f"where {len(unnamed)} parameter sets come from: the site's entries could not all be read"
    for sha in sorted(unnamed) if known else ():
        walk.fault(None, "parameter_set", f"{sha} was never in force: no entry made it.")


def _is_itself(row: Row) -> bool:
    return hashlib.sha256(row["bytes"]).hexdigest() == str(row["sha256"])


def _named(data: bytes) -> tuple[object, object]:
    try:
        pack = json.loads(data)
    except ValueError:
        return None, None
    return (pack.get("id"), pack.get("version")) if isinstance(pack, dict) else (None, None)


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


def _runs(connection: Connection, walk: Walk) -> None:
    """Hold each run that took tries and receipts away against its entry, which says how many."""
    wanted: dict[Key, Row] = {
        (idx,): {"entry": idx, "before": instant(run.before), "count": run.count}
        for idx, run in walk.folded.runs.items()
    }
    here: dict[Key, Row] = {(row["entry"],): row for row in _select(connection, "delivery_run")}
    if None not in walk.folded.broken:
        _same(walk, "delivery_run", here, wanted, {key: int(str(key[0])) for key in here | wanted})


def _episodes(connection: Connection, walk: Walk) -> None:
    folded = walk.folded
    here: dict[Key, Row] = {
        (row["id"],): row
        for row in _select(connection, "episode")
        if row["id"] not in folded.broken and row["person_ref"] not in folded.erased
    }
    wanted: dict[Key, Row] = {
        (key,): row
        for key, row in folded.rows.items()
        if key not in folded.broken and row["person_ref"] not in folded.erased
    }
    _same(walk, "episode", here, wanted, {key: folded.last.get(str(key[0])) for key in here | wanted})


def _erasures(connection: Connection, database: Database, walk: Walk) -> None:
    """Hold the rows of erasures, and what they emptied, against the log; and look that their keys are gone."""
    erasures = {one.person: one for one in walk.folded.site.erasures}
    here: dict[Key, Row] = {(row["person_ref"],): row for row in _select(connection, "erasure")}
    wanted: dict[Key, Row] = {
        (one.person,): {
            "person_ref": one.person,
            "entry": one.id,
            "at": instant(one.at),
            "destroyed": here.get((one.person,), {}).get("destroyed") if one.destroyed else None,
        }
        for one in erasures.values()
    }
    idx: dict[Key, int | None] = {(person,): found for person, found in walk.folded.erased.items()}
    if None not in walk.folded.broken:
        _same(walk, "erasure", here, wanted, idx)
    for (person,), row in here.items():
        known = erasures.get(str(person))
        if known is not None and known.destroyed is not None and row["destroyed"] is None:
            walk.fault(idx.get((person,)), "erasure", f"The row of {person} does not say that its key was destroyed.")
        if row["destroyed"] is not None and has_key(database, str(person)):
            said = Unverifiable(
                f"The vault has a key of {person} again, who was erased: an old backup of it was restored. "
                "Run `stepcare audit erase --finish`."
            )
            walk.fault(idx.get((person,)), "vault", said)
    _emptied(connection, walk, erasures)


def _emptied(connection: Connection, walk: Walk, erasures: Mapping[str, Erasure]) -> None:
    folded = walk.folded
    here: dict[Key, Row] = {
        (row["id"],): row for row in _select(connection, "episode") if row["person_ref"] in erasures
    }
    wanted: dict[Key, Row] = {}
    for key, row in here.items():
        said = folded.openly.get(str(key[0]))
        if said is not None:
            wanted[key] = emptied_row(said, instant(erasures[str(row["person_ref"])].at))
    _same(walk, "episode", here, wanted, {key: folded.last.get(str(key[0])) for key in here})
    for table in TABLE_OF.values():
        for row in _select(connection, table):
            episode = (row["episode_id"],)
            if episode not in here:
                continue
            at = instant(erasures[str(here[episode]["person_ref"])].at)
            left = {name: at if value == AT else value for name, value in EMPTY_MESSAGE.items()}
            if table != "message" or row["status"] == "queued" or any(row[name] != left[name] for name in left):
                walk.fault(None, table, f"Row {row['id']} of {row['episode_id']} was not emptied with its person.")


def _work(connection: Connection, walk: Walk) -> None:
    folded = walk.folded
    emptied = {row["id"] for row in _select(connection, "episode") if row["person_ref"] in folded.erased}
    wanted: dict[str, dict[Key, Row]] = {table: {} for table in TABLE_OF.values()}
    packs = {
        row["sha256"]: priorities_in(json.loads(row["bytes"])) for row in _select(connection, "pack") if _is_itself(row)
    }
    unknown = {episode.id for episode in folded.episodes.values() if episode.pathway not in packs}
    for episode in folded.episodes.values():
        if episode.id not in folded.broken and episode.person.id not in folded.erased:
            items: list[Work] = [*episode.due_items, *episode.timers, *episode.messages]
            for item in items:
                row = work_row(episode, item, packs.get(episode.pathway, {}))
                wanted[TABLE_OF[type(item)]][episode.id, item.id] = row
    for table, due in wanted.items():
        here: dict[Key, Row] = {
            (row["episode_id"], row["id"]): {name: row[name] for name in row if name not in UNVOUCHED}
            for row in _select(connection, table)
            if row["episode_id"] not in folded.broken and row["episode_id"] not in emptied
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
        if ref in folded.erased and row is not None:
            continue
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
