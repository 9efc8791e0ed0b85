CREATE TABLE session (
  secret_hash TEXT NOT NULL,
  actor TEXT NOT NULL,
  role TEXT NOT NULL,
  made_at TEXT NOT NULL,
  seen_at TEXT NOT NULL,
  ended_at TEXT,
  PRIMARY KEY (secret_hash)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX session_actor ON session (actor);

CREATE INDEX session_age ON session (made_at);
