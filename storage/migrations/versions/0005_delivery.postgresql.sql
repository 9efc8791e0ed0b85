DROP INDEX timer_armed;

DROP INDEX message_queued;

ALTER TABLE timer
  ADD COLUMN parked TEXT COLLATE "C";

CREATE INDEX timer_due ON timer (at, episode_id, id, kind) WHERE state = 'armed' AND parked IS NULL;

CREATE INDEX timer_lease ON timer (lease_until, lease_owner) WHERE state = 'armed' AND parked IS NULL AND lease_until IS NOT NULL;

CREATE INDEX timer_parked ON timer (episode_id, id) WHERE parked IS NOT NULL;

ALTER TABLE message
  ADD COLUMN category TEXT COLLATE "C" DEFAULT 'visit' NOT NULL,
  ADD COLUMN reason TEXT COLLATE "C" DEFAULT '' NOT NULL,
  ADD COLUMN follows TEXT COLLATE "C",
  ADD COLUMN reference TEXT COLLATE "C",
  ADD COLUMN lease_owner TEXT COLLATE "C",
  ADD COLUMN lease_until TEXT COLLATE "C",
  ADD COLUMN fence BIGINT DEFAULT 0 NOT NULL,
  ADD COLUMN attempt BIGINT DEFAULT 0 NOT NULL,
  ADD COLUMN last_error TEXT COLLATE "C",
  ADD COLUMN parked TEXT COLLATE "C",
  ADD COLUMN try_at TEXT COLLATE "C",
  ADD COLUMN stage TEXT COLLATE "C";

ALTER TABLE message
  ALTER COLUMN category DROP DEFAULT,
  ALTER COLUMN reason DROP DEFAULT;

CREATE INDEX message_due ON message (COALESCE(try_at, not_before), episode_id, id, channel) WHERE status = 'queued' AND parked IS NULL;

CREATE INDEX message_failed ON message (status, episode_id, id) WHERE status = 'dead' OR status = 'failed' OR status = 'unknown';

CREATE INDEX message_lease ON message (lease_until, lease_owner) WHERE status = 'queued' AND parked IS NULL AND lease_until IS NOT NULL;

CREATE INDEX message_parked ON message (episode_id, id) WHERE parked IS NOT NULL;

CREATE INDEX message_recalled ON message (episode_id, id) WHERE (status = 'cancelled' OR status = 'suppressed') AND stage IS NOT NULL;

ALTER TABLE delivery_attempt
  ADD COLUMN fence BIGINT DEFAULT 0 NOT NULL,
  ADD COLUMN worker TEXT COLLATE "C" DEFAULT '' NOT NULL,
  ADD COLUMN channel TEXT COLLATE "C" DEFAULT '' NOT NULL,
  ADD COLUMN receiver TEXT COLLATE "C" DEFAULT '' NOT NULL;

ALTER TABLE delivery_attempt
  ALTER COLUMN fence DROP DEFAULT,
  ALTER COLUMN worker DROP DEFAULT,
  ALTER COLUMN channel DROP DEFAULT,
  ALTER COLUMN receiver DROP DEFAULT;

DROP TRIGGER delivery_attempt_no_change ON delivery_attempt;

UPDATE delivery_attempt a SET channel = m.channel FROM message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id;

CREATE INDEX attempts_by_age ON delivery_attempt (at);

CREATE INDEX attempts_by_reference ON delivery_attempt (channel, provider_ref) WHERE provider_ref IS NOT NULL;

ALTER TABLE worker RENAME TO worker_before;

ALTER INDEX worker_pkey RENAME TO worker_before_pkey;

CREATE TABLE worker (
  id TEXT COLLATE "C" NOT NULL,
  started_at TEXT COLLATE "C" NOT NULL,
  beat_at TEXT COLLATE "C" NOT NULL,
  version TEXT COLLATE "C" NOT NULL,
  place TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id)
);

INSERT INTO worker (id, started_at, beat_at, version, place)
SELECT id, heartbeat_at, heartbeat_at, version, '' FROM worker_before;

DROP TABLE worker_before;

CREATE TABLE delivery_receipt (
  id BIGINT NOT NULL,
  channel TEXT COLLATE "C" NOT NULL,
  reference TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  at TEXT COLLATE "C" NOT NULL,
  detail TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (channel, reference, kind)
);

CREATE INDEX receipts_by_age ON delivery_receipt (at);

