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

DROP INDEX due_item_open;

ALTER TABLE due_item RENAME TO due_item_before;

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
  team TEXT,
  assignee TEXT,
  place TEXT,
  PRIMARY KEY (episode_id, id),
  FOREIGN KEY(episode_id) REFERENCES episode (id) DEFERRABLE INITIALLY DEFERRED
)
 WITHOUT ROWID,
 STRICT;

WITH policy AS MATERIALIZED (
  SELECT pack.sha256 AS pathway, due.key AS kind, json_extract(due.value, '$.priority') AS priority
  FROM pack, json_each(CAST(pack.bytes AS TEXT), '$.due') AS due
)
INSERT INTO due_item
SELECT item.*,
  CASE WHEN item.status = 'open' THEN episode.team END,
  CASE WHEN item.status = 'open' THEN coalesce(item.owner, episode.owner) END,
  CASE WHEN item.status = 'open' THEN
    CASE
      WHEN policy.priority = 'emergency' OR episode.urgency = 'emergency' THEN '0'
      WHEN policy.priority = 'urgent' OR episode.urgency = 'urgent' THEN '1'
      WHEN policy.priority = 'safety' AND item.rung = 0 THEN '2'
      WHEN policy.priority = 'safety' THEN '3'
      WHEN item.rung > 0 THEN '4'
      ELSE '5'
    END || ' ' || coalesce(item.due_at, '~')
  END
FROM due_item_before AS item
JOIN episode ON episode.id = item.episode_id
LEFT JOIN policy ON policy.pathway = episode.pathway_sha AND policy.kind = item.kind;

DROP TABLE due_item_before;

CREATE INDEX due_item_all_opens ON due_item (opens_at) WHERE place IS NOT NULL;

CREATE INDEX due_item_all_place ON due_item (place, episode_id, id) WHERE place IS NOT NULL;

CREATE INDEX due_item_assignee_opens ON due_item (assignee, opens_at) WHERE place IS NOT NULL;

CREATE INDEX due_item_assignee_place ON due_item (assignee, place, episode_id, id) WHERE place IS NOT NULL;

CREATE INDEX due_item_team_opens ON due_item (team, opens_at) WHERE place IS NOT NULL;

CREATE INDEX due_item_team_place ON due_item (team, place, episode_id, id) WHERE place IS NOT NULL;
