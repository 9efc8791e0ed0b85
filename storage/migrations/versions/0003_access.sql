CREATE TABLE access_entry (
  idx INTEGER NOT NULL,
  id TEXT NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  type TEXT NOT NULL,
  opening INTEGER,
  leaf BLOB NOT NULL,
  entry BLOB NOT NULL,
  PRIMARY KEY (idx),
  UNIQUE (id)
)
 STRICT;

CREATE INDEX access_entry_actor ON access_entry (actor, idx);

CREATE INDEX access_entry_at ON access_entry (at);

CREATE INDEX access_entry_glass ON access_entry (actor, at) WHERE type = 'break_glass.opened';

CREATE INDEX access_entry_opening ON access_entry (opening) WHERE opening IS NOT NULL;

CREATE TABLE access_head (
  id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  rooted INTEGER NOT NULL,
  frontier BLOB NOT NULL,
  first INTEGER NOT NULL,
  base BLOB NOT NULL,
  pruned_by INTEGER,
  origin TEXT NOT NULL,
  PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE access_sealed (
  idx INTEGER NOT NULL,
  blob BLOB NOT NULL,
  key_id TEXT NOT NULL,
  person_ref TEXT NOT NULL,
  PRIMARY KEY (idx),
  FOREIGN KEY(idx) REFERENCES access_entry (idx) DEFERRABLE INITIALLY DEFERRED
)
 STRICT;

CREATE INDEX access_sealed_person ON access_sealed (person_ref, idx);

CREATE TABLE access_seen (
  ref TEXT NOT NULL,
  idx INTEGER NOT NULL,
  PRIMARY KEY (ref, idx),
  FOREIGN KEY(idx) REFERENCES access_entry (idx) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

CREATE TRIGGER access_entry_in_order BEFORE INSERT ON access_entry BEGIN
  SELECT RAISE(ABORT, 'read out of order: not the next index')
    WHERE NEW.idx IS NOT (SELECT n FROM access_head WHERE id = 1);
  SELECT RAISE(ABORT, 'access_entry is append-only: this row exists')
    WHERE EXISTS (SELECT 1 FROM access_entry WHERE idx = NEW.idx OR id = NEW.id);
  SELECT RAISE(ABORT, 'read whose columns differ from its bytes')
    WHERE json_extract(CAST(NEW.entry AS TEXT), '$.idx', '$.id', '$.ts', '$.actor.id', '$.type', '$.opening')
    IS NOT json_array(NEW.idx, NEW.id, NEW.at, NEW.actor, NEW.type, NEW.opening);
END;

CREATE TRIGGER access_entry_applied AFTER INSERT ON access_entry BEGIN
  INSERT INTO access_seen (ref, idx)
    SELECT value, NEW.idx FROM json_each(CAST(NEW.entry AS TEXT), '$.persons')
    UNION SELECT value, NEW.idx FROM json_each(CAST(NEW.entry AS TEXT), '$.episodes');
  UPDATE access_head SET n = NEW.idx + 1 WHERE id = 1;
  SELECT RAISE(ABORT, 'read that did not advance the head')
    WHERE NEW.idx + 1 IS NOT (SELECT n FROM access_head WHERE id = 1);
END;

CREATE TRIGGER access_seen_with_its_entry BEFORE INSERT ON access_seen BEGIN
  SELECT RAISE(ABORT, 'what was seen is listed by its entry only')
    WHERE NEW.idx IS NOT (SELECT n FROM access_head WHERE id = 1)
    OR NOT EXISTS (SELECT 1 FROM access_entry WHERE idx = NEW.idx);
END;

CREATE TRIGGER access_sealed_with_its_entry BEFORE INSERT ON access_sealed BEGIN
  SELECT RAISE(ABORT, 'a sealed part belongs to an entry just appended')
    WHERE NOT EXISTS (SELECT 1 FROM access_entry WHERE idx = NEW.idx
    AND idx >= (SELECT rooted FROM access_head WHERE id = 1))
    OR EXISTS (SELECT 1 FROM access_sealed WHERE idx = NEW.idx);
END;

CREATE TRIGGER access_entry_no_update BEFORE UPDATE ON access_entry BEGIN
  SELECT RAISE(ABORT, 'access_entry is append-only: UPDATE is refused');
END;

CREATE TRIGGER access_seen_no_update BEFORE UPDATE ON access_seen BEGIN
  SELECT RAISE(ABORT, 'access_seen is append-only: UPDATE is refused');
END;

CREATE TRIGGER access_sealed_no_update BEFORE UPDATE ON access_sealed BEGIN
  SELECT RAISE(ABORT, 'access_sealed is append-only: UPDATE is refused');
END;

CREATE TRIGGER access_entry_no_delete BEFORE DELETE ON access_entry BEGIN
  SELECT RAISE(ABORT, 'access_entry is append-only: DELETE is refused')
    WHERE OLD.idx >= coalesce((SELECT first FROM access_head WHERE id = 1), OLD.idx);
END;

CREATE TRIGGER access_seen_no_delete BEFORE DELETE ON access_seen BEGIN
  SELECT RAISE(ABORT, 'access_seen is append-only: DELETE is refused')
    WHERE OLD.idx >= coalesce((SELECT first FROM access_head WHERE id = 1), OLD.idx);
END;

CREATE TRIGGER access_sealed_no_delete BEFORE DELETE ON access_sealed BEGIN
  SELECT RAISE(ABORT, 'access_sealed is append-only: DELETE is refused')
    WHERE OLD.idx >= coalesce((SELECT first FROM access_head WHERE id = 1), OLD.idx);
END;

CREATE TRIGGER access_head_once BEFORE INSERT ON access_head BEGIN
  SELECT RAISE(ABORT, 'the log of reads has one head')
    WHERE NEW.id IS NOT 1 OR NEW.n IS NOT 0 OR NEW.first IS NOT 0 OR EXISTS (SELECT 1 FROM access_head);
END;

CREATE TRIGGER access_head_advances BEFORE UPDATE ON access_head BEGIN
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
    AND json_extract(CAST(entry AS TEXT), '$.type', '$.outcome') = json_array('site.retain', 'accepted'))) IS NOT 1;
  SELECT RAISE(ABORT, 'an opened episode waits for review: see `stepcare audit reviews`, then run it again')
    WHERE NEW.first IS NOT OLD.first AND EXISTS (SELECT 1 FROM access_entry e
    WHERE e.type = 'break_glass.opened' AND e.idx < NEW.first AND NOT EXISTS (SELECT 1 FROM access_entry r
    WHERE r.opening = e.idx AND r.type = 'break_glass.reviewed'));
END;

CREATE TRIGGER access_head_shortened AFTER UPDATE OF first ON access_head BEGIN
  DELETE FROM access_seen WHERE idx < NEW.first;
  DELETE FROM access_sealed WHERE idx < NEW.first;
  DELETE FROM access_entry WHERE idx < NEW.first;
END;

CREATE TRIGGER access_head_stays BEFORE DELETE ON access_head BEGIN
  SELECT RAISE(ABORT, 'the log of reads has one head');
END;
