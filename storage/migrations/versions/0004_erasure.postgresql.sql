CREATE TABLE erasure (
  person_ref TEXT COLLATE "C" NOT NULL,
  entry TEXT COLLATE "C" NOT NULL,
  at TEXT COLLATE "C" NOT NULL,
  destroyed TEXT COLLATE "C",
  PRIMARY KEY (person_ref)
);

CREATE INDEX erasure_to_destroy ON erasure (person_ref) WHERE destroyed IS NULL;

CREATE OR REPLACE FUNCTION public.episode_steps() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (NEW.id IS DISTINCT FROM OLD.id OR NEW.version IS DISTINCT FROM OLD.version + 1
    OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.last_idx AND ep = NEW.id AND epn = NEW.version - 1))
    AND NOT (NOT (NEW.id IS DISTINCT FROM OLD.id OR NEW.version IS DISTINCT FROM OLD.version OR NEW.last_idx IS DISTINCT FROM OLD.last_idx OR NEW.person_ref IS DISTINCT FROM OLD.person_ref OR NEW.pathway_sha IS DISTINCT FROM OLD.pathway_sha OR NEW.state IS DISTINCT FROM OLD.state) AND EXISTS (SELECT 1 FROM public.erasure WHERE person_ref = NEW.person_ref AND NOT (NEW."zone" IS DISTINCT FROM 'UTC' OR NEW."language" IS DISTINCT FROM '' OR NEW."team" IS DISTINCT FROM '' OR NEW."owner" IS DISTINCT FROM NULL OR NEW."region" IS DISTINCT FROM '' OR NEW."plan_version" IS DISTINCT FROM 0 OR NEW."response" IS DISTINCT FROM NULL OR NEW."chronicity" IS DISTINCT FROM NULL OR NEW."baseline" IS DISTINCT FROM NULL OR NEW."last" IS DISTINCT FROM NULL OR NEW."change" IS DISTINCT FROM NULL OR NEW."flags_open" IS DISTINCT FROM 0 OR NEW."urgency" IS DISTINCT FROM '' OR NEW."next_due_at" IS DISTINCT FROM NULL OR NEW."opened_at" IS DISTINCT FROM erasure.at OR NEW."closed_at" IS DISTINCT FROM erasure.at OR NEW."updated_at" IS DISTINCT FROM erasure.at))) THEN
    RAISE EXCEPTION 'episode changes with its next entry only';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.episode_steps() FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.erasure_with_its_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.destroyed IS NOT NULL OR NOT EXISTS (SELECT 1 FROM public.audit_entry
    WHERE id = NEW.entry AND idx >= (SELECT rooted FROM public.audit_head WHERE id = 1)
    AND convert_from(entry, 'UTF8')::jsonb @> jsonb_build_object('type', 'subject.erased', 'outcome', 'accepted', 'ts', NEW.at)) THEN
    RAISE EXCEPTION 'a person is erased with an entry just appended';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.erasure_with_its_entry() FROM PUBLIC;

CREATE TRIGGER erasure_with_its_entry BEFORE INSERT ON erasure FOR EACH ROW EXECUTE FUNCTION public.erasure_with_its_entry();

ALTER TABLE erasure ENABLE ALWAYS TRIGGER erasure_with_its_entry;

CREATE OR REPLACE FUNCTION public.erasure_empties() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM public.idempotency WHERE entry IN (SELECT e.id FROM public.audit_sealed s JOIN public.audit_entry e ON e.idx = s.idx WHERE s.person_ref = NEW.person_ref);
  DELETE FROM public.due_item WHERE episode_id IN (SELECT id FROM public.episode WHERE person_ref = NEW.person_ref);
  DELETE FROM public.timer WHERE episode_id IN (SELECT id FROM public.episode WHERE person_ref = NEW.person_ref);
  UPDATE public.message SET "template" = '', "language" = '', "recipient" = '', "channel" = '', "due_item" = NULL, "not_before" = NEW.at, "expires_at" = NULL, status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END WHERE episode_id IN (SELECT id FROM public.episode WHERE person_ref = NEW.person_ref);
  UPDATE public.episode SET "zone" = 'UTC', "language" = '', "team" = '', "owner" = NULL, "region" = '', "plan_version" = 0, "response" = NULL, "chronicity" = NULL, "baseline" = NULL, "last" = NULL, "change" = NULL, "flags_open" = 0, "urgency" = '', "next_due_at" = NULL, "opened_at" = NEW.at, "closed_at" = NEW.at, "updated_at" = NEW.at WHERE person_ref = NEW.person_ref;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.erasure_empties() FROM PUBLIC;

CREATE TRIGGER erasure_empties AFTER INSERT ON erasure FOR EACH ROW EXECUTE FUNCTION public.erasure_empties();

ALTER TABLE erasure ENABLE ALWAYS TRIGGER erasure_empties;

CREATE OR REPLACE FUNCTION public.erasure_ends() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.person_ref IS DISTINCT FROM OLD.person_ref OR NEW.entry IS DISTINCT FROM OLD.entry
    OR NEW.at IS DISTINCT FROM OLD.at OR OLD.destroyed IS NOT NULL
    OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE id = NEW.destroyed
    AND convert_from(entry, 'UTF8')::jsonb @> jsonb_build_object('type', 'subject.key_destroyed', 'outcome', 'accepted')) THEN
    RAISE EXCEPTION 'an erasure only ends, once, with the entry that says so';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.erasure_ends() FROM PUBLIC;

CREATE TRIGGER erasure_ends BEFORE UPDATE ON erasure FOR EACH ROW EXECUTE FUNCTION public.erasure_ends();

ALTER TABLE erasure ENABLE ALWAYS TRIGGER erasure_ends;

CREATE OR REPLACE FUNCTION public.erasure_stays() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'erasure is never deleted';
END
$$;
REVOKE ALL ON FUNCTION public.erasure_stays() FROM PUBLIC;

CREATE TRIGGER erasure_stays BEFORE DELETE ON erasure FOR EACH ROW EXECUTE FUNCTION public.erasure_stays();

ALTER TABLE erasure ENABLE ALWAYS TRIGGER erasure_stays;

CREATE TRIGGER erasure_no_truncate BEFORE TRUNCATE ON erasure FOR EACH STATEMENT EXECUTE FUNCTION public.erasure_stays();

ALTER TABLE erasure ENABLE ALWAYS TRIGGER erasure_no_truncate;

CREATE OR REPLACE FUNCTION public.audit_sealed_of_nobody_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM public.erasure WHERE person_ref = NEW.person_ref) THEN
    RAISE EXCEPTION 'nothing is sealed about a person who was erased';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.audit_sealed_of_nobody_erased() FROM PUBLIC;

CREATE TRIGGER audit_sealed_of_nobody_erased BEFORE INSERT ON audit_sealed FOR EACH ROW EXECUTE FUNCTION public.audit_sealed_of_nobody_erased();

ALTER TABLE audit_sealed ENABLE ALWAYS TRIGGER audit_sealed_of_nobody_erased;
