"""What the database refuses, and does, when a person is erased.

One row in `erasure`, added in the commit of its entry, empties everything that lists and jobs say of the person's
episodes: the row's own trigger does it, so there is no moment at which one is done and the other is not. From then on
nothing can be sealed about them. The row says for ever which entry it was; only the destruction of the key is added.

An emptied episode keeps what the published log says of it anyway (its id, pathway, state and number of entries).
"""

# ruff: noqa: S608 - the SQL is made of the names of our own tables; nothing here comes from outside

from collections.abc import Mapping

ERASED, KEY_DESTROYED = "subject.erased", "subject.key_destroyed"
AT = "at"  # stands for the time of the erasure
# What an emptied row says; what is not named here stays as it was.
EMPTY_EPISODE: Mapping[str, str | int | None] = {
    "zone": "UTC",
    "language": "",
    "team": "",
    "owner": None,
    "region": "",
    "plan_version": 0,
    "response": None,
    "chronicity": None,
    "baseline": None,
    "last": None,
    "change": None,
    "flags_open": 0,
    "urgency": "",
    "next_due_at": None,
    "opened_at": AT,
    "closed_at": AT,
    "updated_at": AT,
}
EMPTY_MESSAGE: Mapping[str, str | None] = {
    "template": "",
    "language": "",
    "recipient": "",
    "channel": "",
    "due_item": None,
    "not_before": AT,
    "expires_at": None,
    "category": "",
    "reason": "",
    "follows": None,
    "reference": None,
    "lease_owner": None,
    "lease_until": None,
    "last_error": None,
    "parked": None,
    "try_at": None,
    "stage": None,
}
KEPT_OF_EPISODE = ("id", "version", "last_idx", "person_ref", "pathway_sha", "state")


def _sql(value: str | int | None, at: str) -> str:
    if value is None:
        return "NULL"
    if value == AT:
        return at
    return str(value) if isinstance(value, int) else f"'{value}'"


def _set(empty: Mapping[str, str | int | None], at: str) -> str:
    return ", ".join(f'"{name}" = {_sql(value, at)}' for name, value in empty.items())


def emptied(differs: str, schema: str = "") -> str:
    """Give the condition under which NEW is OLD, a row of an episode, as an erasure empties it."""
    kept = [f"NEW.{name} {differs} OLD.{name}" for name in KEPT_OF_EPISODE]
    others = [f'NEW."{name}" {differs} {_sql(value, "erasure.at")}' for name, value in EMPTY_EPISODE.items()]
    return (
        f"NOT ({' OR '.join(kept)}) AND EXISTS (SELECT 1 FROM {schema}erasure "
        f"WHERE person_ref = NEW.person_ref AND NOT ({' OR '.join(others)}))"
    )


def _emptying(schema: str = "") -> tuple[str, ...]:
    theirs = f"IN (SELECT id FROM {schema}episode WHERE person_ref = NEW.person_ref)"
    entries = (
        f"SELECT e.id FROM {schema}audit_sealed s JOIN {schema}audit_entry e ON e.idx = s.idx "
        "WHERE s.person_ref = NEW.person_ref"
    )
    # The fence moves on: who still holds a lease comes too late with whatever they know.
    status = "status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END, fence = fence + 1"
    tried = f"SELECT channel, provider_ref FROM {schema}delivery_attempt WHERE episode_id {theirs}"
    return (
        # What a key was used for is kept as a hash of everything asked: small enough to be guessed.
        f"DELETE FROM {schema}idempotency WHERE entry IN ({entries});",
        f"DELETE FROM {schema}due_item WHERE episode_id {theirs};",
        f"DELETE FROM {schema}timer WHERE episode_id {theirs};",
        f"DELETE FROM {schema}delivery_receipt WHERE (channel, reference) IN ({tried});",
        f"DELETE FROM {schema}delivery_attempt WHERE episode_id {theirs};",
        f"UPDATE {schema}message SET {_set(EMPTY_MESSAGE, 'NEW.at')}, {status} WHERE episode_id {theirs};",
        f"UPDATE {schema}episode SET {_set(EMPTY_EPISODE, 'NEW.at')} WHERE person_ref = NEW.person_ref;",
    )