CREATE TABLE delivery_run (
  entry BIGINT NOT NULL,
  before TEXT COLLATE "C" NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (entry),
  FOREIGN KEY(entry) REFERENCES audit_entry (idx) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE pump_stat (
  name TEXT COLLATE "C" NOT NULL,
  value BIGINT NOT NULL,
  at TEXT COLLATE "C",
  PRIMARY KEY (name)
);

CREATE TABLE bucket (
  key TEXT COLLATE "C" NOT NULL,
  tokens BIGINT NOT NULL,
  at TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (key)
);

CREATE TABLE digest (
  day TEXT COLLATE "C" NOT NULL,
  actor TEXT COLLATE "C" NOT NULL,
  made_at TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  channel TEXT COLLATE "C" NOT NULL,
  attempt BIGINT NOT NULL,
  lease_until TEXT COLLATE "C",
  try_at TEXT COLLATE "C",
  reference TEXT COLLATE "C",
  detail TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (day, actor)
);

CREATE TABLE feed (
  token_hash TEXT COLLATE "C" NOT NULL,
  actor TEXT COLLATE "C" NOT NULL,
  covers TEXT COLLATE "C" NOT NULL,
  made_at TEXT COLLATE "C" NOT NULL,
  expires_at TEXT COLLATE "C" NOT NULL,
  revoked_at TEXT COLLATE "C",
  PRIMARY KEY (token_hash)
);

CREATE INDEX feed_actor ON feed (actor);

CREATE TRIGGER delivery_attempt_no_change BEFORE UPDATE ON delivery_attempt FOR EACH ROW EXECUTE FUNCTION public.append_only();

ALTER TABLE delivery_attempt ENABLE ALWAYS TRIGGER delivery_attempt_no_change;

CREATE TRIGGER delivery_receipt_no_change BEFORE UPDATE ON delivery_receipt FOR EACH ROW EXECUTE FUNCTION public.append_only();

ALTER TABLE delivery_receipt ENABLE ALWAYS TRIGGER delivery_receipt_no_change;

CREATE TRIGGER delivery_receipt_no_truncate BEFORE TRUNCATE ON delivery_receipt FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

ALTER TABLE delivery_receipt ENABLE ALWAYS TRIGGER delivery_receipt_no_truncate;

CREATE TRIGGER delivery_run_no_change BEFORE UPDATE OR DELETE ON delivery_run FOR EACH ROW EXECUTE FUNCTION public.append_only();

ALTER TABLE delivery_run ENABLE ALWAYS TRIGGER delivery_run_no_change;

CREATE TRIGGER delivery_run_no_truncate BEFORE TRUNCATE ON delivery_run FOR EACH STATEMENT EXECUTE FUNCTION public.append_only();

ALTER TABLE delivery_run ENABLE ALWAYS TRIGGER delivery_run_no_truncate;

CREATE OR REPLACE FUNCTION public.delivery_attempt_kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM public.delivery_run d, public.delivery_attempt a WHERE a.id = OLD.id AND d.entry >= (SELECT rooted FROM public.audit_head WHERE id = 1) AND a.at < d.before AND EXISTS (SELECT 1 FROM public.message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= d.before) AND NOT EXISTS (SELECT 1 FROM public.episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT h.one ->> 'person' FROM public.site_state s, jsonb_array_elements(s.body::jsonb -> 'holds') AS h (one)))) OR EXISTS (SELECT 1 FROM public.delivery_attempt c JOIN public.episode e ON e.id = c.episode_id JOIN public.erasure x ON x.person_ref = e.person_ref WHERE c.id = OLD.id) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'delivery_attempt is append-only: DELETE is refused';
END
$$;
REVOKE ALL ON FUNCTION public.delivery_attempt_kept() FROM PUBLIC;

CREATE TRIGGER delivery_attempt_kept BEFORE DELETE ON delivery_attempt FOR EACH ROW EXECUTE FUNCTION public.delivery_attempt_kept();

ALTER TABLE delivery_attempt ENABLE ALWAYS TRIGGER delivery_attempt_kept;

CREATE OR REPLACE FUNCTION public.delivery_receipt_kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM public.delivery_run d, public.delivery_receipt r WHERE r.id = OLD.id AND d.entry >= (SELECT rooted FROM public.audit_head WHERE id = 1) AND r.at < d.before AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt a WHERE a.channel = r.channel AND a.provider_ref = r.reference AND NOT (a.at < d.before AND EXISTS (SELECT 1 FROM public.message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= d.before) AND NOT EXISTS (SELECT 1 FROM public.episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT h.one ->> 'person' FROM public.site_state s, jsonb_array_elements(s.body::jsonb -> 'holds') AS h (one)))))) OR EXISTS (SELECT 1 FROM public.delivery_attempt c JOIN public.episode e ON e.id = c.episode_id JOIN public.erasure x ON x.person_ref = e.person_ref WHERE c.channel = OLD.channel AND c.provider_ref = OLD.reference) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'delivery_receipt is append-only: DELETE is refused';
END
$$;
REVOKE ALL ON FUNCTION public.delivery_receipt_kept() FROM PUBLIC;

CREATE TRIGGER delivery_receipt_kept BEFORE DELETE ON delivery_receipt FOR EACH ROW EXECUTE FUNCTION public.delivery_receipt_kept();

ALTER TABLE delivery_receipt ENABLE ALWAYS TRIGGER delivery_receipt_kept;

