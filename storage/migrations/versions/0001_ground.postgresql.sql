CREATE TABLE audit_entry (
  idx BIGINT NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  ep TEXT COLLATE "C",
  epn BIGINT NOT NULL,
  leaf BYTEA NOT NULL,
  entry BYTEA NOT NULL,
  PRIMARY KEY (idx),
  UNIQUE (id),
  UNIQUE (ep, epn),
  CONSTRAINT audit_entry_leaf CHECK (leaf = sha256('\x00'::bytea || entry))
);

CREATE TABLE audit_head (
  id BIGINT NOT NULL,
  n BIGINT NOT NULL,
  rooted BIGINT NOT NULL,
  frontier BYTEA NOT NULL,
  origin TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id)
);

CREATE UNLOGGED TABLE episode_next (
  id TEXT COLLATE "C" NOT NULL,
  person_ref TEXT COLLATE "C" NOT NULL,
  pathway_sha TEXT COLLATE "C" NOT NULL,
  zone TEXT COLLATE "C" NOT NULL,
  language TEXT COLLATE "C" NOT NULL,
  team TEXT COLLATE "C" NOT NULL,
  owner TEXT COLLATE "C",
  region TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  plan_version BIGINT NOT NULL,
  last_idx BIGINT NOT NULL,
  response TEXT COLLATE "C",
  chronicity TEXT COLLATE "C",
  baseline TEXT COLLATE "C",
  last TEXT COLLATE "C",
  change TEXT COLLATE "C",
  flags_open BIGINT NOT NULL,
  urgency TEXT COLLATE "C" NOT NULL,
  next_due_at TEXT COLLATE "C",
  opened_at TEXT COLLATE "C" NOT NULL,
  closed_at TEXT COLLATE "C",
  updated_at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE meta (
  id BIGINT NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  vault TEXT COLLATE "C" NOT NULL,
  zone TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE pack (
  sha256 TEXT COLLATE "C" NOT NULL,
  pathway_id TEXT COLLATE "C" NOT NULL,
  label TEXT COLLATE "C" NOT NULL,
  bytes BYTEA NOT NULL,
  PRIMARY KEY (sha256)
);

CREATE TABLE parameter_set (
  sha256 TEXT COLLATE "C" NOT NULL,
  bytes BYTEA NOT NULL,
  PRIMARY KEY (sha256)
);

CREATE TABLE person_state (
  ref TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  sealed BYTEA NOT NULL,
  commitment TEXT COLLATE "C" NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (ref)
);

CREATE UNLOGGED TABLE site_next (
  id BIGINT NOT NULL,
  version BIGINT NOT NULL,
  last_idx BIGINT NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE site_state (
  id BIGINT NOT NULL,
  version BIGINT NOT NULL,
  last_idx BIGINT NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE worker (
  id TEXT COLLATE "C" NOT NULL,
  heartbeat_at TEXT COLLATE "C" NOT NULL,
  version TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE audit_sealed (
  idx BIGINT NOT NULL,
  blob BYTEA NOT NULL,
  key_id TEXT COLLATE "C" NOT NULL,
  person_ref TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (idx),
  FOREIGN KEY(idx) REFERENCES audit_entry (idx) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX audit_sealed_person ON audit_sealed (person_ref, idx);

CREATE TABLE episode (
  id TEXT COLLATE "C" NOT NULL,
  person_ref TEXT COLLATE "C" NOT NULL,
  pathway_sha TEXT COLLATE "C" NOT NULL,
  zone TEXT COLLATE "C" NOT NULL,
  language TEXT COLLATE "C" NOT NULL,
  team TEXT COLLATE "C" NOT NULL,
  owner TEXT COLLATE "C",
  region TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  plan_version BIGINT NOT NULL,
  last_idx BIGINT NOT NULL,
  response TEXT COLLATE "C",
  chronicity TEXT COLLATE "C",
  baseline TEXT COLLATE "C",
  last TEXT COLLATE "C",
  change TEXT COLLATE "C",
  flags_open BIGINT NOT NULL,
  urgency TEXT COLLATE "C" NOT NULL,
  next_due_at TEXT COLLATE "C",
  opened_at TEXT COLLATE "C" NOT NULL,
  closed_at TEXT COLLATE "C",
  updated_at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(person_ref) REFERENCES person_state (ref) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY(pathway_sha) REFERENCES pack (sha256) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX episode_opened ON episode (opened_at, id);

CREATE INDEX episode_owner ON episode (owner, opened_at, id);

CREATE INDEX episode_person ON episode (person_ref);

CREATE INDEX episode_team ON episode (team, opened_at, id);

CREATE TABLE idempotency (
  actor TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  entry TEXT COLLATE "C" NOT NULL,
  request_hash TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (actor, key),
  FOREIGN KEY(entry) REFERENCES audit_entry (id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE due_item (
  episode_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  occurrence TEXT COLLATE "C" NOT NULL,
  title TEXT COLLATE "C" NOT NULL,
  anchor TEXT COLLATE "C" NOT NULL,
  opens_after TEXT COLLATE "C" NOT NULL,
  due_after TEXT COLLATE "C" NOT NULL,
  opens_at TEXT COLLATE "C" NOT NULL,
  due_at TEXT COLLATE "C",
  due_on TEXT COLLATE "C",
  owner_role TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  owner TEXT COLLATE "C",
  rung BIGINT NOT NULL,
  fired BIGINT NOT NULL,
  snoozed_until TEXT COLLATE "C",
  closed_by TEXT COLLATE "C",
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX due_item_open ON due_item (due_at, episode_id, id) WHERE status = 'open';

CREATE TABLE message (
  episode_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  template TEXT COLLATE "C" NOT NULL,
  language TEXT COLLATE "C" NOT NULL,
  recipient TEXT COLLATE "C" NOT NULL,
  channel TEXT COLLATE "C" NOT NULL,
  due_item TEXT COLLATE "C",
  not_before TEXT COLLATE "C" NOT NULL,
  expires_at TEXT COLLATE "C",
  status TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX message_queued ON message (not_before, episode_id, id) WHERE status = 'queued';

CREATE TABLE timer (
  episode_id TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  occurrence TEXT COLLATE "C" NOT NULL,
  due_item TEXT COLLATE "C",
  at TEXT COLLATE "C" NOT NULL,
  local TEXT COLLATE "C" NOT NULL,
  zone TEXT COLLATE "C" NOT NULL,
  armed_on BIGINT NOT NULL,
  expires_at TEXT COLLATE "C",
  state TEXT COLLATE "C" NOT NULL,
  lease_owner TEXT COLLATE "C",
  lease_until TEXT COLLATE "C",
  fence BIGINT DEFAULT 0 NOT NULL,
  attempt BIGINT DEFAULT 0 NOT NULL,
  last_error TEXT COLLATE "C",
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX timer_armed ON timer (at, episode_id, id) WHERE state = 'armed';

CREATE TABLE delivery_attempt (
  id BIGINT NOT NULL,
  episode_id TEXT COLLATE "C" NOT NULL,
  message_id TEXT COLLATE "C" NOT NULL,
  at TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  provider_ref TEXT COLLATE "C",
  detail TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(episode_id, message_id) REFERENCES message (episode_id, id)
);

CREATE INDEX attempts_of_message ON delivery_attempt (episode_id, message_id);

CREATE UNIQUE INDEX audit_entry_site ON audit_entry (epn) WHERE ep IS NULL;

CREATE OR REPLACE FUNCTION public.append_only() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP;
END
$$;
REVOKE ALL ON FUNCTION public.append_only() FROM PUBLIC;

CREATE TRIGGER audit_entry_no_change BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION public.append_only();

ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_no_change;

CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_no_truncate;

CREATE TRIGGER audit_sealed_no_change BEFORE UPDATE OR DELETE ON audit_sealed FOR EACH ROW EXECUTE FUNCTION public.append_only();

ALTER TABLE audit_sealed ENABLE ALWAYS TRIGGER audit_sealed_no_change;

CREATE TRIGGER audit_sealed_no_truncate BEFORE TRUNCATE ON audit_sealed FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

ALTER TABLE audit_sealed ENABLE ALWAYS TRIGGER audit_sealed_no_truncate;

CREATE TRIGGER pack_no_change BEFORE UPDATE OR DELETE ON pack FOR EACH ROW EXECUTE FUNCTION public.append_only();

ALTER TABLE pack ENABLE ALWAYS TRIGGER pack_no_change;

CREATE TRIGGER pack_no_truncate BEFORE TRUNCATE ON pack FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

ALTER TABLE pack ENABLE ALWAYS TRIGGER pack_no_truncate;

CREATE TRIGGER parameter_set_no_change BEFORE UPDATE OR DELETE ON parameter_set FOR EACH ROW EXECUTE FUNCTION public.append_only();

ALTER TABLE parameter_set ENABLE ALWAYS TRIGGER parameter_set_no_change;

CREATE TRIGGER parameter_set_no_truncate BEFORE TRUNCATE ON parameter_set FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

ALTER TABLE parameter_set ENABLE ALWAYS TRIGGER parameter_set_no_truncate;

CREATE TRIGGER delivery_attempt_no_change BEFORE UPDATE OR DELETE ON delivery_attempt FOR EACH ROW EXECUTE FUNCTION public.append_only();

ALTER TABLE delivery_attempt ENABLE ALWAYS TRIGGER delivery_attempt_no_change;

CREATE TRIGGER delivery_attempt_no_truncate BEFORE TRUNCATE ON delivery_attempt FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

ALTER TABLE delivery_attempt ENABLE ALWAYS TRIGGER delivery_attempt_no_truncate;

CREATE OR REPLACE FUNCTION public.audit_head_stays() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'the log has one head';
END
$$;
REVOKE ALL ON FUNCTION public.audit_head_stays() FROM PUBLIC;

CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION public.audit_head_stays();

ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_stays;

CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION public.audit_head_stays();

ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_no_truncate;

CREATE OR REPLACE FUNCTION public.episode_stays() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'episode is never deleted';
END
$$;
REVOKE ALL ON FUNCTION public.episode_stays() FROM PUBLIC;

CREATE TRIGGER episode_stays BEFORE DELETE ON episode FOR EACH ROW EXECUTE FUNCTION public.episode_stays();

ALTER TABLE episode ENABLE ALWAYS TRIGGER episode_stays;

CREATE TRIGGER episode_no_truncate BEFORE TRUNCATE ON episode FOR EACH STATEMENT EXECUTE FUNCTION public.episode_stays();

ALTER TABLE episode ENABLE ALWAYS TRIGGER episode_no_truncate;

CREATE OR REPLACE FUNCTION public.site_state_stays() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'site_state is never deleted';
END
$$;
REVOKE ALL ON FUNCTION public.site_state_stays() FROM PUBLIC;

CREATE TRIGGER site_state_stays BEFORE DELETE ON site_state FOR EACH ROW EXECUTE FUNCTION public.site_state_stays();

ALTER TABLE site_state ENABLE ALWAYS TRIGGER site_state_stays;

CREATE TRIGGER site_state_no_truncate BEFORE TRUNCATE ON site_state FOR EACH STATEMENT EXECUTE FUNCTION public.site_state_stays();

ALTER TABLE site_state ENABLE ALWAYS TRIGGER site_state_no_truncate;

CREATE OR REPLACE FUNCTION public.person_state_stays() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'person_state is never deleted';
END
$$;
REVOKE ALL ON FUNCTION public.person_state_stays() FROM PUBLIC;

CREATE TRIGGER person_state_stays BEFORE DELETE ON person_state FOR EACH ROW EXECUTE FUNCTION public.person_state_stays();

ALTER TABLE person_state ENABLE ALWAYS TRIGGER person_state_stays;

CREATE TRIGGER person_state_no_truncate BEFORE TRUNCATE ON person_state FOR EACH STATEMENT EXECUTE FUNCTION public.person_state_stays();

ALTER TABLE person_state ENABLE ALWAYS TRIGGER person_state_no_truncate;

CREATE OR REPLACE FUNCTION public.audit_entry_applied() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  said jsonb := convert_from(NEW.entry, 'UTF8')::jsonb;
  laid public.episode_next%ROWTYPE;
  site public.site_next%ROWTYPE;
BEGIN
  UPDATE public.audit_head SET n = n + 1 WHERE id = 1 AND n = NEW.idx;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'entry out of order: not the next index';
  END IF;
  IF jsonb_build_array(said -> 'idx', said -> 'id', said -> 'ep', said -> 'epn')::text
    IS DISTINCT FROM jsonb_build_array(NEW.idx, NEW.id, NEW.ep, NEW.epn)::text THEN
    RAISE EXCEPTION 'entry whose columns differ from its bytes';
  END IF;
  IF NEW.ep IS NOT NULL THEN
    DELETE FROM public.episode_next WHERE id = NEW.ep RETURNING * INTO laid;
    IF jsonb_build_array(said -> 'idx', said -> 'epn', said #> '{ver,before}', said #> '{ver,after}', said #> '{state,to}')::text
      IS DISTINCT FROM jsonb_build_array(laid.last_idx, laid.version - 1, laid.version - 1, laid.version, laid.state)::text THEN
      RAISE EXCEPTION 'entry without its state change';
    END IF;
    IF laid.version = 1 THEN
      INSERT INTO public.episode ("id", "person_ref", "pathway_sha", "zone", "language", "team", "owner", "region", "state", "version", "plan_version", "last_idx", "response", "chronicity", "baseline", "last", "change", "flags_open", "urgency", "next_due_at", "opened_at", "closed_at", "updated_at")
      VALUES (laid."id", laid."person_ref", laid."pathway_sha", laid."zone", laid."language", laid."team", laid."owner", laid."region", laid."state", laid."version", laid."plan_version", laid."last_idx", laid."response", laid."chronicity", laid."baseline", laid."last", laid."change", laid."flags_open", laid."urgency", laid."next_due_at", laid."opened_at", laid."closed_at", laid."updated_at");
    ELSE
      UPDATE public.episode SET ("id", "person_ref", "pathway_sha", "zone", "language", "team", "owner", "region", "state", "version", "plan_version", "last_idx", "response", "chronicity", "baseline", "last", "change", "flags_open", "urgency", "next_due_at", "opened_at", "closed_at", "updated_at") =
        ROW(laid."id", laid."person_ref", laid."pathway_sha", laid."zone", laid."language", laid."team", laid."owner", laid."region", laid."state", laid."version", laid."plan_version", laid."last_idx", laid."response", laid."chronicity", laid."baseline", laid."last", laid."change", laid."flags_open", laid."urgency", laid."next_due_at", laid."opened_at", laid."closed_at", laid."updated_at")
      WHERE id = NEW.ep AND version = NEW.epn;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'entry out of order: not the next number of its chain';
      END IF;
    END IF;
  ELSE
    IF NEW.epn IS DISTINCT FROM (SELECT coalesce(max(epn) + 1, 0) FROM public.audit_entry WHERE ep IS NULL AND epn <> NEW.epn) THEN
      RAISE EXCEPTION 'entry out of order: not the next number of its chain';
    END IF;
    DELETE FROM public.site_next WHERE id = 1 RETURNING * INTO site;
    IF FOUND THEN
      IF jsonb_build_array(said -> 'idx', said #> '{ver,before}', said #> '{ver,after}')::text
        IS DISTINCT FROM jsonb_build_array(site.last_idx, site.version - 1, site.version)::text THEN
        RAISE EXCEPTION 'entry without its change of the site';
      END IF;
      IF site.version = 1 THEN
        INSERT INTO public.site_state ("id", "version", "last_idx", "body")
        VALUES (site."id", site."version", site."last_idx", site."body");
      ELSE
        UPDATE public.site_state SET ("id", "version", "last_idx", "body") =
          ROW(site."id", site."version", site."last_idx", site."body")
        WHERE id = 1 AND version = site.version - 1;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'entry that did not change its state';
        END IF;
      END IF;
    ELSE
      IF jsonb_build_array(said #> '{ver,before}', said #> '{ver,after}')::text
        IS DISTINCT FROM jsonb_build_array(coalesce((SELECT version FROM public.site_state WHERE id = 1), 0), coalesce((SELECT version FROM public.site_state WHERE id = 1), 0))::text THEN
        RAISE EXCEPTION 'entry without its change of the site';
      END IF;
    END IF;
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.audit_entry_applied() FROM PUBLIC;

CREATE TRIGGER audit_entry_applied AFTER INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION public.audit_entry_applied();

ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_entry_applied;

CREATE OR REPLACE FUNCTION public.audit_sealed_with_its_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.idx IS DISTINCT FROM (SELECT n - 1 FROM public.audit_head WHERE id = 1) THEN
    RAISE EXCEPTION 'a sealed part belongs to the entry just appended';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.audit_sealed_with_its_entry() FROM PUBLIC;

CREATE TRIGGER audit_sealed_with_its_entry BEFORE INSERT ON audit_sealed FOR EACH ROW EXECUTE FUNCTION public.audit_sealed_with_its_entry();

ALTER TABLE audit_sealed ENABLE ALWAYS TRIGGER audit_sealed_with_its_entry;

CREATE OR REPLACE FUNCTION public.audit_head_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.id IS DISTINCT FROM 1 OR NEW.n IS DISTINCT FROM 0 OR EXISTS (SELECT 1 FROM public.audit_head) THEN
    RAISE EXCEPTION 'the log has one head';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.audit_head_once() FROM PUBLIC;

CREATE TRIGGER audit_head_once BEFORE INSERT ON audit_head FOR EACH ROW EXECUTE FUNCTION public.audit_head_once();

ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_once;

CREATE OR REPLACE FUNCTION public.audit_head_advances() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.id IS DISTINCT FROM OLD.id OR NEW.origin IS DISTINCT FROM OLD.origin THEN
    RAISE EXCEPTION 'the head keeps its identity';
  END IF;
  IF NEW.n IS DISTINCT FROM OLD.n THEN
    IF NEW.n IS DISTINCT FROM OLD.n + 1 OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = OLD.n) THEN
      RAISE EXCEPTION 'the head advances with an entry only';
    END IF;
  END IF;
  IF (NEW.frontier IS DISTINCT FROM OLD.frontier OR NEW.rooted IS DISTINCT FROM OLD.rooted)
    AND (NEW.rooted IS DISTINCT FROM OLD.n OR NEW.n IS DISTINCT FROM OLD.n OR OLD.rooted = OLD.n) THEN
    RAISE EXCEPTION 'the frontier changes after new entries only';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.audit_head_advances() FROM PUBLIC;

CREATE TRIGGER audit_head_advances BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION public.audit_head_advances();

ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_advances;

CREATE OR REPLACE FUNCTION public.episode_begins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.version IS DISTINCT FROM 1 OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.last_idx AND ep = NEW.id AND epn = NEW.version - 1) THEN
    RAISE EXCEPTION 'episode begins with its first entry only';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.episode_begins() FROM PUBLIC;

CREATE TRIGGER episode_begins BEFORE INSERT ON episode FOR EACH ROW EXECUTE FUNCTION public.episode_begins();

ALTER TABLE episode ENABLE ALWAYS TRIGGER episode_begins;

CREATE OR REPLACE FUNCTION public.episode_steps() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.id IS DISTINCT FROM OLD.id OR NEW.version IS DISTINCT FROM OLD.version + 1
    OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.last_idx AND ep = NEW.id AND epn = NEW.version - 1) THEN
    RAISE EXCEPTION 'episode changes with its next entry only';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.episode_steps() FROM PUBLIC;

CREATE TRIGGER episode_steps BEFORE UPDATE ON episode FOR EACH ROW EXECUTE FUNCTION public.episode_steps();

ALTER TABLE episode ENABLE ALWAYS TRIGGER episode_steps;

CREATE OR REPLACE FUNCTION public.site_state_begins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.version IS DISTINCT FROM 1 OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.last_idx AND ep IS NULL AND NEW.id = 1 AND convert_from(entry, 'UTF8')::jsonb #> '{ver,after}' = to_jsonb(NEW.version)) THEN
    RAISE EXCEPTION 'site_state begins with its first entry only';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.site_state_begins() FROM PUBLIC;

CREATE TRIGGER site_state_begins BEFORE INSERT ON site_state FOR EACH ROW EXECUTE FUNCTION public.site_state_begins();

ALTER TABLE site_state ENABLE ALWAYS TRIGGER site_state_begins;

CREATE OR REPLACE FUNCTION public.site_state_steps() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.id IS DISTINCT FROM OLD.id OR NEW.version IS DISTINCT FROM OLD.version + 1
    OR NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.last_idx AND ep IS NULL AND NEW.id = 1 AND convert_from(entry, 'UTF8')::jsonb #> '{ver,after}' = to_jsonb(NEW.version)) THEN
    RAISE EXCEPTION 'site_state changes with its next entry only';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.site_state_steps() FROM PUBLIC;

CREATE TRIGGER site_state_steps BEFORE UPDATE ON site_state FOR EACH ROW EXECUTE FUNCTION public.site_state_steps();

ALTER TABLE site_state ENABLE ALWAYS TRIGGER site_state_steps;

CREATE OR REPLACE FUNCTION public.person_state_begins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.version IS DISTINCT FROM 1 THEN
    RAISE EXCEPTION 'person_state begins at version 1';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.person_state_begins() FROM PUBLIC;

CREATE TRIGGER person_state_begins BEFORE INSERT ON person_state FOR EACH ROW EXECUTE FUNCTION public.person_state_begins();

ALTER TABLE person_state ENABLE ALWAYS TRIGGER person_state_begins;

CREATE OR REPLACE FUNCTION public.person_state_steps() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.ref IS DISTINCT FROM OLD.ref OR NEW.version IS DISTINCT FROM OLD.version + 1 THEN
    RAISE EXCEPTION 'person_state changes by one version only';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.person_state_steps() FROM PUBLIC;

CREATE TRIGGER person_state_steps BEFORE UPDATE ON person_state FOR EACH ROW EXECUTE FUNCTION public.person_state_steps();

ALTER TABLE person_state ENABLE ALWAYS TRIGGER person_state_steps;
