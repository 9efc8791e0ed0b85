"""What the database refuses by itself in the second log, that of reads; the reasons are those of `schema.py`.

A read is appended at the log's end or not at all. Its own trigger lists the persons and episodes that its bytes name,
and advances the head; nobody else can do either. What was appended stays, with one exception: a retention run, which
is an entry of the main log, moves the head's `first` forward, and what lies before it goes with that statement. Not
even a run takes away an opening that nobody has reviewed.
"""

# ruff: noqa: S608 - the SQL is made of the names of our own tables; nothing here comes from outside

# Which tables this is about; the last one is the log's head.
APPENDED = ("access_entry", "access_seen", "access_sealed")
HEAD = "access_head"
WAITS = "an opened episode waits for review: see `stepcare audit reviews`, then run it again"
RUN = "site.retain"  # the type of the main log's entry that may shorten this one

SQLITE = (
    """CREATE TRIGGER access_entry_in_order BEFORE INSERT ON access_entry BEGIN
  SELECT RAISE(ABORT, 'read out of order: not the next index')
    WHERE NEW.idx IS NOT (SELECT n FROM access_head WHERE id = 1);
  SELECT RAISE(ABORT, 'access_entry is append-only: this row exists')
    WHERE EXISTS (SELECT 1 FROM access_entry WHERE idx = NEW.idx OR id = NEW.id);
  SELECT RAISE(ABORT, 'read whose columns differ from its bytes')
    WHERE json_extract(CAST(NEW.entry AS TEXT), '$.idx', '$.id', '$.ts', '$.actor.id', '$.type', '$.opening')
    IS NOT json_array(NEW.idx, NEW.id, NEW.at, NEW.actor, NEW.type, NEW.opening);
END""",
    """CREATE TRIGGER access_entry_applied AFTER INSERT ON access_entry BEGIN
  INSERT INTO access_seen (ref, idx)
    SELECT value, NEW.idx FROM json_each(CAST(NEW.entry AS TEXT), '$.persons')
    UNION SELECT value, NEW.idx FROM json_each(CAST(NEW.entry AS TEXT), '$.episodes');
  UPDATE access_head SET n = NEW.idx + 1 WHERE id = 1;
  SELECT RAISE(ABORT, 'read that did not advance the head')
    WHERE NEW.idx + 1 IS NOT (SELECT n FROM access_head WHERE id = 1);
END""",
    """CREATE TRIGGER access_seen_with_its_entry BEFORE INSERT ON access_seen BEGIN
  SELECT RAISE(ABORT, 'what was seen is listed by its entry only')
    WHERE NEW.idx IS NOT (SELECT n FROM access_head WHERE id = 1)
    OR NOT EXISTS (SELECT 1 FROM access_entry WHERE idx = NEW.idx);
END""",
    """CREATE TRIGGER access_sealed_with_its_entry BEFORE INSERT ON access_sealed BEGIN
  SELECT RAISE(ABORT, 'a sealed part belongs to an entry just appended')
    WHERE NOT EXISTS (SELECT 1 FROM access_entry WHERE idx = NEW.idx
    AND idx >= (SELECT rooted FROM access_head WHERE id = 1))
    OR EXISTS (SELECT 1 FROM access_sealed WHERE idx = NEW.idx);
END""",
    *(
        f"""CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN
  SELECT RAISE(ABORT, '{table} is append-only: UPDATE is refused');
END"""
        for table in APPENDED
    ),
    *(
        f"""CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN
  SELECT RAISE(ABORT, '{table} is append-only: DELETE is refused')
    WHERE OLD.idx >= coalesce((SELECT first FROM access_head WHERE id = 1), OLD.idx);
END"""
        for table in APPENDED
    ),
    """CREATE TRIGGER access_head_once BEFORE INSERT ON access_head BEGIN
  SELECT RAISE(ABORT, 'the log of reads has one head')
    WHERE NEW.id IS NOT 1 OR NEW.n IS NOT 0 OR NEW.first IS NOT 0 OR EXISTS (SELECT 1 FROM access_head);
END""",
    f"""CREATE TRIGGER access_head_advances BEFORE UPDATE ON access_head BEGIN
  SELECT RAISE(ABORT, 'the head keeps its identity')
    WHERE NEW.id IS NOT OLD.id OR NEW.origin IS NOT OLD.origin;
  SELECT RAISE(ABORT, 'the head advances with an entry only')
    WHERE NEW.n IS NOT OLD.n
    AND (NEW.n IS NOT OLD.n + 1 OR NOT EXISTS (SELECT 1 FROM access_entry WHERE idx = OLD.n));
  SELECT RAISE(ABORT, 'the frontier changes after new entries only')
    WHERE (NEW.frontier IS NOT OLD.frontier OR NEW.rooted IS NOT OLD.rooted)
    AND (NEW.rooted IS NOT OLD.n OR NEW.n IS NOT OLD.n OR OLD.rooted IS OLD.n);
  SELECT RAISE(ABORT, 'reads go with a retention run only')
    WHERE (NEW.first IS NOT OLD.first OR NEW.base IS NOT OLD.base OR NEW.pruned_by IS NOT OLD.pruned_by)
    AND (NEW.first > OLD.first AND NEW.first <= OLD.rooted AND NEW.n = OLD.n AND NEW.rooted = OLD.rooted
    AND NEW.pruned_by > coalesce(OLD.pruned_by, -1)
    AND EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.pruned_by
    AND json_extract(CAST(entry AS TEXT), '$.type', '$.outcome') = json_array('{RUN}', 'accepted'))) IS NOT 1;
  SELECT RAISE(ABORT, '{WAITS}')
    WHERE NEW.first IS NOT OLD.first AND EXISTS (SELECT 1 FROM access_entry e
    WHERE e.type = 'break_glass.opened' AND e.idx < NEW.first AND NOT EXISTS (SELECT 1 FROM access_entry r
    WHERE r.opening = e.idx AND r.type = 'break_glass.reviewed'));
END""",
    """CREATE TRIGGER access_head_shortened AFTER UPDATE OF first ON access_head BEGIN
  DELETE FROM access_seen WHERE idx < NEW.first;
  DELETE FROM access_sealed WHERE idx < NEW.first;
  DELETE FROM access_entry WHERE idx < NEW.first;
END""",
    """CREATE TRIGGER access_head_stays BEFORE DELETE ON access_head BEGIN
  SELECT RAISE(ABORT, 'the log of reads has one head');
END""",
)

