"""The promises of `schema.py` in PostgreSQL's words: what the database refuses by itself, whoever writes.

An entry's trigger runs after its row: it takes the laid-out row away, compares it with the bytes, makes it the row and
advances the head. Whatever a statement did beside the entry, what stands at its end is what the bytes say. Its first
step waits for the head's row, so two who append without having locked it still do so one after the other, and each
later step reads what was committed meanwhile. (READ COMMITTED; a stricter transaction that had to wait is refused.)

Pitfalls this is written against, each with a test:

* Triggers are ENABLE ALWAYS: others stay silent where `session_replication_role` is `replica`.
* TRUNCATE passes row triggers by, so every protected table has a trigger of its own for it.
* Functions run as their owner, because the app may change neither episodes nor the head. Their `search_path` is fixed
  and every name is qualified: a table or an operator of the same name elsewhere is never met. Nobody else may EXECUTE
  them, or they could be hung on a table of an intruder's own and would open the door from there.
* NULL compares as nothing: every comparison is IS DISTINCT FROM.
* There is no INSERT OR REPLACE: a used key meets its unique index, and DO UPDATE meets the UPDATE trigger.
"""

# ruff: noqa: S608 - the SQL is made of the names of our own tables; nothing here comes from outside

from collections.abc import Iterator

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from storage import schema_access, schema_delivery, schema_erasure
from storage.columns import Room
from storage.schema import APPEND_ONLY, STREAMS
from storage.tables import TABLES

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # the library's own gap

# Empty between commits, so a crash has nothing to lose here and the disk need not hear of it.
UNLOGGED = ("episode_next", "site_next")
STAYS = {
    "audit_head": "the log has one head",
    "episode": "episode is never deleted",
    "site_state": "site_state is never deleted",
    "person_state": "person_state is never deleted",
}
# Rows of the site's chain have no episode, and a unique key passes NULL by.
SITE_CHAIN = "CREATE UNIQUE INDEX audit_entry_site ON audit_entry (epn) WHERE ep IS NULL"
BEFORE, AFTER = "said #> '{ver,before}'", "said #> '{ver,after}'"
NOW = "(SELECT version FROM public.site_state WHERE id = 1)"


def statements() -> list[str]:
    """Give the whole schema as SQL, in the order that creates it. A migration freezes what it was at its time."""
    found: list[str] = []
    for table in Room.metadata.sorted_tables:
        made = str(CreateTable(table).compile(dialect=DIALECT))
        found.append(made.replace("CREATE TABLE", "CREATE UNLOGGED TABLE") if table.name in UNLOGGED else made)
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        found += [str(CreateIndex(index).compile(dialect=DIALECT)) for index in indexes]
    return [_tidy(one) for one in (*found, SITE_CHAIN, *triggers())]


def triggers() -> Iterator[str]:
    """Give every function and trigger as SQL."""
    yield _function("append_only", "RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP;")
    for table in APPEND_ONLY:
        # What may go at last has a function of its own for it.
        verbs = "BEFORE UPDATE" if table in schema_delivery.TABLES else "BEFORE UPDATE OR DELETE"
        yield from _hung("append_only", f"{table}_no_change", verbs, table)
        yield from _hung("append_only", f"{table}_no_truncate", "BEFORE TRUNCATE", table)
    for table, why in STAYS.items():
        yield _function(f"{table}_stays", f"RAISE EXCEPTION '{why}';")
        yield from _hung(f"{table}_stays", f"{table}_stays", "BEFORE DELETE", table)
        yield from _hung(f"{table}_stays", f"{table}_no_truncate", "BEFORE TRUNCATE", table)
    yield from _trigger("audit_entry_applied", "AFTER INSERT", "audit_entry", _entry(), _said())
    yield from _trigger(
        "audit_sealed_with_its_entry",
        "BEFORE INSERT",
        "audit_sealed",
        # The tree is made last, so what it does not hold yet is of the commit under way.
        _refuse(
            "a sealed part belongs to an entry just appended",
            "NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.idx "
            "AND idx >= (SELECT rooted FROM public.audit_head WHERE id = 1))",
        )
        + "RETURN NEW;",
    )
    yield from _head()
    for stream in STREAMS:
        yield from _stream(stream)
    yield from _person()
    yield from schema_access.POSTGRESQL
    yield from schema_erasure.POSTGRESQL
    yield from schema_delivery.POSTGRESQL


