CREATE TABLE erasure (
  person_ref TEXT NOT NULL,
  entry TEXT NOT NULL,
  at TEXT NOT NULL,
  destroyed TEXT,
  PRIMARY KEY (person_ref)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX erasure_to_destroy ON erasure (person_ref) WHERE destroyed IS NULL;

DROP TRIGGER episode_steps;

CREATE TRIGGER episode_steps BEFORE UPDATE ON episode BEGIN
  SELECT RAISE(ABORT, 'episode changes with its next entry only') WHERE (NEW.id IS NOT OLD.id OR NEW.version IS NOT OLD.version + 1 OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.last_idx AND ep = NEW.id AND epn = NEW.version - 1)) AND NOT (NOT (NEW.id IS NOT OLD.id OR NEW.version IS NOT OLD.version OR NEW.last_idx IS NOT OLD.last_idx OR NEW.person_ref IS NOT OLD.person_ref OR NEW.pathway_sha IS NOT OLD.pathway_sha OR NEW.state IS NOT OLD.state) AND EXISTS (SELECT 1 FROM erasure WHERE person_ref = NEW.person_ref AND NOT (NEW."zone" IS NOT 'UTC' OR NEW."language" IS NOT '' OR NEW."team" IS NOT '' OR NEW."owner" IS NOT NULL OR NEW."region" IS NOT '' OR NEW."plan_version" IS NOT 0 OR NEW."response" IS NOT NULL OR NEW."chronicity" IS NOT NULL OR NEW."baseline" IS NOT NULL OR NEW."last" IS NOT NULL OR NEW."change" IS NOT NULL OR NEW."flags_open" IS NOT 0 OR NEW."urgency" IS NOT '' OR NEW."next_due_at" IS NOT NULL OR NEW."opened_at" IS NOT erasure.at OR NEW."closed_at" IS NOT erasure.at OR NEW."updated_at" IS NOT erasure.at)));
END;

CREATE TRIGGER erasure_with_its_entry BEFORE INSERT ON erasure BEGIN
  SELECT RAISE(ABORT, 'erasure is append-only: this row exists')
    WHERE EXISTS (SELECT 1 FROM erasure WHERE person_ref = NEW.person_ref);
  SELECT RAISE(ABORT, 'a person is erased with an entry just appended')
    WHERE NEW.destroyed IS NOT NULL OR NOT EXISTS (SELECT 1 FROM audit_entry
    WHERE id = NEW.entry AND idx >= (SELECT rooted FROM audit_head WHERE id = 1)
    AND json_extract(CAST(entry AS TEXT), '$.type', '$.outcome', '$.ts') = json_array('subject.erased', 'accepted', NEW.at));
END;

CREATE TRIGGER erasure_empties AFTER INSERT ON erasure BEGIN
  DELETE FROM idempotency WHERE entry IN (SELECT e.id FROM audit_sealed s JOIN audit_entry e ON e.idx = s.idx WHERE s.person_ref = NEW.person_ref);
  DELETE FROM due_item WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = NEW.person_ref);
  DELETE FROM timer WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = NEW.person_ref);
  UPDATE message SET "template" = '', "language" = '', "recipient" = '', "channel" = '', "due_item" = NULL, "not_before" = NEW.at, "expires_at" = NULL, status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END WHERE episode_id IN (SELECT id FROM episode WHERE person_ref = NEW.person_ref);
  UPDATE episode SET "zone" = 'UTC', "language" = '', "team" = '', "owner" = NULL, "region" = '', "plan_version" = 0, "response" = NULL, "chronicity" = NULL, "baseline" = NULL, "last" = NULL, "change" = NULL, "flags_open" = 0, "urgency" = '', "next_due_at" = NULL, "opened_at" = NEW.at, "closed_at" = NEW.at, "updated_at" = NEW.at WHERE person_ref = NEW.person_ref;
END;

CREATE TRIGGER erasure_ends BEFORE UPDATE ON erasure BEGIN
  SELECT RAISE(ABORT, 'an erasure only ends, once, with the entry that says so')
    WHERE NEW.person_ref IS NOT OLD.person_ref OR NEW.entry IS NOT OLD.entry OR NEW.at IS NOT OLD.at
    OR OLD.destroyed IS NOT NULL OR NOT EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.destroyed
    AND json_extract(CAST(entry AS TEXT), '$.type', '$.outcome') = json_array('subject.key_destroyed', 'accepted'));
END;

CREATE TRIGGER erasure_stays BEFORE DELETE ON erasure BEGIN
  SELECT RAISE(ABORT, 'erasure is never deleted');
END;

CREATE TRIGGER audit_sealed_of_nobody_erased BEFORE INSERT ON audit_sealed BEGIN
  SELECT RAISE(ABORT, 'nothing is sealed about a person who was erased')
    WHERE EXISTS (SELECT 1 FROM erasure WHERE person_ref = NEW.person_ref);
END;