SQLITE = (
    f"""CREATE TRIGGER erasure_with_its_entry BEFORE INSERT ON erasure BEGIN
  SELECT RAISE(ABORT, 'erasure is append-only: this row exists')
    WHERE EXISTS (SELECT 1 FROM erasure WHERE person_ref = NEW.person_ref);
  SELECT RAISE(ABORT, 'a person is erased with an entry just appended')
    WHERE NEW.destroyed IS NOT NULL OR NOT EXISTS (SELECT 1 FROM audit_entry
    WHERE id = NEW.entry AND idx >= (SELECT rooted FROM audit_head WHERE id = 1)
    AND json_extract(CAST(entry AS TEXT), '$.type', '$.outcome', '$.ts') = json_array('{ERASED}', 'accepted', NEW.at));
END""",
    "CREATE TRIGGER erasure_empties AFTER INSERT ON erasure BEGIN\n"
    + "\n".join(f"  {one}" for one in _emptying())
    + "\nEND",
    f"""CREATE TRIGGER erasure_ends BEFORE UPDATE ON erasure BEGIN
  SELECT RAISE(ABORT, 'an erasure only ends, once, with the entry that says so')
    WHERE NEW.person_ref IS NOT OLD.person_ref OR NEW.entry IS NOT OLD.entry OR NEW.at IS NOT OLD.at
    OR OLD.destroyed IS NOT NULL OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.destroyed
    AND json_extract(CAST(entry AS TEXT), '$.type', '$.outcome') = json_array('{KEY_DESTROYED}', 'accepted'));
END""",
    """CREATE TRIGGER erasure_stays BEFORE DELETE ON erasure BEGIN
  SELECT RAISE(ABORT, 'erasure is never deleted');
END""",
    """CREATE TRIGGER audit_sealed_of_nobody_erased BEFORE INSERT ON audit_sealed BEGIN
  SELECT RAISE(ABORT, 'nothing is sealed about a person who was erased')
    WHERE EXISTS (SELECT 1 FROM erasure WHERE person_ref = NEW.person_ref);
END""",
)


def _function(name: str, body: str) -> str:
    lines = "\n".join(f"  {line}" for line in body.splitlines())
    return (
        f"CREATE OR REPLACE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
        f"SET search_path = pg_catalog, pg_temp AS $$\nBEGIN\n{lines}\nEND\n$$;\n"
        f"REVOKE ALL ON FUNCTION public.{name}() FROM PUBLIC"
    )


def _hung(function: str, name: str, when: str, table: str) -> tuple[str, str]:
    each = "STATEMENT" if when.endswith("TRUNCATE") else "ROW"
    return (
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION public.{function}()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    )


_BEGINS = f"""IF NEW.destroyed IS NOT NULL OR NOT EXISTS (SELECT 1 FROM public.audit_entry
  WHERE id = NEW.entry AND idx >= (SELECT rooted FROM public.audit_head WHERE id = 1)
  AND convert_from(entry, 'UTF8')::jsonb @> jsonb_build_object('type', '{ERASED}', 'outcome', 'accepted', 'ts', NEW.at)) THEN
  RAISE EXCEPTION 'a person is erased with an entry just appended';
END IF;
RETURN NEW;"""
_ENDS = f"""IF NEW.person_ref IS DISTINCT FROM OLD.person_ref OR NEW.entry IS DISTINCT FROM OLD.entry
  OR NEW.at IS DISTINCT FROM OLD.at OR OLD.destroyed IS NOT NULL
  OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE id = NEW.destroyed
  AND convert_from(entry, 'UTF8')::jsonb @> jsonb_build_object('type', '{KEY_DESTROYED}', 'outcome', 'accepted')) THEN
  RAISE EXCEPTION 'an erasure only ends, once, with the entry that says so';
END IF;
RETURN NEW;"""
_OF_NOBODY = """IF EXISTS (SELECT 1 FROM public.erasure WHERE person_ref = NEW.person_ref) THEN
  RAISE EXCEPTION 'nothing is sealed about a person who was erased';
END IF;
RETURN NEW;"""
POSTGRESQL = (
    _function("erasure_with_its_entry", _BEGINS),
    *_hung("erasure_with_its_entry", "erasure_with_its_entry", "BEFORE INSERT", "erasure"),
    _function("erasure_empties", "\n".join(_emptying("public.")) + "\nRETURN NULL;"),
    *_hung("erasure_empties", "erasure_empties", "AFTER INSERT", "erasure"),
    _function("erasure_ends", _ENDS),
    *_hung("erasure_ends", "erasure_ends", "BEFORE UPDATE", "erasure"),
    _function("erasure_stays", "RAISE EXCEPTION 'erasure is never deleted';"),
    *_hung("erasure_stays", "erasure_stays", "BEFORE DELETE", "erasure"),
    *_hung("erasure_stays", "erasure_no_truncate", "BEFORE TRUNCATE", "erasure"),
    _function("audit_sealed_of_nobody_erased", _OF_NOBODY),
    *_hung("audit_sealed_of_nobody_erased", "audit_sealed_of_nobody_erased", "BEFORE INSERT", "audit_sealed"),
)
