"""What the database refuses by itself, whoever writes: the triggers, and why each is as it is.

The state of an episode (and of the site) and its entry are one statement. Whoever appends an entry first lays the
row as it will be into `episode_next`; inserting the entry makes the row so, in the entry's own trigger, and takes
the laid-out row away. Hence, at every moment and not only at COMMIT:

* an entry without its state change is refused (nothing laid out, or something else than the entry's bytes say);
* a state change without its entry is refused (the row accepts only the version of an entry that exists, and every
  entry that exists has already been applied);
* an entry out of order is refused (the log's next index, and the episode's next number, or nothing).

SQLite checks nothing at COMMIT but deferred foreign keys, and those can be switched off; two statements that demand
each other would leave a gap between them. One statement leaves none, with `foreign_keys` on or off.

Pitfalls this is written against, each with a test:

* INSERT OR REPLACE and UPDATE OR REPLACE remove the row in the way, and its DELETE trigger stays silent unless
  `recursive_triggers` is on. So every protected table refuses a used key BEFORE INSERT and a changed key BEFORE UPDATE.
* A trigger's inner statements inherit OR IGNORE, OR FAIL and OR REPLACE from the outer one, so a constraint that
  fails inside could be passed over in silence. RAISE(ABORT) is not inherited, so every promise is a RAISE, and the
  entry's trigger looks at the outcome last. `episode_next` has the same columns and constraints as `episode`: what
  could be laid out fits.
* A number not given is -1 in a BEFORE INSERT trigger, and NULL compares as nothing: every comparison is IS NOT.
"""

# ruff: noqa: S608 - the SQL is made of the names of our own tables; nothing here comes from outside

from collections.abc import Iterator, Sequence

from sqlalchemy.schema import CreateIndex, CreateTable

from storage import schema_access, schema_delivery, schema_erasure
from storage.columns import Room
from storage.tables import DIALECT, TABLES

# A protected key, as the condition under which a new row would meet an old one.
APPEND_ONLY = {
    "audit_entry": "idx = NEW.idx OR id = NEW.id OR (ep IS NEW.ep AND epn = NEW.epn)",
    "audit_sealed": "idx = NEW.idx",
    "pack": "sha256 = NEW.sha256",
    "parameter_set": "sha256 = NEW.sha256",
    "delivery_attempt": "id = NEW.id",
    "delivery_receipt": ("id = NEW.id OR (channel = NEW.channel AND reference = NEW.reference AND kind = NEW.kind)"),
    "delivery_run": "entry = NEW.entry",
}
# The rows that entries move: where the next one is laid out, and which is the entry's.
STREAMS = {"episode": ("episode_next", "id = NEW.ep"), "site_state": ("site_next", "id = 1 AND NEW.ep IS NULL")}


