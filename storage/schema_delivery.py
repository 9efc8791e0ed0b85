"""What the database refuses of tries and receipts, and when it takes them away.

Both are append-only. They go with their person's erasure, or with a retention run: one row in `delivery_run`, added
in the commit of the run's entry, takes away all that is about messages which ended before its instant, unless a legal
hold is on their person. The row's own trigger does it, and refuses a run that would take away another number than it
says: `verify` holds that number against the one in the run's sealed entry.
"""

# ruff: noqa: S608 - the SQL is made of the names of our own tables; nothing here comes from outside

from storage.schema_access import RUN

TABLES = ("delivery_attempt", "delivery_receipt")


def old_tries(before: str, schema: str = "", *, server: bool = False) -> str:
    """Give the condition for tries (`a`) that a run of this instant takes away."""
    return (
        f"a.at < {before} AND EXISTS (SELECT 1 FROM {schema}message m "
        "WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') "
        f"AND NOT EXISTS (SELECT 1 FROM {schema}delivery_attempt b "
        f"WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= {before}) "
        f"AND NOT EXISTS (SELECT 1 FROM {schema}episode e WHERE e.id = a.episode_id "
        f"AND e.person_ref IN ({_held(schema, server=server)}))"
    )


def old_receipts(before: str, schema: str = "", *, server: bool = False) -> str:
    """Give the condition for receipts (`r`) that go with them: those whose message stays stay too."""
    return (
        f"r.at < {before} AND NOT EXISTS (SELECT 1 FROM {schema}delivery_attempt a "
        f"WHERE a.channel = r.channel AND a.provider_ref = r.reference "
        f"AND NOT ({old_tries(before, schema, server=server)}))"
    )


def counted(before: str, schema: str = "", *, server: bool = False) -> str:
    """Give the query that counts both."""
    return (
        f"SELECT (SELECT count(*) FROM {schema}delivery_attempt a WHERE {old_tries(before, schema, server=server)}) "
        f"+ (SELECT count(*) FROM {schema}delivery_receipt r WHERE {old_receipts(before, schema, server=server)})"
    )


def _held(schema: str, *, server: bool) -> str:
    """Give the query for the persons a legal hold is on, by what the site's row says now."""
    if server:
        return (
            f"SELECT h.one ->> 'person' FROM {schema}site_state s, "
            "jsonb_array_elements(s.body::jsonb -> 'holds') AS h (one)"
        )
    return "SELECT json_extract(h.value, '$.person') FROM site_state s, json_each(s.body, '$.holds') AS h"


# When a single row may go: with a run of the commit under way, or with its person's erasure.
UNDER_WAY = "entry >= (SELECT rooted FROM {schema}audit_head WHERE id = 1)"
_ERASED = (
    "EXISTS (SELECT 1 FROM {schema}delivery_attempt c JOIN {schema}episode e ON e.id = c.episode_id "
    "JOIN {schema}erasure x ON x.person_ref = e.person_ref WHERE {mine})"
)
_MINE = {
    "delivery_attempt": "c.id = OLD.id",
    "delivery_receipt": "c.channel = OLD.channel AND c.provider_ref = OLD.reference",
}


def may_go(table: str, schema: str = "", *, server: bool = False) -> str:
    """Give the condition under which the row OLD may be deleted."""
    # A run's row names one instant; a column of the outer query stands for it here.
    alias, gone = {"delivery_attempt": ("a", old_tries), "delivery_receipt": ("r", old_receipts)}[table]
    run = (
        f"EXISTS (SELECT 1 FROM {schema}delivery_run d, {schema}{table} {alias} WHERE {alias}.id = OLD.id "
        f"AND d.{UNDER_WAY.format(schema=schema)} AND {gone('d.before', schema, server=server)})"
    )
    return f"{run} OR {_ERASED.format(schema=schema, mine=_MINE[table])}"


def _taking(schema: str = "", *, server: bool = False) -> tuple[str, ...]:
    """Give what a run's row takes away; receipts first, for they are known by their tries."""
    # SQLite's DELETE takes no alias in a trigger, so rows are named by their keys.
    return tuple(
        f"DELETE FROM {schema}{table} WHERE id IN (SELECT {alias}.id FROM {schema}{table} {alias} "
        f"WHERE {gone('NEW.before', schema, server=server)});"
        for table, alias, gone in (("delivery_receipt", "r", old_receipts), ("delivery_attempt", "a", old_tries))
    )


SQLITE = (
    *(
        f"""CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN
  SELECT RAISE(ABORT, '{table} is append-only: DELETE is refused')
    WHERE NOT ({may_go(table)});
END"""
        for table in TABLES
    ),
    f"""CREATE TRIGGER delivery_run_with_its_entry BEFORE INSERT ON delivery_run BEGIN
  SELECT RAISE(ABORT, 'tries and receipts go with a retention run only')
    WHERE NOT EXISTS (SELECT 1 FROM audit_entry
    WHERE idx = NEW.entry AND idx >= (SELECT rooted FROM audit_head WHERE id = 1)
    AND json_extract(CAST(entry AS TEXT), '$.type', '$.outcome') = json_array('{RUN}', 'accepted'));
  SELECT RAISE(ABORT, 'a retention run takes away as many tries and receipts as it says')
    WHERE NEW.count IS NOT ({counted("NEW.before")});
END""",
    "CREATE TRIGGER delivery_run_takes AFTER INSERT ON delivery_run BEGIN\n"
    + "\n".join(f"  {one}" for one in _taking())
    + "\nEND",
)


def _function(name: str, body: str) -> str:
    lines = "\n".join(f"  {line}" for line in body.splitlines())
    return (
        f"CREATE OR REPLACE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
        f"SET search_path = pg_catalog, pg_temp AS $$\nBEGIN\n{lines}\nEND\n$$;\n"
        f"REVOKE ALL ON FUNCTION public.{name}() FROM PUBLIC"
    )


def _hung(function: str, name: str, when: str, table: str) -> tuple[str, str]:
    return (
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION public.{function}()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    )


def _kept(table: str) -> str:
    return f"""IF {may_go(table, "public.", server=True)} THEN
  RETURN OLD;
END IF;
RAISE EXCEPTION '{table} is append-only: DELETE is refused';"""


_BEGINS = f"""IF NOT EXISTS (SELECT 1 FROM public.audit_entry
  WHERE idx = NEW.entry AND idx >= (SELECT rooted FROM public.audit_head WHERE id = 1)
  AND convert_from(entry, 'UTF8')::jsonb @> jsonb_build_object('type', '{RUN}', 'outcome', 'accepted')) THEN
  RAISE EXCEPTION 'tries and receipts go with a retention run only';
END IF;
IF NEW.count IS DISTINCT FROM ({counted("NEW.before", "public.", server=True)}) THEN
  RAISE EXCEPTION 'a retention run takes away as many tries and receipts as it says';
END IF;
RETURN NEW;"""
POSTGRESQL = (
    *(
        one
        for table in TABLES
        for one in (
            _function(f"{table}_kept", _kept(table)),
            *_hung(f"{table}_kept", f"{table}_kept", "BEFORE DELETE", table),
        )
    ),
    _function("delivery_run_with_its_entry", _BEGINS),
    *_hung("delivery_run_with_its_entry", "delivery_run_with_its_entry", "BEFORE INSERT", "delivery_run"),
    _function("delivery_run_takes", "\n".join(_taking("public.", server=True)) + "\nRETURN NULL;"),
    *_hung("delivery_run_takes", "delivery_run_takes", "AFTER INSERT", "delivery_run"),
)