CREATE OR REPLACE FUNCTION public.delivery_run_with_its_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.audit_entry
    WHERE idx = NEW.entry AND idx >= (SELECT rooted FROM public.audit_head WHERE id = 1)
    AND convert_from(entry, 'UTF8')::jsonb @> jsonb_build_object('type', 'site.retain', 'outcome', 'accepted')) THEN
    RAISE EXCEPTION 'tries and receipts go with a retention run only';
  END IF;
  IF NEW.count IS DISTINCT FROM (SELECT (SELECT count(*) FROM public.delivery_attempt a WHERE a.at < NEW.before AND EXISTS (SELECT 1 FROM public.message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= NEW.before) AND NOT EXISTS (SELECT 1 FROM public.episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT h.one ->> 'person' FROM public.site_state s, jsonb_array_elements(s.body::jsonb -> 'holds') AS h (one)))) + (SELECT count(*) FROM public.delivery_receipt r WHERE r.at < NEW.before AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt a WHERE a.channel = r.channel AND a.provider_ref = r.reference AND NOT (a.at < NEW.before AND EXISTS (SELECT 1 FROM public.message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= NEW.before) AND NOT EXISTS (SELECT 1 FROM public.episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT h.one ->> 'person' FROM public.site_state s, jsonb_array_elements(s.body::jsonb -> 'holds') AS h (one))))))) THEN
    RAISE EXCEPTION 'a retention run takes away as many tries and receipts as it says';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.delivery_run_with_its_entry() FROM PUBLIC;

CREATE TRIGGER delivery_run_with_its_entry BEFORE INSERT ON delivery_run FOR EACH ROW EXECUTE FUNCTION public.delivery_run_with_its_entry();

ALTER TABLE delivery_run ENABLE ALWAYS TRIGGER delivery_run_with_its_entry;

CREATE OR REPLACE FUNCTION public.delivery_run_takes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM public.delivery_receipt WHERE id IN (SELECT r.id FROM public.delivery_receipt r WHERE r.at < NEW.before AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt a WHERE a.channel = r.channel AND a.provider_ref = r.reference AND NOT (a.at < NEW.before AND EXISTS (SELECT 1 FROM public.message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= NEW.before) AND NOT EXISTS (SELECT 1 FROM public.episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT h.one ->> 'person' FROM public.site_state s, jsonb_array_elements(s.body::jsonb -> 'holds') AS h (one))))));
  DELETE FROM public.delivery_attempt WHERE id IN (SELECT a.id FROM public.delivery_attempt a WHERE a.at < NEW.before AND EXISTS (SELECT 1 FROM public.message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM public.delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= NEW.before) AND NOT EXISTS (SELECT 1 FROM public.episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT h.one ->> 'person' FROM public.site_state s, jsonb_array_elements(s.body::jsonb -> 'holds') AS h (one))));
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.delivery_run_takes() FROM PUBLIC;

CREATE TRIGGER delivery_run_takes AFTER INSERT ON delivery_run FOR EACH ROW EXECUTE FUNCTION public.delivery_run_takes();

ALTER TABLE delivery_run ENABLE ALWAYS TRIGGER delivery_run_takes;

CREATE OR REPLACE FUNCTION public.erasure_empties() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM public.idempotency WHERE entry IN (SELECT e.id FROM public.audit_sealed s JOIN public.audit_entry e ON e.idx = s.idx WHERE s.person_ref = NEW.person_ref);
  DELETE FROM public.due_item WHERE episode_id IN (SELECT id FROM public.episode WHERE person_ref = NEW.person_ref);
  DELETE FROM public.timer WHERE episode_id IN (SELECT id FROM public.episode WHERE person_ref = NEW.person_ref);
  DELETE FROM public.delivery_receipt WHERE (channel, reference) IN (SELECT channel, provider_ref FROM public.delivery_attempt WHERE episode_id IN (SELECT id FROM public.episode WHERE person_ref = NEW.person_ref));
  DELETE FROM public.delivery_attempt WHERE episode_id IN (SELECT id FROM public.episode WHERE person_ref = NEW.person_ref);
  UPDATE public.message SET "template" = '', "language" = '', "recipient" = '', "channel" = '', "due_item" = NULL, "not_before" = NEW.at, "expires_at" = NULL, "category" = '', "reason" = '', "follows" = NULL, "reference" = NULL, "lease_owner" = NULL, "lease_until" = NULL, "last_error" = NULL, "parked" = NULL, "try_at" = NULL, "stage" = NULL, status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END, fence = fence + 1 WHERE episode_id IN (SELECT id FROM public.episode WHERE person_ref = NEW.person_ref);
  UPDATE public.episode SET "zone" = 'UTC', "language" = '', "team" = '', "owner" = NULL, "region" = '', "plan_version" = 0, "response" = NULL, "chronicity" = NULL, "baseline" = NULL, "last" = NULL, "change" = NULL, "flags_open" = 0, "urgency" = '', "next_due_at" = NULL, "opened_at" = NEW.at, "closed_at" = NEW.at, "updated_at" = NEW.at WHERE person_ref = NEW.person_ref;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION public.erasure_empties() FROM PUBLIC;