_KEPT = """IF TG_OP = 'DELETE' THEN
  IF OLD.idx < (SELECT first FROM public.access_head WHERE id = 1) THEN
    RETURN OLD;
  END IF;
END IF;
RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP;"""
_HEAD_STAYS = "RAISE EXCEPTION 'the log of reads has one head';"
_APPLIED = """PERFORM 1 FROM public.access_head WHERE id = 1 AND n = NEW.idx FOR UPDATE;
IF NOT FOUND THEN
  RAISE EXCEPTION 'read out of order: not the next index';
END IF;
IF jsonb_build_array(said -> 'idx', said -> 'id', said -> 'ts', said #> '{actor,id}', said -> 'type', said -> 'opening')::text
  IS DISTINCT FROM jsonb_build_array(NEW.idx, NEW.id, NEW.at, NEW.actor, NEW.type, NEW.opening)::text THEN
  RAISE EXCEPTION 'read whose columns differ from its bytes';
END IF;
INSERT INTO public.access_seen (ref, idx)
  SELECT one, NEW.idx FROM jsonb_array_elements_text(coalesce(said -> 'persons', '[]')) AS one
  UNION SELECT one, NEW.idx FROM jsonb_array_elements_text(coalesce(said -> 'episodes', '[]')) AS one;
UPDATE public.access_head SET n = n + 1 WHERE id = 1;
RETURN NULL;"""
_SEEN = """IF NOT EXISTS (SELECT 1 FROM public.access_entry e JOIN public.access_head h ON h.n = e.idx WHERE e.idx = NEW.idx) THEN
  RAISE EXCEPTION 'what was seen is listed by its entry only';
END IF;
RETURN NEW;"""
_SEALED = """IF NOT EXISTS (SELECT 1 FROM public.access_entry WHERE idx = NEW.idx
  AND idx >= (SELECT rooted FROM public.access_head WHERE id = 1)) THEN
  RAISE EXCEPTION 'a sealed part belongs to an entry just appended';
END IF;
RETURN NEW;"""
_ONCE = """IF NEW.id IS DISTINCT FROM 1 OR NEW.n IS DISTINCT FROM 0 OR NEW.first IS DISTINCT FROM 0
  OR EXISTS (SELECT 1 FROM public.access_head) THEN
  RAISE EXCEPTION 'the log of reads has one head';
END IF;
RETURN NEW;"""
_ADVANCES = f"""IF NEW.id IS DISTINCT FROM OLD.id OR NEW.origin IS DISTINCT FROM OLD.origin THEN
  RAISE EXCEPTION 'the head keeps its identity';
END IF;
IF NEW.n IS DISTINCT FROM OLD.n THEN
  IF NEW.n IS DISTINCT FROM OLD.n + 1 OR NOT EXISTS (SELECT 1 FROM public.access_entry WHERE idx = OLD.n) THEN
    RAISE EXCEPTION 'the head advances with an entry only';
  END IF;
END IF;
IF (NEW.frontier IS DISTINCT FROM OLD.frontier OR NEW.rooted IS DISTINCT FROM OLD.rooted)
  AND (NEW.rooted IS DISTINCT FROM OLD.n OR NEW.n IS DISTINCT FROM OLD.n OR OLD.rooted = OLD.n) THEN
  RAISE EXCEPTION 'the frontier changes after new entries only';
END IF;
IF (NEW.first IS DISTINCT FROM OLD.first OR NEW.base IS DISTINCT FROM OLD.base
  OR NEW.pruned_by IS DISTINCT FROM OLD.pruned_by)
  AND (NEW.first > OLD.first AND NEW.first <= OLD.rooted AND NEW.n = OLD.n AND NEW.rooted = OLD.rooted
  AND NEW.pruned_by > coalesce(OLD.pruned_by, -1)
  AND EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.pruned_by
  AND convert_from(entry, 'UTF8')::jsonb ->> 'type' = '{RUN}'
  AND convert_from(entry, 'UTF8')::jsonb ->> 'outcome' = 'accepted')) IS NOT TRUE THEN
  RAISE EXCEPTION 'reads go with a retention run only';
END IF;
IF NEW.first IS DISTINCT FROM OLD.first AND EXISTS (SELECT 1 FROM public.access_entry e
  WHERE e.type = 'break_glass.opened' AND e.idx < NEW.first AND NOT EXISTS (SELECT 1 FROM public.access_entry r
  WHERE r.opening = e.idx AND r.type = 'break_glass.reviewed')) THEN
  RAISE EXCEPTION '{WAITS}';
END IF;
RETURN NEW;"""
_SHORTENED = """IF NEW.first IS DISTINCT FROM OLD.first THEN
  DELETE FROM public.access_seen WHERE idx < NEW.first;
  DELETE FROM public.access_sealed WHERE idx < NEW.first;
  DELETE FROM public.access_entry WHERE idx < NEW.first;
END IF;
RETURN NULL;"""