def _tidy(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.replace("\t", "  ").strip().splitlines())


def _refuse(why: str, when: str) -> str:
    return f"IF {when} THEN\n  RAISE EXCEPTION '{why}';\nEND IF;\n"


def _function(name: str, body: str, declared: str = "") -> str:
    lines = "\n".join(f"  {line}" if line else "" for line in body.strip().splitlines())
    return (
        f"CREATE OR REPLACE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
        f"SET search_path = pg_catalog, pg_temp AS $$\n{declared}BEGIN\n{lines}\nEND\n$$;\n"
        f"REVOKE ALL ON FUNCTION public.{name}() FROM PUBLIC"
    )


def _hung(function: str, name: str, when: str, table: str) -> Iterator[str]:
    each = "STATEMENT" if when.endswith("TRUNCATE") else "ROW"
    yield f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION public.{function}()"
    yield f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"


def _trigger(name: str, when: str, table: str, body: str, declared: str = "") -> Iterator[str]:
    yield _function(name, body, declared)
    yield from _hung(name, name, when, table)


def _said() -> str:
    return (
        "DECLARE\n"
        "  said jsonb := convert_from(NEW.entry, 'UTF8')::jsonb;\n"
        "  laid public.episode_next%ROWTYPE;\n"
        "  site public.site_next%ROWTYPE;\n"
    )


def _array(*values: str) -> str:
    # As text, so that 7.0 is not 7 and "7" is neither.
    return f"jsonb_build_array({', '.join(values)})::text"


def _entry() -> str:
    """Demand the next index, columns that say what the bytes say, and the state change; then make it so."""
    return (
        "UPDATE public.audit_head SET n = n + 1 WHERE id = 1 AND n = NEW.idx;\n"
        + _refuse("entry out of order: not the next index", "NOT FOUND")
        + _refuse(
            "entry whose columns differ from its bytes",
            _array("said -> 'idx'", "said -> 'id'", "said -> 'ep'", "said -> 'epn'")
            + "\n  IS DISTINCT FROM "
            + _array("NEW.idx", "NEW.id", "NEW.ep", "NEW.epn"),
        )
        + f"IF NEW.ep IS NOT NULL THEN\n{_indented(_entry_of_episode())}ELSE\n{_indented(_entry_of_site())}END IF;\nRETURN NULL;"
    )


def _entry_of_episode() -> str:
    return (
        "DELETE FROM public.episode_next WHERE id = NEW.ep RETURNING * INTO laid;\n"
        + _refuse(
            "entry without its state change",
            _array("said -> 'idx'", "said -> 'epn'", BEFORE, AFTER, "said #> '{state,to}'")
            + "\n  IS DISTINCT FROM "
            + _array("laid.last_idx", "laid.version - 1", "laid.version - 1", "laid.version", "laid.state"),
        )
        + "IF laid.version = 1 THEN\n"
        + _indented(_put("episode", "laid"))
        + "ELSE\n"
        + _indented(_set("episode", "laid") + "WHERE id = NEW.ep AND version = NEW.epn;\n")
        + _indented(_refuse("entry out of order: not the next number of its chain", "NOT FOUND"))
        + "END IF;\n"
    )


def _entry_of_site() -> str:
    return (
        _refuse(
            "entry out of order: not the next number of its chain",
            "NEW.epn IS DISTINCT FROM "
            "(SELECT coalesce(max(epn) + 1, 0) FROM public.audit_entry WHERE ep IS NULL AND epn <> NEW.epn)",
        )
        + "DELETE FROM public.site_next WHERE id = 1 RETURNING * INTO site;\n"
        + "IF FOUND THEN\n"
        + _indented(
            _refuse(
                "entry without its change of the site",
                _array("said -> 'idx'", BEFORE, AFTER)
                + "\n  IS DISTINCT FROM "
                + _array("site.last_idx", "site.version - 1", "site.version"),
            )
            + "IF site.version = 1 THEN\n"
            + _indented(_put("site_state", "site"))
            + "ELSE\n"
            + _indented(_set("site_state", "site") + "WHERE id = 1 AND version = site.version - 1;\n")
            + _indented(_refuse("entry that did not change its state", "NOT FOUND"))
            + "END IF;\n"
        )
        # The site's chain also holds what changed nothing (a registration refused): then nothing may lie ready.
        + "ELSE\n"
        + _indented(
            _refuse(
                "entry without its change of the site",
                _array(BEFORE, AFTER) + f"\n  IS DISTINCT FROM {_array(f'coalesce({NOW}, 0)', f'coalesce({NOW}, 0)')}",
            )
        )
        + "END IF;\n"
    )


