CREATE TABLE access_entry (
  idx BIGINT NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  at TEXT COLLATE "C" NOT NULL,
  actor TEXT COLLATE "C" NOT NULL,
  type TEXT COLLATE "C" NOT NULL,
  opening BIGINT,
  leaf BYTEA NOT NULL,
  entry BYTEA NOT NULL,
  PRIMARY KEY (idx),
  UNIQUE (id),
  CONSTRAINT access_entry_leaf CHECK (leaf = sha256('\x00'::bytea || entry))
);

CREATE INDEX access_entry_actor ON access_entry (actor, idx);

CREATE INDEX access_entry_at ON access_entry (at);

CREATE INDEX access_entry_glass ON access_entry (actor, at) WHERE type = 'break_glass.opened';

CREATE INDEX access_entry_opening ON access_entry (opening) WHERE opening IS NOT NULL;

CREATE TABLE access_head (
  id BIGINT NOT NULL,
  n BIGINT NOT NULL,
  rooted BIGINT NOT NULL,
  frontier BYTEA NOT NULL,
  first BIGINT NOT NULL,
  base BYTEA NOT NULL,
  pruned_by BIGINT,
  origin TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE access_sealed (
  idx BIGINT NOT NULL,
  blob BYTEA NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL,
  person_ref TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (idx),
  FOREIGN KEY(idx) REFERENCES access_entry (idx) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX access_sealed_person ON access_sealed (person_ref, idx);

CREATE TABLE access_seen (
  ref TEXT COLLATE "C" NOT NULL,
  idx BIGINT NOT NULL,
  PRIMARY KEY (ref, idx),
  FOREIGN KEY(idx) REFERENCES access_entry (idx) DEFERRABLE INITIALLY DEFERRED
);

CREATE OR REPLACE FUNCTION public.access_kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.idx < (SELECT first FROM public.access_head WHERE id = 1) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP;
END
$$;
REVOKE ALL ON FUNCTION public.access_kept() FROM PUBLIC;

CREATE TRIGGER access_entry_no_change BEFORE UPDATE OR DELETE ON access_entry FOR EACH ROW EXECUTE FUNCTION public.access_kept();

ALTER TABLE access_entry ENABLE ALWAYS TRIGGER access_entry_no_change;

CREATE TRIGGER access_entry_no_truncate BEFORE TRUNCATE ON access_entry FOR EACH STATEMENT EXECUTE FUNCTION public.access_kept();

ALTER TABLE access_entry ENABLE ALWAYS TRIGGER access_entry_no_truncate;

CREATE TRIGGER access_seen_no_change BEFORE UPDATE OR DELETE ON access_seen FOR EACH ROW EXECUTE FUNCTION public.access_kept();

ALTER TABLE access_seen ENABLE ALWAYS TRIGGER access_seen_no_change;

CREATE TRIGGER access_seen_no_truncate BEFORE TRUNCATE ON access_seen FOR EACH STATEMENT EXECUTE FUNCTION public.access_kept();

ALTER TABLE access_seen ENABLE ALWAYS TRIGGER access_seen_no_truncate;

CREATE TRIGGER access_sealed_no_change BEFORE UPDATE OR DELETE ON access_sealed FOR EACH ROW EXECUTE FUNCTION public.access_kept();

ALTER TABLE access_sealed ENABLE ALWAYS TRIGGER access_sealed_no_change;

CREATE TRIGGER access_sealed_no_truncate BEFORE TRUNCATE ON access_sealed FOR EACH STATEMENT EXECUTE FUNCTION public.access_kept();

ALTER TABLE access_sealed ENABLE ALWAYS TRIGGER access_sealed_no_truncate;

CREATE OR REPLACE FUNCTION public.access_head_stays() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'the log of reads has one head';
END
$$;
REVOKE ALL ON FUNCTION public.access_head_stays() FROM PUBLIC;

CREATE TRIGGER access_head_stays BEFORE DELETE ON access_head FOR EACH ROW EXECUTE FUNCTION public.access_head_stays();

ALTER TABLE access_head ENABLE ALWAYS TRIGGER access_head_stays;

CREATE TRIGGER access_head_no_truncate BEFORE TRUNCATE ON access_head FOR EACH STATEMENT EXECUTE FUNCTION public.access_head_stays();

ALTER TABLE access_head ENABLE ALWAYS TRIGGER access_head_no_truncate;

CREATE OR REPLACE FUNCTION public.access_entry_applied() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  said jsonb := convert_from(NEW.entry, 'UTF8')::jsonb;
BEGIN
  PERFORM 1 FROM public.access_head WHERE id = 1 AND n = NEW.idx FOR UPDATE;
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
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.access_entry_applied() FROM PUBLIC;

CREATE TRIGGER access_entry_applied AFTER INSERT ON access_entry FOR EACH ROW EXECUTE FUNCTION public.access_entry_applied();

ALTER TABLE access_entry ENABLE ALWAYS TRIGGER access_entry_applied;

CREATE OR REPLACE FUNCTION public.access_seen_with_its_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.access_entry e JOIN public.access_head h ON h.n = e.idx WHERE e.idx = NEW.idx) THEN
    RAISE EXCEPTION 'what was seen is listed by its entry only';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.access_seen_with_its_entry() FROM PUBLIC;

CREATE TRIGGER access_seen_with_its_entry BEFORE INSERT ON access_seen FOR EACH ROW EXECUTE FUNCTION public.access_seen_with_its_entry();

ALTER TABLE access_seen ENABLE ALWAYS TRIGGER access_seen_with_its_entry;

CREATE OR REPLACE FUNCTION public.access_sealed_with_its_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.access_entry WHERE idx = NEW.idx
    AND idx >= (SELECT rooted FROM public.access_head WHERE id = 1)) THEN
    RAISE EXCEPTION 'a sealed part belongs to an entry just appended';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.access_sealed_with_its_entry() FROM PUBLIC;