def _function(name: str, body: str, declared: str = "") -> str:
    lines = "\n".join(f"  {line}" for line in body.splitlines())
    return (
        f"CREATE OR REPLACE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
        f"SET search_path = pg_catalog, pg_temp AS $$\n{declared}BEGIN\n{lines}\nEND\n$$;\n"
        f"REVOKE ALL ON FUNCTION public.{name}() FROM PUBLIC"
    )


def _hung(function: str, name: str, when: str, table: str) -> tuple[str, str]:
    each = "STATEMENT" if when.endswith("TRUNCATE") else "ROW"
    return (
        f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION public.{function}()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    )


SAID = "DECLARE\n  said jsonb := convert_from(NEW.entry, 'UTF8')::jsonb;\n"
POSTGRESQL = (
    _function("access_kept", _KEPT),
    *(
        one
        for table in APPENDED
        for one in (
            *_hung("access_kept", f"{table}_no_change", "BEFORE UPDATE OR DELETE", table),
            *_hung("access_kept", f"{table}_no_truncate", "BEFORE TRUNCATE", table),
        )
    ),
    _function("access_head_stays", _HEAD_STAYS),
    *_hung("access_head_stays", "access_head_stays", "BEFORE DELETE", HEAD),
    *_hung("access_head_stays", "access_head_no_truncate", "BEFORE TRUNCATE", HEAD),
    _function("access_entry_applied", _APPLIED, SAID),
    *_hung("access_entry_applied", "access_entry_applied", "AFTER INSERT", "access_entry"),
    _function("access_seen_with_its_entry", _SEEN),
    *_hung("access_seen_with_its_entry", "access_seen_with_its_entry", "BEFORE INSERT", "access_seen"),
    _function("access_sealed_with_its_entry", _SEALED),
    *_hung("access_sealed_with_its_entry", "access_sealed_with_its_entry", "BEFORE INSERT", "access_sealed"),
    _function("access_head_once", _ONCE),
    *_hung("access_head_once", "access_head_once", "BEFORE INSERT", HEAD),
    _function("access_head_advances", _ADVANCES),
    *_hung("access_head_advances", "access_head_advances", "BEFORE UPDATE", HEAD),
    _function("access_head_shortened", _SHORTENED),
    *_hung("access_head_shortened", "access_head_shortened", "AFTER UPDATE", HEAD),
)
