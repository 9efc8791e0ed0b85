DROP TRIGGER erasure_empties;

DROP TRIGGER delivery_attempt_is_new;

DROP TRIGGER delivery_attempt_no_update;

DROP TRIGGER delivery_attempt_no_delete;

DROP INDEX timer_armed;

DROP INDEX message_queued;

DROP INDEX attempts_of_message;

ALTER TABLE delivery_attempt RENAME TO delivery_attempt_before;

ALTER TABLE message RENAME TO message_before;

ALTER TABLE timer RENAME TO timer_before;

ALTER TABLE worker RENAME TO worker_before;

CREATE TABLE timer (
  episode_id TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  occurrence TEXT NOT NULL,
  due_item TEXT,
  at TEXT NOT NULL,
  local TEXT NOT NULL,
  zone TEXT NOT NULL,
  armed_on INTEGER NOT NULL,
  expires_at TEXT,
  state TEXT NOT NULL,
  lease_owner TEXT,
  lease_until TEXT,
  fence INTEGER DEFAULT 0 NOT NULL,
  attempt INTEGER DEFAULT 0 NOT NULL,
  last_error TEXT,
  parked TEXT,
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

INSERT INTO timer (episode_id, id, kind, occurrence, due_item, at, local, zone, armed_on, expires_at, state, lease_owner, lease_until, fence, attempt, last_error)
SELECT episode_id, id, kind, occurrence, due_item, at, local, zone, armed_on, expires_at, state, lease_owner, lease_until, fence, attempt, last_error FROM timer_before;

DROP TABLE timer_before;

CREATE INDEX timer_due ON timer (at, episode_id, id, kind) WHERE state = 'armed' AND parked IS NULL;

CREATE INDEX timer_lease ON timer (lease_until, lease_owner) WHERE state = 'armed' AND parked IS NULL AND lease_until IS NOT NULL;

CREATE INDEX timer_parked ON timer (episode_id, id) WHERE parked IS NOT NULL;

CREATE TABLE message (
  episode_id TEXT NOT NULL,
  id TEXT NOT NULL,
  template TEXT NOT NULL,
  language TEXT NOT NULL,
  recipient TEXT NOT NULL,
  channel TEXT NOT NULL,
  due_item TEXT,
  not_before TEXT NOT NULL,
  expires_at TEXT,
  status TEXT NOT NULL,
  category TEXT NOT NULL,
  reason TEXT NOT NULL,
  follows TEXT,
  reference TEXT,
  lease_owner TEXT,
  lease_until TEXT,
  fence INTEGER DEFAULT 0 NOT NULL,
  attempt INTEGER DEFAULT 0 NOT NULL,
  last_error TEXT,
  parked TEXT,
  try_at TEXT,
  stage TEXT,
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

INSERT INTO message (episode_id, id, template, language, recipient, channel, due_item, not_before, expires_at, status, category, reason)
SELECT episode_id, id, template, language, recipient, channel, due_item, not_before, expires_at, status, 'visit', '' FROM message_before;

CREATE TABLE delivery_attempt (
  id INTEGER NOT NULL,
  episode_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  at TEXT NOT NULL,
  status TEXT NOT NULL,
  provider_ref TEXT,
  detail TEXT NOT NULL,
  fence INTEGER NOT NULL,
  worker TEXT NOT NULL,
  channel TEXT NOT NULL,
  receiver TEXT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(episode_id, message_id) REFERENCES message (episode_id, id)
)
 STRICT;

INSERT INTO delivery_attempt (id, episode_id, message_id, at, status, provider_ref, detail, fence, worker, channel, receiver)
SELECT a.id, a.episode_id, a.message_id, a.at, a.status, a.provider_ref, a.detail, 0, '', m.channel, ''
FROM delivery_attempt_before a JOIN message m ON m.episode_id = a.episode_id AND m.id = a.message_id;

DROP TABLE delivery_attempt_before;

DROP TABLE message_before;

CREATE INDEX message_due ON message (COALESCE(try_at, not_before), episode_id, id, channel) WHERE status = 'queued' AND parked IS NULL;

CREATE INDEX message_failed ON message (status, episode_id, id) WHERE status = 'dead' OR status = 'failed' OR status = 'unknown';

CREATE INDEX message_lease ON message (lease_until, lease_owner) WHERE status = 'queued' AND parked IS NULL AND lease_until IS NOT NULL;

CREATE INDEX message_parked ON message (episode_id, id) WHERE parked IS NOT NULL;

CREATE INDEX message_recalled ON message (episode_id, id) WHERE (status = 'cancelled' OR status = 'suppressed') AND stage IS NOT NULL;

CREATE INDEX attempts_by_age ON delivery_attempt (at);

CREATE INDEX attempts_by_reference ON delivery_attempt (channel, provider_ref) WHERE provider_ref IS NOT NULL;

CREATE INDEX attempts_of_message ON delivery_attempt (episode_id, message_id);

CREATE TABLE worker (
  id TEXT NOT NULL,
  started_at TEXT NOT NULL,
  beat_at TEXT NOT NULL,
  version TEXT NOT NULL,
  place TEXT NOT NULL,
  PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;

INSERT INTO worker (id, started_at, beat_at, version, place)
SELECT id, heartbeat_at, heartbeat_at, version, '' FROM worker_before;

DROP TABLE worker_before;

CREATE TABLE delivery_receipt (
  id INTEGER NOT NULL,
  channel TEXT NOT NULL,
  reference TEXT NOT NULL,
  kind TEXT NOT NULL,
  at TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (channel, reference, kind)
)
 STRICT;

CREATE INDEX receipts_by_age ON delivery_receipt (at);

CREATE TABLE delivery_run (
  entry INTEGER NOT NULL,
  "before" TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (entry),
  FOREIGN KEY(entry) REFERENCES audit_entry (idx) DEFERRABLE INITIALLY DEFERRED
)
 STRICT;

CREATE TABLE pump_stat (
  name TEXT NOT NULL,
  value INTEGER NOT NULL,
  at TEXT,
  PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE bucket (
  "key" TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY ("key")
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE digest (
  day TEXT NOT NULL,
  actor TEXT NOT NULL,
  made_at TEXT NOT NULL,
  status TEXT NOT NULL,
  channel TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  lease_until TEXT,
  try_at TEXT,
  reference TEXT,
  detail TEXT NOT NULL,
  PRIMARY KEY (day, actor)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE feed (
  token_hash TEXT NOT NULL,
  actor TEXT NOT NULL,
  covers TEXT NOT NULL,
  made_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  revoked_at TEXT,
  PRIMARY KEY (token_hash)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX feed_actor ON feed (actor);

CREATE TRIGGER delivery_attempt_is_new BEFORE INSERT ON delivery_attempt BEGIN
  SELECT RAISE(ABORT, 'delivery_attempt is append-only: this row exists') WHERE EXISTS (SELECT 1 FROM delivery_attempt WHERE id = NEW.id);
END;

CREATE TRIGGER delivery_attempt_no_update BEFORE UPDATE ON delivery_attempt BEGIN
  SELECT RAISE(ABORT, 'delivery_attempt is append-only: UPDATE is refused');
END;

CREATE TRIGGER delivery_receipt_is_new BEFORE INSERT ON delivery_receipt BEGIN
  SELECT RAISE(ABORT, 'delivery_receipt is append-only: this row exists') WHERE EXISTS (SELECT 1 FROM delivery_receipt WHERE id = NEW.id OR (channel = NEW.channel AND reference = NEW.reference AND kind = NEW.kind));
END;

CREATE TRIGGER delivery_receipt_no_update BEFORE UPDATE ON delivery_receipt BEGIN
  SELECT RAISE(ABORT, 'delivery_receipt is append-only: UPDATE is refused');
END;

CREATE TRIGGER delivery_run_is_new BEFORE INSERT ON delivery_run BEGIN
  SELECT RAISE(ABORT, 'delivery_run is append-only: this row exists') WHERE EXISTS (SELECT 1 FROM delivery_run WHERE entry = NEW.entry);
END;

CREATE TRIGGER delivery_run_no_update BEFORE UPDATE ON delivery_run BEGIN
  SELECT RAISE(ABORT, 'delivery_run is append-only: UPDATE is refused');
END;

CREATE TRIGGER delivery_run_no_delete BEFORE DELETE ON delivery_run BEGIN
  SELECT RAISE(ABORT, 'delivery_run is append-only: DELETE is refused');
END;

CREATE TRIGGER delivery_attempt_no_delete BEFORE DELETE ON delivery_attempt BEGIN
  SELECT RAISE(ABORT, 'delivery_attempt is append-only: DELETE is refused')
    WHERE NOT (EXISTS (SELECT 1 FROM delivery_run d, delivery_attempt a WHERE a.id = OLD.id AND d.entry >= (SELECT rooted FROM audit_head WHERE id = 1) AND a.at < d.before AND EXISTS (SELECT 1 FROM message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= d.before) AND NOT EXISTS (SELECT 1 FROM episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT json_extract(h.value, '$.person') FROM site_state s, json_each(s.body, '$.holds') AS h))) OR EXISTS (SELECT 1 FROM delivery_attempt c JOIN episode e ON e.id = c.episode_id JOIN erasure x ON x.person_ref = e.person_ref WHERE c.id = OLD.id));
END;

CREATE TRIGGER delivery_receipt_no_delete BEFORE DELETE ON delivery_receipt BEGIN
  SELECT RAISE(ABORT, 'delivery_receipt is append-only: DELETE is refused')
    WHERE NOT (EXISTS (SELECT 1 FROM delivery_run d, delivery_receipt r WHERE r.id = OLD.id AND d.entry >= (SELECT rooted FROM audit_head WHERE id = 1) AND r.at < d.before AND NOT EXISTS (SELECT 1 FROM delivery_attempt a WHERE a.channel = r.channel AND a.provider_ref = r.reference AND NOT (a.at < d.before AND EXISTS (SELECT 1 FROM message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= d.before) AND NOT EXISTS (SELECT 1 FROM episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT json_extract(h.value, '$.person') FROM site_state s, json_each(s.body, '$.holds') AS h))))) OR EXISTS (SELECT 1 FROM delivery_attempt c JOIN episode e ON e.id = c.episode_id JOIN erasure x ON x.person_ref = e.person_ref WHERE c.channel = OLD.channel AND c.provider_ref = OLD.reference));
END;

CREATE TRIGGER delivery_run_with_its_entry BEFORE INSERT ON delivery_run BEGIN
  SELECT RAISE(ABORT, 'tries and receipts go with a retention run only')
    WHERE NOT EXISTS (SELECT 1 FROM audit_entry
    WHERE idx = NEW.entry AND idx >= (SELECT rooted FROM audit_head WHERE id = 1)
    AND json_extract(CAST(entry AS TEXT), '$.type', '$.outcome') = json_array('site.retain', 'accepted'));
  SELECT RAISE(ABORT, 'a retention run takes away as many tries and receipts as it says')
    WHERE NEW.count IS NOT (SELECT (SELECT count(*) FROM delivery_attempt a WHERE a.at < NEW.before AND EXISTS (SELECT 1 FROM message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= NEW.before) AND NOT EXISTS (SELECT 1 FROM episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT json_extract(h.value, '$.person') FROM site_state s, json_each(s.body, '$.holds') AS h))) + (SELECT count(*) FROM delivery_receipt r WHERE r.at < NEW.before AND NOT EXISTS (SELECT 1 FROM delivery_attempt a WHERE a.channel = r.channel AND a.provider_ref = r.reference AND NOT (a.at < NEW.before AND EXISTS (SELECT 1 FROM message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= NEW.before) AND NOT EXISTS (SELECT 1 FROM episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT json_extract(h.value, '$.person') FROM site_state s, json_each(s.body, '$.holds') AS h))))));
END;

CREATE TRIGGER delivery_run_takes AFTER INSERT ON delivery_run BEGIN
  DELETE FROM delivery_receipt WHERE id IN (SELECT r.id FROM delivery_receipt r WHERE r.at < NEW.before AND NOT EXISTS (SELECT 1 FROM delivery_attempt a WHERE a.channel = r.channel AND a.provider_ref = r.reference AND NOT (a.at < NEW.before AND EXISTS (SELECT 1 FROM message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= NEW.before) AND NOT EXISTS (SELECT 1 FROM episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT json_extract(h.value, '$.person') FROM site_state s, json_each(s.body, '$.holds') AS h)))));
  DELETE FROM delivery_attempt WHERE id IN (SELECT a.id FROM delivery_attempt a WHERE a.at < NEW.before AND EXISTS (SELECT 1 FROM message m WHERE m.episode_id = a.episode_id AND m.id = a.message_id AND m.status <> 'queued') AND NOT EXISTS (SELECT 1 FROM delivery_attempt b WHERE b.episode_id = a.episode_id AND b.message_id = a.message_id AND b.at >= NEW.before) AND NOT EXISTS (SELECT 1 FROM episode e WHERE e.id = a.episode_id AND e.person_ref IN (SELECT json_extract(h.value, '$.person') FROM site_state s, json_each(s.body, '$.holds') AS h)));
END;

CREATE TRIGGER erasure_empties AFTER INSERT ON erasure BEGIN
  DELETE FROM idempotency WHERE entry IN (SELECT e.id FROM audit_sealed s JOIN audit_entry e ON e.idx = s.idx WHERE s.person_ref = NEW.person_ref);
  DELETE FROM due_item WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = NEW.person_ref);
  DELETE FROM timer WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = NEW.person_ref);
  DELETE FROM delivery_receipt WHERE (channel, reference) IN (SELECT channel, provider_ref FROM delivery_attempt WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = NEW.person_ref));
  DELETE FROM delivery_attempt WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = NEW.person_ref);
  UPDATE message SET "template" = '', "language" = '', "recipient" = '', "channel" = '', "due_item" = NULL, "not_before" = NEW.at, "expires_at" = NULL, "category" = '', "reason" = '', "follows" = NULL, "reference" = NULL, "lease_owner" = NULL, "lease_until" = NULL, "last_error" = NULL, "parked" = NULL, "try_at" = NULL, "stage" = NULL, status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END, fence = fence + 1 WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = NEW.person_ref);
  UPDATE episode SET "zone" = 'UTC', "language" = '', "team" = '', "owner" = NULL, "region" = '', "plan_version" = 0, "response" = NULL, "chronicity" = NULL, "baseline" = NULL, "last" = NULL, "change" = NULL, "flags_open" = 0, "urgency" = '', "next_due_at" = NULL, "opened_at" = NEW.at, "closed_at" = NEW.at, "updated_at" = NEW.at WHERE person_ref = NEW.person_ref;
END;