CREATE TRIGGER access_sealed_with_its_entry BEFORE INSERT ON access_sealed FOR EACH ROW EXECUTE FUNCTION public.access_sealed_with_its_entry();

ALTER TABLE access_sealed ENABLE ALWAYS TRIGGER access_sealed_with_its_entry;

CREATE OR REPLACE FUNCTION public.access_head_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.id IS DISTINCT FROM 1 OR NEW.n IS DISTINCT FROM 0 OR NEW.first IS DISTINCT FROM 0
    OR EXISTS (SELECT 1 FROM public.access_head) THEN
    RAISE EXCEPTION 'the log of reads has one head';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.access_head_once() FROM PUBLIC;

CREATE TRIGGER access_head_once BEFORE INSERT ON access_head FOR EACH ROW EXECUTE FUNCTION public.access_head_once();

ALTER TABLE access_head ENABLE ALWAYS TRIGGER access_head_once;

CREATE OR REPLACE FUNCTION public.access_head_advances() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.id IS DISTINCT FROM OLD.id OR NEW.origin IS DISTINCT FROM OLD.origin THEN
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
    AND convert_from(entry, 'UTF8')::jsonb ->> 'type' = 'site.retain'
    AND convert_from(entry, 'UTF8')::jsonb ->> 'outcome' = 'accepted')) IS NOT TRUE THEN
    RAISE EXCEPTION 'reads go with a retention run only';
  END IF;
  IF NEW.first IS DISTINCT FROM OLD.first AND EXISTS (SELECT 1 FROM public.access_entry e
    WHERE e.type = 'break_glass.opened' AND e.idx < NEW.first AND NOT EXISTS (SELECT 1 FROM public.access_entry r
    WHERE r.opening = e.idx AND r.type = 'break_glass.reviewed')) THEN
    RAISE EXCEPTION 'an opened episode waits for review: see `stepcare audit reviews`, then run it again';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.access_head_advances() FROM PUBLIC;

CREATE TRIGGER access_head_advances BEFORE UPDATE ON access_head FOR EACH ROW EXECUTE FUNCTION public.access_head_advances();

ALTER TABLE access_head ENABLE ALWAYS TRIGGER access_head_advances;

CREATE OR REPLACE FUNCTION public.access_head_shortened() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.first IS DISTINCT FROM OLD.first THEN
    DELETE FROM public.access_seen WHERE idx < NEW.first;
    DELETE FROM public.access_sealed WHERE idx < NEW.first;
    DELETE FROM public.access_entry WHERE idx < NEW.first;
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.access_head_shortened() FROM PUBLIC;

CREATE TRIGGER access_head_shortened AFTER UPDATE ON access_head FOR EACH ROW EXECUTE FUNCTION public.access_head_shortened();

ALTER TABLE access_head ENABLE ALWAYS TRIGGER access_head_shortened;