def _indented(lines: str) -> str:
    return "".join(f"  {line}" for line in lines.splitlines(keepends=True))


def _row(stream: str, laid: str) -> tuple[str, str]:
    names = [f'"{column.name}"' for column in TABLES[stream].columns]
    return ", ".join(names), ", ".join(f"{laid}.{name}" for name in names)


def _put(stream: str, laid: str) -> str:
    names, values = _row(stream, laid)
    return f"INSERT INTO public.{stream} ({names})\nVALUES ({values});\n"


def _set(stream: str, laid: str) -> str:
    names, values = _row(stream, laid)
    return f"UPDATE public.{stream} SET ({names}) =\n  ROW({values})\n"


def _head() -> Iterator[str]:
    """One row for ever; `n` follows the entries, the frontier follows `n`, the origin stays."""
    yield from _trigger(
        "audit_head_once",
        "BEFORE INSERT",
        "audit_head",
        _refuse(
            "the log has one head",
            "NEW.id IS DISTINCT FROM 1 OR NEW.n IS DISTINCT FROM 0 OR EXISTS (SELECT 1 FROM public.audit_head)",
        )
        + "RETURN NEW;",
    )
    yield from _trigger(
        "audit_head_advances",
        "BEFORE UPDATE",
        "audit_head",
        _refuse(
            "the head keeps its identity", "NEW.id IS DISTINCT FROM OLD.id OR NEW.origin IS DISTINCT FROM OLD.origin"
        )
        + "IF NEW.n IS DISTINCT FROM OLD.n THEN\n"
        + _indented(
            _refuse(
                "the head advances with an entry only",
                "NEW.n IS DISTINCT FROM OLD.n + 1 OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = OLD.n)",
            )
        )
        + "END IF;\n"
        + _refuse(
            "the frontier changes after new entries only",
            "(NEW.frontier IS DISTINCT FROM OLD.frontier OR NEW.rooted IS DISTINCT FROM OLD.rooted)\n"
            "  AND (NEW.rooted IS DISTINCT FROM OLD.n OR NEW.n IS DISTINCT FROM OLD.n OR OLD.rooted = OLD.n)",
        )
        + "RETURN NEW;",
    )


def _stream(table: str) -> Iterator[str]:
    # Every entry that stands has been applied: its version is in the row already, so none opens this door twice.
    said = "convert_from(entry, 'UTF8')::jsonb #> '{ver,after}' = to_jsonb(NEW.version)"
    mine = "ep = NEW.id AND epn = NEW.version - 1" if table == "episode" else f"ep IS NULL AND NEW.id = 1 AND {said}"
    entry = f"EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.last_idx AND {mine})"
    emptied = schema_erasure.emptied("IS DISTINCT FROM", "public.")
    unless = f"({{}})\n  AND NOT ({emptied})" if table == "episode" else "{}"
    yield from _trigger(
        f"{table}_begins",
        "BEFORE INSERT",
        table,
        _refuse(f"{table} begins with its first entry only", f"NEW.version IS DISTINCT FROM 1 OR NOT {entry}")
        + "RETURN NEW;",
    )
    yield from _trigger(
        f"{table}_steps",
        "BEFORE UPDATE",
        table,
        _refuse(
            f"{table} changes with its next entry only",
            unless.format(
                f"NEW.id IS DISTINCT FROM OLD.id OR NEW.version IS DISTINCT FROM OLD.version + 1\n  OR NOT {entry}"
            ),
        )
        + "RETURN NEW;",
    )


def _person() -> Iterator[str]:
    yield from _trigger(
        "person_state_begins",
        "BEFORE INSERT",
        "person_state",
        _refuse("person_state begins at version 1", "NEW.version IS DISTINCT FROM 1") + "RETURN NEW;",
    )
    yield from _trigger(
        "person_state_steps",
        "BEFORE UPDATE",
        "person_state",
        _refuse(
            "person_state changes by one version only",
            "NEW.ref IS DISTINCT FROM OLD.ref OR NEW.version IS DISTINCT FROM OLD.version + 1",
        )
        + "RETURN NEW;",
    )
