CREATE TABLE audit_entry (
  idx INTEGER NOT NULL,
  id TEXT NOT NULL,
  ep TEXT,
  epn INTEGER NOT NULL,
  leaf BLOB NOT NULL,
  entry BLOB NOT NULL,
  PRIMARY KEY (idx),
  UNIQUE (id),
  UNIQUE (ep, epn)
)
 STRICT;

CREATE TABLE audit_head (
  id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  rooted INTEGER NOT NULL,
  frontier BLOB NOT NULL,
  origin TEXT NOT NULL,
  PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE episode_next (
  id TEXT NOT NULL,
  person_ref TEXT NOT NULL,
  pathway_sha TEXT NOT NULL,
  zone TEXT NOT NULL,
  language TEXT NOT NULL,
  team TEXT NOT NULL,
  owner TEXT,
  region TEXT NOT NULL,
  state TEXT NOT NULL,
  version INTEGER NOT NULL,
  plan_version INTEGER NOT NULL,
  last_idx INTEGER NOT NULL,
  response TEXT,
  chronicity TEXT,
  baseline TEXT,
  last TEXT,
  change TEXT,
  flags_open INTEGER NOT NULL,
  urgency TEXT NOT NULL,
  next_due_at TEXT,
  opened_at TEXT NOT NULL,
  closed_at TEXT,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE meta (
  id INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  vault TEXT NOT NULL,
  zone TEXT NOT NULL,
  PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE pack (
  sha256 TEXT NOT NULL,
  pathway_id TEXT NOT NULL,
  label TEXT NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (sha256)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE parameter_set (
  sha256 TEXT NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (sha256)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE person_state (
  ref TEXT NOT NULL,
  version INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  commitment TEXT NOT NULL,
  key_id TEXT NOT NULL,
  PRIMARY KEY (ref)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE site_next (
  id INTEGER NOT NULL,
  version INTEGER NOT NULL,
  last_idx INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE site_state (
  id INTEGER NOT NULL,
  version INTEGER NOT NULL,
  last_idx INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE worker (
  id TEXT NOT NULL,
  heartbeat_at TEXT NOT NULL,
  version TEXT NOT NULL,
  PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE audit_sealed (
  idx INTEGER NOT NULL,
  blob BLOB NOT NULL,
  key_id TEXT NOT NULL,
  person_ref TEXT NOT NULL,
  PRIMARY KEY (idx),
  FOREIGN KEY(idx) REFERENCES audit_entry (idx) DEFERRABLE INITIALLY DEFERRED
)
 STRICT;

CREATE INDEX audit_sealed_person ON audit_sealed (person_ref, idx);

CREATE TABLE episode (
  id TEXT NOT NULL,
  person_ref TEXT NOT NULL,
  pathway_sha TEXT NOT NULL,
  zone TEXT NOT NULL,
  language TEXT NOT NULL,
  team TEXT NOT NULL,
  owner TEXT,
  region TEXT NOT NULL,
  state TEXT NOT NULL,
  version INTEGER NOT NULL,
  plan_version INTEGER NOT NULL,
  last_idx INTEGER NOT NULL,
  response TEXT,
  chronicity TEXT,
  baseline TEXT,
  last TEXT,
  change TEXT,
  flags_open INTEGER NOT NULL,
  urgency TEXT NOT NULL,
  next_due_at TEXT,
  opened_at TEXT NOT NULL,
  closed_at TEXT,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(person_ref) REFERENCES person_state (ref) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY(pathway_sha) REFERENCES pack (sha256) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX episode_opened ON episode (opened_at, id);

CREATE INDEX episode_owner ON episode (owner, opened_at, id);

CREATE INDEX episode_person ON episode (person_ref);

CREATE INDEX episode_team ON episode (team, opened_at, id);

CREATE TABLE idempotency (
  actor TEXT NOT NULL,
  "key" TEXT NOT NULL,
  entry TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (actor, "key"),
  FOREIGN KEY(entry) REFERENCES audit_entry (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE due_item (
  episode_id TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  occurrence TEXT NOT NULL,
  title TEXT NOT NULL,
  anchor TEXT NOT NULL,
  opens_after TEXT NOT NULL,
  due_after TEXT NOT NULL,
  opens_at TEXT NOT NULL,
  due_at TEXT,
  due_on TEXT,
  owner_role TEXT NOT NULL,
  status TEXT NOT NULL,
  owner TEXT,
  rung INTEGER NOT NULL,
  fired INTEGER NOT NULL,
  snoozed_until TEXT,
  closed_by TEXT,
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX due_item_open ON due_item (due_at, episode_id, id) WHERE status = 'open';

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
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX message_queued ON message (not_before, episode_id, id) WHERE status = 'queued';

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
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX timer_armed ON timer (at, episode_id, id) WHERE state = 'armed';

CREATE TABLE delivery_attempt (
  id INTEGER NOT NULL,
  episode_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  at TEXT NOT NULL,
  status TEXT NOT NULL,
  provider_ref TEXT,
  detail TEXT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(episode_id, message_id) REFERENCES message (episode_id, id)
)
 STRICT;

CREATE INDEX attempts_of_message ON delivery_attempt (episode_id, message_id);

CREATE TRIGGER audit_entry_is_new BEFORE INSERT ON audit_entry BEGIN
  SELECT RAISE(ABORT, 'audit_entry is append-only: this row exists') WHERE EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.idx OR id = NEW.id OR (ep IS NEW.ep AND epn = NEW.epn));
END;

CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry BEGIN
  SELECT RAISE(ABORT, 'audit_entry is append-only: UPDATE is refused');
END;

CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry BEGIN
  SELECT RAISE(ABORT, 'audit_entry is append-only: DELETE is refused');
END;

CREATE TRIGGER audit_sealed_is_new BEFORE INSERT ON audit_sealed BEGIN
  SELECT RAISE(ABORT, 'audit_sealed is append-only: this row exists') WHERE EXISTS (SELECT 1 FROM audit_sealed WHERE idx = NEW.idx);
END;

CREATE TRIGGER audit_sealed_no_update BEFORE UPDATE ON audit_sealed BEGIN
  SELECT RAISE(ABORT, 'audit_sealed is append-only: UPDATE is refused');
END;

CREATE TRIGGER audit_sealed_no_delete BEFORE DELETE ON audit_sealed BEGIN
  SELECT RAISE(ABORT, 'audit_sealed is append-only: DELETE is refused');
END;

CREATE TRIGGER pack_is_new BEFORE INSERT ON pack BEGIN
  SELECT RAISE(ABORT, 'pack is append-only: this row exists') WHERE EXISTS (SELECT 1 FROM pack WHERE sha256 = NEW.sha256);
END;

CREATE TRIGGER pack_no_update BEFORE UPDATE ON pack BEGIN
  SELECT RAISE(ABORT, 'pack is append-only: UPDATE is refused');
END;

CREATE TRIGGER pack_no_delete BEFORE DELETE ON pack BEGIN
  SELECT RAISE(ABORT, 'pack is append-only: DELETE is refused');
END;

CREATE TRIGGER parameter_set_is_new BEFORE INSERT ON parameter_set BEGIN
  SELECT RAISE(ABORT, 'parameter_set is append-only: this row exists') WHERE EXISTS (SELECT 1 FROM parameter_set WHERE sha256 = NEW.sha256);
END;

CREATE TRIGGER parameter_set_no_update BEFORE UPDATE ON parameter_set BEGIN
  SELECT RAISE(ABORT, 'parameter_set is append-only: UPDATE is refused');
END;

CREATE TRIGGER parameter_set_no_delete BEFORE DELETE ON parameter_set BEGIN
  SELECT RAISE(ABORT, 'parameter_set is append-only: DELETE is refused');
END;

CREATE TRIGGER delivery_attempt_is_new BEFORE INSERT ON delivery_attempt BEGIN
  SELECT RAISE(ABORT, 'delivery_attempt is append-only: this row exists') WHERE EXISTS (SELECT 1 FROM delivery_attempt WHERE id = NEW.id);
END;

CREATE TRIGGER delivery_attempt_no_update BEFORE UPDATE ON delivery_attempt BEGIN
  SELECT RAISE(ABORT, 'delivery_attempt is append-only: UPDATE is refused');
END;

CREATE TRIGGER delivery_attempt_no_delete BEFORE DELETE ON delivery_attempt BEGIN
  SELECT RAISE(ABORT, 'delivery_attempt is append-only: DELETE is refused');
END;

CREATE TRIGGER audit_entry_in_order BEFORE INSERT ON audit_entry BEGIN
  SELECT RAISE(ABORT, 'entry out of order: not the next index') WHERE NEW.idx IS NOT (SELECT n FROM audit_head WHERE id = 1);
  SELECT RAISE(ABORT, 'entry out of order: not the next number of its chain') WHERE NEW.epn IS NOT CASE WHEN NEW.ep IS NULL THEN (SELECT coalesce(max(epn) + 1, 0) FROM audit_entry WHERE ep IS NULL) ELSE coalesce((SELECT version FROM episode WHERE id = NEW.ep), 0) END;
  SELECT RAISE(ABORT, 'entry whose columns differ from its bytes') WHERE json_extract(CAST(NEW.entry AS TEXT), '$.idx', '$.id', '$.ep', '$.epn') IS NOT json_array(NEW.idx, NEW.id, NEW.ep, NEW.epn);
  SELECT RAISE(ABORT, 'entry without its state change') WHERE NEW.ep IS NOT NULL AND json_extract(CAST(NEW.entry AS TEXT), '$.idx', '$.epn', '$.ver.before', '$.ver.after', '$.state.to') IS NOT (SELECT json_array(last_idx, version - 1, version - 1, version, state) FROM episode_next WHERE id = NEW.ep);
  SELECT RAISE(ABORT, 'entry without its change of the site') WHERE NEW.ep IS NULL AND json_extract(CAST(NEW.entry AS TEXT), '$.idx', '$.ver.before', '$.ver.after') IS NOT coalesce((SELECT json_array(last_idx, version - 1, version) FROM site_next WHERE id = 1), json_array(NEW.idx, coalesce((SELECT version FROM site_state), 0), coalesce((SELECT version FROM site_state), 0)));
END;

CREATE TRIGGER audit_entry_applied AFTER INSERT ON audit_entry BEGIN
  UPDATE audit_head SET n = NEW.idx + 1 WHERE id = 1;
  INSERT INTO episode ("id", "person_ref", "pathway_sha", "zone", "language", "team", "owner", "region", "state", "version", "plan_version", "last_idx", "response", "chronicity", "baseline", "last", "change", "flags_open", "urgency", "next_due_at", "opened_at", "closed_at", "updated_at") SELECT "id", "person_ref", "pathway_sha", "zone", "language", "team", "owner", "region", "state", "version", "plan_version", "last_idx", "response", "chronicity", "baseline", "last", "change", "flags_open", "urgency", "next_due_at", "opened_at", "closed_at", "updated_at" FROM episode_next WHERE id = NEW.ep AND version = 1;
  UPDATE episode SET ("id", "person_ref", "pathway_sha", "zone", "language", "team", "owner", "region", "state", "version", "plan_version", "last_idx", "response", "chronicity", "baseline", "last", "change", "flags_open", "urgency", "next_due_at", "opened_at", "closed_at", "updated_at") = (SELECT "id", "person_ref", "pathway_sha", "zone", "language", "team", "owner", "region", "state", "version", "plan_version", "last_idx", "response", "chronicity", "baseline", "last", "change", "flags_open", "urgency", "next_due_at", "opened_at", "closed_at", "updated_at" FROM episode_next WHERE id = NEW.ep) WHERE id = NEW.ep AND EXISTS (SELECT 1 FROM episode_next WHERE id = NEW.ep AND version > 1);
  DELETE FROM episode_next WHERE id = NEW.ep;
  INSERT INTO site_state ("id", "version", "last_idx", "body") SELECT "id", "version", "last_idx", "body" FROM site_next WHERE id = 1 AND NEW.ep IS NULL AND version = 1;
  UPDATE site_state SET ("id", "version", "last_idx", "body") = (SELECT "id", "version", "last_idx", "body" FROM site_next WHERE id = 1 AND NEW.ep IS NULL) WHERE id = 1 AND NEW.ep IS NULL AND EXISTS (SELECT 1 FROM site_next WHERE id = 1 AND NEW.ep IS NULL AND version > 1);
  DELETE FROM site_next WHERE id = 1 AND NEW.ep IS NULL;
  SELECT RAISE(ABORT, 'entry that did not advance the head') WHERE NEW.idx + 1 IS NOT (SELECT n FROM audit_head WHERE id = 1);
  SELECT RAISE(ABORT, 'entry that did not change its state') WHERE json_extract(CAST(NEW.entry AS TEXT), '$.ver.after') IS NOT coalesce(CASE WHEN NEW.ep IS NULL THEN (SELECT version FROM site_state) ELSE (SELECT version FROM episode WHERE id = NEW.ep AND last_idx = NEW.idx) END, 0);
END;

CREATE TRIGGER audit_sealed_with_its_entry BEFORE INSERT ON audit_sealed BEGIN
  SELECT RAISE(ABORT, 'a sealed part belongs to the entry just appended') WHERE NEW.idx IS NOT (SELECT n - 1 FROM audit_head WHERE id = 1);
END;

CREATE TRIGGER audit_head_once BEFORE INSERT ON audit_head BEGIN
  SELECT RAISE(ABORT, 'the log has one head') WHERE NEW.id IS NOT 1 OR NEW.n IS NOT 0 OR EXISTS (SELECT 1 FROM audit_head);
END;

CREATE TRIGGER audit_head_advances BEFORE UPDATE ON audit_head BEGIN
  SELECT RAISE(ABORT, 'the head keeps its identity') WHERE NEW.id IS NOT OLD.id OR NEW.origin IS NOT OLD.origin;
  SELECT RAISE(ABORT, 'the head advances with an entry only') WHERE NEW.n IS NOT OLD.n AND (NEW.n IS NOT OLD.n + 1 OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = OLD.n));
  SELECT RAISE(ABORT, 'the frontier changes after new entries only') WHERE (NEW.frontier IS NOT OLD.frontier OR NEW.rooted IS NOT OLD.rooted) AND (NEW.rooted IS NOT OLD.n OR NEW.n IS NOT OLD.n OR OLD.rooted IS OLD.n);
END;

CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head BEGIN
  SELECT RAISE(ABORT, 'the log has one head');
END;

CREATE TRIGGER episode_begins BEFORE INSERT ON episode BEGIN
  SELECT RAISE(ABORT, 'episode begins with its first entry only') WHERE NEW.version IS NOT 1 OR EXISTS (SELECT 1 FROM episode WHERE id = NEW.id) OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.last_idx AND ep = NEW.id AND epn = NEW.version - 1);
END;

CREATE TRIGGER episode_steps BEFORE UPDATE ON episode BEGIN
  SELECT RAISE(ABORT, 'episode changes with its next entry only') WHERE NEW.id IS NOT OLD.id OR NEW.version IS NOT OLD.version + 1 OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.last_idx AND ep = NEW.id AND epn = NEW.version - 1);
END;

CREATE TRIGGER episode_stays BEFORE DELETE ON episode BEGIN
  SELECT RAISE(ABORT, 'episode is never deleted');
END;

CREATE TRIGGER site_state_begins BEFORE INSERT ON site_state BEGIN
  SELECT RAISE(ABORT, 'site_state begins with its first entry only') WHERE NEW.version IS NOT 1 OR EXISTS (SELECT 1 FROM site_state WHERE id = NEW.id) OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.last_idx AND ep IS NULL AND NEW.id = 1 AND json_extract(CAST(entry AS TEXT), '$.ver.after') = NEW.version);
END;

CREATE TRIGGER site_state_steps BEFORE UPDATE ON site_state BEGIN
  SELECT RAISE(ABORT, 'site_state changes with its next entry only') WHERE NEW.id IS NOT OLD.id OR NEW.version IS NOT OLD.version + 1 OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.last_idx AND ep IS NULL AND NEW.id = 1 AND json_extract(CAST(entry AS TEXT), '$.ver.after') = NEW.version);
END;

CREATE TRIGGER site_state_stays BEFORE DELETE ON site_state BEGIN
  SELECT RAISE(ABORT, 'site_state is never deleted');
END;

CREATE TRIGGER person_state_begins BEFORE INSERT ON person_state BEGIN
  SELECT RAISE(ABORT, 'person_state begins at version 1') WHERE NEW.version IS NOT 1 OR EXISTS (SELECT 1 FROM person_state WHERE ref = NEW.ref);
END;

CREATE TRIGGER person_state_steps BEFORE UPDATE ON person_state BEGIN
  SELECT RAISE(ABORT, 'person_state changes by one version only') WHERE NEW.ref IS NOT OLD.ref OR NEW.version IS NOT OLD.version + 1;
END;

CREATE TRIGGER person_state_stays BEFORE DELETE ON person_state BEGIN
  SELECT RAISE(ABORT, 'person_state is never deleted');
END;
