CREATE TABLE session (
  secret_hash TEXT COLLATE "C" NOT NULL,
  actor TEXT COLLATE "C" NOT NULL,
  role TEXT COLLATE "C" NOT NULL,
  made_at TEXT COLLATE "C" NOT NULL,
  seen_at TEXT COLLATE "C" NOT NULL,
  ended_at TEXT COLLATE "C",
  PRIMARY KEY (secret_hash)
);

CREATE INDEX session_actor ON session (actor);

CREATE INDEX session_age ON session (made_at);