def statements() -> list[str]:
    """Give the whole schema as SQL, in the order that creates it. A migration freezes what it was at its time."""
    found: list[str] = []
    for table in Room.metadata.sorted_tables:
        found.append(str(CreateTable(table).compile(dialect=DIALECT)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        found += [str(CreateIndex(index).compile(dialect=DIALECT)) for index in indexes]
    return [_tidy(one) for one in (*found, *triggers())]


def triggers() -> Iterator[str]:
    """Give every trigger as SQL."""
    for table, met in APPEND_ONLY.items():
        yield from _append_only(table, met)
    yield _entry_in_order()
    yield _entry_applied()
    yield _trigger(
        "audit_sealed_with_its_entry",
        "BEFORE INSERT ON audit_sealed",
        (
            _refuse(
                # The tree is made last, so what it does not hold yet is of the commit under way.
                "a sealed part belongs to an entry just appended",
                "NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.idx "
                "AND idx >= (SELECT rooted FROM audit_head WHERE id = 1))",
            ),
        ),
    )
    yield from _head()
    for stream in STREAMS:
        yield from _stream(stream)
    yield from _person()
    yield from schema_access.SQLITE
    yield from schema_erasure.SQLITE
    yield from schema_delivery.SQLITE


def _tidy(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.replace("\t", "  ").strip().splitlines())


def _refuse(why: str, when: str) -> str:
    return f"SELECT RAISE(ABORT, '{why}') WHERE {when};"


def _trigger(name: str, when: str, body: Sequence[str]) -> str:
    lines = "\n".join(f"  {line}" for line in body)
    return f"CREATE TRIGGER {name} {when} BEGIN\n{lines}\nEND"


def _append_only(table: str, met: str) -> Iterator[str]:
    yield _trigger(
        f"{table}_is_new",
        f"BEFORE INSERT ON {table}",
        (_refuse(f"{table} is append-only: this row exists", f"EXISTS (SELECT 1 FROM {table} WHERE {met})"),),
    )
    # What may go at last has a trigger of its own for it.
    for verb in ("UPDATE",) if table in schema_delivery.TABLES else ("UPDATE", "DELETE"):
        yield _trigger(
            f"{table}_no_{verb.lower()}",
            f"BEFORE {verb} ON {table}",
            (f"SELECT RAISE(ABORT, '{table} is append-only: {verb} is refused');",),
        )


def _entry_in_order() -> str:
    """Demand the next index, the next number of its chain, and columns that say what the bytes say."""
    said = "json_extract(CAST(NEW.entry AS TEXT), {})"
    version = "coalesce((SELECT version FROM site_state), 0)"
    body = (
        _refuse("entry out of order: not the next index", "NEW.idx IS NOT (SELECT n FROM audit_head WHERE id = 1)"),
        _refuse(
            "entry out of order: not the next number of its chain",
            "NEW.epn IS NOT CASE WHEN NEW.ep IS NULL "
            "THEN (SELECT coalesce(max(epn) + 1, 0) FROM audit_entry WHERE ep IS NULL) "
            "ELSE coalesce((SELECT version FROM episode WHERE id = NEW.ep), 0) END",
        ),
        _refuse(
            "entry whose columns differ from its bytes",
            said.format("'$.idx', '$.id', '$.ep', '$.epn'") + " IS NOT json_array(NEW.idx, NEW.id, NEW.ep, NEW.epn)",
        ),
        _refuse(
            "entry without its state change",
            "NEW.ep IS NOT NULL AND "
            + said.format("'$.idx', '$.epn', '$.ver.before', '$.ver.after', '$.state.to'")
            + " IS NOT (SELECT json_array(last_idx, version - 1, version - 1, version, state) "
            "FROM episode_next WHERE id = NEW.ep)",
        ),
        # The site's chain also holds what changed nothing (a registration refused): then nothing may lie ready.
        _refuse(
            "entry without its change of the site",
            "NEW.ep IS NULL AND "
            + said.format("'$.idx', '$.ver.before', '$.ver.after'")
            + f" IS NOT coalesce((SELECT json_array(last_idx, version - 1, version) FROM site_next WHERE id = 1), "
            f"json_array(NEW.idx, {version}, {version}))",
        ),
    )
    return _trigger("audit_entry_in_order", "BEFORE INSERT ON audit_entry", body)


def _entry_applied() -> str:
    """Advance the head, make the laid-out row the row, take it away, and look whether all of it came about."""
    body = ["UPDATE audit_head SET n = NEW.idx + 1 WHERE id = 1;"]
    for stream, (laid, mine) in STREAMS.items():
        columns = ", ".join(f'"{column.name}"' for column in TABLES[stream].columns)
        source = f"SELECT {columns} FROM {laid} WHERE {mine}"
        later = f"EXISTS (SELECT 1 FROM {laid} WHERE {mine} AND version > 1)"
        body += [
            f"INSERT INTO {stream} ({columns}) {source} AND version = 1;",
            f"UPDATE {stream} SET ({columns}) = ({source}) WHERE {mine} AND {later};",
            f"DELETE FROM {laid} WHERE {mine};",
        ]
    body += [
        _refuse("entry that did not advance the head", "NEW.idx + 1 IS NOT (SELECT n FROM audit_head WHERE id = 1)"),
        _refuse(
            "entry that did not change its state",
            "json_extract(CAST(NEW.entry AS TEXT), '$.ver.after') IS NOT coalesce("
            "CASE WHEN NEW.ep IS NULL THEN (SELECT version FROM site_state) "
            "ELSE (SELECT version FROM episode WHERE id = NEW.ep AND last_idx = NEW.idx) END, 0)",
        ),
    ]
    return _trigger("audit_entry_applied", "AFTER INSERT ON audit_entry", body)


def _head() -> Iterator[str]:
    """One row for ever; `n` follows the entries, the frontier follows `n`, the origin stays."""
    yield _trigger(
        "audit_head_once",
        "BEFORE INSERT ON audit_head",
        (_refuse("the log has one head", "NEW.id IS NOT 1 OR NEW.n IS NOT 0 OR EXISTS (SELECT 1 FROM audit_head)"),),
    )
    yield _trigger(
        "audit_head_advances",
        "BEFORE UPDATE ON audit_head",
        (
            _refuse("the head keeps its identity", "NEW.id IS NOT OLD.id OR NEW.origin IS NOT OLD.origin"),
            _refuse(
                "the head advances with an entry only",
                "NEW.n IS NOT OLD.n AND (NEW.n IS NOT OLD.n + 1 "
                "OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = OLD.n))",
            ),
            _refuse(
                "the frontier changes after new entries only",
                "(NEW.frontier IS NOT OLD.frontier OR NEW.rooted IS NOT OLD.rooted) "
                "AND (NEW.rooted IS NOT OLD.n OR NEW.n IS NOT OLD.n OR OLD.rooted IS OLD.n)",
            ),
        ),
    )
    yield _trigger("audit_head_stays", "BEFORE DELETE ON audit_head", ("SELECT RAISE(ABORT, 'the log has one head');",))


def _stream(table: str) -> Iterator[str]:
    # Every entry that stands has been applied: its version is in the row already, so none opens this door twice.
    said = "json_extract(CAST(entry AS TEXT), '$.ver.after') = NEW.version"
    mine = "ep = NEW.id AND epn = NEW.version - 1" if table == "episode" else f"ep IS NULL AND NEW.id = 1 AND {said}"
    entry = f"EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.last_idx AND {mine})"
    unless = f"({{}}) AND NOT ({schema_erasure.emptied('IS NOT')})" if table == "episode" else "{}"
    yield _trigger(
        f"{table}_begins",
        f"BEFORE INSERT ON {table}",
        (
            _refuse(
                f"{table} begins with its first entry only",
                f"NEW.version IS NOT 1 OR EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) OR NOT {entry}",
            ),
        ),
    )
    yield _trigger(
        f"{table}_steps",
        f"BEFORE UPDATE ON {table}",
        (
            _refuse(
                f"{table} changes with its next entry only",
                unless.format(f"NEW.id IS NOT OLD.id OR NEW.version IS NOT OLD.version + 1 OR NOT {entry}"),
            ),
        ),
    )
    yield _trigger(
        f"{table}_stays", f"BEFORE DELETE ON {table}", (f"SELECT RAISE(ABORT, '{table} is never deleted');",)
    )


def _person() -> Iterator[str]:
    yield _trigger(
        "person_state_begins",
        "BEFORE INSERT ON person_state",
        (
            _refuse(
                "person_state begins at version 1",
                "NEW.version IS NOT 1 OR EXISTS (SELECT 1 FROM person_state WHERE ref = NEW.ref)",
            ),
        ),
    )
    yield _trigger(
        "person_state_steps",
        "BEFORE UPDATE ON person_state",
        (
            _refuse(
                "person_state changes by one version only",
                "NEW.ref IS NOT OLD.ref OR NEW.version IS NOT OLD.version + 1",
            ),
        ),
    )
    yield _trigger(
        "person_state_stays",
        "BEFORE DELETE ON person_state",
        ("SELECT RAISE(ABORT, 'person_state is never deleted');",),
    )
