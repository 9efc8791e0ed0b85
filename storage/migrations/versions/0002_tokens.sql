CREATE TABLE token (
  id TEXT NOT NULL,
  secret_hash TEXT NOT NULL,
  actor TEXT NOT NULL,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  revoked_at TEXT,
  PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;

DROP TRIGGER audit_sealed_with_its_entry;

CREATE TRIGGER audit_sealed_with_its_entry BEFORE INSERT ON audit_sealed BEGIN
  SELECT RAISE(ABORT, 'a sealed part belongs to an entry just appended') WHERE NOT EXISTS (SELECT 1 FROM audit_entry WHERE idx = NEW.idx AND idx >= (SELECT rooted FROM audit_head WHERE id = 1));
END;

CREATE INDEX idempotency_entry ON idempotency (entry);
